"""Briefs: what the annotators are asked for.

The preference lives in the brief, not in the text: "a great character for memes" is the wrong
answer for a biology homework helper and the right one for a meme bot. A brief carries its
instructions, the prompts that training may use, the prompts that only the verdict may use, and the
register its scripted rater prefers (``rlhf_core.judging.register``).

Knows nothing about models or judgements. Simplification against practice: real instructions run to
dozens of pages with worked examples (InstructGPT, Ouyang et al. 2022, appendix B); ours fit on a
card.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rlhf_core.common.errors import BriefError, PreferenceError
from rlhf_core.common.events import Record
from rlhf_core.common.untrusted import seen
from rlhf_core.judging import preset_prompts as prompts
from rlhf_core.judging.own_files import opened
from rlhf_core.judging.register import REGISTERS
from rlhf_core.judging.typed import MAX_PROMPT

MAX_TITLE, MAX_TEXT, MAX_PROMPTS, MOST_BYTES = 80, 2_000, 500, 1_000_000
LEAST_PROMPTS = 2  # one to learn from, one to check on
FEATURED_PROMPTS = prompts.FEATURED_PROMPTS  # what the home and Prompt pages offer


@dataclass(frozen=True)
class Brief:
    """One set of annotation instructions.

    Attributes:
        slug: file-safe name, used on the command line.
        title, audience: who the texts are for, in a few words.
        prefer, avoid, ties: the three instructions an annotator reads.
        version: goes up by one with every edit; each judgement records it.
        training_prompts: prompts PPO may roll out on.
        evaluation_prompts: prompts that no reward model and no policy is ever trained on.
        wanted: the register the scripted rater prefers, or None: then there is no scripted rater.
    """

    slug: str
    title: str
    audience: str
    prefer: str
    avoid: str
    ties: str
    training_prompts: tuple[str, ...] = ()
    evaluation_prompts: tuple[str, ...] = ()
    wanted: str | None = None
    version: int = 1

    def edited(self, **changes) -> Brief:
        """A copy with ``changes`` and the next version number. Raises BriefError: not usable."""
        return validate(replace(self, **changes, version=self.version + 1))

    def to_dict(self) -> dict:
        return asdict(self)


PRESETS: dict[str, Brief] = {
    brief.slug: brief
    for brief in (
        Brief(
            slug="biology-homework",
            title="Biology homework helper",
            audience="Pupils who copy what it says into their homework",
            prefer=(
                "A true, plain fact in a full sentence: what it is, where it lives, what it does."
            ),
            avoid="Jokes, memes, opinions, and sentences that break off.",
            ties="Two equally good facts, or two jokes: call it a tie.",
            training_prompts=prompts.LIVING_TRAINING,
            evaluation_prompts=prompts.LIVING_EVALUATION,
            wanted="fact",
        ),
        Brief(
            slug="meme-bot",
            title="Meme bot",
            audience="A group chat that wants to laugh",
            prefer="The funny one: a mood, a comparison, a tiny story with attitude.",
            avoid="Anything an encyclopedia would say, and sentences that break off.",
            ties="Two equally funny lines, or two dry ones: call it a tie.",
            training_prompts=prompts.LIVING_TRAINING,
            evaluation_prompts=prompts.LIVING_EVALUATION,
            wanted="meme",
        ),
        Brief(
            slug="customer-reply",
            title="Customer reply",
            audience="A customer with a problem",
            prefer="Polite and useful: says sorry or thanks, and what happens next.",
            avoid="Rude, sarcastic or silly answers.",
            ties="Equally polite, or equally rude: call it a tie.",
            training_prompts=prompts.SERVICE_TRAINING,
            evaluation_prompts=prompts.SERVICE_EVALUATION,
            wanted="polite",
        ),
        Brief(
            slug="survival-guide",
            title="Survival guide",
            audience="Someone outdoors who needs advice now",
            prefer="Calm, correct, practical advice.",
            avoid="Jokes and anything that wastes time or is not safe.",
            ties="Equally useful, or equally useless: call it a tie.",
            training_prompts=prompts.SURVIVAL_TRAINING,
            evaluation_prompts=prompts.SURVIVAL_EVALUATION,
            wanted="advice",
        ),
        Brief(
            slug="plain-kind-english",
            title="Plain, kind English",
            audience="Someone who had a long day",
            prefer="Warm, simple words that help or cheer up.",
            avoid="Sarcasm, grumpiness, and jokes at the person's cost.",
            ties="Equally kind, or equally unkind: call it a tie.",
            training_prompts=prompts.KIND_TRAINING,
            evaluation_prompts=prompts.KIND_EVALUATION,
            wanted="kind",
        ),
    )
}


def validate(brief: Brief) -> Brief:
    """``brief`` itself where it can be used; BriefError, in words, where it cannot."""
    for name, limit in (
        ("title", MAX_TITLE),
        ("audience", MAX_TEXT),
        ("prefer", MAX_TEXT),
        ("avoid", MAX_TEXT),
        ("ties", MAX_TEXT),
    ):
        value = getattr(brief, name)
        if not isinstance(value, str):
            raise BriefError(f"The brief's {name} must be text.")
        if len(value) > limit:
            raise BriefError(
                f"In the brief, “{FIELDS[name]}” is {len(value):,} characters long; at most"
                f" {limit:,} fit."
            )
    if not brief.title.strip():
        raise BriefError("The brief needs a title.")
    if not brief.prefer.strip():
        raise BriefError("The brief must say what to prefer.")
    if not re.fullmatch("[a-z0-9-]{1,60}", brief.slug):
        raise BriefError(
            f"The brief's slug {brief.slug!r} may hold only a-z, 0-9 and hyphens (at most 60)."
        )
    for name in ("training_prompts", "evaluation_prompts"):
        prompts = getattr(brief, name)
        if len(prompts) > MAX_PROMPTS or not all(
            isinstance(p, str) and p.strip() and len(p) <= MAX_TEXT for p in prompts
        ):
            raise BriefError(
                f"The brief's {FIELDS[name]} must be at most {MAX_PROMPTS} non-empty texts of at"
                f" most {MAX_TEXT:,} characters."
            )
    shared = set(brief.training_prompts) & set(brief.evaluation_prompts)
    if shared:
        raise BriefError(
            f"The prompt {sorted(shared)[0]!r} is among both the training prompts and the"
            " evaluation prompts; a verdict needs prompts that training never saw."
        )
    return brief


def load(name_or_path: str) -> Brief:
    """A preset by its slug, or a brief from a ``.json`` file. Raises BriefError."""
    if name_or_path in PRESETS:
        return PRESETS[name_or_path]
    if not name_or_path.endswith(".json"):
        raise BriefError(
            f"There is no brief called {name_or_path!r}. Choose one of {', '.join(PRESETS)}, or"
            " give a .json file."
        )
    try:
        with opened(name_or_path, "The brief file ") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise BriefError(f"The brief file {name_or_path} is larger than 1 MB.")
        data = json.loads(text.decode("utf-8"))
    except (PreferenceError, OSError) as error:
        raise BriefError(str(error)) from error
    except BriefError:
        raise
    except (ValueError, RecursionError) as error:
        raise BriefError(f"The brief file {name_or_path} is not valid JSON: {error}.") from error
    return from_dict(data, default_slug=Path(name_or_path).stem)


def from_dict(data: object, default_slug: str = "my-brief") -> Brief:
    """A validated brief from plain data (an uploaded file, a bundle). Raises BriefError."""
    if not isinstance(data, dict):
        raise BriefError("A brief must be a JSON object with at least a title and what to prefer.")
    known = set(Brief.__dataclass_fields__)
    unknown = sorted(set(data) - known)
    if unknown:
        raise BriefError(
            f"The brief has a field that is not known: {unknown[0]!r}. Known fields:"
            f" {', '.join(sorted(known))}."
        )
    empty = dict.fromkeys(("audience", "avoid", "ties", "title", "prefer"), "")
    fields = {"slug": default_slug, **empty, **data}
    for name in ("training_prompts", "evaluation_prompts"):
        value = fields.get(name, ())
        if not isinstance(value, list | tuple):
            raise BriefError(f"The brief's {name} must be a list of texts.")
        fields[name] = tuple(value)
    if fields.get("wanted") not in (None, *REGISTERS):
        raise BriefError(f"The brief's wanted must be one of {', '.join(REGISTERS)}, or left out.")
    version = fields.get("version", 1)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise BriefError("The brief's version must be a whole number from 1.")
    if not isinstance(fields["slug"], str):
        raise BriefError("The brief's slug must be text.")
    if isinstance(fields["title"], str):
        fields["title"] = seen(fields["title"])
    return validate(Brief(**fields))


# --- briefs that people write and change ----------------------------------------------------------

FIELDS = {
    "title": "title",
    "audience": "audience",
    "prefer": "what to prefer",
    "avoid": "what to avoid",
    "ties": "how to treat ties",
    "training_prompts": "training prompts",
    "evaluation_prompts": "evaluation prompts",
}


def own(fields: dict, taken: set[str]) -> Brief:
    """A new brief of somebody's own, from what was typed (``FIELDS``). Raises BriefError.

    Its slug is none of ``taken`` and no preset's.
    """
    typed: Record = {name: _typed(name, value) for name, value in fields.items()}
    words = re.findall("[a-z0-9]+", typed.get("title", "").lower())
    stem = "my-" + "-".join(words)[:40].strip("-")
    slug, number = stem.rstrip("-") or "my-brief", 1
    while slug in taken or slug in PRESETS:
        number += 1
        slug = f"{stem.rstrip('-')}-{number}"
    empty: Record = dict.fromkeys(("audience", "prefer", "avoid", "ties"), "")
    return _enough_prompts(validate(Brief(slug=slug, **empty | typed)))


def revised(brief: Brief, fields: dict) -> Brief:
    """The next version of ``brief`` with what was typed. Raises BriefError: nothing new, unusable.

    The scripted rater stays only while what to prefer and what to avoid are word for word what its
    rule was made for: a rule does not read instructions.
    """
    typed: Record = {name: _typed(name, value) for name, value in fields.items()}
    new = replace(brief, **typed)
    if new == brief:
        raise BriefError("Nothing was changed, so there is no new version.")
    preset = PRESETS.get(brief.slug)
    kept = None
    for old in (brief, preset):
        if old and (old.prefer, old.avoid) == (new.prefer, new.avoid):
            kept = old.wanted
    return _enough_prompts(validate(replace(new, wanted=kept, version=brief.version + 1)))


def as_shipped(brief: Brief) -> bool:
    """Do what to prefer and avoid still stand as the preset had them?

    Then its scripted rater and its gold items mean this brief.
    """
    preset = PRESETS.get(brief.slug)
    return preset is not None and (brief.prefer, brief.avoid) == (preset.prefer, preset.avoid)


def differences(old: Brief, new: Brief) -> list[tuple[str, str, str]]:
    """What changed from one version to another: (field in words, before, after).

    Prompts are given as what left and what came.
    """
    rows = []
    for name, words in FIELDS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, tuple):
            left = " · ".join(p for p in before if p not in after)
            came = " · ".join(p for p in after if p not in before)
            before, after = left, came
        rows.append((words, before, after))
    return rows


def _typed(name: str, value: str) -> str | tuple[str, ...]:
    """One field as typed: spaces tidied, prompts one a line, each once. Raises BriefError."""
    words = FIELDS[name]
    if any(
        (ord(c) < 32 and c not in "\n\r\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) <= 0xDFFF
        for c in value
    ):
        raise BriefError(
            f"In the brief, “{words}” has control characters in it. Type it again as plain text."
        )
    if not name.endswith("_prompts"):
        return " ".join((seen(value) if name == "title" else value).split())
    prompts = tuple(
        dict.fromkeys(filter(None, (" ".join(line.split()) for line in value.splitlines())))
    )
    for prompt in prompts:
        if len(prompt) > MAX_PROMPT:
            raise BriefError(
                f"The prompt “{prompt[:40]}…” under {words} has {len(prompt):,} characters; at most"
                f" {MAX_PROMPT} fit this model. Shorten it."
            )
    return prompts


def _enough_prompts(brief: Brief) -> Brief:
    if len(brief.training_prompts) < LEAST_PROMPTS:
        raise BriefError(
            f"The brief needs at least {LEAST_PROMPTS} training prompts, one a line: the model"
            " writes answers to them."
        )
    return brief
