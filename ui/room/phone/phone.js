// A participant's phone in the workshop room: draws whatever the act asks for, shows the next pair
// at the tap, and leaves the sending to the line. Streamlit runs the page once; after that the
// phone lives by the server's answers (`ui/room/desk.py`).
const FRESH = 300 // milliseconds: nobody has read a pair by then; a second tap of two is none

function makePhone(root, data) {
  const { code, me } = data
  const store = makeStore(code, me)
  const state = {
    reply: null, skew: 0, pair: null, since: 0, away: 0, hiddenAt: null, feedback: false,
    reading: false, ended: "", line: { waiting: 0, failures: 0 }, mine: 0,
  }
  const now = () => Date.now() / 1000 + state.skew
  const phone = { trigger: null, pending: null, alive: true, shownAt: [] }
  keepToken(code, me)

  const screens = makeScreens(root, {
    onChoice: (choice) => choose(choice),
    onNext: () => { state.feedback = false; state.pair = null; draw() },
    onGo: () => { state.reading = true; draw() },
  })
  const line = makeLine({
    store, code, me, byPage, onReply: take,
    onState: (said) => { state.line = said; draw() },
    onEnd: (sorry) => { state.ended = sorry || WORDS.stopped; draw() },
  })

  // Without a desk on the server the page takes the request along; `answered` comes back.
  function byPage(body, patience) {
    return new Promise((done) => {
      const number = newId()
      const late = setTimeout(() => { phone.pending = null; done({}) }, patience)
      phone.pending = { number, done: (got) => { clearTimeout(late); done(got) } }
      try {
        phone.trigger("asked", { number, body })
      } catch {
        clearTimeout(late)
        done({})
      }
    })
  }

  function take(reply) {
    state.reply = reply
    state.ended = ""
    if (Number.isFinite(reply.now)) state.skew = reply.now - Date.now() / 1000
    store.take(reply.pairs ?? [], reply.act?.name)
    state.mine = reply.you?.judged ?? 0
    const why = (reply.refused ?? [])[0]?.why
    if (why) refused(why)
    draw()
  }

  let told = ""
  function refused(why) {
    told = why
    setTimeout(() => { told = ""; draw() }, 6000)
  }

  function choose(choice) {
    const pair = state.pair
    if (!pair || state.feedback || performance.now() - state.since < FRESH) return
    const away = state.away + (state.hiddenAt === null ? 0 : performance.now() - state.hiddenAt)
    const seconds = Math.max(0, (performance.now() - state.since - away) / 1000)
    const judgement = { id: newId(), pair: pair.id, choice, seconds: round(seconds), at: round(now()) }
    if (!store.judge(judgement)) refused(WORDS.elsewhere)
    else state.mine += 1
    if (pair.right) {
      state.feedback = true
      const said = choice === "skip" ? WORDS.skipped : choice === pair.right ? WORDS.right : ""
      const words = [said, said === WORDS.right ? "" : WORDS.wrong[pair.right], pair.why]
      screens.feedback(pair.right, straight(words.filter(Boolean).join(" ")))
    } else state.pair = null
    draw()
    line.send()
  }

  function draw() {
    const { reply, line: { waiting, failures } } = state
    const act = reply?.act?.name ?? "", frozen = reply?.act?.frozen === true
    const words = WORDS.acts[act] ?? {}
    screens.who(reply?.you?.name ?? data.name ?? "", state.mine)
    screens.brief(Boolean(reply?.brief) && !state.reading && !state.ended)
    const offline = failures > 1 || (failures > 0 && navigator.onLine === false)
    if (offline) screens.note(WORDS.offline(waiting), "offline")
    else if (told) screens.note(told, "told")
    else if (reply?.you?.left_out) screens.note(WORDS.leftOut, "told")
    else screens.note(failures ? WORDS.sending(waiting) : "")

    if (state.ended) return say({ title: WORDS.stopped.split(".")[0], now: state.ended, go: again })
    if (!reply) return say({ title: "…" })
    if (state.feedback) return undefined
    const next = WORDS.acts[reply.act?.next]?.name
    const then = next ? WORDS.next(next) : WORDS.waiting
    const { pairs, briefed } = store.read()
    if (state.reading || (words.task && !briefed && reply.brief)) return brief(reply.brief)
    if (frozen) return say({ title: WORDS.frozen[0], now: WORDS.frozen[1] })
    if (!words.task) {
      const live = reply.room?.live ?? []
      const now_ = act === "talk" ? reply.room?.verdict || WORDS.waiting : words.now
      const go = act === "talk" ? [WORDS.home, () => window.location.assign("./")] : null
      return say({ title: words.title ?? "…", now: now_, live, then: act === "talk" ? "" : then, go })
    }
    const here = pairs.filter((pair) => pair.act === act)
    if (!here.length) {
      state.pair = null
      const [title, done] = WORDS.out[act]
      return say({ title, now: offline ? WORDS.offlineOut(waiting) : done, then: offline ? "" : then })
    }
    const shown = here.find((pair) => pair.id === state.pair?.id) ?? here[0]
    if (shown.id !== state.pair?.id) {
      Object.assign(state, { pair: shown, since: performance.now(), away: 0 })
      state.hiddenAt = document.hidden ? state.since : null
    }
    return screens.pair(shown, words.task)
  }
  const again = [WORDS.again, () => { state.ended = ""; line.resume(); draw() }]
  function say(what) {
    state.pair = null
    screens.say(what)
  }
  function brief(said) {
    const rows = ["audience", "prefer", "avoid", "ties"].filter((name) => said[name])
    say({
      title: WORDS.briefTitle(said.title), now: WORDS.briefNow, list: true,
      live: rows.map((name) => ({ label: WORDS[name], value: said[name] })),
      go: [store.read().briefed ? WORDS.back : WORDS.start,
        () => { state.reading = false; store.briefed(); draw(); root.focus() }],
    })
  }

  // --- keys, the clock, other tabs ---------------------------------------------------------------

  const keys = { a: "a", 1: "a", ArrowLeft: "a", b: "b", 2: "b", ArrowRight: "b", t: "tie", s: "skip" }
  root.onkeydown = (event) => { // only while the focus is in here
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
    const choice = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key]
    if (!choice || !state.pair || state.feedback) return
    event.preventDefault()
    choose(choice)
  }
  const hidden = () => {
    if (document.hidden) state.hiddenAt = performance.now()
    else if (state.hiddenAt !== null) {
      state.away += performance.now() - state.hiddenAt
      state.hiddenAt = null
    }
  }
  document.addEventListener("visibilitychange", hidden)
  const elsewhere = (event) => { if (event.key === store.name) draw() }
  window.addEventListener("storage", elsewhere)
  const ticking = setInterval(() => {
    const until = state.reply?.act?.until
    if (!Number.isFinite(until) || until === null) return screens.clock("")
    const left = Math.round(until - now())
    const minutes = Math.floor(left / 60), seconds = String(left % 60).padStart(2, "0")
    return screens.clock(left > 0 ? `${minutes}:${seconds}` : WORDS.ends)
  }, 500)

  Object.assign(phone, {
    take, line,
    close: () => {
      phone.alive = false
      clearInterval(ticking)
      line.stop()
      screens.close()
      document.removeEventListener("visibilitychange", hidden)
      window.removeEventListener("storage", elsewhere)
    },
  })
  return phone
}

const round = (number) => Math.round(number * 1000) / 1000
const newId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("")

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".phone")
  const same = parentElement.phone?.alive && parentElement.whose === `${data.code} ${data.me}`
  if (!same) {
    parentElement.phone?.close()
    parentElement.whose = `${data.code} ${data.me}`
    parentElement.phone = makePhone(root, data)
  }
  const phone = parentElement.phone
  phone.trigger = setTriggerValue
  const answered = data.answered
  if (answered && phone.pending?.number === answered.number) {
    const { done } = phone.pending
    phone.pending = null
    done({ status: answered.status, said: answered.said })
  }
  if (!same) {
    if (data.reply) phone.take(data.reply)
    phone.line.send()
    root.focus({ preventScroll: true })
  }
  return () => {
    // Streamlit calls this when the component goes, or before it is drawn anew.
    if (!root.isConnected) phone.close()
  }
}
