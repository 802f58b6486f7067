"""On a phone: the menu closes after a change of page, and no key of a keyboard is spoken of."""

from __future__ import annotations

from walking import SLOW, open_page

from conftest import settled

MENU = "[data-testid=stSidebar]"
COLLAPSED = f"document.querySelector('{MENU}').dataset.collapsed === 'true'"


def test_the_menu_closes_after_a_change_of_page_and_no_keys_are_named(chromium, app_url: str):
    context = chromium.new_context(
        viewport={"width": 375, "height": 812}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    open_page(page, app_url, "prompt")
    page.locator(".st-key-generate kbd").first.wait_for(state="attached", timeout=SLOW)
    shown = page.locator(".st-key-generate kbd").first.is_visible()
    assert not shown, "Ctrl + Enter, without a keyboard"
    for press in (
        f"{MENU} [data-testid=stSidebarNavLink]:has-text('Rank')",
        ".st-key-board_side a",
    ):
        page.get_by_test_id("stExpandSidebarButton").click()
        page.wait_for_function(f"!({COLLAPSED})", timeout=SLOW)
        page.locator(press).first.click()
        page.wait_for_function(COLLAPSED, timeout=SLOW)
        settled(page, SLOW)
    context.close()


def test_on_a_wide_screen_the_menu_stays(page, app_url: str):
    open_page(page, app_url, "prompt")
    page.locator(f"{MENU} [data-testid=stSidebarNavLink]").filter(has_text="Rank").click()
    page.locator(".st-key-progress_row").wait_for(timeout=SLOW)
    settled(page, SLOW)
    page.wait_for_timeout(500)
    assert not page.evaluate(COLLAPSED)
    page.locator(".st-key-pick_a kbd, .st-key-undo kbd").first.wait_for(timeout=SLOW)
    assert page.locator(".st-key-undo kbd").is_visible()
