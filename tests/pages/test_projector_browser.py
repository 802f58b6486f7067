"""The projector's sheet of styles in a real browser: captions go, but not what somebody opened."""

from __future__ import annotations

from ui import projector

CAPTION = (
    '<div data-testid="stElementContainer" id="{0}"><div data-testid="stCaptionContainer">{0}</div>'
    "</div>"
)


def test_an_expander_of_captions_is_not_empty_on_a_projector(page) -> None:
    inside = f'<div data-testid="stExpander"><div>{CAPTION.format("opened")}</div></div>'
    page.set_content(
        f'<style>{projector.CSS}</style><div data-testid="stMain">{CAPTION.format("beside")}'
        f"{inside}</div>"
    )
    assert page.locator("#opened").is_visible() and not page.locator("#beside").is_visible()
