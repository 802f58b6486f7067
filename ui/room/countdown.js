// What is left of an act: ticks by itself between two looks at the server.
const ticking = new WeakMap()

const two = (number) => String(number).padStart(2, "0")

function words(left) {
  const seconds = Math.ceil(Math.abs(left) / 1000)
  const shown = `${Math.floor(seconds / 60)}:${two(seconds % 60)}`
  return left > 0 ? shown : `+${shown}`
}

// How large the window is, for a page that has to fit: told when it is not what the server has.
function tell(face, data, setStateValue) {
  const size = { width: innerWidth, height: innerHeight }
  const told = face.told ?? data.size
  if (told.width === size.width && told.height === size.height) return
  face.told = size
  setStateValue("size", size)
}

export default function ({ data, parentElement, setStateValue }) {
  const face = parentElement.querySelector("time")
  if (data.size) tell(face, data, setStateValue)
  clearInterval(ticking.get(face))
  const until = data.left === null ? null : performance.now() + data.left
  const now = performance.now()
  const draw = () => {
    if (data.size) tell(face, data, setStateValue)
    const left = until === null ? null : until - (data.stands ? now : performance.now())
    const said = left === null ? data.without : words(left)
    if (face.textContent !== said) face.textContent = said
    face.className = left === null || data.stands ? "none" : left > 30000 ? "" : left > 0 ? "soon" : "over"
    face.setAttribute("aria-label", left === null ? said : `${said}, ${left > 0 ? "left" : "over"}`)
  }
  draw()
  const id = (until === null || data.stands) && !data.size ? 0 : setInterval(draw, 250)
  ticking.set(face, id)
  return () => clearInterval(id)
}
