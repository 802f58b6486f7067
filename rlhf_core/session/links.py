"""What a link to a page carries: brief, prompt, seed and knobs; and what a link that came may say.

Whoever opens it gets a session of its own, with the same texts from the same model. Everything
that comes by a link is somebody else's words: each value is checked by itself, and one that cannot
be used is named in a sentence while the default stands. Never in a link: a session's id,
judgements, weights. Knows nothing about addresses and pages' drawing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from rlhf_core.common.errors import BriefError, InputError
from rlhf_core.common.knob import describe, within
from rlhf_core.common.settings import PPOSettings, SamplingSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import FIELDS, PRESETS, Brief
from rlhf_core.judging.typed import check_prompt
from rlhf_core.session import asked
from rlhf_core.session.state import Session

# Page -> the stage whose knobs it carries (``session.settings``), and their class.
STAGES = {"prompt": ("sampling", SamplingSettings), "ppo": ("ppo", PPOSettings)}
BRIEF, WORDS, PROMPT = "brief", "words", "prompt"
MOST_WORDS, MOST_QUERY = 1_200, 2_000  # characters: of a brief's own words, and of all together
MOST_UNPACKED = 60_000  # bytes of a brief's words
NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,12})?(e-?[0-9]{1,2})?", re.ASCII)
TOLD = 4  # problems that are told one by one


@dataclass(frozen=True)
class Link:
    """What came by a link, checked.

    Attributes:
        brief: the one it names; None: the default stands.
        prompt: ready to be used, or "".
        stage, knobs: the stage whose settings came, and those that differ from the defaults.
        problems: what could not be used, each in a sentence. They quote the link: escape them.
    """

    brief: Brief | None = None
    prompt: str = ""
    stage: str = ""
    knobs: dict = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def names(page: str) -> set[str]:
    """The parameters that mean something on ``page``."""
    _, cls = STAGES.get(page, ("", None))
    return {BRIEF, WORDS, PROMPT} | ({row["name"] for row in describe(cls)} if cls else set())


# --- writing one ----------------------------------------------------------------------------------


def to_share(session: Session, page: str) -> tuple[str, str, dict]:
    """What a link from ``page`` says of this session: (prompt, the stage, its settings).

    On the Prompt page the newest answers', exactly as they were written; on the PPO page the last
    run's, before any run those that were chosen.
    """
    stage, cls = STAGES.get(page, ("", None))
    own = [row for row in session.asked.candidate_sets if row.get("asked")]
    prompt = next(iter(session.asked.user_prompts[-1:]), "")
    kept = {**session.settings.get(stage, {}), **session.settings.get(f"{stage}_next", {})}
    if page == "prompt" and own:
        prompt, kept = (
            own[-1]["prompt"],
            own[-1].get("sampling") or kept | {"seed": own[-1]["seed"]},
        )
    elif page == "ppo" and session.tuned.metrics:
        kept = session.settings.get(stage, {})
    return prompt, stage, within(cls, kept) if cls else {}


def query(brief: Brief, prompt: str, page: str, knobs: Mapping) -> tuple[str, str]:
    """(the part of an address behind "?", what could not travel, in a sentence or "").

    Knobs that stand at their default are left out; the seed never is. A brief in our words goes by
    its name; what somebody changed in it, or wrote, goes along as far as it fits.
    """
    parts, left = _brief_parts(brief)
    if prompt:
        parts[PROMPT] = prompt
    for row in describe(STAGES[page][1]) if page in STAGES else ():
        value = knobs.get(row["name"], row["default"])
        if value != row["default"] or row["name"] == "seed":
            parts[row["name"]] = repr(value)
    written = urlencode(parts, quote_via=quote)
    if len(written) > MOST_QUERY and WORDS in parts:  # a long prompt, and a long brief
        left = _too_long(brief)
        parts = {name: value for name, value in parts.items() if name not in (WORDS, BRIEF)}
        parts |= {BRIEF: brief.slug} if brief.slug in PRESETS else {}
        written = urlencode(parts, quote_via=quote)
    return written, left


def _too_long(brief: Brief) -> str:
    stands = (
        f"“{PRESETS[brief.slug].title}” as it ships" if brief.slug in PRESETS else "our first one"
    )
    return (
        "Your own brief is too long for a link, so it stays here and the link opens with"
        f" {stands}. Import and export takes it along."
    )


def _brief_parts(brief: Brief) -> tuple[dict[str, str], str]:
    preset = PRESETS.get(brief.slug)
    if brief == preset:
        return {BRIEF: brief.slug}, ""
    fields = {name: _as_typed(getattr(brief, name)) for name in FIELDS}
    if preset:
        fields = {
            name: value
            for name, value in fields.items()
            if value != _as_typed(getattr(preset, name))
        }
    parts = {BRIEF: brief.slug} if preset else {}
    if not fields:  # another version of the very same words
        return parts, ""
    packed = zlib.compress(json.dumps(fields, ensure_ascii=False).encode(), 9)
    words = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    if len(words) > MOST_WORDS:
        return parts, _too_long(brief)
    return {**parts, WORDS: words}, ""


def _as_typed(value: str | tuple[str, ...]) -> str:
    return "\n".join(value) if isinstance(value, tuple) else value


# --- reading one ----------------------------------------------------------------------------------


def read(page: str, given: Mapping[str, Sequence[str]]) -> Link | None:
    """What the parameters of an address say; None where none of them is ours.

    ``given``: every value of each parameter, in order.
    """
    known = names(page)
    asked_for = {name: list(values) for name, values in given.items() if name in known}
    if not asked_for:
        return None
    problems: list[str] = []
    single: dict[str, str] = {}
    for name, values in asked_for.items():
        if len(values) == 1 and isinstance(values[0], str):
            single[name] = values[0]
        else:
            problems.append(f"“{_word(name)}” stands in the link {len(values)} times; left out.")
    brief = _read_brief(single, problems)
    prompt = ""
    if PROMPT in single:
        try:
            prompt = check_prompt(single[PROMPT])
        except InputError as error:
            problems.append(f"Its prompt is left out: {error}")
    stage, cls = STAGES.get(page, ("", None))
    knobs = _read_knobs(cls, single, problems) if cls else {}
    return Link(brief, prompt, stage, knobs, tuple(problems))


def _read_knobs(cls: type, single: Mapping[str, str], problems: list[str]) -> dict:
    found = {}
    for row in describe(cls):
        said = single.get(row["name"])
        if said is None:
            continue
        whole = isinstance(row["default"], int)
        value = _number(said, whole)
        if value is None or not row["low"] <= value <= row["high"]:
            what = "a whole number" if whole else "a number"
            problems.append(
                f"Its {_word(row['name'])} is “{_cut(said)}”, and must be {what} from {row['low']}"
                f" to {row['high']}; it stays at {row['default']}."
            )
        else:
            found[row["name"]] = value
    return found


def _number(said: str, whole: bool) -> int | float | None:
    """A number that looks like one: no NaN, no infinity, nothing endless."""
    if not NUMBER.fullmatch(said):
        return None
    value = float(said)
    if not whole:
        return value
    return int(value) if value.is_integer() else None


def _read_brief(single: Mapping[str, str], problems: list[str]) -> Brief | None:
    slug = single.get(BRIEF)
    if slug is not None and slug not in PRESETS:
        problems.append(f"There is no brief called “{_cut(slug)}” here.")
        slug = None
    preset = PRESETS.get(slug) if slug else None
    if WORDS not in single:
        return preset
    try:
        fields = _unpack(single[WORDS])
        return briefs.revised(preset, fields) if preset else briefs.own(fields, set())
    except BriefError as error:
        problems.append(f"The words of its brief are left out: {error}")
    return preset


def _unpack(words: str) -> dict[str, str]:
    """A brief's fields as they were typed. Raises BriefError."""
    damaged = BriefError("they are damaged, or too many.")
    if len(words) > MOST_WORDS or not re.fullmatch(r"[A-Za-z0-9_-]*", words):
        raise damaged
    try:
        packed = base64.urlsafe_b64decode(words + "=" * (-len(words) % 4))
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(packed, MOST_UNPACKED)
        if not unpacking.eof:
            raise damaged
        fields = json.loads(plain.decode())
    except (binascii.Error, zlib.error, ValueError, RecursionError) as error:
        raise damaged from error
    if not isinstance(fields, dict) or not set(fields) <= set(FIELDS):
        raise damaged
    if not all(isinstance(value, str) for value in fields.values()):
        raise damaged
    return fields


def _word(name: str) -> str:
    return name.replace("_", " ")


def _cut(said: str, most: int = 40) -> str:
    return said if len(said) <= most else said[:most] + "…"


# --- beginning with one ---------------------------------------------------------------------------


def begin(session: Session, link: Link) -> None:
    """A fresh session takes what came: its brief is in force, its knobs are chosen, its prompt is
    among the learner's own.
    """
    if link.brief is not None and link.brief != session.asked.brief:
        asked.set_brief(session, link.brief)
    if link.knobs:
        session.choose(link.stage, link.knobs)
    if link.prompt:
        asked.add_prompt(session, link.prompt)


def told(link: Link) -> str:
    """What could not be used, in one line; "" where all could. It quotes the link: escape it."""
    rest = len(link.problems) - TOLD
    more = f" And {rest} more like that." if rest > 0 else ""
    return " ".join(link.problems[:TOLD]) + more
