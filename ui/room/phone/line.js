// The line to the server: sends what was judged, asks for more, and learns which act is on. One
// request at a time; after a failure it tries again, later and later, and at once when the network
// or the person is back. Where the server has no desk (a plain `streamlit run app.py`), the page
// carries the same request. Draws nothing.
const BATCH = 25 // judgements a request
const PATIENCE = 10_000, SLOW_PATIENCE = 20_000 // milliseconds that an answer may take
const AGAIN = [1, 2, 4, 8, 15] // seconds after the first failure, the second, ...
const POLL = 5 // seconds, where the server says nothing else

function makeLine({ store, code, me, byPage, onReply, onState, onEnd }) {
  let sending = false, once_more = false, timer = 0, failures = 0, ended = false, absent = false
  let began = 0 // when somebody was last there again

  // The desk lies beside this page, whatever the path before it.
  const address = new URL("room-desk", window.location.href).href
  const byFetch = async (body) => {
    const stop = new AbortController()
    const late = setTimeout(() => stop.abort(), PATIENCE)
    try {
      const answer = await fetch(address, {
        method: "POST", headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body), cache: "no-store", signal: stop.signal,
      })
      const ours = (answer.headers.get("Content-Type") ?? "").startsWith("application/json")
      if (!ours) return { absent: [403, 404, 405].includes(answer.status) }
      return { status: answer.status, said: await answer.json() }
    } catch {
      return {} // no network, or no answer in time
    } finally {
      clearTimeout(late)
    }
  }

  const later = (seconds) => {
    clearTimeout(timer)
    if (!ended) timer = setTimeout(send, seconds * 1000 * (0.85 + 0.3 * Math.random()))
  }

  async function send() {
    if (ended) return
    if (sending) { once_more = true; return }
    sending = true
    once_more = false
    clearTimeout(timer)
    const { queue, pairs, words } = store.read()
    const holds = pairs.map((pair) => pair.id)
    const judged = queue.slice(0, BATCH).map(
      ({ id, pair, choice, seconds, at }) => ({ id, pair, choice, seconds, at }))
    const wrote = words.slice(0, 1) // one a request: a request is small
    const body = { code, me, judged, holds, ...(wrote.length ? { wrote } : {}) }
    let got = absent ? await byPage(body, SLOW_PATIENCE) : await byFetch(body)
    if (got.absent) {
      absent = true
      got = await byPage(body, SLOW_PATIENCE)
    }
    sending = false
    const { status = 0, said } = got
    let settled = []
    if (status === 200 && said && typeof said === "object") {
      failures = 0
      const refused = (said.refused ?? []).filter((one) => !one.again).map((one) => one.id)
      settled = [...(said.stored ?? []), ...refused]
      store.settled(settled)
      onReply(said)
    } else if (status >= 400 && status < 500 && status !== 429) {
      ended = true
      onEnd(said?.sorry ?? "", status)
    } else {
      failures += 1
    }
    onState(failures)
    if (failures) {
      const wait = AGAIN[Math.min(failures, AGAIN.length) - 1]
      later(Math.max(wait, status === 429 ? said?.wait ?? 0 : 0))
    } else if (once_more || (settled.length && (queue.length > BATCH || words.length > 1))) send()
    else if (!document.hidden || queue.length || words.length) later(said?.poll ?? POLL)
  }

  // Somebody is there again: at once, whatever the clock says.
  const back = () => {
    if (document.hidden || performance.now() - began < 500) return // two of these come together
    began = performance.now()
    send()
  }
  const events = [
    [window, "online", back], [window, "pageshow", back], [window, "focus", back],
    [document, "visibilitychange", back], [document, "resume", back],
  ]
  for (const [where, what, how] of events) where.addEventListener(what, how)

  return {
    send,
    wait: () => later(POLL),
    // Something was judged: now, or with the next try where the line is down.
    push: () => { if (!failures) send() },
    resume: () => { ended = false; failures = 0; send() },
    stop: () => {
      ended = true
      clearTimeout(timer)
      for (const [where, what, how] of events) where.removeEventListener(what, how)
    },
  }
}
