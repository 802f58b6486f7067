"""The labs, in the order of the menu: one claim each, caused by the learner.

A lab is an engine file, a page, and an entry here; navigation, the catalogue of jobs and the tests
read the entries. Imports no torch: the engine is named, and imported when its job begins.
"""

from __future__ import annotations

from typing import NamedTuple

from rlhf_core.common.settings import AlgorithmsSettings, ContextFlipSettings, GoodhartSettings


class Lab(NamedTuple):
    """One lab.

    Attributes:
        page: the name of its script in ``pages/labs``, and its address.
        title, icon: as the menu shows them.
        jobs: what it asks of the worker: names of ``work.catalogue``.
        found: where a session keeps what it found, a key of ``Session.labs``; "": nowhere.
        settings: the settings of a long run, or None. ``settings.records`` says how many records
            that run makes.
    """

    page: str
    title: str
    icon: str
    jobs: tuple[str, ...] = ()
    found: str = ""
    settings: type | None = None


LABS = (
    Lab("goodhart", "Goodhart", "show_chart", ("goodhart",), "goodhart", GoodhartSettings),
    Lab(
        "algorithms",
        "Algorithms side by side",
        "stacked_line_chart",
        ("algorithms",),
        "algorithms",
        AlgorithmsSettings,
    ),
    Lab(
        "context_flip",
        "Context flip",
        "flip",
        ("context_flip", "flip_own"),
        "context_flip",
        ContextFlipSettings,
    ),
    Lab("what_it_learned", "What did it learn?", "manage_search", ("lab_explain", "lab_report")),
    Lab("trust_it", "Can you trust it?", "verified", ("lab_scores", "lab_report")),
    Lab("flip_a_vote", "Flip a vote", "swap_horiz", ("lab_votes", "lab_flip")),
    Lab(
        "hack_reward_model",
        "Hack the reward model",
        "bug_report",
        ("hack_try", "hack_race", "hack_search", "hack_again", "hack_teach"),
        "reward_model",
    ),
    Lab(
        "instructions_matter",
        "Instructions matter",
        "menu_book",
        ("instructions_pairs", "instructions_models"),
        "instructions_matter",
    ),
    Lab("speed_accuracy", "Speed and accuracy", "timer", (), "speed_accuracy"),
    Lab("whose_preferences", "Whose preferences?", "groups", ("whose",), "whose_preferences"),
)
