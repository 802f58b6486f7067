"""The stations of the tour, in the order of the talk that the tool comes from: what each tells,
which control it points at, and how the tour knows that it was touched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rlhf_core.common.settings import PPOSettings
from rlhf_core.session.state import ABOUT_HEAD, Session


@dataclass(frozen=True)
class Station:
    """One station.

    Attributes:
        page: the script it is on. control: the key of what to touch there.
        title, story, do: what the card says: the point, why, and what to touch.
        watch: reads from the session what changes when the control was touched (a plain value);
            None: a station to look at, nothing to touch.
        minutes, say: for who leads a room: how long, and a line to say.
        press: a selector of what to press inside the control, framed instead of all of it.
    """

    page: str
    control: str
    title: str
    story: str
    do: str
    watch: Callable[[Session], object] | None
    minutes: int
    say: str
    press: str = ""

    def touched(self, session: Session, since: object) -> bool:
        """Whether its control was touched since it said ``since``."""
        return self.watch is None or (since is not None and self.watch(session) != since)


def typed(session: Session) -> int:
    """How many texts stand on the boards of the hacking game."""
    about = session.labs.get(ABOUT_HEAD)
    boards = about.get("boards", {}) if isinstance(about, dict) else {}
    return sum(len(board.get("entries", ())) for board in boards.values())


def beta(session: Session) -> float:
    """β as the slider on PPO says it."""
    said = {**session.settings.get("ppo", {}), **session.settings.get("ppo_next", {})}
    return said.get("beta", PPOSettings().beta)


STATIONS = (
    Station(
        "pages/loop.py",
        "brief_pick",
        "Marsupial or meme?",
        "“An opossum is …” One answer: “a marsupial.” Another: “a great character for memes.” Both"
        " are good English. Which is better depends on who asks: that is the brief.",
        "Pick another brief. To keep what a run has taught, press Skip.",
        lambda session: session.asked.brief.slug,
        1,
        "Ask the room: which of the two is better? Wait for somebody to say “for whom?”",
    ),
    Station(
        "pages/prompt.py",
        "prompt_box",
        "One prompt, several answers",
        "A language model has no view of its own. It carries on from your words, drawing each next"
        " word by chance: so the same prompt gives several answers.",
        "Write a prompt, press Generate.",
        lambda session: session.asked.drawn,
        2,
        "Take a prompt from the room. Let them guess the first word before it is written.",
    ),
    Station(
        "pages/rank.py",
        "rank_card",
        "A person compares",
        "Marks from 1 to 10 drift with mood and person. “Which of these?” is easier to answer,"
        " and it is all that RLHF asks.",
        "Press Pick at the best answer, then at the next best. Of two, press A or B.",
        lambda session: len(session.judged.rankings),
        3,
        "Vote by hands. Where the room is split, ask both sides why: the brief did not say.",
        # of a list, of a pair, and of one by one
        ':is([class*="st-key-answer_"] button, .st-key-pair_answers button, .st-key-order)',
    ),
    Station(
        "pages/reward_model.py",
        "fit",
        "The pattern, not the meaning",
        "A second, small model looks for what the winners have in common. It has no idea what an"
        " opossum is; it finds the pattern of your choices.",
        "Train the reward model.",
        lambda session: session.learned.head,
        2,
        "Ask which pattern it will find before you press. With few votes it may be none: say so.",
    ),
    Station(
        "pages/what_it_learned.py",
        "explain_text_widget",
        "A score for any text",
        "Now your taste is a number, and each word pushes it up or down. Are they the words you"
        " went by?",
        "Type a text, and look which words count.",
        None,
        1,
        "Find one word that counts for the wrong reason.",
    ),
    Station(
        "pages/hack_reward_model.py",
        "hack_text",
        "Gaming the score",
        "In Moneyball, a team stopped buying what looked like good players and bought what the"
        " number counted. A model does the same: it is paid for the score, not for what you meant.",
        "Type nonsense that scores high.",
        typed,
        3,
        "Let the room shout words. The highest nonsense wins.",
    ),
    Station(
        "pages/ppo.py",
        "ppo_beta",
        "The frozen copy",
        "So a frozen copy of the original reads along. Each word that it would hardly have written"
        " costs a little: the model may change its manners, not lose its language. β is the price.",
        "Move β.",
        beta,
        2,
        "Ask: what if β is 0? And if it is huge? Write both guesses on the wall.",
    ),
    Station(
        "pages/ppo.py",
        "ppo_play",
        "Tuning",
        "PPO lets the model write, scores what it wrote, and makes what scored well a little"
        " likelier. Then again.",
        "Press Play, and watch the text.",
        lambda session: session.tuned.steps_done,
        3,
        "Two lines rise: the score, and how far it drifted. Which would you stop for?",
    ),
    Station(
        "pages/before_after.py",
        "blind_vote",
        "Is it better?",
        "The score went up: of course, it was trained on it. What counts is whether you prefer the"
        " new answers when you do not know which is which.",
        "Vote blind: press the answer that is better.",
        lambda session: len(session.judged.votes),
        3,
        "Vote by hands before anybody scrolls up to the pairs with names. “No difference” is an"
        " answer.",
        ":is(.st-key-vote_a, .st-key-vote_b, .st-key-vote_tie) button",
    ),
    Station(
        "pages/rounds.py",
        "next_round",
        "Rinse and repeat",
        "The tuned model writes other answers, so there is something new to compare. Real systems"
        " go round this loop again and again.",
        "See how a second round would start.",
        None,
        1,
        "Ask what a second round would teach that the first could not.",
    ),
    Station(
        "pages/briefs.py",
        "brief_choice",
        "Instructions are data too",
        "Change one sentence of the brief, and careful people rank the same answers the other way"
        " round. What annotators are told shapes the model as much as who they are.",
        "Read your brief. What does it leave open?",
        None,
        1,
        "Read the brief aloud. What would two honest people do differently?",
    ),
    Station(
        "pages/import_export.py",
        "export_kind",
        "Show your work",
        "A tuned model without its judgements and instructions cannot be checked by anybody."
        " Publish both.",
        "Open “Take out”, and take your judgements home.",
        None,
        1,
        "Who would you have to trust, if this were not here?",
    ),
)
