// A participant's phone in the workshop room: draws whatever the act asks for, shows the next pair
// at the tap, and leaves the sending to the line. Streamlit runs the page once; after that the
// phone lives by the server's answers (`ui/room/desk.py`).
const FRESH = 300 // milliseconds: nobody has read a pair by then; a second tap of two is none

function makePhone(root, data) {
  const { code, me } = data
  const store = makeStore(code, me)
  const state = {
    reply: store.read().last, skew: 0, // the server's clock is so many milliseconds ahead
    pair: null, since: 0, away: 0, hiddenAt: null, // what is shown, and how long
    feedback: false, reading: false, ended: "", told: "", telling: 0,
    failures: 0, last: null, writing: null, // the pair judged last; the one that is written about
  }
  const phone = { trigger: null, pending: null, alive: true }
  keepToken(code, me)

  const screens = makeScreens(root, {
    onChoice: (choice) => choose(choice),
    onNext: () => { state.feedback = false; state.pair = null; draw() },
    onGo: () => { state.reading = true; draw() },
    onWrite: () => { state.writing = state.last; state.pair = null; draw() },
    onWritten: (text) => {
      if (text === "") return tell(WORDS.write.empty)
      if (text !== null) store.write({ id: newId(), pair: state.writing.id, text })
      state.writing = null
      root.focus({ preventScroll: true })
      if (text === null) return draw()
      state.last = null
      tell(WORDS.write.sent)
      line.push()
    },
  })
  const line = makeLine({
    store, code, me, byPage, onReply: take,
    onState: (failures) => { state.failures = failures; draw() },
    onEnd: (sorry, status) => {
      const gone = status === 404 && state.reply // it was here
      state.ended = (gone ? WORDS.gone : sorry) || WORDS.stopped[1]
      draw()
    },
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
    if (Number.isFinite(reply.act?.now)) state.skew = reply.act.now - Date.now()
    store.take(reply)
    const final = (reply.refused ?? []).find((one) => !one.again)
    if (final) tell(final.why)
    else draw()
  }

  function tell(why) { // for a while; these are words of ours, isolates around a name too
    state.told = String(why)
    clearTimeout(state.telling)
    state.telling = setTimeout(() => { state.told = ""; draw() }, 6000)
    draw()
  }

  function choose(choice) {
    const pair = state.pair
    if (!pair || state.feedback || performance.now() - state.since < FRESH) return
    const away = state.away + (state.hiddenAt === null ? 0 : performance.now() - state.hiddenAt)
    const looked = Math.round(performance.now() - state.since - away) / 1000
    const seconds = Math.min(Math.max(0, looked), 86_400)
    const judgement = { id: newId(), pair: pair.id, choice, seconds, at: Date.now() }
    if (!store.judge({ ...judgement, kind: pair.for })) tell(WORDS.elsewhere)
    if (pair.for === "rank") state.last = pair
    if (pair.right) {
      state.feedback = true
      const better = WORDS.better[pair.right], why = straight(pair.why).trim()
      const said = choice === pair.right
        ? WORDS.agree(better) : WORDS.differ(WORDS.chose[choice], better)
      screens.feedback(pair.right, `${said} ${why.charAt(0).toUpperCase()}${why.slice(1)}`.trim())
    } else state.pair = null
    draw()
    line.push()
  }

  function draw() {
    const { reply, failures } = state
    const act = reply?.act ?? {}, task = WORDS.task[act.name]
    const { queue, words } = store.read(), waiting = queue.length + words.length
    screens.who(reply?.you?.pseudonym ?? data.pseudonym, reply?.you?.name ?? data.name,
      counted(act.name, reply?.you ?? {}, queue))
    const offline = failures > 1 || (failures > 0 && navigator.onLine === false)
    if (offline) screens.note(WORDS.offline(waiting), "offline")
    else if (state.told) screens.note(state.told, "told")
    else if (reply?.you?.left_out) screens.note(WORDS.leftOut, "told")
    else screens.note(failures ? WORDS.sending(waiting) : "")

    screens.brief(false)
    screens.writes(false)
    if (state.ended) return say({ title: WORDS.stopped[0], now: state.ended, go: again })
    if (!reply) return say({ title: WORDS.loading })
    const { pairs, briefed } = store.read(), next = act.next ?? ""
    const reading = state.reading || (task && !briefed && data.brief)
    screens.brief(Boolean(data.brief) && !reading)
    if (state.writing && !act.closed) return screens.write(state.writing)
    screens.writes(Boolean(act.write && state.last) && !reading && !state.feedback)
    if (reading) return brief()
    if (state.feedback) return screens.ask()
    if (act.closed) return say({ title: WORDS.closed, now: act.say, live: reply.room?.live })
    if (act.frozen) return say({ title: WORDS.frozen[0], now: WORDS.frozen[1], then: next })
    const here = pairs.filter((pair) => pair.for === act.name)
    if (task && here.length) {
      const shown = here.find((pair) => pair.id === state.pair?.id) ?? here[0]
      if (shown.id !== state.pair?.id) {
        Object.assign(state, { pair: shown, since: performance.now(), away: 0 })
        state.hiddenAt = document.hidden ? state.since : null
      }
      return screens.pair(shown, task)
    }
    if (task && offline) {
      return say({ title: WORDS.offlineOut[0], now: WORDS.offlineOut[1](waiting) })
    }
    const { verdict = "", words: worth = "" } = reply.room ?? {}
    const list = act.name === "join" && Boolean(data.brief) // time to read it
    const live = list ? briefRows() : reply.room?.live ?? []
    const last = act.name === "talk"
    const go = last ? [WORDS.home, () => window.location.assign("./")] : null
    const now = [last && verdict, worth, act.say].filter(Boolean).join("\n")
    return say({ title: act.title ?? "", now, live, list, then: last ? "" : next, go })
  }
  // What this person did of what the act is about, as the server counts it (rooms/counts.py), and
  // what waits here of the same kind.
  function counted(name, you, queue) {
    const kind = WORDS.count[name] ? name : "rank"
    const had = { practice: you.practised, rank: you.judged, vote: you.voted }[kind] ?? 0
    const here = queue.filter((one) => (one.kind ?? "rank") === kind
      && (kind === "practice" || one.choice !== "skip"))
    return WORDS.count[kind](had + here.length)
  }
  const again = [WORDS.again, () => { state.ended = ""; line.resume(); draw() }]
  function say(what) {
    state.pair = null
    screens.say(what)
  }
  function briefRows() {
    const rows = Object.keys(WORDS.rows).filter((name) => data.brief[name])
    return rows.map((name) => ({ label: WORDS.rows[name], value: data.brief[name] }))
  }
  function brief() {
    say({
      title: data.brief.title || WORDS.briefTitle, now: WORDS.briefNow, list: true,
      live: briefRows(),
      go: [store.read().briefed ? WORDS.back : WORDS.start, () => {
        state.reading = false
        store.briefed()
        draw()
        root.focus({ preventScroll: true })
      }],
    })
  }

  // --- keys, the clock, other tabs ---------------------------------------------------------------

  const keys = { a: "a", 1: "a", ArrowLeft: "a", b: "b", 2: "b", ArrowRight: "b", t: "tie", s: "skip" }
  root.onkeydown = (event) => { // only while the focus is in here
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return
    if (event.composedPath()[0].tagName === "TEXTAREA") return
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
    const { until, frozen, now } = state.reply?.act ?? {}
    if (!Number.isFinite(until) || state.ended) return screens.clock("")
    const left = Math.round((until - (frozen ? now : Date.now() + state.skew)) / 1000)
    const minutes = Math.floor(left / 60), seconds = String(left % 60).padStart(2, "0")
    return screens.clock(left > 0 ? `${minutes}:${seconds}` : WORDS.over)
  }, 500)

  // `reply`: what the page was told when it was drawn; by now the desk may have said newer things.
  function begin(reply) {
    const last = store.read().last
    const fresh = reply && !(last?.act.now > reply.act.now)
    if (fresh) take(reply)
    if (fresh && !store.read().queue.length) line.wait()
    else line.send()
  }

  Object.assign(phone, {
    begin, tell,
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

const newId = () =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("")

export default function ({ data, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".phone")
  // Streamlit's own message about a lost connection covers the page and lays it dead, but for what
  // is in the top layer and carries this mark: the phone goes on without it.
  parentElement.host?.setAttribute("data-react-aria-top-layer", "true")
  if (root.showPopover && !root.matches(":popover-open")) {
    root.popover = "manual"
    root.showPopover()
  }
  const elsewhere = !data.new && keptToken(data.code) !== data.me
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
    if (elsewhere) phone.tell(WORDS.oneVoice)
    else if (data.note) phone.tell(data.note)
    phone.begin(data.reply)
    root.focus({ preventScroll: true })
  }
  // Called when the component goes, or before it is drawn anew: by then, is it still there?
  return () => setTimeout(() => { if (!root.isConnected) phone.close() })
}
