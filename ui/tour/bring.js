// Brings the control that a station of the tour points at into sight, once for each station; a page
// that fills itself draws it only after a while, and moves it as more comes in.
const PATIENCE = 400, SETTLING = 6 // looks, 300 ms apart
export default function ({ data, parentElement }) {
  if (parentElement.station === data.station) return
  parentElement.station = data.station
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches
  let moved = false // by the learner, who is not to be pulled about
  const note = () => { moved = true }
  for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"])
    addEventListener(kind, note, { once: true, passive: true })
  const look = (left, settling) => {
    if (parentElement.station !== data.station || !parentElement.isConnected || moved) return
    const found = document.querySelector(`.st-key-${CSS.escape(data.control)}`)
    if (found) {
      const { top, bottom, height } = found.getBoundingClientRect()
      const seen = top >= 0 && (bottom <= innerHeight || (height > innerHeight && top < innerHeight / 3))
      const block = height > 0.8 * innerHeight ? "start" : "center"
      if (!seen || settling === SETTLING)
        found.scrollIntoView({ block, behavior: still ? "auto" : "smooth" })
      if (settling) setTimeout(() => look(left, settling - 1), 300)
    } else if (left) setTimeout(() => look(left - 1, settling), 300)
  }
  look(PATIENCE, SETTLING)
}
