// What a phone of the room says beside the engine's own words for each act (rooms/plans.py).
const WORDS = {
  task: {
    practice: "Practice: which fits the brief better?",
    rank: "Which fits the brief better?",
    vote: "Blind vote: which fits the brief better?",
  },
  frozen: ["A short break",
    "The host has paused the judging. What you had tapped is kept; this page goes on by itself."],
  leftOut: "The host has left your judgements out of the count. Ask the host if you wonder why.",
  offline: (n) => (n ? `Offline: ${n} waiting, keep going.` : "Offline. It goes on by itself."),
  offlineOut: ["No network", (n) =>
    `You have judged every pair that this phone holds. ${
      n ? `${n} waiting: they are sent` : "More come"} as soon as the network is back.`],
  sending: (n) => `Sending ${n} …`,
  count: { practice: (n) => `${n} practised`, rank: (n) => `${n} judged`, vote: (n) => `${n} voted` },
  stopped: ["Stop", "This room is not open to this phone. Ask the host for the code."],
  loading: "One moment …",
  again: "Try again",
  start: "Start",
  back: "Back",
  rows: { audience: "Written for", prefer: "Prefer", avoid: "Avoid", ties: "Ties" },
  briefTitle: "The brief",
  briefNow: "Judge by these words, not by your own taste.",
  better: { a: "A is better", b: "B is better", tie: "it is a tie" },
  chose: { a: "You chose A", b: "You chose B", tie: "You called it a tie", skip: "You skipped it" },
  agree: (better) => `You agree with the brief: ${better}.`,
  differ: (chose, better) => `${chose}; by the brief, ${better}.`,
  write: {
    title: "A better answer?", back: "Back", send: "Send",
    say: "Up to 400 letters. The host reads it first; then it may stand on the wall.",
    sent: "Kept for the host. Thank you.", empty: "Write something first.",
  },
  oneVoice: "You have joined on another device too: both are one voice.",
  closed: "The room is closed",
  elsewhere: "Already judged in another tab.",
  home: "Try it alone: open Opossum",
  over: "time is up",
}
