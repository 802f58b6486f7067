// Tells the page which files the browser itself refused (too large): of those, no page hears.
const told = new WeakSet()
let now = null // the newest run's data, and how to tell
let observer = null

function look() {
  const chips = `.st-key-${now.data.place} [data-testid=stFileChip][aria-invalid]`
  const fresh = [...document.querySelectorAll(chips)].filter((chip) => !told.has(chip))
  if (!fresh.length) return
  fresh.forEach((chip) => told.add(chip))
  const files = fresh.map((chip) => ({
    name: chip.querySelector("[data-testid=stFileChipName]")?.title ?? "",
    large: /smaller/.test(chip.textContent),
  }))
  now.tell("refused", { round: now.data.round, files })
}

export default function ({ data, setTriggerValue }) {
  now = { data, tell: setTriggerValue }
  if (observer) return
  observer = new MutationObserver(look)
  const attributeFilter = ["aria-invalid"]
  observer.observe(document.body, { subtree: true, childList: true, attributeFilter })
  return () => {
    observer.disconnect()
    observer = null
  }
}
