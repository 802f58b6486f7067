// The desk's clock and its door. The clock tells how long the tab was out of sight since the card came up. The door lets no verdict through that nobody can have
// meant: a key held down, the second press of a pair, or a press within a quarter of a second of a new card, which nobody has read by then.
const FRESH = 250, PENDING = 1000 // milliseconds

export default function ({ data, setStateValue }) {
  const desk = (window.opossumDesk ??= {})
  const now = performance.now()
  if (desk.card !== data.card) Object.assign(desk, { card: data.card, changed: now, away: 0, since: document.hidden ? now : null })
  Object.assign(desk, { pressed: null, pair: data.pair, keys: data.keys, tell: () => setStateValue("away", { card: desk.card, seconds: desk.away / 1000 }) })
  if (desk.listening) return
  desk.listening = true

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) desk.since = performance.now()
    else if (desk.since !== null) {
      desk.away += performance.now() - desk.since
      desk.since = null
      if (document.querySelector(".st-key-rank_card")) desk.tell()
    }
  })

  const shut = (what) => {
    const at = performance.now()
    const twice = desk.pressed && at - desk.pressed.at < PENDING && (desk.pair || desk.pressed.what === what)
    if (twice || at - desk.changed < FRESH) return true
    desk.pressed = { what, at }
    return false
  }
  const stop = (event) => { event.stopImmediatePropagation(); event.preventDefault() }

  window.addEventListener("keydown", (event) => {
    if (!desk.keys || event.ctrlKey || event.metaKey || event.altKey || !/^[abtxs1-8]$/i.test(event.key)) return
    if (event.composedPath().some((place) => /^(INPUT|TEXTAREA|SELECT)$/.test(place.tagName) || place.isContentEditable)) return
    if (document.querySelector(".st-key-rank_card") && (event.repeat || shut(event.key.toLowerCase()))) stop(event)
  }, true)
  window.addEventListener("click", (event) => {
    const button = event.isTrusted && event.target.closest?.(".st-key-rank_card [class*='st-key-pick_'] button")
    if (button && shut(button.closest("[class*='st-key-pick_']").className)) stop(event)
  }, true)
}
