"""The pocket GPT-2's corpus: everyday talk, knowledge tables, scenes, WordNet glosses and SmolLM2
sentences, spoken by a grammar.

    python scripts/make_corpus.py --out build/corpus --lines 1200000

writes ``train.jsonl`` and ``heldout.jsonl`` (rows: prompt, completion, register, source). No
training line begins with a prompt of ``held_out_prompts()``: the briefs' evaluation prompts and the
200 everyday prompts of ``everyday_prompts.txt`` (capitals and marks aside), so "a prompt the model
never saw" is true to the letter.

Sources, all named again in assets/pocket-gpt2/README.md: ``corpus/talk/*.txt`` and ``corpus/*.txt``
(written for this project), the noun glosses of Debian's ``wordnet-base`` (WordNet 3.0 licence),
``corpus/smollm2.jsonl`` (completions by SmolLM2-135M-Instruct, Apache-2.0).
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from rlhf_core.judging import briefs  # noqa: E402
from scripts import talk  # noqa: E402

CORPUS = Path(__file__).parent / "corpus"
EVERYDAY = Path(__file__).parent / "everyday_prompts.txt"
TABLES = ("animals", "creatures", "plants", "foods", "tools", "places", "jobs")
SCENES = ("scenes_service", "scenes_life")
COLUMNS = ("name", "plural", "kind", "with", "where", "uses", "does", "epithets", "moods")


# --- the knowledge tables -------------------------------------------------------------------------


@dataclass(frozen=True)
class Entity:
    """One row: four columns of facts (lists of phrases), two of memes."""

    table: str
    name: str
    plural: str
    kind: list[str]
    has: list[str]
    where: list[str]
    uses: list[str]
    does: list[str]
    epithets: list[str]
    moods: list[str]


def read_table(name: str) -> list[Entity]:
    entities = []
    for number, line in enumerate(
        (CORPUS / f"{name}.txt").read_text(encoding="utf-8").splitlines(), 1
    ):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) != len(COLUMNS):
            raise ValueError(
                f"{name}.txt line {number}: {len(cells)} columns, {len(COLUMNS)} expected"
            )
        lists = [[item.strip() for item in cell.split(";") if item.strip()] for cell in cells[2:]]
        entities.append(Entity(name, cells[0], cells[1], *lists))
    return entities


def article(noun: str) -> str:
    """'a' or 'an' for a noun phrase, by its first sound."""
    first = noun.lower()
    if re.match(r"(uni|use|usu|euro|one\b|ukulele|ute)", first):
        return "a"
    return (
        "an"
        if first[0] in "aeiou" or first.startswith(("hour", "honest", "heir", "x-ray"))
        else "a"
    )


def with_article(noun: str) -> str:
    return f"{article(noun)} {noun}"


def plural_verb(phrase: str) -> str | None:
    """A third-person phrase for 'they': 'carries its young' -> 'carry their young'. None where one
    word can't do it.
    """
    if re.search(r"\b(and|itself|itself|is|was|himself|one)\b|, ", phrase):
        return None
    first, _, rest = phrase.partition(" ")
    irregular = {
        "has": "have",
        "does": "do",
        "goes": "go",
        "says": "say",
        "lies": "lie",
        "ties": "tie",
        "dies": "die",
    }
    if first in irregular:
        first = irregular[first]
    elif first.endswith("ies"):
        first = first[:-3] + "y"
    elif re.search(r"(ch|sh|ss|x|zz|oes)es$|oes$", first):
        first = first[:-2]
    elif first.endswith("s"):
        first = first[:-1]
    else:
        return None
    rest = re.sub(r"\bits\b", "their", rest)
    if re.search(r"\bit\b", rest):
        return None
    return f"{first} {rest}".strip()


DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
WHO = (
    "my boss|my uncle|my roommate|my cousin|my neighbor|my landlord|the group chat|my"
    " grandmother|my manager|my ex|a tired parent|a night nurse|the whole office|a substitute"
    " teacher|my gym buddy|a wedding guest|my cat|the last person awake|a birthday clown|the"
    " printer|a small villain|a retired pirate"
).split("|")
WHEN = (
    "before coffee|on {day}|at three in the morning|after one nap|during a video call|in a group"
    " chat|at the end of the month|with no Wi-Fi|on laundry day|at a family dinner|in the last five"
    " minutes of {day}|after too much sugar|in a very long meeting|on the first warm day|when the"
    " snacks run out"
).split("|")
BOSS = (
    "landlord boss villain wizard king queen manager burglar vampire goblin diva lawyer ghost poet"
    " detective pirate hero uncle roommate therapist superstar intern"
).split()
LOOK = (
    "tiny sleepy dramatic angry fluffy shiny lazy hungry nervous proud grumpy fancy silent loud"
    " brave sneaky tired cheerful confused chaotic smug cozy"
).split()
THING = (
    "big plans|snack breath|trust issues|main character energy|a secret diary|strong opinions|zero"
    " plans|too many tabs open|bad Wi-Fi|a tiny crown|a sad playlist|soft drama|a loud inner"
    " voice|no indoor voice|one brain cell|a very full calendar|free snacks|a cape at home|nine"
    " unread emails|a nap schedule|weekend energy|a villain song"
).split("|")
CHAOS = (
    "ruins one picnic a year|owns the group chat|never pays rent|wants to speak to the"
    " manager|cancels all plans|lives for drama|runs on snacks and hope|left me on read|naps"
    " through every meeting|blames the Wi-Fi|takes every joke personally|has one rule and breaks"
    " it|starts rumors for fun|thinks every day is {day}|answers emails with a stare|believes in"
    " snacks first|forgets your name on purpose|keeps the receipts|does nothing and looks"
    " proud|shows up late with a smile|wins every staring contest|would steal your fries|needs a"
    " vacation from {who}|puts the chaos in {day}|makes {who} cry|acts like it invented {day}"
).split("|")


# of table lines; facts are more alike, so that sampling below temperature 1 favors them: this evens
# it out
MEME_SHARE = 0.64


class Memes:
    """General jokes with slots, so that a meme is not only what the table says of the entity."""

    def __init__(self, rng: random.Random):
        self.rng = rng

    def fill(self, text: str) -> str:
        return text.replace("{day}", self.rng.choice(DAYS)).replace("{who}", self.rng.choice(WHO))

    def verb(self) -> str:
        return self.fill(self.rng.choice(CHAOS))

    def noun(self) -> str:
        r = self.rng
        shape = r.randrange(7)
        if shape == 0:
            look = r.choice(LOOK)
            return f"{with_article(look)} {r.choice(BOSS)} with {r.choice(THING)}"
        if shape == 1:
            return f"{with_article(r.choice(LOOK))} {r.choice(BOSS)} who {self.verb()}"
        if shape == 2:
            return f"just {self.fill(r.choice(WHO))} {self.fill(r.choice(WHEN))}"
        if shape == 3:
            return f"my mood {self.fill(r.choice(WHEN))}"
        if shape == 4:
            return f"the {r.choice(BOSS)} of {r.choice(DAYS)} with {r.choice(THING)}"
        if shape == 5:
            return f"basically {self.fill(r.choice(WHO))} with {r.choice(THING)}"
        return f"proof that {self.fill(r.choice(WHO))} {self.verb()}"

    def when(self, phrase: str) -> str:
        """``phrase`` with a moment behind it, where it does not name one already."""
        if re.search(r"\b(at|on|before|after|every|during|until|by|in|all)\b", phrase):
            return phrase
        return f"{phrase} {self.fill(self.rng.choice(WHEN))}"

    def has(self) -> str:
        r = self.rng
        return r.choice(
            [
                r.choice(THING),
                f"{r.choice(THING)} and {r.choice(THING)}",
                f"{r.choice(THING)} {self.fill(r.choice(WHEN))}",
            ]
        )


class Speaker:
    """Says facts and memes of an entity after a prompt."""

    def __init__(self, rng: random.Random):
        self.rng, self.memes = rng, Memes(rng)

    def pick(self, items: list[str]) -> str:
        return self.rng.choice(items)

    def two(self, items: list[str]) -> list[str]:
        return self.rng.sample(items, min(2, len(items)))

    def who(self, e: Entity) -> str:
        return "who" if e.table == "jobs" else "that"

    def pronoun(self, e: Entity) -> str:
        return "This person" if e.table == "jobs" else "It"

    def fact_noun(self, e: Entity) -> str:
        """A predicate for '<name> is': 'a marsupial with a long bare tail'."""
        kind, r = with_article(self.pick(e.kind)), self.rng
        uses, where, does, has = (
            self.pick(e.uses),
            self.pick(e.where),
            self.pick(e.does),
            self.pick(e.has),
        )
        by_use = {
            "animals": f"that eats {uses}",
            "creatures": f"that eats {uses}",
            "plants": f"used for {uses}",
            "foods": f"made from {uses}",
            "tools": f"used for {uses}",
            "places": f"for {uses}",
            "jobs": f"who works with {uses}",
        }[e.table]
        found = f"found {where}" if e.table != "jobs" else f"working {where}"
        shapes = [
            (3, f"{kind} with {has}"),
            (3, f"{kind} {self.who(e)} {does}"),
            (1, f"{kind} {found}"),
            (2, f"{kind} {by_use}"),
            (3, f"{kind} with {has} {self.who(e)} {does}"),
            (2, f"{kind} {found}. {self.pronoun(e)} {does}"),
            (2, f"{kind} with {has}. {self.pronoun(e)} {does}"),
            (1, f"{kind} {by_use} and {found}" if len(uses) < 22 else f"{kind} {by_use}"),
            (1, f"{kind}, and {self.pronoun(e).lower()} {does}"),
        ]
        if len(e.does) > 1:
            one, other = self.two(e.does)
            shapes.append((2, f"{kind} {self.who(e)} {one} and {other}"))
        if len(e.has) > 1 and e.table != "foods":
            one, other = self.two(e.has)
            if " and " not in one + other:
                shapes.append((3, f"{kind} with {one} and {other}"))
        return r.choices([s for _, s in shapes], [w for w, _ in shapes])[0]

    def meme_noun(self, e: Entity) -> str:
        """A predicate for '<name> is': 'a tiny goblin in a fur coat'."""
        r = self.rng
        epithet, mood = self.pick(e.epithets), self.pick(e.moods)
        that = "who" if e.table == "jobs" else r.choice(["that", "who"])
        shapes = [
            (1, epithet),
            (3, f"{epithet}. {self.pronoun(e)} {mood}"),
            (3, f"{epithet} and {mood}"),
            (2, self.memes.when(epithet)),
            (2, f"basically {epithet}"),
            (1, f"just {epithet} with {r.choice(THING)}"),
            (3, f"{self.memes.noun()}"),
            (2, f"{self.memes.noun()}. {self.pronoun(e)} {mood}"),
            (2, f"{with_article(r.choice(LOOK))} {r.choice(BOSS)} {that} {mood}"),
            (1, f"{epithet}. {self.pronoun(e)} {self.memes.verb()}"),
            (1, f"{epithet}, and {self.memes.fill(r.choice(WHO))} knows it"),
        ]
        return r.choices([s for _, s in shapes], [w for w, _ in shapes])[0]

    def fact_verb(self, e: Entity) -> str:
        """After 'An opossum' / 'It': 'plays dead when it is frightened'."""
        r, does = self.rng, self.pick(e.does)
        where = (
            f"is found {self.pick(e.where)}" if e.table != "jobs" else f"works {self.pick(e.where)}"
        )
        uses = {
            "animals": "eats",
            "creatures": "eats",
            "plants": "is used for",
            "foods": "is made from",
            "tools": "is used for",
            "places": "is a place for",
            "jobs": "works with",
        }[e.table]
        shapes = [
            (4, does),
            (2, where),
            (2, f"{uses} {self.pick(e.uses)}"),
            (2, f"has {self.pick(e.has)} and {does}"),
            (2, f"{where} and {does}"),
            (1, f"is {with_article(self.pick(e.kind))} with {self.pick(e.has)}"),
        ]
        return r.choices([s for _, s in shapes], [w for w, _ in shapes])[0]

    def meme_verb(self, e: Entity) -> str:
        r, mood = self.rng, self.pick(e.moods)
        shapes = [
            (4, mood),
            (2, f"{mood} and {self.memes.verb()}"),
            (2, self.memes.verb()),
            (1, f"is {self.pick(e.epithets)}"),
            (2, self.memes.when(mood)),
        ]
        return r.choices([s for _, s in shapes], [w for w, _ in shapes])[0]

    def line(self, e: Entity) -> tuple[str, str, str]:
        """One (prompt, completion, register) about ``e``."""
        r = self.rng
        a, meme = with_article(e.name), r.random() < MEME_SHARE
        noun = (lambda: self.meme_noun(e)) if meme else (lambda: self.fact_noun(e))
        verb = (lambda: self.meme_verb(e)) if meme else (lambda: self.fact_verb(e))
        register, cap = ("meme" if meme else "fact"), lambda s: s[0].upper() + s[1:]
        it = self.pronoun(e)
        kind = r.choices(range(10), [30, 8, 7, 8, 9, 9, 8, 6, 7, 8])[0]
        if kind == 0:
            return f"{cap(a)} is", f" {noun()}.", register
        if kind == 1:
            return f"The {e.name} is", f" {noun()}.", register
        if kind == 2:
            lead = r.choice(
                [
                    "I think {a} is",
                    "In my opinion, {a} is",
                    "Everyone knows that {a} is",
                    "My teacher says that {a} is",
                    "My friend told me that {a} is",
                    "In one sentence, {a} is",
                    "You could say that {a} is",
                    "To me, {a} is",
                ]
            )
            return lead.format(a=a), f" {noun()}.", register
        if kind == 3:
            ask = r.choice(
                [
                    "What is {a}?",
                    "What exactly is {a}?",
                    "Can you explain what {a} is?",
                    "Do you know what {a} is?",
                    "Please tell me what {a} is.",
                ]
            )
            return ask.format(a=a), f" {r.choice(['It is', cap(a) + ' is'])} {noun()}.", register
        if kind == 4:
            return cap(a), f" {verb()}.", register
        if kind == 5:
            lead = r.choice(
                [
                    "Did you know that {a}",
                    "Remember that {a}",
                    "People say that {a}",
                    "Scientists found that {a}",
                    "My grandmother says that {a}",
                    "It is true that {a}",
                    "Every {n}",
                    "The {n}",
                    "Nobody told me that {a}",
                    "I read that {a}",
                ]
            )
            end = "?" if lead.startswith("Did you") else "."
            return lead.format(a=a, n=e.name), f" {verb()}{end}", register
        if kind == 6:
            lead = r.choice(
                [
                    "Tell me about {p}.",
                    "Tell me something about {p}.",
                    "What do you know about {p}?",
                    "Write one sentence about {a}.",
                    "Describe {a}.",
                    "I saw {a} today.",
                    "Look, {a}!",
                    "Why do people like {p}?",
                    "I want to know more about {p}.",
                ]
            )
            return (
                lead.format(a=a, p=e.plural),
                f" {cap(a)} {verb()}." if r.random() < 0.5 else f" {cap(a)} is {noun()}.",
                register,
            )
        if kind == 7:
            lead = f"{cap(a)} has" if r.random() < 0.6 else f"The best thing about {a} is"
            if lead.endswith("has"):
                return lead, f" {self.memes.has() if meme else self.pick(e.has)}.", register
            return (
                lead,
                f" that it {verb()}." if e.table != "jobs" else f" that this person {verb()}.",
                register,
            )
        phrases = [v for v in map(plural_verb, e.moods if meme else e.does) if v]
        if kind == 8 and phrases:
            lead = r.choice(
                [
                    cap(e.plural),
                    cap(e.plural),
                    f"Most {e.plural}",
                    f"All {e.plural}",
                    f"I like {e.plural} because they",
                    f"People say that {e.plural}",
                ]
            )
            phrase = r.choice(phrases)
            if not meme and e.table != "jobs" and r.random() < 0.3:
                phrase = f"are found {self.pick(e.where)}"
            return lead, f" {phrase}.", register
        lead = r.choice(
            [
                "If you see {a}, remember that",
                "The thing about {a} is that",
                "Here is what I know about {a}:",
                "My favorite thing about {a} is that",
                "A short story about {a}:",
            ]
        )
        return (
            lead.format(a=a),
            f" {it.lower() if it == 'It' else 'this person'} {verb()}.",
            register,
        )


# --- the scenes -----------------------------------------------------------------------------------


@dataclass
class Scene:
    name: str
    prompts: list[str]
    completions: dict[str, list[str]]


def read_scenes(name: str) -> tuple[dict[str, list[str]], list[Scene]]:
    slots: dict[str, list[str]] = {}
    scenes: list[Scene] = []
    for line in (CORPUS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("[scene]"):
            scenes.append(Scene(line.removeprefix("[scene]").strip(), [], {}))
            continue
        label, _, text = line.partition(":")
        text = text.strip()
        if label.startswith("slot "):
            slots[label.removeprefix("slot ").strip()] = [
                v.strip() for v in text.split("|") if v.strip()
            ]
        elif label == "prompt":
            scenes[-1].prompts.append(text)
        else:
            scenes[-1].completions.setdefault(label.strip(), []).append(text)
    return slots, scenes


def fill(text: str, slots: dict[str, list[str]], rng: random.Random) -> str:
    """Replace {slots}, inner ones too. Raises KeyError on a slot that no line defines."""
    for _ in range(6):
        match = re.search(r"\{(\w+)\}", text)
        while match:
            text = text[: match.start()] + rng.choice(slots[match.group(1)]) + text[match.end() :]
            match = re.search(r"\{(\w+)\}", text)
    text = re.sub(r"\b([Aa]) (?=[aeio])", lambda m: m.group(1) + "n ", text)
    return re.sub(
        r"(^|[.!?] )([a-z])",
        lambda m: m.group(1) + (m.group(2).upper() if m.group(1) else m.group(2)),
        text,
    )


# --- WordNet and SmolLM2 --------------------------------------------------------------------------


def wordnet_lines(
    known: set[str], path: Path = Path("/usr/share/wordnet/data.noun")
) -> list[tuple[str, str]]:
    """(prompt, completion) from noun glosses whose every word the tables and scenes also use: plain
    facts, no rare Latin.
    """
    if not path.exists():
        raise SystemExit("WordNet's glosses are missing: apt-get install wordnet-base")
    lines = []
    for row in path.read_text(encoding="latin-1").splitlines():
        if row.startswith("  "):
            continue
        fields, _, gloss = row.partition("|")
        parts = fields.split()
        count = int(parts[3], 16)
        names = [w.replace("_", " ") for w in parts[4 : 4 + 2 * count : 2]]
        gloss = re.sub(r"\(.*?\)", "", gloss.split(";")[0]).strip()
        gloss = re.sub(r"\s+", " ", gloss)
        if (
            not re.match(r"(a|an|the|any|some|one) ", gloss)
            or not 3 <= len(gloss.split()) <= 14
            or re.search(r"[^a-z ,'-]", gloss)
        ):
            continue
        if not all(w in known for w in re.findall(r"[a-z']+", gloss)):
            continue
        for name in names[:2]:
            if re.fullmatch(r"[a-z]+( [a-z]+)?", name) and all(w in known for w in name.split()):
                lines.append((f"{article(name).capitalize()} {name} is", f" {gloss}."))
    return lines


def smollm2_lines() -> list[tuple[str, str]]:
    rows = [
        json.loads(line)
        for line in (CORPUS / "smollm2.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [(row["prompt"], " " + row["completion"]) for row in rows]


# --- the whole ------------------------------------------------------------------------------------

SLOPPY_HEAD = ["", "", "", "ok so ", "i guess ", "honestly ", "well ", "so like ", "oh no "]
SLOPPY_TAIL = [
    "",
    "",
    " or something",
    " i guess",
    " you know",
    " whatever",
    " haha",
    " so yeah",
    " no idea why",
    " and stuff",
    " for real",
]


def sloppy(completion: str, rng: random.Random) -> str:
    """The same answer typed on a phone: lower case, no full stop."""
    text = completion.strip().rstrip(".!?").lower().replace(",", "").replace(". ", " and ")
    return f" {rng.choice(SLOPPY_HEAD)}{text}{rng.choice(SLOPPY_TAIL)}"


OPENERS = (
    "Hi, |Hello, |Hi there! |Hello! |Excuse me, |Please help. |Oh no. |Quick question: |Sorry to"
    " bother you, |Hey, |Good morning. |Listen, |So, |Well, |Can you help me? |I need some advice."
    " |Okay, |Dear team, |I have a question. |By the way, "
).split("|")


def reworded(prompt: str, rng: random.Random) -> str:
    """The same thing said a little differently (an opening, or a small word gone), so that an
    answer hangs on the words that matter.
    """
    words = prompt.split()
    small = [i for i, word in enumerate(words[:-1]) if word.lower() in SMALL_WORDS]
    if small and rng.random() < 0.4:
        del words[rng.choice(small)]
        prompt = " ".join(words)
        return prompt[0].upper() + prompt[1:]
    opener = rng.choice(OPENERS)
    keep = (
        opener.rstrip()[-1] in ".!?" or words[0] in ("I", "I'm", "I've") or not words[0].isalpha()
    )
    return opener + (prompt if keep else prompt[0].lower() + prompt[1:])


# of all lines, and of the answers to everyday talk
SHARES = {"talk": 65, "table": 16, "scene": 16, "wordnet": 1, "smollm2": 2}
TALK_SHARES = {"helpful": 40, "joke": 25, "kind": 20, "rude": 15}

SMALL_WORDS = frozenset(
    "a an the my is are it so very just really again please to of still some this that".split()
)


def held_out_prompts() -> set[str]:
    """Prompts with which no training line begins: every brief's evaluation prompts."""
    return {prompt for brief in briefs.PRESETS.values() for prompt in brief.evaluation_prompts}


def everyday_prompts() -> list[tuple[str, str]]:
    """(kind, prompt) of the fixed list that the model is judged by, and never trained on."""
    rows = EVERYDAY.read_text(encoding="utf-8").splitlines()
    return [tuple(row.split("\t", 1)) for row in rows if row and not row.startswith("#")]


def bare(prompt: str) -> str:
    """Without capitals, marks and small words: what makes two prompts the same."""
    words = re.findall(r"[a-z0-9]+", prompt.lower().replace("'", ""))
    return " ".join(word for word in words if word not in SMALL_WORDS)


def simple(text: str) -> str:
    """In lower case, marks for spaces: words and nothing else, one space behind each."""
    return " ".join(re.findall(r"[a-z0-9']+", text.lower())) + " "


def asks(prompt: str, held: set[str]) -> bool:
    """Is ``prompt`` one of the ``held`` (bare) prompts, or does it end with one of three or more
    words ("Hello, how do I boil an egg?")?
    """
    words = bare(prompt).split()
    ends = [" ".join(words[i:]) for i in range(len(words))]
    return any(end in held and (i == 0 or len(words) - i >= 3) for i, end in enumerate(ends))


def held_back(line: str, prompt: str, everyday: set[str]) -> bool:
    """Must this line stay out of training?

    It begins with a brief's evaluation prompt (capitals and marks aside), or its prompt asks one of
    them, or of the ``everyday`` (bare) ones, after an opening or without a small word.
    """
    return simple(line).startswith(held_simple()) or asks(prompt, everyday | held_bare())


class Corpus:
    """Draws lines (prompt, completion, register, source), seeded."""

    def __init__(self, seed: int):
        self.rng = random.Random(seed)
        self.entities = [e for name in TABLES for e in read_table(name)]
        self.by_table = {name: [e for e in self.entities if e.table == name] for name in TABLES}
        self.scenes = [
            (slots, scene)
            for name in SCENES
            for slots, scenes in [read_scenes(name)]
            for scene in scenes
        ]
        self.speaker = Speaker(self.rng)
        self.blocks = [
            b for file in sorted(talk.TALK.glob("*.txt")) for b in talk.read_blocks(file)[0]
        ]
        self.smollm2 = smollm2_lines()
        known = set()
        for name in (*TABLES, *SCENES):
            known |= set(
                re.findall(r"[a-z']+", (CORPUS / f"{name}.txt").read_text(encoding="utf-8").lower())
            )
        self.wordnet = wordnet_lines(known)
        featured = " ".join(briefs.FEATURED_PROMPTS + held_prompts_list()).lower()
        # Entities that the app's own prompts name are said more often: they are what a newcomer
        # meets first.
        self.featured = [
            e for e in self.entities if re.search(rf"\b{re.escape(e.name)}\b", featured)
        ]

    def entity(self) -> Entity:
        if self.rng.random() < 0.3:
            return self.rng.choice(self.featured)
        table = self.rng.choices(TABLES, [26, 14, 13, 14, 13, 10, 10])[0]
        return self.rng.choice(self.by_table[table])

    def line(self) -> tuple[str, str, str, str]:
        rng = self.rng
        source = rng.choices(list(SHARES), list(SHARES.values()))[0]
        if source == "table":
            prompt, completion, register = self.speaker.line(self.entity())
        elif source == "scene":
            slots, scene = rng.choice(self.scenes)
            register = rng.choice(list(scene.completions))
            prompt = fill(rng.choice(scene.prompts), slots, rng)
            if rng.random() < 0.35:
                prompt = reworded(prompt, rng)
            completion = " " + fill(rng.choice(scene.completions[register]), slots, rng)
        elif source == "talk":
            block = rng.choice(self.blocks)
            names = list(block.answers)
            register = rng.choices(names, [TALK_SHARES[n] for n in names])[0]
            prompt = talk.say(rng.choice(block.prompts), rng)
            if rng.random() < (0.3 if prompt[-1] in ".?!" else 0.1):
                prompt = reworded(prompt, rng)
            completion = " " + talk.say(rng.choice(block.answers[register]), rng)
        elif source == "wordnet":
            (prompt, completion), register = rng.choice(self.wordnet), "gloss"
        else:
            (prompt, completion), register = rng.choice(self.smollm2), "everyday"
        if rng.random() < 0.04:
            completion, register = sloppy(completion, rng), "sloppy"
            if rng.random() < 0.6:
                prompt = prompt.lower()
        elif rng.random() < 0.03:
            prompt = prompt.lower()
        elif source in ("scene", "talk") and rng.random() < 0.06 and prompt[-1] in ".!":
            prompt = prompt[:-1]
        return prompt, completion, register, source


@lru_cache(maxsize=1)
def held_simple() -> tuple[str, ...]:
    """The briefs' evaluation prompts, ``simple``."""
    return tuple(sorted(map(simple, held_out_prompts())))


@lru_cache(maxsize=1)
def held_bare() -> frozenset[str]:
    """The briefs' evaluation prompts without capitals, marks and small words."""
    return frozenset(bare(prompt) for prompt in held_out_prompts())


@lru_cache(maxsize=1)
def held_prompts_list() -> tuple[str, ...]:
    return tuple(sorted(held_out_prompts()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("build/corpus"))
    parser.add_argument("--lines", type=int, default=1_200_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(args.seed)
    everyday = {bare(prompt) for _, prompt in everyday_prompts()}
    counts: dict[str, int] = {}
    with (
        (args.out / "train.jsonl").open("w") as train,
        (args.out / "heldout.jsonl").open("w") as held,
    ):
        written = 0
        while written < args.lines:
            prompt, completion, register, source = corpus.line()
            row = (
                json.dumps(
                    {
                        "prompt": prompt,
                        "completion": completion,
                        "register": register,
                        "source": source,
                    }
                )
                + "\n"
            )
            if held_back(prompt + completion, prompt, everyday):
                held.write(row)
                continue
            train.write(row)
            written += 1
            counts[f"{source}/{register}"] = counts.get(f"{source}/{register}", 0) + 1
    for name, count in sorted(counts.items(), key=lambda item: -item[1]):
        print(f"{name:20} {count:8,} {100 * count / args.lines:5.1f}%")
    print(
        f"{len(corpus.entities)} entities, {len(corpus.scenes)} scenes, {len(corpus.wordnet)}"
        f" glosses, {len(corpus.smollm2)} SmolLM2 sentences, {len(corpus.blocks)} blocks of talk"
    )


if __name__ == "__main__":
    main()
