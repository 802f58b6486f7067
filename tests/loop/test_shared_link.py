"""Whoever opens a link gets the words that whoever sent it got."""

from __future__ import annotations

from urllib.parse import parse_qs

from rlhf_core.common.settings import SamplingSettings
from rlhf_core.judging.briefs import PRESETS
from rlhf_core.loop import writing
from rlhf_core.session import links
from rlhf_core.session.state import Session


def texts_of(session: Session) -> list[str]:
    return session.asked.candidate_sets[-1]["texts"]


def test_the_same_words_come_out_of_a_link():
    chosen = SamplingSettings(candidates=2, max_new_tokens=6, temperature=1.3, seed=41)
    sender = Session(PRESETS["meme-bot"])
    list(writing.generate(sender, "An opossum is", chosen))
    sender.choose("sampling", {"seed": 1, "temperature": 0.5})  # moved since: not what was written
    prompt, _, knobs = links.to_share(sender, "prompt")
    address, _ = links.query(sender.asked.brief, prompt, "prompt", knobs)

    link = links.read("prompt", parse_qs(address))
    opener = Session()
    links.begin(opener, link)
    list(writing.generate(opener, link.prompt, SamplingSettings(**link.knobs)))
    assert texts_of(opener) == texts_of(sender) and opener.asked.brief == sender.asked.brief
    assert opener.id != sender.id and opener.id not in address and sender.id not in address
