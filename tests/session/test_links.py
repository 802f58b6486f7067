"""Links that carry brief, prompt, seed and knobs: what goes out comes back, and nothing that comes
can do harm.
"""

from __future__ import annotations

import base64
import json
import zlib
from urllib.parse import parse_qs

import pytest

from rlhf_core.common.settings import PPOSettings, SamplingSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import FIELDS, PRESETS
from rlhf_core.session import asked, links
from rlhf_core.session.state import Session

MEME = PRESETS["meme-bot"]


def there_and_back(brief, prompt="", page="prompt", knobs=None) -> links.Link:
    written, left = links.query(brief, prompt, page, knobs or {})
    assert not left and len(written) <= links.MOST_QUERY
    return links.read(page, parse_qs(written, strict_parsing=True))


@pytest.mark.parametrize("page", links.STAGES)
def test_what_goes_out_comes_back(page):
    knobs = {"temperature": 1.3, "seed": 77} | (
        {"learning_rate": 3e-05, "epochs": 2} if page == "ppo" else {"top_p": 0.9}
    )
    link = there_and_back(MEME, "Tea & 50% of “ants” are", page, knobs)
    assert (link.brief, link.prompt, link.problems) == (MEME, "Tea & 50% of “ants” are", ())
    assert link.stage == links.STAGES[page][0] and link.knobs == knobs


def test_the_seed_always_goes_along_and_defaults_do_not():
    written, _ = links.query(MEME, "", "ppo", vars(PPOSettings()))
    assert written == "brief=meme-bot&seed=0"


def test_a_brief_that_was_changed_goes_along_as_far_as_it_was():
    changed = briefs.revised(MEME, {"prefer": "The sad one."})
    link = there_and_back(changed)
    assert link.brief.prefer == "The sad one." and link.brief.training_prompts
    assert link.brief.wanted is None and link.brief.slug == "meme-bot"


def test_a_brief_of_ones_own_goes_along():
    own = briefs.own(
        {"title": "Mine", "prefer": "short", "training_prompts": "A fox\nAn owl"}, set()
    )
    assert there_and_back(own).brief == own


def wordy(count: int) -> str:
    """So many words that hardly shrink."""
    return " ".join(f"{n * 7919 % 10007:x}" for n in range(count))


def test_a_brief_that_is_too_long_stays_and_that_is_said():
    fields = {"title": "Mine", "prefer": wordy(350), "avoid": wordy(349)[::-1]}
    own = briefs.own(fields | {"training_prompts": "A fox\nAn owl"}, set())
    written, left = links.query(own, "A fox", "prompt", {})
    assert written == "prompt=A%20fox&seed=0" and "too long" in left
    changed = briefs.revised(MEME, {"prefer": own.prefer, "avoid": own.avoid})
    written, left = links.query(changed, "", "ppo", {})
    assert written == "brief=meme-bot&seed=0" and "Meme bot" in left


def test_a_long_prompt_and_a_long_brief_do_not_fit_together():
    changed = briefs.revised(MEME, {"avoid": wordy(200)})
    assert "words=" in links.query(changed, "", "prompt", {})[0]
    written, left = links.query(changed, "é" * 380, "prompt", {})
    assert "words=" not in written and "prompt=" in written and "too long" in left


@pytest.mark.parametrize(
    "said", ["nan", "inf", "-inf", "1e400", "", "1_0", "٣", "9" * 10_000, "0x1", "<b>", "1;2", "-1"]
)
@pytest.mark.parametrize("name", ["temperature", "candidates", "seed"])
def test_a_bad_number_is_named_and_the_default_stands(name, said):
    link = links.read("prompt", {name: [said], "top_k": ["5"]})
    assert link.knobs == {"top_k": 5}
    (problem,) = link.problems
    default = getattr(SamplingSettings(), name)
    assert problem.startswith(f"Its {name} is “") and problem.endswith(f"it stays at {default}.")
    assert len(problem) < 200


def test_a_whole_number_stays_whole():
    assert links.read("ppo", {"epochs": ["2"]}).knobs == {"epochs": 2}
    assert type(links.read("ppo", {"epochs": ["2.0"]}).knobs["epochs"]) is int
    assert links.read("ppo", {"epochs": ["2.5"]}).problems


@pytest.mark.parametrize("prompt", ["a" * 10_000, "   ", "a\x00b"])
def test_a_prompt_that_cannot_be_used_is_left_out(prompt):
    link = links.read("prompt", {"prompt": [prompt], "brief": ["meme-bot"]})
    assert link.prompt == "" and link.brief == MEME and len(link.problems) == 1


def test_what_looks_like_a_script_is_a_prompt_like_any_other():
    assert links.read("prompt", {"prompt": ["<script>x</script>"]}).prompt == "<script>x</script>"


def test_a_key_that_comes_twice_is_left_out():
    link = links.read("prompt", {"seed": ["1", "2"], "prompt": ["A fox", "An owl"], "top_k": ["3"]})
    assert (link.prompt, link.knobs, len(link.problems)) == ("", {"top_k": 3}, 2)


def test_an_unknown_brief_is_named():
    link = links.read("rank", {"brief": ["<b>" * 1_000]})
    assert link.brief is None and len(link.problems[0]) < 100


def packed(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(zlib.compress(raw, 9)).decode().rstrip("=")


@pytest.mark.parametrize(
    "words",
    [
        "!!",
        "AAAA",
        "A" * 5_000,
        packed(b"0" * 10_000_000)[: links.MOST_WORDS],
        packed(b" " * 1_000_000),
        packed(b"[" * 50_000),
        packed([1]),
        packed({"slug": "meme-bot", "wanted": "fact"}),
        packed({"title": 3}),
        packed({"title": "x", "prefer": "y\x07", "training_prompts": "a\nb"}),
        packed({"title": "", "prefer": "", "training_prompts": ""}),
        packed(b"\xff\xfe"),
    ],
)
def test_words_of_a_brief_that_are_no_brief_are_left_out(words):
    link = links.read("prompt", {"words": [words], "brief": ["meme-bot"]})
    assert link.brief == MEME and len(link.problems) == 1
    assert links.read("prompt", {"words": [words]}).brief is None


def test_nobody_gets_a_scripted_rater_for_words_it_was_not_made_for():
    words = packed({name: "A fox\nAn owl" for name in FIELDS if name != "evaluation_prompts"})
    for given in ({"words": [words]}, {"words": [words], "brief": ["meme-bot"]}):
        assert links.read("prompt", given).brief.wanted is None


def test_other_parameters_are_none_of_ours():
    assert links.read("prompt", {"run": ["abc"], "projector": ["1"], "beta": ["1"]}) is None
    assert links.read("rank", {"temperature": ["1"]}) is None
    assert "run" not in {name for page in ("prompt", "ppo", "rank") for name in links.names(page)}


def test_many_problems_are_told_shortly():
    given = {name: ["nan"] for name in links.names("ppo") - {"brief", "words", "prompt"}}
    told = links.told(links.read("ppo", given))
    assert "And 17 more" in told and len(told) < 600


def test_a_fresh_session_begins_with_what_came():
    session = Session()
    given = {"brief": ["meme-bot"], "prompt": ["A wise fox"], "beta": ["0.5"], "seed": ["9"]}
    links.begin(session, links.read("ppo", given))
    assert session.asked.brief == MEME and session.asked.user_prompts == ["A wise fox"]
    assert session.settings["ppo_next"] == {"beta": 0.5, "seed": 9}
    assert links.to_share(session, "ppo")[0] == "A wise fox"
    written, _ = links.query(MEME, *links_of(session, "ppo"))
    assert parse_qs(written) == given


def links_of(session: Session, page: str) -> tuple[str, str, dict]:
    prompt, _, knobs = links.to_share(session, page)
    return prompt, page, knobs


def test_the_prompt_page_shares_what_its_newest_answers_were_written_with():
    session = Session()
    sampling = vars(SamplingSettings(temperature=1.1, seed=5))
    asked.add_set(
        session, "A fox is", [" red.", " sly."], [True, True], 5, [[], []], None, sampling
    )
    session.choose("sampling", {"temperature": 0.3, "seed": 6})  # moved since
    prompt, stage, knobs = links.to_share(session, "prompt")
    assert (prompt, stage, knobs) == ("A fox is", "sampling", sampling)
    session.asked.candidate_sets[-1].pop("sampling")  # of a session of before
    assert links.to_share(session, "prompt")[2]["seed"] == 5


def test_no_session_id_goes_along():
    session = Session()
    asked.add_prompt(session, "A fox is")
    for page in ("prompt", "ppo", "rank"):
        written, _ = links.query(session.asked.brief, *links_of(session, page))
        assert session.id not in written and "run" not in parse_qs(written)
