// A chart as a picture for slides: one button saves it as SVG, one as PNG.
//
// Plotly's own bar has one button for pictures, of one kind, and shows it while the chart is pointed
// at or has the focus; two of ours stand in its place, and press it. A picture has the theme's own
// ink, where Streamlit draws a chart's words in a grey for screens, and a typeface that other
// machines have: the page's own cannot go along, and words of another width would overlap.

const BAR = ".modebar-group"
const FACE = "Helvetica, Arial, sans-serif"

const inked = (layout, color) => {
  const font = (was) => ({ ...was, color, family: FACE })
  const made = { ...layout, font: font(layout.font) }
  for (const name of Object.keys(made).filter((key) => /^[xy]axis\d*$/.test(key))) {
    const axis = made[name]
    const title = typeof axis.title === "string" ? { text: axis.title } : axis.title
    made[name] = {
      ...axis,
      tickfont: font(axis.tickfont),
      title: { ...title, font: font(title?.font) },
    }
  }
  made.legend = { ...layout.legend, font: font(layout.legend?.font) }
  return made
}

const save = (graph, own, kind) => {
  const { layout, _context: { toImageButtonOptions: options } } = graph
  try { // both are read at once, at the press
    options.format = kind
    graph.layout = inked(layout, getComputedStyle(document.querySelector(".stApp")).color)
    own.click()
  } finally {
    graph.layout = layout
    options.format = "svg"
  }
}

const words = (button, kind) => {
  button.textContent = kind.toUpperCase()
  const told = `Save this chart as ${kind.toUpperCase()}`
  button.setAttribute("data-title", told)
  button.setAttribute("aria-label", told)
}

const offer = (event) => {
  const graph = event.target.closest?.(".js-plotly-plot")
  const bar = graph?.querySelector(BAR)
  const own = bar?.querySelector("button.modebar-btn")
  if (!own || bar.dataset.pictures || !graph._context?.toImageButtonOptions) return
  bar.dataset.pictures = "both"
  own.hidden = true // what Plotly does at its press is pressed from here
  for (const kind of ["svg", "png"]) {
    const button = document.createElement("button")
    button.type = "button"
    button.className = "modebar-btn op-picture"
    words(button, kind)
    button.addEventListener("click", () => save(graph, own, kind))
    bar.append(button)
  }
}

export default function () {
  if (window.opossumPictures) return
  window.opossumPictures = true
  for (const kind of ["pointerover", "pointerdown", "focusin"]) {
    document.addEventListener(kind, offer, true)
  }
}
