"""Which briefs the context flip lab can set against each other, and who can judge under them.
Imports no torch: the page asks before the engine is awake.
"""

from __future__ import annotations

from rlhf_core.judging.briefs import PRESETS, Brief
from rlhf_core.judging.preferences import Ranking
from rlhf_core.session.state import SCRIPTED, Session

# rankings of the learner's own under a brief, before a reward model may be made of them
LEAST_OWN = 8


def own_rankings(session: Session, brief: Brief) -> list[Ranking]:
    """What people judged in this session under ``brief``, as it now stands (or in any version,
    where the learner lets those count).
    """
    return [
        r
        for r in session.judged.rankings
        if r.brief == brief.slug
        and (session.asked.older_count or r.brief_version == brief.version)
        and r.annotator != SCRIPTED
        and r.verdict != "skip"
    ]


def choices(session: Session) -> list[Brief]:
    """The briefs that somebody can judge under: those with a scripted rater, and the learner's own
    where they were ranked under.
    """
    own = {brief.slug: brief for brief in (*session.asked.briefs, session.asked.brief)}
    newest = PRESETS | own
    return [
        brief
        for brief in newest.values()
        if brief.wanted or len(own_rankings(session, brief)) >= LEAST_OWN
    ]
