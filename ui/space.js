// Keeps the address of the page around a Space's frame in step with ours, so that a reload comes
// back to the session. Only the hub's page is told: the browser gives the message to nobody else.
export default function ({ data }) {
  if (window.parent === window) return
  window.parent.postMessage({ queryString: data.query, hash: window.location.hash }, data.hub)
}
