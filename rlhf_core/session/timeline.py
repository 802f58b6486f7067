"""Everything that happened in a session, in order: a row an event.

Order is that of the record, for nothing in a session carries a clock: round by round, and within a
round as the loop goes (brief, files, judgements, reward model, PPO, verdict, votes). Who judged
stands there by pseudonym. Knows nothing about pages or tables. Imports no torch.
"""

from __future__ import annotations

from rlhf_core.judging.preferences import Ranking
from rlhf_core.session import rounds
from rlhf_core.session.pseudonyms import Pseudonyms, without_addresses
from rlhf_core.session.state import Session

COLUMNS = ("number", "round", "kind", "who", "what", "brief", "value")
BRIEF, FILE, JUDGED, EXPLOIT = "brief", "file", "judgement", "exploit"
FIT, STEP, VERDICT, VOTE, ROUND = "reward model", "PPO step", "verdict", "vote", "round"
KINDS = (BRIEF, FILE, JUDGED, EXPLOIT, FIT, STEP, VERDICT, VOTE, ROUND)
CHOICES = {"skip": "skipped", "both_bad": "both bad"}


def events(session: Session) -> list[dict]:
    """Rows of COLUMNS. ``value``: the number that says most of the event, or None."""
    names, history = Pseudonyms(session), session.history
    rows = [*_files(session)]
    shown: set[tuple] = set()
    for number in range(1, history.current_round + 1):
        for ranking, judge in names.rankings:
            if ranking.round == number:
                rows += _brief(session, ranking, shown)
                rows.append(_judged(ranking, judge.name))
        if number == history.current_round:
            rows += [
                _row(number, EXPLOIT, judge.name, f"{pair.prompt}{pair.b}", pair.brief)
                for pair, judge in names.rows
                if judge.kind == "exploit"
            ]
            rows += _present(session)
        else:
            rows += [_finished(row) for row in history.rounds if row.get("round") == number]
        rows += _votes(session, number)
    return [{"number": place, **row} for place, row in enumerate(rows, 1)]


def _row(number: int, kind: str, who: str, what: str, brief: str = "", value=None) -> dict:
    return {"round": number, "kind": kind, "who": who, "what": what, "brief": brief, "value": value}


def _files(session: Session) -> list[dict]:
    return [
        _row(1, FILE, "", without_addresses(str(row.get("file"))), "", row.get("pairs"))
        for row in session.judged.imports
    ]


def _brief(session: Session, ranking: Ranking, shown: set[tuple]) -> list[dict]:
    """A brief's version stands before the first judgement under it."""
    key = (ranking.brief, ranking.brief_version)
    if key in shown:
        return []
    shown.add(key)
    known = [b for b in session.asked.briefs if (b.slug, b.version) == key]
    text = f"{known[0].title}: {known[0].prefer}" if known else "its text is not in this run"
    return [_row(ranking.round, BRIEF, "author", text, _called(ranking), ranking.brief_version)]


def _judged(ranking: Ranking, who: str) -> dict:
    if ranking.verdict:
        said = CHOICES.get(ranking.verdict, ranking.verdict)
    elif ranking.good is not None:
        said = f"{len(ranking.good)} of {len(ranking.candidates)} good"
    else:
        texts = [" = ".join(ranking.candidates[i] for i in group) for group in ranking.groups]
        said = " > ".join(texts)
    changed = " (changed later)" if ranking.first else ""
    what = f"{ranking.prompt}: {said}{changed}"
    return _row(ranking.round, JUDGED, who, what, _called(ranking), ranking.seconds)


def _called(ranking: Ranking) -> str:
    return f"{ranking.brief} v{ranking.brief_version}"


def _present(session: Session) -> list[dict]:
    """What was trained and measured in the present round."""
    number, rows = session.history.current_round, []
    learned, tuned = session.learned, session.tuned
    if learned.head:
        right = learned.summary.get("heldout_accuracy")
        what = (
            f"learned from {learned.summary.get('pairs_used')} judged pairs; right about new ones"
        )
        rows.append(_row(number, FIT, "", what, "", right))
    moved = {segment.get("step"): segment.get("settings") or {} for segment in tuned.log[1:]}
    for row in tuned.metrics:
        kl = row.get("kl_to_reference")
        what = f"step {row.get('step')}, KL {kl:.2f} nats" if isinstance(kl, float) else "step"
        before = (row.get("step") or 0) - 1
        if before in moved:
            what += f", settings moved: beta {moved[before].get('beta')}"
        rows.append(_row(number, STEP, "", what, "", row.get("reward_mean")))
    if found := rounds.with_votes(session):
        what = f"{found.get('verdict') or 'measured'}: {found.get('conclusion') or ''}"
        rows.append(_row(number, VERDICT, "", what.strip(": "), "", found.get("win_rate")))
    return rows


def _finished(row: dict) -> dict:
    """A round that is over: what is kept of it."""
    what = f"{row.get('steps')} PPO steps; reward gained"
    return _row(row["round"], ROUND, "", what, "", row.get("reward_gain"))


def _votes(session: Session, number: int) -> list[dict]:
    return [
        _row(number, VOTE, "author", f"{row.get('prompt')}: {row.get('choice')}")
        for row in session.judged.votes
        if row.get("round") == number
    ]
