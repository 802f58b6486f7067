// Closes the menu after a change of page where it lies over the page (as wide as Streamlit's own
// limit): on a phone one would not see that the page has changed.

const NARROW = "(max-width: 768px)";
let last = null;

export default function ({ data }) {
  const changed = last !== null && last !== data.page;
  last = data.page;
  if (!changed || !window.matchMedia(NARROW).matches) return;
  const menu = document.querySelector("[data-testid=stSidebar]");
  if (menu?.dataset.collapsed === "true") return;
  menu?.querySelector("[data-testid=stSidebarCollapseButton] button, [aria-controls=stSidebar]")
    ?.click();
}
