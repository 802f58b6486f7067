"""The picture to share says what the session came to, and foreign text in it is only ever text."""

from __future__ import annotations

import io
from xml.etree import ElementTree

import pytest
from PIL import Image

from rlhf_core.judging import briefs
from rlhf_core.session.state import Session
from ui import share_picture

EVIL = "</text><script>alert(1)</script> & \x00\x07 ]]> "


def tuned() -> Session:
    session = Session(briefs.PRESETS["biology-homework"])
    session.tuned.metrics = [
        {"step": n, "reward_mean": n / 2, "kl_to_reference": 1.25 * n, "beta": 0.1}
        for n in range(3)
    ]
    same = {"prompt": "A cat is", "before": " a pet.", "after": " a pet."}
    other = {"prompt": "An opossum is", "before": " a meme.", "after": " a marsupial."}
    session.tuned.evaluation = {"pairs": [same, other], "verdict": "better", "win_rate": 0.8}
    return session


def words_of(svg: str) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_there_is_no_picture_before_there_is_something_to_show():
    assert share_picture.facts(Session(briefs.PRESETS["biology-homework"])) is None


def test_the_picture_says_what_the_session_came_to():
    facts = share_picture.facts(tuned())
    said = words_of(share_picture.svg(facts))
    for words in (
        "Biology homework helper",
        "An opossum is",  # the first pair that changed
        "a meme.",
        "a marsupial.",
        "reward +1.00 SD",
        "KL 2.5 nats",
        "2 PPO steps",
        "the tuned model is better",
        "Made with Opossum",
    ):
        assert words in said and words.strip(".") in share_picture.alt(facts)


@pytest.mark.parametrize("name", ["brief", "judge", "prompt", "before", "after"])
def test_foreign_text_is_only_text_and_never_leaves_the_card(name):
    facts = {**share_picture.facts(tuned()), name: EVIL + "x" * 5000}
    tree = ElementTree.fromstring(share_picture.svg(facts))
    kinds = {one.tag.rpartition("}")[2] for one in tree.iter()}
    assert kinds == {"svg", "title", "rect", "ellipse", "text"}
    assert "<script>alert(1)</script>" in words_of(share_picture.svg(facts))
    for line in share_picture.card(facts):
        assert 0 < line.y <= share_picture.HEIGHT and len(line.words) <= 120


def test_the_png_is_the_size_that_posts_show_and_has_ink_on_it():
    image = Image.open(io.BytesIO(share_picture.png(share_picture.facts(tuned()))))
    assert image.size == (share_picture.WIDTH, share_picture.HEIGHT) and image.format == "PNG"
    assert len(image.getcolors(1 << 16) or range(99)) > 5
    assert share_picture.png({**share_picture.facts(tuned()), "before": EVIL + "漢 🙂"})
