// What stands on the phone: a pair to judge, or a page that says what happens. Every word of a
// person or a model is set as text, never as HTML. Knows nothing of the network.
const SIZES = ["1.32rem", "1.19rem", "1.06rem", "0.97rem", "0.9rem"] // of answers: the largest that fits

// Marks that turn the direction of what follows them: U+061C, U+200E/F, U+202A-E, U+2066-9.
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
const straight = (text) => String(text ?? "").replace(TURNING, "")

function makeScreens(root, { onChoice, onNext, onGo, onWrite, onWritten }) {
  const find = (what) => root.querySelector(what)
  const ask = find(".ask"), say = find(".say"), write = find(".write"), note = find(".note")
  const set = (what, words) => {
    const element = typeof what === "string" ? find(what) : what
    if (element.textContent !== words) element.textContent = words
  }
  const answers = [...root.querySelectorAll(".answer")]
  let pressable = null

  const fit = () => {
    if (ask.hidden) return
    const over = (box) => box.scrollHeight > box.clientHeight + 1
    for (const size of SIZES) {
      ask.style.setProperty("--size", size)
      if (!answers.some(over)) break
    }
    for (const box of [...answers, find(".prompt")]) { // by keyboard too
      if (over(box)) box.tabIndex = 0
      else box.removeAttribute("tabindex")
    }
  }
  const watch = new ResizeObserver(fit)
  watch.observe(root)

  for (const button of root.querySelectorAll("[data-choice]")) {
    button.onclick = () => onChoice(button.dataset.choice)
  }
  find(".next").onclick = () => onNext()
  find(".say .go").onclick = () => pressable?.()
  find(".brief-open").onclick = () => onGo("brief")
  find(".write-open").onclick = () => onWrite()
  find(".write-back").onclick = () => onWritten(null)
  find(".write-send").onclick = () => onWritten(find(".write-text").value.trim())

  const show = () => {
    if (!ask.hidden) return
    say.hidden = write.hidden = true
    ask.hidden = false
    if (!root.contains(root.getRootNode().activeElement)) root.focus({ preventScroll: true })
    fit()
  }

  return {
    fit,
    close: () => watch.disconnect(),
    who: (called, nickname, count) => {
      set(".who-name", straight(called))
      set(".who-nick bdi", straight(nickname))
      find(".who-nick").hidden = !nickname
      set(".who-count", ` · ${count}`)
    },
    clock: (words) => set(".clock", words),
    note: (words, kind = "") => { set(note, words); note.dataset.kind = words ? kind : "" },
    brief: (there) => { find(".brief-open").hidden = !there },
    writes: (there) => { find(".write-open").hidden = !there },
    // A field for an answer of one's own to a pair; what stands in it stays until it is sent.
    write: (pair) => {
      if (!write.hidden) return
      ask.hidden = say.hidden = true
      delete ask.dataset.pair
      write.hidden = false
      set(".write h1", WORDS.write.title)
      set(".write-prompt", straight(pair.prompt))
      set(".write-say", WORDS.write.say)
      set(".write-back", WORDS.write.back)
      set(".write-send", WORDS.write.send)
      find(".write-text").value = ""
      find(".write-text").focus({ preventScroll: true })
    },

    ask: show,
    pair: (pair, task) => {
      show()
      if (ask.dataset.pair === pair.id) return
      ask.dataset.pair = pair.id
      set(".task", task)
      set(".prompt-text", straight(pair.prompt))
      for (const box of answers) {
        set(box.querySelector(".text"), straight(pair[box.dataset.side]).trim())
        box.scrollTop = 0
        delete box.dataset.right
      }
      find(".prompt").scrollTop = 0
      find(".feedback").hidden = find(".next").hidden = true
      find(".choices").hidden = false
      fit()
    },
    // After a practice pair: what the brief says of it.
    feedback: (right, words) => {
      for (const box of answers) {
        if (right === box.dataset.side) box.dataset.right = "yes"
      }
      set(".feedback", words)
      find(".choices").hidden = true
      find(".feedback").hidden = find(".next").hidden = false
      find(".next").focus({ preventScroll: true })
      fit()
    },
    // A page of words: {title, now, then, live: [{label, value}], go: [words, how], list}
    say: ({ title, now = "", then = "", live = [], go = null, list = false }) => {
      ask.hidden = write.hidden = true
      delete ask.dataset.pair
      say.hidden = false
      set(".say h1", straight(title))
      set(".say .now", straight(now))
      set(".say .then", straight(then))
      const box = find(".live"), words = JSON.stringify(live)
      box.classList.toggle("list", list)
      if (box.dataset.words !== words) {
        box.dataset.words = words
        box.replaceChildren(...live.flatMap(({ label, value }) => {
          const group = document.createElement("div")
          const name = document.createElement("dt"), said = document.createElement("dd")
          name.textContent = straight(label)
          said.textContent = straight(value)
          said.dir = "auto"
          group.append(name, said)
          return [group]
        }))
      }
      const button = find(".say .go")
      button.hidden = !go
      pressable = go?.[1] ?? null
      if (go) set(button, go[0])
    },
  }
}
