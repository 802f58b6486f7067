"""The order of a session in 20, 45 and 90 minutes: how long each act takes, what the host says, and
what goes wrong. Data for the host's page and docs/workshop.md; imports nothing of ours but names.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rlhf_core.rooms.records import ACTS, JOIN, PPO, PRACTICE, RANK, REWARD, TALK, VOTE


@dataclass(frozen=True)
class Screens:
    """What an act is called, and what its screens say, in every plan.

    Attributes:
        phone: on the phones where there is nothing to tap. wall: under the act's name on the wall.
        next: what happens next, on every screen. left_out: ``phone`` for whoever was left out.
    """

    title: str
    phone: str
    wall: str
    next: str
    left_out: str = ""


@dataclass(frozen=True)
class Scene:
    """An act in a plan: its minutes, what to say (a sentence each), what goes wrong (trouble, what
    to do).
    """

    act: str
    minutes: int
    say: tuple[str, ...]
    wrong: tuple[tuple[str, str], ...]


SCREENS = {
    JOIN: Screens(
        "Come in",
        "You are in. Read the brief; it begins in a moment.",
        "Scan the code, or type it. A nickname if you like; no account.",
        "Next: a short practice.",
    ),
    PRACTICE: Screens(
        "Practice",
        "Practice is done. The real pairs come in a moment.",
        "Which answer fits the brief better? These do not count yet.",
        "Next: the real pairs.",
    ),
    RANK: Screens(
        "Judge",
        "You judged every pair there is. Thank you! Look up at the wall.",
        "Tap the answer that fits the brief better. Careful beats fast.",
        "Next: the room's taste becomes a number.",
    ),
    REWARD: Screens(
        "The reward model",
        "Look up at the wall: your judgements are becoming a reward model.",
        "A small model learns to guess what this room prefers.",
        "Next: the language model practises for that score.",
        "Look up at the wall: the others' judgements are becoming a reward model.",
    ),
    PPO: Screens(
        "PPO",
        "Look up at the wall: the language model is learning from all of you.",
        "It writes, is scored, and shifts towards what scored well.",
        "Next: you say, blind, whether it got better.",
        "Look up at the wall: the language model is learning from the others.",
    ),
    VOTE: Screens(
        "Blind vote",
        "You voted on everything. Look up at the wall.",
        "One answer is from before, one from after. Which is which is hidden.",
        "Next: the verdict, and your questions.",
    ),
    TALK: Screens(
        "Talk",
        "That was it. Thank you for training a model today.",
        "What did we teach it, and who is “we”?",
        "This is the last act.",
    ),
}

NO_MODEL = "There is no reward model yet, so there is no score to climb."
NOT_PLAYED = "Everything is ready: the host starts it."
NOT_TUNED = "Nothing was trained, so before and after are the same: no vote."


def missing(act: str, model: bool, tuned: bool) -> str:
    """What there is instead of what an act is about: a sentence for wall and phones; "" where
    nothing is missing. ``model``: there is a reward model; ``tuned``: PPO has made a step.
    """
    if act == PPO and not tuned:
        return NOT_PLAYED if model else NO_MODEL
    return NOT_TUNED if act == VOTE and not tuned else ""


_LATE = (
    "Somebody cannot join.",
    "Check that their phone is on the same network as this page; the code can be typed by hand.",
)
_NO_ANSWERS = (
    "The model is still writing.",
    "Talk about the brief for a minute. Practice needs none of its answers.",
)
_FAST = (
    "A phone taps left, left, left.",
    "It is marked on your page. Leave it out with one tap; you can take it in again.",
)
_SLOW = (
    "Few judgements come in.",
    "Read one pair aloud and ask for hands. Then give it two more minutes.",
)
_CHANCE = (
    "Held-out accuracy is near 50%.",
    "Say so: there are too few judgements, or the room does not agree. Both are worth a talk.",
)
_STUCK = (
    "The training is slow, or stopped.",
    "It goes on where it was after a restart. Twenty steps are enough; stop earlier if you like.",
)
_BROKEN = (
    "The answers turn into babble, or all sound alike.",
    "That is over-optimisation, live: the score rises, the language does not.",
)
_NO_CHANGE = (
    "The verdict says “no detectable difference”.",
    "That is a result. Few votes and little training rarely show more, and now the room knows.",
)
_OFFLINE = (
    "A phone was locked or offline.",
    "What was tapped is sent when it is back. Nothing has to be done.",
)

PLANS: dict[int, tuple[Scene, ...]] = {
    20: (
        Scene(
            JOIN,
            2,
            (
                "Hello! In twenty minutes we train a language model together.",
                "Scan the code. You need no account, and a made-up name is fine.",
            ),
            (_LATE,),
        ),
        Scene(
            PRACTICE,
            1,
            ("Read the brief: it decides what “better” means here.", "Try two pairs for practice."),
            (_NO_ANSWERS,),
        ),
        Scene(
            RANK,
            6,
            (
                "Now it counts. Tap the answer that fits the brief better.",
                "If both are equally good or bad, say so: a tie teaches too.",
                "Take your time: at the talk's own contest, the fastest came last.",
            ),
            (_FAST, _SLOW, _OFFLINE),
        ),
        Scene(
            REWARD,
            2,
            (
                "A reward model guesses which answer you would pick.",
                "This number is how often it is right on prompts it never saw.",
            ),
            (_CHANCE,),
        ),
        Scene(
            PPO,
            4,
            (
                "The model writes, the reward model scores, and PPO nudges it, step by step.",
                "KL is the leash: how far it has drifted from where it began.",
            ),
            (_STUCK, _BROKEN),
        ),
        Scene(
            VOTE,
            2,
            ("Before or after? You do not know which is which. Tap what fits the brief.",),
            (_OFFLINE,),
        ),
        Scene(
            TALK,
            3,
            ("Here is the verdict.", "Who disagreed with the majority, and who decided for them?"),
            (_NO_CHANGE,),
        ),
    ),
    45: (
        Scene(
            JOIN,
            4,
            (
                "Hello! By the end, this room will have trained a language model by its own taste.",
                "Scan the code. No account; what is kept stands on your screen.",
                "While you join: who has rated an answer of a chatbot before?",
            ),
            (_LATE, _NO_ANSWERS),
        ),
        Scene(
            PRACTICE,
            3,
            (
                "Read the brief. It is all the guidance that paid labellers get, in short.",
                "These few have a known answer: you see at once whether the brief's author agrees.",
                "Disagree? Good. Remember the pair for the talk.",
            ),
            (_NO_ANSWERS,),
        ),
        Scene(
            RANK,
            12,
            (
                "Now it counts. Everybody gets some pairs of their own, and some that all get.",
                "A tie is an answer. So is skip.",
                "Half time: look at the pair on the wall that splits you most. Why?",
                "Careful beats fast: at the talk's own contest, the fastest came last.",
            ),
            (_FAST, _SLOW, _OFFLINE),
        ),
        Scene(
            REWARD,
            5,
            (
                "From your taps, a reward model learns to guess what you would pick.",
                "Held-out accuracy: how often it is right on prompts it never saw. 50% is a coin.",
                "Agreement bounds it: nobody can foretell a room that does not agree with itself.",
                "Here are two models side by side: the majority's, and the minority's.",
            ),
            (_CHANCE,),
        ),
        Scene(
            PPO,
            8,
            (
                "Four stages a step: write, score, hold back by KL, update. Watch them go round.",
                "Before it starts: will the answers get longer? Funnier? Hands up.",
                "The score will rise: it is made to. The blind vote says whether you like it.",
            ),
            (_STUCK, _BROKEN),
        ),
        Scene(
            VOTE,
            5,
            (
                "The same prompts, before and after, in hidden order. Which fits the brief?",
                "A prompt is one vote of the room, so twelve prompts are twelve witnesses.",
            ),
            (_OFFLINE,),
        ),
        Scene(
            TALK,
            8,
            (
                "The verdict, with how sure it is.",
                "Could coin tosses have taught it as much? The page says.",
                "Who was outvoted, and what would their model have said?",
                "What would you change in the brief?",
            ),
            (_NO_CHANGE,),
        ),
    ),
    90: (
        Scene(
            JOIN,
            6,
            (
                "Hello! We have ninety minutes: enough to train a model, and to doubt it.",
                "Scan the code. No account; what is kept stands on your screen.",
                "Meet your neighbour: what makes an answer good?",
            ),
            (_LATE, _NO_ANSWERS),
        ),
        Scene(
            PRACTICE,
            6,
            (
                "Read the brief alone, then argue about it in pairs for two minutes.",
                "Then the practice: pairs with a known answer, and why.",
                "Where you differ from the brief's author, note it. We come back to it.",
            ),
            (_NO_ANSWERS,),
        ),
        Scene(
            RANK,
            22,
            (
                "Now it counts. Ten minutes in silence.",
                "Stop: the pair that splits the room most. Who says A, who says B, and why?",
                "Ten minutes more. Does talking change how you judge? Watch agreement on the wall.",
                "A pair that you cannot decide is a tie, not a failure.",
            ),
            (
                _FAST,
                _SLOW,
                _OFFLINE,
                (
                    "People tire.",
                    "Stop early. Ten careful minutes are worth more than twenty tired ones.",
                ),
            ),
        ),
        Scene(
            REWARD,
            10,
            (
                "From your taps, a reward model learns to guess what you would pick.",
                "Held-out accuracy, with its interval: 50% is a coin.",
                "Leave somebody out, train again: how much does one person weigh?",
                "The majority's model and the minority's: where do they part?",
            ),
            (
                _CHANCE,
                (
                    "A person asks why they were left out.",
                    "Show the mark, and take them in again. Every such tap is on record.",
                ),
            ),
        ),
        Scene(
            PPO,
            16,
            (
                "Four stages a step: write, score, hold back by KL, update.",
                "Ten steps first. Read the answers aloud: what is it learning to do?",
                "Then loosen the leash and go on. When does it begin to cheat?",
                "The score is not the goal. It is what the goal became when we measured it.",
            ),
            (_STUCK, _BROKEN),
        ),
        Scene(
            VOTE,
            10,
            (
                "The same prompts, before and after, in hidden order.",
                "First alone. Then we look at two of them together.",
                "A prompt is one vote of the room, so twelve prompts are twelve witnesses.",
            ),
            (_OFFLINE,),
        ),
        Scene(
            TALK,
            20,
            (
                "The verdict, with how sure it is, and whether coins could have done it.",
                "Whose preferences are these? Who was outvoted, and who is not in this room?",
                "What would a labeller paid by the pair have done?",
                "One thing you will check next time somebody says “aligned”.",
            ),
            (
                _NO_CHANGE,
                (
                    "Two people talk, the others look at their phones.",
                    "Ask for a show of hands on the most disputed pair, then hear one from each"
                    " side.",
                ),
            ),
        ),
    ),
}


GROUPS_PEOPLE = 6  # who judge, for models of a majority and a minority
WITH_GROUPS = (
    "Here are two models side by side: the majority's, and the minority's.",
    "The majority's model and the minority's: where do they part?",
    "Who was outvoted, and what would their model have said?",
)  # to be said only where there are models of both groups


def said(plan: int, act: str, *, groups: bool, writing: bool) -> Scene:
    """``scene``, for a room as it is. ``groups``: there are models of a majority and a minority, or
    there may be; ``writing``: the model still writes the answers.
    """
    whole = scene(plan, act)
    say = tuple(line for line in whole.say if groups or line not in WITH_GROUPS)
    wrong = tuple(one for one in whole.wrong if writing or one is not _NO_ANSWERS)
    return replace(whole, say=say, wrong=wrong)


def scene(plan: int, act: str) -> Scene:
    """Raises KeyError: no such plan or act."""
    return PLANS[plan][ACTS.index(act)]


def after(act: str) -> str:
    """The act that follows; "" after the last."""
    return (*ACTS, "")[ACTS.index(act) + 1]
