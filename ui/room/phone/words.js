// Every word that a phone of the room says. The names of acts are the engine's.
const WORDS = {
  acts: {
    join: {
      title: "You are in",
      now: "The room is gathering. It begins when the host starts it; keep this page open.",
    },
    practice: { task: "Practice: which fits the brief better?", name: "practice" },
    rank: { task: "Which fits the brief better?", name: "judging" },
    reward: {
      title: "The room teaches a reward model",
      now: "It learns what this room prefers from all your judgements. Look at the wall.",
      name: "a reward model learns from your judgements",
    },
    ppo: {
      title: "PPO trains the language model",
      now: "It tries answers, and the reward model says how much this room would like them.",
      name: "the language model is trained to please this room",
    },
    vote: {
      task: "Vote: which fits the brief better?",
      name: "a blind vote, before or after the training",
    },
    talk: { title: "What the room found", now: "", name: "the result, and time to talk" },
  },
  out: {
    practice: ["Practice done", "You have seen every practice pair."],
    rank: ["All judged", "You have judged every pair there is for you. Thank you!"],
    vote: ["Voted", "You have voted on every pair. The result comes at the end."],
  },
  waiting: "This page goes on by itself.",
  next: (name) => `Next: ${name}.`,
  frozen: ["A short break", "The host has paused the judging. This page goes on by itself."],
  leftOut: "The host has left your judgements out of the count. Ask the host if that surprises you.",
  offline: (n) => (n ? `Offline: ${n} waiting, keep going.` : "Offline. It goes on by itself."),
  offlineOut: (n) =>
    `No network, and the pairs kept on this phone are judged. ${
      n ? `${n} waiting; they are sent as soon as it is back.` : "More come as soon as it is back."}`,
  sending: (n) => `Sending ${n} …`,
  count: (n) => `${n} judged`,
  stopped: "This room is not open to this phone. Ask the host for the code.",
  again: "Try again",
  start: "Start",
  back: "Back to the pairs",
  prefer: "Prefer", avoid: "Avoid", ties: "Ties", audience: "Written for",
  briefTitle: (title) => title || "The brief",
  briefNow: "Judge by these words, not by your own taste.",
  right: "The brief agrees with you.",
  wrong: { a: "By the brief, A is better.", b: "By the brief, B is better.", tie: "By the brief, it is a tie." },
  skipped: "Skipped.",
  elsewhere: "Already judged in another tab.",
  home: "Open Opossum and try it alone",
  ends: "ends soon",
}
