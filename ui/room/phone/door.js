// At the room's door: a phone that has joined before tells the page its token, once, so that the
// code scanned again is still the same person.
export default function ({ data, setTriggerValue }) {
  let kept = ""
  try {
    kept = localStorage.getItem(`opossum-room-${data.code}`) ?? ""
  } catch {
    return
  }
  const told = (window.opossumRoomDoor ??= {})
  if (!kept || told[data.code] === kept) return
  told[data.code] = kept
  setTriggerValue("known", kept)
}
