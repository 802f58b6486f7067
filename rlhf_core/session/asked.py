"""What is asked: the brief, the model, prompts of the learner's own, and what waits to be ranked.

Commands act at once, under the session's lock. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator

from rlhf_core.common.errors import BriefError, InputError
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.typed import check_prompt
from rlhf_core.session import shelf
from rlhf_core.session.state import Session

MAX_USER_PROMPTS, MAX_BRIEFS = 50, 60  # versions of briefs that a session keeps
# of an imported file: the model writes several texts to each, which would take hours for thousands
MAX_IMPORTED_PROMPTS = 100


def set_brief(session: Session, brief: Brief) -> None:
    """Change what is asked for. Judgements are kept, each under its own brief; what was learned
    under another brief goes on the shelf, and what was left there under this one comes back.
    """
    with session.change():
        part, changed = session.asked, brief.slug != session.asked.brief.slug
        briefs.validate(brief)
        if changed:
            shelf.put_away(session)
        part.brief = brief
        known = {(one.slug, one.version) for one in part.briefs}
        if (brief.slug, brief.version) not in known:
            part.briefs = [*part.briefs, brief]
        if changed:
            part.candidate_sets = []
            shelf.take_out(session)
        # A new version: what waits to be ranked must still be asked for.
        ranked = {ranking.id for ranking in session.judged.rankings}
        imported = (pair.prompt for pair in session.judged.imported)
        prompts = {*brief.training_prompts, *part.user_prompts, *imported}
        prompts -= {*brief.evaluation_prompts}
        part.candidate_sets = [
            row for row in part.candidate_sets if row["id"] in ranked or row["prompt"] in prompts
        ]


def set_model(session: Session, name: str) -> None:
    """Change which language model writes and is trained. Comparisons are kept: they are about
    texts, whoever wrote them. What was learned on, or written by, the former model goes on the
    shelf, and what was left there of this one comes back.
    """
    if name == session.model_name:
        return
    with session.change():
        # Reward models that a lab kept read the former model's states.
        labs = {lab: found for lab, found in session.labs.items() if isinstance(found, dict)}
        heads = {lab: found["heads"] for lab, found in labs.items() if found.get("heads")}
        shelf.put_away(session, heads)
        for lab in heads:
            bare = {k: v for k, v in labs[lab].items() if k != "heads"}
            session.labs = {**session.labs, lab: bare}
        session.model_name, session.model_hash = name, ""
        forget_unjudged(session)
        # Settings of PPO were meant for the other one's size.
        session.settings = {
            stage: values
            for stage, values in session.settings.items()
            if stage not in ("ppo", "ppo_next")
        }
        shelf.take_out(session)


def forget_unjudged(session: Session) -> None:
    """Drop the candidate sets that nobody judged: another model wrote them."""
    ranked = {ranking.id for ranking in session.judged.rankings}
    part = session.asked
    part.candidate_sets = [row for row in part.candidate_sets if row["id"] in ranked]


def brief_called(session: Session, slug: str) -> Brief:
    """The newest version of a brief here; a preset as it ships where it was never changed. Raises
    KeyError.
    """
    own = (brief for brief in reversed(session.asked.briefs) if brief.slug == slug)
    return next(own, None) or briefs.PRESETS[slug]


def draft_brief(session: Session, fields: dict, *, new: bool = False) -> Brief:
    """The next version of the brief, or (``new``) a brief of the learner's own, not yet in force.
    Raises BriefError.
    """
    kept = session.asked.briefs
    if len(kept) >= MAX_BRIEFS:
        raise BriefError(
            f"This session already keeps {MAX_BRIEFS} versions of briefs, which is the most. Use"
            " one of them, or start over."
        )
    if new:
        return briefs.own(fields, {known.slug for known in kept})
    return briefs.revised(session.asked.brief, fields)


def let_older_count(session: Session, yes: bool) -> None:
    """Whether judgements under an older version of the brief count; they are kept either way."""
    with session.change():
        session.asked.older_count = yes


def add_prompt(session: Session, text: str) -> str:
    """Remember a prompt of the learner's own and return it as it will be used. Raises InputError.

    One of the evaluation prompts may be looked at, but is never trained on. A former prompt that
    the model could not read is dropped, unless its answers were ranked.
    """
    prompt, part = check_prompt(text), session.asked
    _drop_unread(session, prompt)
    if prompt in part.brief.evaluation_prompts or prompt in part.user_prompts:
        return prompt
    if len(part.user_prompts) >= MAX_USER_PROMPTS:
        raise InputError(
            f"This session already has {MAX_USER_PROMPTS} prompts of your own, which is the most"
            " it keeps. Use one of them, or start over."
        )
    with session.change():
        part.user_prompts = [*part.user_prompts, prompt]
    return prompt


def _drop_unread(session: Session, staying: str) -> None:
    """Forget the prompts of the learner's own, but for ``staying``, that the model could not read
    and whose answers nobody ranked: what it wrote there are guesses, and nothing to be trained on.
    """
    part, ranked = session.asked, {ranking.prompt for ranking in session.judged.rankings}
    out = {row["prompt"] for row in part.candidate_sets if unread(row)}
    out = (out & {*part.user_prompts}) - ranked - {staying}
    if out:
        with session.change():
            part.user_prompts = [prompt for prompt in part.user_prompts if prompt not in out]
            part.candidate_sets = [row for row in part.candidate_sets if row["prompt"] not in out]


def unread(row: dict) -> bool:
    """Could the model not read the prompt of this candidate set, or did it mostly write nothing
    (``loop.writing.reading_of``)?
    """
    return bool((row.get("reading") or {}).get("near"))


def training_prompts(session: Session) -> list[str]:
    """The brief's training prompts, the learner's own, and the first hundred imported ones; never
    an evaluation prompt. Raises InputError where there are none.
    """
    brief = session.asked.brief
    own = [p for p in session.asked.user_prompts if p not in brief.evaluation_prompts]
    prompts = list(dict.fromkeys([*brief.training_prompts, *own]))
    known = {*prompts, *brief.evaluation_prompts}
    imported = dict.fromkeys(pair.prompt for pair in session.judged.imported)
    prompts += [prompt for prompt in imported if prompt not in known][:MAX_IMPORTED_PROMPTS]
    if not prompts:
        raise InputError(
            "This brief has no training prompts. Write at least one prompt of your own first."
        )
    return prompts


# --- what waits to be ranked ----------------------------------------------------------------------


def unranked(session: Session, candidates: int | None = None) -> Iterator[dict]:
    """The candidate sets (of ``candidates`` texts) that wait to be ranked, oldest first; a set of
    one text never does, nor does a hidden check.
    """
    ranked = {ranking.id for ranking in session.judged.rankings}
    for row in session.asked.candidate_sets:
        fits = len(set(row["texts"])) >= 2 and candidates in (None, len(row["texts"]))
        if fits and row["id"] not in ranked and not row.get("check"):
            yield row


def waiting(session: Session, candidates: int | None = None) -> int:
    """How many candidate sets (of ``candidates`` texts) wait to be ranked."""
    return sum(1 for _ in unranked(session, candidates))


def next_set(session: Session, candidates: int | None = None) -> dict | None:
    """The next candidate set to rank, or None: have more written."""
    return next(unranked(session, candidates), None)


def add_set(
    session: Session,
    prompt: str,
    texts: list[str],
    ended: list[bool],
    seed: int,
    tokens: list | None = None,
    reading: dict | None = None,
    sampling: dict | None = None,
) -> dict:
    """Keep a candidate set, and return its row. Duplicates collapse: the desk shows each text once.

    ``tokens``: with their probabilities, where a person asked on the spot; None: written ahead.
    ``reading``: how well the model could read the prompt (``loop.writing``).
    ``sampling``: the settings it was written with, all of them: what a link must carry (``links``).
    """
    seen: dict[str, int] = {}
    for index, text in enumerate(texts):
        seen.setdefault(text, index)
    keep = list(seen.values())
    with session.change():
        part = session.asked
        part.drawn += 1
        row = {
            "id": f"set-{part.drawn}",
            "prompt": prompt,
            "texts": [texts[i] for i in keep],
            "finished": [bool(ended[i]) for i in keep],
            "seed": seed,
            "round": session.history.current_round,
            "drawn": len(texts),
            "tokens": [tokens[i] for i in keep] if tokens else [],
            "asked": tokens is not None,
        }
        row |= {"reading": reading} if reading else {}
        row |= {"sampling": sampling} if sampling else {}
        part.candidate_sets = [*part.candidate_sets, row]
    return row
