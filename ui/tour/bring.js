// Brings the control that a station of the tour points at into sight, once for each station.
export default function ({ data, parentElement }) {
  if (parentElement.station === data.station) return
  parentElement.station = data.station
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches
  const look = (left) => {
    const found = document.querySelector(`.st-key-${CSS.escape(data.control)}`)
    if (found) found.scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" })
    else if (left) setTimeout(() => look(left - 1), 300)
  }
  look(10)
}
