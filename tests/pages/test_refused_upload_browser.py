"""In a browser: a file that the browser itself refuses takes the earlier file's report away, and is
named even where another came with it.
"""

from __future__ import annotations

from conftest import settled

ROWS = '{"prompt": "An opossum is", "chosen": " a marsupial.", "rejected": " my ex."}\n'


def file(name: str, size: int = 0) -> dict:
    return {"name": name, "mimeType": "text/plain", "buffer": (ROWS + " " * size).encode()}


def test_after_a_refused_upload_the_earlier_report_and_its_button_are_gone(page, app_url):
    page.goto(f"{app_url}/import_export")
    settled(page, 120_000)
    give = page.locator(".st-key-import_upload input[type=file]")
    use = page.locator(".st-key-import_use_0 button")
    page.locator(".st-key-import_upload").get_by_text("2MB per file").wait_for(timeout=60_000)
    give.set_input_files([file("small.jsonl")])
    use.wait_for(timeout=60_000)
    settled(page)
    give.set_input_files([file("large.jsonl", 3 * 2**20)])
    page.get_by_text("large.jsonl is larger than 2 MB").wait_for(timeout=60_000)
    settled(page)
    assert use.count() == 0 and page.get_by_text("small.jsonl").count() == 0
    give.set_input_files([file("big.jsonl", 3 * 2**20), file("good.jsonl")])
    # Whichever of the two is told first.
    page.locator("[class*=st-key-import_use_] button").wait_for(timeout=60_000)
    page.get_by_text("big.jsonl is larger than 2 MB").wait_for(timeout=60_000)
    settled(page)
    said = page.locator("[data-testid=stMain]").inner_text()
    assert "big.jsonl is larger than 2 MB" in said and "large.jsonl" not in said
    give.set_input_files([file("small.jsonl")])
    use.wait_for(timeout=60_000)
    settled(page)
    assert page.get_by_text("larger than 2 MB").count() == 0
