// What moves in the file: the steps, the theme, pictures of charts, and everything open on paper.
// Every text comes from the data beside this script and is set as text, never as markup.
(() => {
  "use strict"
  const $ = (id) => document.getElementById(id)
  const root = document.documentElement
  const make = (tag, words, name) => {
    const element = document.createElement(tag)
    if (words !== undefined) element.textContent = words
    if (name) element.className = name
    return element
  }

  // --- theme: as the system says, until the switch says otherwise -------------------------------
  const system = matchMedia("(prefers-color-scheme: dark)")
  const theme = $("theme")
  let chosen = ""
  const isDark = () => (chosen ? chosen === "dark" : system.matches)
  const showTheme = () => {
    if (chosen) root.dataset.theme = chosen
    theme.textContent = isDark() ? "Light" : "Dark"
    theme.setAttribute("aria-label", `${theme.textContent} theme`)
  }
  theme.addEventListener("click", () => { chosen = isDark() ? "light" : "dark"; showTheme() })
  system.addEventListener("change", showTheme)
  theme.hidden = false
  showTheme()

  // --- on paper, nothing stays folded -----------------------------------------------------------
  let folded = []
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")]
    folded.forEach((one) => { one.open = true })
  })
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = false }))

  // --- pictures of charts, for slides -----------------------------------------------------------
  const SCALE = 3 // pixels of a PNG for each of the drawing's
  const drawing = (svg) => {
    const copy = svg.cloneNode(true)
    const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number)
    const look = getComputedStyle(document.body)
    copy.setAttribute("xmlns", "http://www.w3.org/2000/svg")
    copy.setAttribute("width", width)
    copy.setAttribute("height", height)
    copy.setAttribute("font-family", "Helvetica, Arial, sans-serif")
    copy.setAttribute("color", look.color)
    copy.querySelectorAll(".now").forEach((line) => line.remove())
    copy.querySelectorAll("text").forEach((one) => one.setAttribute("fill", look.color))
    copy.querySelectorAll(".grid").forEach((one) => {
      one.setAttribute("stroke", "#80868B")
      one.setAttribute("stroke-opacity", "0.35")
    })
    const paper = svg.querySelector("line, rect, text").cloneNode(false)
    const ground = document.createElementNS(paper.namespaceURI, "rect")
    ground.setAttribute("width", width)
    ground.setAttribute("height", height)
    ground.setAttribute("fill", look.backgroundColor)
    copy.insertBefore(ground, copy.firstChild)
    return { words: new XMLSerializer().serializeToString(copy), width, height }
  }
  const save = (blob, name) => {
    const link = make("a")
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000)
  }
  const asPNG = ({ words, width, height }, name) => {
    const image = new Image()
    image.onload = () => {
      const canvas = make("canvas")
      canvas.width = width * SCALE
      canvas.height = height * SCALE
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height)
      canvas.toBlob((blob) => save(blob, name), "image/png")
    }
    image.src = `data:image/svg+xml,${encodeURIComponent(words)}`
  }
  document.querySelectorAll("figure.chart").forEach((figure) => {
    const svg = figure.querySelector("svg")
    const name = (figure.dataset.file || "chart").toLowerCase().replace(/[^a-z0-9]+/g, "-")
    const row = make("span", undefined, "pictures")
    for (const kind of ["SVG", "PNG"]) {
      const button = make("button", kind)
      button.type = "button"
      button.setAttribute("aria-label", `${figure.dataset.file} as ${kind}`)
      button.addEventListener("click", () => {
        const made = drawing(svg)
        if (kind === "PNG") asPNG(made, `${name}.png`)
        else save(new Blob([made.words], { type: "image/svg+xml" }), `${name}.svg`)
      })
      row.append(button)
    }
    figure.querySelector("figcaption").append(row)
  })

  // --- the steps --------------------------------------------------------------------------------
  const table = JSON.parse($("data").textContent)
  const player = $("player")
  if (!table || !player) return
  const FIRST = 6 // prompts that are shown before anything is chosen
  const PACE = 900 // milliseconds a step, in play
  const { prompts, steps } = table
  const slider = $("step"), which = $("which"), play = $("play"), answers = $("answers")
  const firstName = answers.dataset.first
  const number = (value, sign) => {
    if (value === null || value === undefined) return "no number"
    const words = Math.abs(value).toFixed(2)
    const mark = value < 0 && Number(words) !== 0 ? "\u2212" : sign && Number(words) !== 0 ? "+" : ""
    return mark + words
  }
  const choice = (value, words) => {
    const option = make("option", words)
    option.value = value
    which.append(option)
  }
  if (prompts.length > FIRST) choice("first", `The first ${FIRST}`)
  choice("all", `All ${prompts.length}`)
  prompts.forEach((prompt, place) => choice(String(place), prompt.replace(/\s+/g, " ")))

  const card = (who, row) => {
    const box = make("div", undefined, "answer")
    const text = make("p", row ? row[1] : "(no answer to this prompt was kept)")
    text.dir = "auto"
    box.append(make("b", who), text)
    if (row && row[2] !== null) {
      const cut = row[3] ? "" : ", cut off at the longest length"
      box.append(make("small", `reward ${number(row[2], true)}${cut}`))
    }
    return box
  }
  const byPrompt = (step) => {
    const found = new Map()
    for (const row of step.rows) {
      if (!found.has(row[0])) found.set(row[0], [])
      found.get(row[0]).push(row)
    }
    return found
  }
  const start = steps[0].step === 0 ? byPrompt(steps[0]) : new Map()
  const draw = () => {
    const step = steps[Number(slider.value)]
    const here = byPrompt(step)
    const one = /^\d+$/.test(which.value)
    let wanted = one ? [Number(which.value)] : [...here.keys()].sort((a, b) => a - b)
    if (which.value === "first") wanted = wanted.slice(0, FIRST)
    const made = []
    for (const place of wanted) {
      const now = here.get(place) || [], then = start.get(place) || []
      const count = one ? Math.max(1, now.length, then.length) : 1
      for (let i = 0; i < count; i += 1) {
        const row = make("div", undefined, "row")
        if (i === 0) row.append(make("h4", prompts[place]))
        row.append(card(firstName, then[i]), card(`Step ${step.step}`, now[i]))
        made.push(row)
      }
    }
    answers.replaceChildren(...made)
    const [reward, kl, entropy] = step.readings
    $("now").textContent = `Step ${step.step}: reward ${number(reward, true)}, KL to reference `
      + `${number(kl)} nats a response, entropy ${number(entropy)} nats a token`
    slider.setAttribute("aria-valuetext", `step ${step.step}`)
    document.querySelectorAll("svg[data-start]").forEach((svg) => {
      const line = svg.querySelector(".now")
      const x = Number(svg.dataset.start) + step.step * Number(svg.dataset.step)
      line.setAttribute("x1", x)
      line.setAttribute("x2", x)
      line.removeAttribute("hidden")
    })
  }
  let timer = null
  const stop = () => {
    clearInterval(timer)
    timer = null
    play.textContent = "Play"
    play.setAttribute("aria-pressed", "false")
    $("now").setAttribute("aria-live", "polite")
  }
  const go = (place) => {
    slider.value = String(Math.min(steps.length - 1, Math.max(0, place)))
    draw()
  }
  const move = (by) => { stop(); go(Number(slider.value) + by) }
  play.addEventListener("click", () => {
    if (timer !== null) return stop()
    if (Number(slider.value) >= steps.length - 1) go(0)
    play.textContent = "Pause"
    play.setAttribute("aria-pressed", "true")
    $("now").setAttribute("aria-live", "off")
    timer = setInterval(() => {
      go(Number(slider.value) + 1)
      if (Number(slider.value) >= steps.length - 1) stop()
    }, PACE)
  })
  $("back").addEventListener("click", () => move(-1))
  $("next").addEventListener("click", () => move(1))
  slider.addEventListener("input", () => { stop(); draw() })
  which.addEventListener("change", draw)
  $("steps").addEventListener("keydown", (event) => {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey || event.altKey) return
    const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key]
    if (by === undefined) return
    event.preventDefault()
    move(by)
  })
  player.hidden = false
  draw()
})()
