// The clock of a card, and the desk's door.
//
// The clock tells how long the tab was out of sight since the card came up. Where there is a door
// (data.door, on the ranking desk), no verdict gets through that nobody can have meant: a key held
// down, the second press of a pair, or a press within a quarter of a second of a new card, which
// nobody has read by then.
const FRESH = 250, PENDING = 1000 // milliseconds

export default function ({ data, setStateValue }) {
  const clocks = (window.opossumClocks ??= {}) // one a place: "rank_card", "lab_card"
  const clock = (clocks[data.place] ??= {})
  const now = performance.now()
  if (clock.card !== data.card) {
    Object.assign(clock, { card: data.card, changed: now, away: 0 })
    clock.since = document.hidden ? now : null
  }
  clock.tell = () => setStateValue("away", { card: clock.card, seconds: clock.away / 1000 })
  Object.assign(clock, { door: data.door, pressed: null })
  if (clock.listening) return
  clock.listening = true
  const place = `.st-key-${data.place}`

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clock.since = performance.now()
    else if (clock.since !== null) {
      clock.away += performance.now() - clock.since
      clock.since = null
      if (document.querySelector(place)) clock.tell()
    }
  })

  const shut = (what) => {
    const at = performance.now()
    const again = clock.pressed && at - clock.pressed.at < PENDING
    if (again && (clock.door.pair || clock.pressed.what === what)) return true
    if (at - clock.changed < FRESH) return true
    clock.pressed = { what, at }
    return false
  }
  const stop = (event) => { event.stopImmediatePropagation(); event.preventDefault() }
  const typing = (where) =>
    where.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(where.tagName)

  window.addEventListener("keydown", (event) => {
    if (!clock.door?.keys || !/^[abgtxs1-8]$/i.test(event.key)) return
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.composedPath().some(typing) || !document.querySelector(place)) return
    if (event.repeat || shut(event.key.toLowerCase())) stop(event)
  }, true)
  window.addEventListener("click", (event) => {
    if (!clock.door || !event.isTrusted) return
    const button = event.target.closest?.(`${place} [class*='st-key-pick_'] button`)
    if (button && shut(button.closest("[class*='st-key-pick_']").className)) stop(event)
  }, true)
}
