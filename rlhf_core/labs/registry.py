"""The labs, in the order of the menu: one claim each, caused by the learner.

A lab is an engine file, a page, and an entry here: navigation, the catalogue of jobs, the home page
and the tests read the entries. Imports no torch: the engine is named, and imported when its job
begins.
"""

from __future__ import annotations

from typing import NamedTuple

from rlhf_core.common.jobs import Job
from rlhf_core.common.lab_settings import (
    AlgorithmsSettings,
    ContextFlipSettings,
    GoodhartSettings,
    NoiseSettings,
    RuleOrRewardSettings,
)
from rlhf_core.session.state import ABOUT_HEAD


class Lab(NamedTuple):
    """One lab.

    Attributes:
        page: the name of its script in ``pages``, and its address.
        title, icon: as the menu shows them.
        jobs: what it alone asks of the worker, by name; ``work.catalogue`` takes them in.
        found: where a session keeps what it found, a key of ``Session.labs``; "": nowhere.
        settings: the settings of a long run, or None. ``settings.records`` says how many records
            that run makes.
    """

    page: str
    title: str
    icon: str
    jobs: dict[str, Job] = {}
    found: str = ""
    settings: type | None = None


LABS = (
    Lab(
        "noise",
        "What would noise have done?",
        "casino",
        {"noise": Job("labs.noise:run", "What would noise have done?", long=True, told=True)},
        "noise",
        NoiseSettings,
    ),
    Lab(
        "goodhart",
        "Goodhart",
        "show_chart",
        {"goodhart": Job("labs.goodhart:run", "Goodhart lab", long=True, told=True)},
        "goodhart",
        GoodhartSettings,
    ),
    Lab(
        "rule_or_reward",
        "Rule or reward model?",
        "rule",
        {
            "rule_or_reward": Job(
                "labs.rule_or_reward:run", "Rule or reward model?", long=True, told=True
            )
        },
        "rule_or_reward",
        RuleOrRewardSettings,
    ),
    Lab(
        "algorithms",
        "Algorithms side by side",
        "stacked_line_chart",
        {
            "algorithms": Job(
                "labs.side_by_side:run", "Algorithms side by side", long=True, told=True
            )
        },
        "algorithms",
        AlgorithmsSettings,
    ),
    Lab(
        "context_flip",
        "Context flip",
        "flip",
        {
            "context_flip": Job("labs.context_flip:run", "Context flip", long=True, told=True),
            "flip_own": Job("labs.context_flip:score_own", "Scoring your sentence"),
        },
        "context_flip",
        ContextFlipSettings,
    ),
    Lab(
        "what_it_learned",
        "What did it learn?",
        "manage_search",
        {"lab_explain": Job("labs.reward_lab:explain", "Taking it apart")},
    ),
    Lab(
        "trust_it",
        "Can you trust it?",
        "verified",
        {"lab_scores": Job("labs.reward_lab:scores", "Scoring with doubt")},
    ),
    Lab(
        "flip_a_vote",
        "Flip a vote",
        "swap_horiz",
        {
            "lab_votes": Job("labs.reward_lab:votes", "Turning each vote round"),
            "lab_flip": Job("labs.reward_lab:flip", "Refitting"),
        },
    ),
    Lab(
        "hack_reward_model",
        "Hack the reward model",
        "bug_report",
        {
            "hack_try": Job("labs.hacking_game:try_text", "Scoring your text"),
            "hack_race": Job("labs.hacking_game:race", "The model writes 64 answers"),
            "hack_search": Job("labs.hacking_game:search", "A search tries to fool it"),
            "hack_again": Job(
                "labs.hacking_game:score_again",
                "Scoring the board by your votes as they are now",
                slot="hack_search",
            ),
            "hack_teach": Job(
                "labs.hacking_game:reject_exploits",
                "Training it to reject them",
                told=True,
                undo=("learned",),
            ),
        },
        ABOUT_HEAD,
    ),
    Lab(
        "instructions_matter",
        "Instructions matter",
        "menu_book",
        {
            "instructions_pairs": Job(
                "labs.instructions_models:write_pairs", "Writing the twelve pairs"
            ),
            "instructions_models": Job(
                "labs.instructions_models:compare_models", "Training both reward models"
            ),
        },
        "instructions_matter",
    ),
    Lab("speed_accuracy", "Speed and accuracy", "timer", {}, "speed_accuracy"),
    Lab(
        "whose_preferences",
        "Whose preferences?",
        "groups",
        {
            "whose": Job(
                "labs.whose_preferences:compare_people", "Training everybody's reward model"
            )
        },
        "whose_preferences",
    ),
)
