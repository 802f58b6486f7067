// Answers in an order that a person makes: by dragging, by the arrows on each, or by the arrow keys
// on the one in focus. "=" ties an answer with the one above. Texts are set as text, never as HTML.
// Tells the page {groups} once, when the person says that this is the order.
export default function ({ data, parentElement, setTriggerValue }) {
  parentElement.done = (groups) => setTriggerValue("done", { card: data.card, groups })
  if (parentElement.card === data.card) return
  parentElement.card = data.card
  parentElement.querySelector(".order")?.remove()

  const make = (kind, name, words, parent) => {
    const made = document.createElement(kind)
    if (name) made.className = name
    if (words) made.textContent = words
    parent?.append(made)
    return made
  }
  const box = make("div", "order", "", parentElement)
  const list = make("ol", "", "", box)
  const status = make("p", "status", "", box)
  status.setAttribute("role", "status")
  const items = () => [...list.children]

  const number = () => {
    let place = 0
    items().forEach((item, i) => {
      if (i === 0) item.dataset.tied = ""
      if (!item.dataset.tied) place = i + 1
      item.querySelector(".place").textContent = item.dataset.tied ? `= ${place}` : `${place}`
      item.querySelector(".up").disabled = i === 0
      item.querySelector(".down").disabled = i === list.children.length - 1
      const tie = item.querySelector(".tie")
      tie.disabled = i === 0
      tie.setAttribute("aria-pressed", item.dataset.tied ? "true" : "false")
    })
  }
  const move = (item, by) => {
    const all = items(), to = all.indexOf(item) + by
    if (to < 0 || to >= all.length) return
    list.insertBefore(item, by < 0 ? all[to] : all[to].nextSibling)
    number()
    status.textContent = `Moved to place ${to + 1} of ${all.length}.`
  }
  const tie = (item) => {
    if (items().indexOf(item) === 0) return
    item.dataset.tied = item.dataset.tied ? "" : "yes"
    number()
    status.textContent = item.dataset.tied ? "Ties with the one above." : "No longer a tie."
  }

  data.rows.forEach((row) => {
    const item = make("li", "", "", list)
    Object.assign(item, { tabIndex: 0, index: row.index })
    const keys = "Arrow keys move it, = ties it with the one above."
    item.setAttribute("aria-label", `${row.prompt}${row.text}. ${keys}`)
    make("span", "handle", "⠿", item).setAttribute("aria-hidden", "true")
    make("span", "place", "", item)
    const words = make("span", "words", "", item)
    make("span", "given", row.prompt, words)
    make("span", "written", row.text, words)
    if (row.foot) make("small", "", row.foot, words)
    const buttons = make("span", "buttons", "", item)
    for (const [name, sign, label, act] of [
      ["up", "▲", "Move up", () => move(item, -1)],
      ["down", "▼", "Move down", () => move(item, 1)],
      ["tie", "=", "Ties with the one above", () => tie(item)],
    ]) {
      const button = make("button", name, sign, buttons)
      button.setAttribute("aria-label", label)
      button.title = label
      button.onclick = () => { act(); (button.disabled ? item : button).focus() }
    }
    item.onkeydown = (event) => {
      if (event.target !== item) return
      const act = {
        ArrowUp: () => move(item, -1), ArrowDown: () => move(item, 1), "=": () => tie(item),
      }[event.key]
      if (!act) return
      event.preventDefault()
      act()
      item.focus()
    }
    item.onpointerdown = (event) => {
      if (event.button !== 0 || event.target.closest("button")) return
      if (event.pointerType !== "mouse" && !event.target.closest(".handle")) return
      event.preventDefault()
      item.focus()
      list.setPointerCapture(event.pointerId) // an item that is moved about would lose it
      item.classList.add("held")
      list.onpointermove = ({ clientY }) => {
        const others = items().filter((other) => other !== item)
        const above = (other) => {
          const { top, height } = other.getBoundingClientRect()
          return clientY < top + height / 2
        }
        const next = others.find(above) ?? null
        if (next !== item.nextSibling) { list.insertBefore(item, next); number() }
      }
      list.onpointerup = list.onpointercancel = list.onlostpointercapture = () => {
        item.classList.remove("held")
        list.onpointermove = list.onpointerup = null
        list.onpointercancel = list.onlostpointercapture = null
        status.textContent = `Place ${items().indexOf(item) + 1} of ${list.children.length}.`
      }
    }
  })
  number()

  const done = make("button", "done", "This is my order", box)
  done.onclick = () => {
    done.disabled = true
    setTimeout(() => { done.disabled = false }, 1000)
    const groups = []
    for (const item of items()) {
      if (item.dataset.tied && groups.length) groups.at(-1).push(item.index)
      else groups.push([item.index])
    }
    parentElement.done(groups)
  }
}
