"""What axe (accessibility rules) finds on a page in the browser."""

from __future__ import annotations

import pytest

# Serious findings of axe that are Streamlit's own, and where they are: rule -> what the element is
# in. Anything else that is serious fails.
FRAMEWORK = {
    "list": "[data-testid=stSidebarNavItems]",  # sections of the navigation are no <li>
    "listitem": "[data-testid=stSidebarNavItems]",
}


def serious(page) -> list[str]:
    """What axe finds serious or worse on the page and is not Streamlit's own, a line each."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright",
        reason="the accessibility checks need axe-playwright-python: make test installs it",
    ).Axe()
    found = []
    for violation in axe.run(page).response["violations"]:
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            (target,) = node["target"]
            place = FRAMEWORK.get(violation["id"])
            if not (
                place
                and page.evaluate(
                    "([target, place]) => document.querySelector(target)?.closest(place) != null",
                    [target, place],
                )
            ):
                reason = " ".join(
                    check["message"] for check in (*node["any"], *node["all"], *node["none"])
                )
                found.append(f"{violation['id']}: {node['html'][:200]} {reason}")
    return found
