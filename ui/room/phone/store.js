// What a phone keeps of a room: the pairs to come, and the judgements that the server has not yet
// said it has. In localStorage, which outlives a reload, a locked phone and a night, and which two
// tabs of one phone share; where the browser keeps nothing, in memory. Knows nothing of the network.
const MOST_PAIRS = 24, MOST_QUEUE = 500, MOST_DONE = 600 // pairs, judgements, ids of judged pairs
const MOST_WORDS = 20 // ideal answers that wait to be sent

const CHOICES = ["a", "b", "tie", "skip"]

const isJudgement = (one) =>
  one && typeof one.id === "string" && typeof one.pair === "string" &&
  CHOICES.includes(one.choice) && Number.isFinite(one.seconds) && Number.isFinite(one.at)

function makeStore(code, me) {
  const name = `opossum-room-${code}-${me.slice(0, 8)}`
  let memory = null, keeps = true
  const list = (value) => (Array.isArray(value) ? value : [])
  const whole = (kept) => ({
    pairs: list(kept?.pairs).filter((pair) => pair && typeof pair.id === "string"),
    queue: list(kept?.queue).filter(isJudgement),
    words: list(kept?.words).filter((one) => one && [one.id, one.pair, one.text].every(
      (part) => typeof part === "string")),
    done: list(kept?.done).filter((id) => typeof id === "string"),
    briefed: kept?.briefed === true,
    last: kept?.last?.act?.name ? kept.last : null, // what the server said last, but for pairs
  })
  const read = () => {
    if (!keeps) return whole(memory)
    try {
      return whole(JSON.parse(localStorage.getItem(name) ?? "null"))
    } catch {
      return whole(memory) // damaged, or forbidden
    }
  }
  // Read, change, write: at once, so that another tab's change is never undone by an old copy.
  const change = (how) => {
    const kept = read()
    how(kept)
    kept.pairs = kept.pairs.slice(0, MOST_PAIRS)
    kept.queue = kept.queue.slice(-MOST_QUEUE)
    kept.done = kept.done.slice(-MOST_DONE)
    kept.words = kept.words.slice(-MOST_WORDS)
    memory = kept
    try {
      localStorage.setItem(name, JSON.stringify(kept))
    } catch {
      keeps = false // full, or private: this tab's memory has it
    }
    return kept
  }

  return {
    name,
    read,
    briefed: () => change((kept) => { kept.briefed = true }),
    // What was judged of pair `id`; false where another tab was faster.
    judge: (judgement) => {
      let new_ = false
      change((kept) => {
        kept.pairs = kept.pairs.filter((pair) => pair.id !== judgement.pair)
        if (kept.done.includes(judgement.pair)) return
        new_ = true
        kept.queue.push(judgement)
        kept.done.push(judgement.pair)
      })
      return new_
    },
    // An ideal answer {id, pair, text} that waits to be sent.
    write: (word) => change((kept) => { kept.words.push(word) }),
    // The server has these judgements and words, or will never take them.
    settled: (ids) => change((kept) => {
      kept.queue = kept.queue.filter((one) => !ids.includes(one.id))
      kept.words = kept.words.filter((one) => !ids.includes(one.id))
    }),
    // New pairs come; those that are not asked any more go.
    take: ({ pairs = [], drop = [], act, you, room }) => change((kept) => {
      kept.last = { act, you, room }
      kept.pairs = kept.pairs.filter((pair) => !drop.includes(pair.id))
      for (const pair of pairs) {
        const known = kept.pairs.some((one) => one.id === pair.id) || kept.done.includes(pair.id)
        if (!known) kept.pairs.push(pair)
      }
    }),
  }
}

// The token of this phone in a room, so that the code scanned twice is still one person.
const tokenName = (code) => `opossum-room-${code}`
function keptToken(code) {
  try {
    return localStorage.getItem(tokenName(code)) ?? ""
  } catch {
    return ""
  }
}
function keepToken(code, me) {
  try {
    if (me) localStorage.setItem(tokenName(code), me)
    else localStorage.removeItem(tokenName(code))
  } catch {
    // the address has it too
  }
}
