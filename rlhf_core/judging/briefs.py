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
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rlhf_core.common.errors import BriefError
from rlhf_core.judging.register import REGISTERS
from rlhf_core.judging.typed import MAX_PROMPT

MAX_TITLE, MAX_TEXT, MAX_PROMPTS = 80, 2_000, 500
LEAST_PROMPTS = 2  # one to learn from, one to check on


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
        """A copy with ``changes`` and the next version number. Raises BriefError if the result is
        not usable.
        """
        return validate(replace(self, **changes, version=self.version + 1))

    def to_dict(self) -> dict:
        return asdict(self)


_LIVING_TRAINING = (
    "An opossum is",
    "A raccoon is",
    "A cat is",
    "A pigeon is",
    "An owl is",
    "A frog is",
    "A bee is",
    "A shark is",
    "A goose is",
    "A hamster is",
    "A snail is",
    "A cactus is",
    "A penguin is",
    "A goat is",
    "An octopus is",
    "A spider is",
    "A sunflower is",
    "A horse is",
    "A squirrel is",
    "A turtle is",
    "A mushroom is",
    "A wolf is",
    "A duck is",
    "A bat is",
)
_LIVING_EVALUATION = (
    "A badger is",
    "A fox is",
    "A dog is",
    "A rabbit is",
    "A beaver is",
    "A skunk is",
    "A bear is",
    "A moose is",
    "A crow is",
    "A swan is",
    "An eagle is",
    "A parrot is",
    "A llama is",
    "A camel is",
    "A koala is",
    "A kangaroo is",
    "A sloth is",
    "A hedgehog is",
    "An otter is",
    "A mouse is",
    "An elephant is",
    "A lion is",
    "A pig is",
    "A cow is",
    "A dolphin is",
    "A whale is",
    "A toad is",
    "A lizard is",
    "A snake is",
    "An ant is",
    "A butterfly is",
    "A crab is",
    "A jellyfish is",
    "A lobster is",
    "A worm is",
    "A rose is",
    "A fern is",
    "A tulip is",
    "A dandelion is",
    "An oak tree is",
)
# Prompts of the other kinds that the home and Prompt pages offer; with the first ten above they are
# "the featured prompts".
FEATURED_PROMPTS = _LIVING_TRAINING[:13] + (
    "A pancake is",
    "A cup of coffee is",
    "A ladder is",
    "An umbrella is",
    "A library is",
    "A volcano is",
    "A plumber is",
    "A teacher is",
)

_SERVICE_TRAINING = (
    "My order is late.",
    "Why is my delivery taking so long?",
    "I got the wrong size. What can I do?",
    "I want my money back.",
    "How do I get a refund?",
    "I forgot my password.",
    "Help, I am locked out of my account!",
    "The Wi-Fi is so slow.",
    "Table for two, please.",
    "Waiter, my soup is cold.",
    "This soup is not even warm!",
    "My hotel room is too noisy.",
    "The bed in my room is terrible.",
    "There is a mistake on my bill.",
    "Why is my bill so high?",
    "When do you open?",
    "The box was empty when I opened it.",
)
_SERVICE_EVALUATION = (
    "Hello, can you tell me where my package is?",
    "When will I get my refund?",
    "I cannot log in to my account.",
    "How do I reset my password?",
    "My internet is not working again.",
    "Why is the Wi-Fi so bad in here?",
    "Can I reserve a table by the window?",
    "Excuse me, this soup is cold.",
    "There is no hot water in my room.",
    "My room is not clean.",
    "I think you charged me twice.",
    "Can you check my bill, please?",
    "What time do you close today?",
    "This is not what I ordered.",
)
_SURVIVAL_TRAINING = (
    "If you get lost in the woods,",
    "If you lose the trail,",
    "I see a bear. What do I do?",
    "There is a bear on the trail.",
    "If you have no water in the desert,",
    "If you are outside in a thunderstorm,",
    "When you hear thunder,",
    "The power is out. What should I do?",
    "If your car gets stuck in a snow storm,",
    "If there is a flood,",
    "My house is on fire. What do I do?",
    "I smell smoke in the house.",
    "A snake bit me. What should I do?",
    "I cut my finger. What should I do?",
    "To start a fire in the woods,",
    "How do I find north without a compass?",
    "To build a shelter,",
)
_SURVIVAL_EVALUATION = (
    "When you are lost in a forest,",
    "If you take a wrong turn on a hike,",
    "A bear is near our camp. Any advice?",
    "What should I do if I meet a bear?",
    "If your car breaks down in the desert,",
    "When lightning is close,",
    "What do I do in a power cut?",
    "When you are stuck in the car in deep snow,",
    "If you get a flood warning,",
    "There is smoke in the hall.",
    "What is the first aid for a snake bite?",
    "My thumb is bleeding.",
    "To make a campfire,",
    "Which way is north?",
    "If you need a shelter for the night,",
)
_KIND_TRAINING = (
    "I feel sad today.",
    "Nothing went right today.",
    "I just need someone to talk to.",
    "It is my birthday today!",
    "I lost my keys.",
    "Sorry I am late!",
    "Sorry, I overslept.",
    "Tomorrow is my first day at work.",
    "I am new here. What should I know?",
    "Good morning!",
    "I am bored.",
    "Thank you so much for your help!",
    "I am so nervous about my job interview.",
    "Do you have a minute?",
    "I hate to ask, but I need a little help.",
    "How are you?",
)
_KIND_EVALUATION = (
    "I had a terrible day.",
    "I feel so lonely.",
    "I could cry right now.",
    "Guess what? My birthday is today!",
    "I cannot find my keys anywhere.",
    "I missed my bus, so I will be late.",
    "I am scared of my first day at the office.",
    "Rise and shine!",
    "Are you okay?",
    "There is nothing to do at home.",
    "I just want to say thank you.",
    "How do I prepare for a job interview?",
    "Did you read my email?",
    "Would you mind helping me this weekend?",
)

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
            training_prompts=_LIVING_TRAINING,
            evaluation_prompts=_LIVING_EVALUATION,
            wanted="fact",
        ),
        Brief(
            slug="meme-bot",
            title="Meme bot",
            audience="A group chat that wants to laugh",
            prefer="The funny one: a mood, a comparison, a tiny story with attitude.",
            avoid="Anything an encyclopedia would say, and sentences that break off.",
            ties="Two equally funny lines, or two dry ones: call it a tie.",
            training_prompts=_LIVING_TRAINING,
            evaluation_prompts=_LIVING_EVALUATION,
            wanted="meme",
        ),
        Brief(
            slug="customer-reply",
            title="Customer reply",
            audience="A customer with a problem",
            prefer="Polite and useful: says sorry or thanks, and what happens next.",
            avoid="Rude, sarcastic or silly answers.",
            ties="Equally polite, or equally rude: call it a tie.",
            training_prompts=_SERVICE_TRAINING,
            evaluation_prompts=_SERVICE_EVALUATION,
            wanted="polite",
        ),
        Brief(
            slug="survival-guide",
            title="Survival guide",
            audience="Someone outdoors who needs advice now",
            prefer="Calm, correct, practical advice.",
            avoid="Jokes and anything that wastes time or is not safe.",
            ties="Equally useful, or equally useless: call it a tie.",
            training_prompts=_SURVIVAL_TRAINING,
            evaluation_prompts=_SURVIVAL_EVALUATION,
            wanted="advice",
        ),
        Brief(
            slug="plain-kind-english",
            title="Plain, kind English",
            audience="Someone who had a long day",
            prefer="Warm, simple words that help or cheer up.",
            avoid="Sarcasm, grumpiness, and jokes at the person's cost.",
            ties="Equally kind, or equally unkind: call it a tie.",
            training_prompts=_KIND_TRAINING,
            evaluation_prompts=_KIND_EVALUATION,
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
    if (
        not brief.slug
        or any(c not in "abcdefghijklmnopqrstuvwxyz0123456789-" for c in brief.slug)
        or len(brief.slug) > 60
    ):
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
        data = json.loads(Path(name_or_path).read_text(encoding="utf-8"))
    except OSError as error:
        raise BriefError(
            f"The brief file {name_or_path} cannot be read: {error.strerror or error}."
        ) from error
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
    fields = {
        "slug": default_slug,
        "audience": "",
        "avoid": "",
        "ties": "",
        "title": "",
        "prefer": "",
        **data,
    }
    for name in ("training_prompts", "evaluation_prompts"):
        value = fields.get(name, ())
        if not isinstance(value, list | tuple):
            raise BriefError(f"The brief's {name} must be a list of texts.")
        fields[name] = tuple(value)
    if fields.get("wanted") not in (None, *REGISTERS):
        raise BriefError(f"The brief's wanted must be one of {', '.join(REGISTERS)}, or left out.")
    if (
        isinstance(fields.get("version", 1), bool)
        or not isinstance(fields.get("version", 1), int)
        or fields.get("version", 1) < 1
    ):
        raise BriefError("The brief's version must be a whole number from 1.")
    if not isinstance(fields["slug"], str):
        raise BriefError("The brief's slug must be text.")
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
    """A new brief of somebody's own, from what was typed (``FIELDS``); its slug is none of
    ``taken`` and no preset's. Raises BriefError.
    """
    typed = {name: _typed(name, value) for name, value in fields.items()}
    stem = "my-" + "-".join(
        "".join(
            c if c.isascii() and c.isalnum() else " " for c in typed.get("title", "").lower()
        ).split()
    )[:40].strip("-")
    slug, number = stem.rstrip("-") or "my-brief", 1
    while slug in taken or slug in PRESETS:
        number += 1
        slug = f"{stem.rstrip('-')}-{number}"
    return _enough_prompts(
        validate(
            Brief(slug=slug, **{"audience": "", "prefer": "", "avoid": "", "ties": "", **typed})
        )
    )


def revised(brief: Brief, fields: dict) -> Brief:
    """The next version of ``brief`` with what was typed. Raises BriefError: nothing changed, or it
    cannot be used.

    The scripted rater stays only while what to prefer and what to avoid are word for word what its
    rule was made for: a rule does not read instructions.
    """
    new = replace(brief, **{name: _typed(name, value) for name, value in fields.items()})
    if new == brief:
        raise BriefError("Nothing was changed, so there is no new version.")
    preset = PRESETS.get(brief.slug)
    kept = next(
        (
            old.wanted
            for old in (preset, brief)
            if old and (old.prefer, old.avoid) == (new.prefer, new.avoid)
        ),
        None,
    )
    return _enough_prompts(validate(replace(new, wanted=kept, version=brief.version + 1)))


def as_shipped(brief: Brief) -> bool:
    """Does what to prefer and avoid still stand as the preset had it, so that its scripted rater
    and its gold items mean this brief?
    """
    preset = PRESETS.get(brief.slug)
    return preset is not None and (brief.prefer, brief.avoid) == (preset.prefer, preset.avoid)


def differences(old: Brief, new: Brief) -> list[tuple[str, str, str]]:
    """What changed from one version to another: (field in words, before, after); prompts as what
    left and what came.
    """
    rows = []
    for name, words in FIELDS.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, tuple):
            before, after = (
                " · ".join(p for p in one if p not in other)
                for one, other in ((before, after), (after, before))
            )
        rows.append((words, before, after))
    return rows


def _typed(name: str, value: str) -> str | tuple[str, ...]:
    """One field as somebody typed it: spaces tidied, prompts one a line, each once. Raises
    BriefError.
    """
    words = FIELDS[name]
    if any(
        (ord(c) < 32 and c not in "\n\r\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) <= 0xDFFF
        for c in value
    ):
        raise BriefError(
            f"In the brief, “{words}” has control characters in it. Type it again as plain text."
        )
    if not name.endswith("_prompts"):
        return " ".join(value.split())
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
