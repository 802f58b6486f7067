"""What the judges' counts amount to: one word for machines, one sentence for people, and the rest.

The order is fixed: what changed, what the judges that did not teach it say, whether it was the
votes, how sure that is. No more is claimed than each of them can show. Counts come from
``verdict``; knows nothing about models, imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

from rlhf_core.common.wording import counted
from rlhf_core.evaluation.before_after import FEWEST_PROMPTS

REWARD_MODEL, TEACHER, RULE = "reward model", "the rater's own rule", "word rule"
GRADED, YOU = "graded rule", "you, blind"
INDEPENDENT = (RULE, GRADED, YOU)  # neither trained on, nor the rater's own yardstick

BETTER, WORSE, SAME = "better", "worse", "no detectable difference"
NOT_THE_VOTES, FEW_PROMPTS, FEW_VOTES = (
    "not because of the votes",
    "too few prompts",
    "too few votes",
)
SURE = 0.05  # chances of coins doing as well, from which on down it was not luck
PERHAPS = 0.2  # up to which they may still share a taste
ENOUGH_VOTES = 12  # clear ones, about texts of their own; fewer that show nothing are too few

# What counts as a loss of language, once luck is ruled out: name -> (smallest loss, is it a share
# of the value before?, words).
LOSSES = {
    "well_formed": (-0.05, False, "capitals and full stops"),
    "repetition": (0.05, False, "freedom from repetition"),
    "fluency": (-0.5, False, "fluency"),
    "distinct_2": (-0.25, True, "variety"),
}

# --- what each can show ---------------------------------------------------------------------------


def direction(row: dict) -> int:
    """1: after is better; -1: before is; 0: cannot be told.

    Both the interval and the shuffled labels must agree that it is more than luck.
    """
    low, high = row["interval"]
    if not row["pairs"] or row["as_far"] > 0.05:
        return 0
    return 1 if low > 0.5 else -1 if high < 0.5 else 0


def lost(rows: Sequence[dict]) -> list[dict]:
    """The rows of ``language`` that got worse by more than luck and than ``LOSSES`` forgives."""
    found = []
    for row in rows:
        if row["name"] in LOSSES and row["beyond"]:
            least, relative, _ = LOSSES[row["name"]]
            unit = abs(row["before"]) or 1.0 if relative else 1.0
            change = (row["after"] - row["before"]) / unit
            if change <= least < 0 or change >= least > 0:
                found.append(row)
    return found


def counts_as_loss() -> str:
    """From what change on a loss counts, in words: what ``LOSSES`` forgives."""
    said = []
    for name, (least, relative, words) in LOSSES.items():
        size = f"{abs(least):.0%} of it" if relative else f"{100 * abs(least):.0f} points"
        said.append(f"{words} {f'{abs(least):g} nats a token' if name == 'fluency' else size}")
    return ", ".join(said)


def known(chance: dict | None) -> TypeGuard[dict]:
    """Is this a permutation control, whole, as this version makes it?"""
    numbers = ("p", "decided", "witnesses", "fits", "support")
    return isinstance(chance, dict) and all(
        isinstance(chance.get(name), int | float) for name in numbers
    )


def by_chance(chance: dict | None) -> TypeGuard[dict]:
    """Could votes drawn by coin have taught as much? False where that was never asked (``chance``
    None: a reward model of an earlier version).
    """
    return known(chance) and chance["p"] > SURE


def unproven(chance: dict | None) -> str:
    """Why the votes prove nothing: ``FEW_VOTES``, since so few hardly could, or ``NOT_THE_VOTES``;
    empty where they tell more than coins would, or nobody asked.
    """
    if not by_chance(chance):
        return ""
    return FEW_VOTES if chance["witnesses"] < ENOUGH_VOTES else NOT_THE_VOTES


def support(chance: dict | None) -> float:
    """What the score was multiplied by; 1 where nobody asked."""
    return chance["support"] if known(chance) else 1.0


def outcome(judges: Sequence[dict], chance: dict | None) -> str:
    """The verdict in a word: better | worse | no detectable difference | not because of the votes |
    too few prompts | too few votes.

    Better or worse only where five prompts were measured, the votes tell more than coins would, and
    the independent judges see a difference and do not contradict each other.
    """
    if _prompts(judges) < FEWEST_PROMPTS:
        return FEW_PROMPTS
    ways = {direction(row) for row in judges if row["name"] in INDEPENDENT} - {0}
    return unproven(chance) or (SAME if len(ways) != 1 else BETTER if ways == {1} else WORSE)


def _prompts(judges: Sequence[dict]) -> int:
    """Prompts that were measured, blind votes aside; enough, where an earlier version measured."""
    return max((r.get("prompts", FEWEST_PROMPTS) for r in judges if r["name"] != YOU), default=0)


# --- one sentence ---------------------------------------------------------------------------------

_SAYS = {
    REWARD_MODEL: "the reward model it was trained on",
    TEACHER: "the rater's own rule",
    RULE: "the word rule",
    GRADED: "the graded rule",
    YOU: "your blind votes",
}


def conclusion(
    judges: Sequence[dict], rows: Sequence[dict] = (), chance: dict | None = None
) -> str:
    """The verdict in at most 35 words and 4 numbers; the rest is ``how_sure``.

    judges, rows: of ``verdict.verdict``.
    """
    told = [row for row in judges if row["pairs"]]
    if not told:
        return "There is nothing to compare yet."
    found, changed = outcome(told, chance), _changed(rows)
    if found == FEW_PROMPTS:
        count = _prompts(told)
        return (
            f"Too few prompts to tell: {count} {'was' if count == 1 else 'were'} measured, and"
            f" {FEWEST_PROMPTS} are the least. Add evaluation prompts to the brief."
        )
    if found in (FEW_VOTES, NOT_THE_VOTES):
        return _of_unproven_votes(found, changed, any(map(direction, told)), chance or {})
    words = _of_judges(found, changed, told)
    if found in (BETTER, WORSE) and known(chance):
        words += " Coin tosses instead of votes would rarely teach this."
    if losses := lost(rows):
        words += f" Lost: {LOSSES[losses[0]['name']][2]}."
    return _capital(words)


def _of_unproven_votes(found: str, changed: str, seen: bool, chance: dict) -> str:
    """``seen``: whether any judge sees a difference."""
    if found == FEW_VOTES:
        why = f"{_votes(chance)} too few to tell a taste from chance"
        return f"{changed}, but {why}." if changed else f"{_capital(why)}: judge more."
    change = changed or "The model changed"
    if chance["p"] <= PERHAPS:
        return f"{change}, perhaps because of the votes, perhaps not: {coins(chance)}."
    why = coins(chance)
    if not (changed or seen):
        return f"Nothing changed beyond luck, and the votes could be coin tosses: {why}."
    return f"{change}, but the votes could be coin tosses: {why}."


def _of_judges(found: str, changed: str, told: Sequence[dict]) -> str:
    """What they say of the tuned model; the independent ones first."""
    own = [row for row in told if row["name"] in INDEPENDENT]
    if found in (BETTER, WORSE):
        words = _call([row for row in own if direction(row)], found)
        return f"{changed}; {words}." if changed else f"{words}."
    up, down = ([row for row in told if direction(row) == way] for way in (1, -1))
    better, worse = ([row for row in rows if row in own] for rows in (up, down))
    if better and worse:
        return f"The judges disagree: better by {_short(better)}, worse by {_short(worse)}."
    if up or down:
        words = f"Only {_call(up, BETTER) if up else _call(down, WORSE)}"
        if own:
            return f"{words}; {_short(own)}: no detectable difference."
        return f"{words}. Vote blind for another."
    return f"No detectable difference by {_short(own or told)}: luck alone could give that."


def _call(judges: Sequence[dict], word: str) -> str:
    """ "the graded rule (71%) calls the tuned model better"."""
    several = len(judges) > 1 or judges[0]["name"] == YOU
    return f"{_short(judges)} {'call' if several else 'calls'} the tuned model {word}"


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _changed(rows: Sequence[dict]) -> str:
    """What became of the wanted answers, where it is more than luck; else empty."""
    row = next((r for r in rows if r["name"] == "wanted" and r["beyond"]), None)
    if row is None:
        return ""
    way = "rose" if row["after"] > row["before"] else "fell"
    kind = f"“{row['register']}” answers" if row.get("register") else "Wanted answers"
    return f"{kind} {way} from {row['before']:.0%} to {row['after']:.0%}"


def _votes(chance: dict) -> str:
    count, witnesses = chance["decided"], chance["witnesses"]
    about = f", worth {witnesses} independent," if witnesses < count else ""
    return f"{count} clear vote{'' if count == 1 else 's'}{about} {'is' if count == 1 else 'are'}"


def coins(chance: dict) -> str:
    """How often coins would have done as well, in plain words; its term, p, comes after."""
    share = chance["p"]
    often = "under 1%" if share < 0.01 else "over 99%" if share > 0.995 else f"{share:.0%}"
    return f"had the votes been coin tosses, {often} of tries would give a reward model this good"


def _p(chance: dict) -> str:
    return f"{chance['p']:.2g}" if chance["p"] < 0.1 else f"{chance['p']:.2f}"


def _short(judges: Sequence[dict]) -> str:
    """Judges with their share: "the graded rule (71%)"; no more than one has its figure."""
    first = max(judges, key=lambda row: abs(row["win_rate"] - 0.5))
    return _list(
        [_name(row) + (f" ({row['win_rate']:.0%})" if row is first else "") for row in judges]
    )


def _name(row: dict) -> str:
    return _SAYS.get(row["name"], row["name"])


# --- how sure are we? -----------------------------------------------------------------------------


def how_sure(judges: Sequence[dict], chance: dict | None) -> list[str]:
    """A sentence on each judge with its interval, and on the votes."""
    lines = []
    for row in (row for row in judges if row["pairs"]):
        way = {1: "better", -1: "worse", 0: "no detectable difference"}[direction(row)]
        low, high = row["interval"]
        unit = counted(row["pairs"], "vote" if row["name"] == YOU else "pair")
        prompts = f" on {counted(row['prompts'], 'prompt')}" if "prompts" in row else ""
        kind = "independent" if row["name"] in INDEPENDENT else "not independent"
        lines.append(
            f"{_name(row).capitalize()} ({kind}): {way}; the tuned"
            f" model wins {row['win_rate']:.0%} of {unit}{prompts}, ties counted"
            f" half, 95% interval {low:.0%} to {high:.0%}."
        )
    return [*lines, *([votes_say(chance)] if known(chance) else [])]


def votes_say(chance: dict) -> str:
    """What the permutation control found, in a sentence or two."""
    if chance["accuracy"] is None:
        return (
            "Nothing could be held out, so there is no telling whether these votes share a taste."
        )
    where = "votes that it had not seen" if chance["one_prompt"] else "prompts that it had not seen"
    low, high = chance["luck"]
    models = chance.get("models")
    several = (
        f" Of the {models} reward models that trained this one, these votes show least."
        if isinstance(models, int) and models > 1
        else ""
    )
    figures = (
        f"On {where} the reward model is right about {chance['accuracy']:.0%} of"
        f" {chance['decided']} clear votes. {_capital(coins(chance))}: of {chance['fits']} fits to"
        f" such votes, the middle 90% reach {low:.0%} to {high:.0%} (p = {_p(chance)}).{several}"
    )
    return f"{taste(chance)} {figures}"


def taste(chance: dict) -> str:
    """Whether the votes share a taste, in one sentence without figures."""
    if not by_chance(chance):
        return "These votes share a taste."
    if unproven(chance) == FEW_VOTES:
        return f"{_votes(chance)} too few to tell a taste from chance."
    if chance["p"] <= PERHAPS:
        return "These votes may share a taste, or it was chance."
    return "These votes cannot be told from coin tosses; more of them may."


def _list(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
