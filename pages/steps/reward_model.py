"""Reward model: trains on the comparisons, live, and says how far its taste can be trusted."""

from __future__ import annotations

import time
from collections import Counter

import streamlit as st

from rlhf_core.common import settings
from ui import charts, knobs, monitor, state, text
from ui.charts import reward_model as charts_fit
from ui.charts import scored_outputs as charts_outputs
from ui.labs import tools

FEATURES = next(
    row for row in settings.describe(settings.RewardModelSettings) if row["name"] == "features"
)
A_LOOK = 0.2  # seconds for an iteration in slow motion
LARGEST = 32  # of the slider; beyond it a few dozen comparisons teach nothing
KINDS = {"head": "Instant", "fine-tuned": "Fine-tuned"}
TUNING = {
    "unfrozen_layers": "Layers that learn",
    "epochs": "Epochs",
    "learning_rate": "Learning rate",
}
WAKING, A_STEP = (
    4.0,
    0.08,
    # processor seconds measured with the bundled model: to wake TRL, and a gradient step with its
    # share of the measuring
)
CHOICES = {
    "a": "left better",
    "b": "right better",
    "tie": "ties",
    "both_bad": "both bad",
    "skip": "skipped",
}

session = state.session()
last = session.settings.get("reward_model", {}).get("features", FEATURES["default"])
st.session_state.setdefault(
    "features", min(LARGEST, last)
)  # our own key: a widget's value is lost when the page changes
st.session_state.setdefault("kind", "fine-tuned" if state.alive("fine_tune") else "head")
knob = knobs.Knobs(
    session,
    "fine_tuned",
    settings.FineTunedSettings,
    labels=TUNING,
    ladders={"learning_rate": (1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)},
)


def keep() -> None:
    st.session_state["features"] = st.session_state["features_widget"]


def keep_kind() -> None:
    st.session_state["kind"] = st.session_state["kind_widget"]


def fine_tune() -> None:
    chosen = settings.FineTunedSettings(**knob.chosen())
    knob.keep()
    state.submit(
        "fine_tune",
        tools.tool(session, "fine_tune", chosen, module="labs.second_opinion"),
        label="Fine-tuning a reward model",
        long=True,
    )


def tuning(records: list[dict], view: dict) -> None:
    """While the slower kind learns: its curves, and the outputs as it sorts them."""
    if view["status"] not in state.ALIVE:
        return
    rows = [record for record in records if "iteration" in record]
    if rows:
        curves(rows, knob.chosen()["epochs"], key="tune")
        charts.draw(
            second_opinion(rows[-1]["examples"], "So far (its own unit)"), key="tune_scores"
        )


def second_opinion(examples: list[dict], now: str) -> charts.Chart:
    return charts_outputs.moves(
        examples,
        title="The same outputs, two reward models",
        before="Instant",
        after=now,
        look_for=(
            "where the two dots of an output lie far apart, the two kinds disagree: read that"
            " output yourself."
        ),
    )


def slower_kind() -> None:
    """Train the fine-tuned kind, and compare it with the instant one on votes that neither saw."""
    steps = (
        -(-len(session.learnable) // settings.FineTunedSettings.batch_size)
        * knob.chosen()["epochs"]
    )
    st.markdown(
        "**Fine-tuned** lets the language model's own top layers learn your taste, with TRL's"
        " `RewardTrainer`. More can be learned, and more can be learned by heart. For your"
        f" {len(session.learnable)} comparisons it takes about"
        f" {monitor.duration(WAKING + A_STEP * steps)} where nobody else is at work; on a busy"
        " server it waits in line and takes several times that. The time left is shown while it"
        " runs."
    )
    st.info(
        "It is a second opinion. **PPO climbs the instant one**: that reads states which PPO has at"
        " hand anyway and knows its own doubt; this one would have to read every answer a second"
        " time.",
        icon=":material/info:",
    )
    tuning_now = state.alive("fine_tune")
    with st.container(horizontal=True, vertical_alignment="bottom", key="tune_box"):
        found = session.lab.get("fine_tuned")
        st.button(
            "Fine-tune it again" if found else "Fine-tune a reward model",
            key="fine_tune",
            type="primary",
            icon=":material/model_training:",
            on_click=fine_tune,
            disabled=tuning_now or bool(missing),
        )
        with st.popover("Settings", icon=":material/tune:"):
            for name in TUNING:
                knob.draw(name, disabled=tuning_now)
    if state.job("fine_tune"):
        monitor.monitor(
            "fine_tune", controls=("stop",), draw=tuning, every=0.6, quiet=not tuning_now
        )
    if not found or tuning_now:
        return
    with st.container(horizontal=True, key="tune_numbers"):
        st.metric(
            "Fine-tuned, on held-out prompts",
            charts.percent(found["heldout_accuracy"]) if found["heldout_pairs"] else "unknown",
            delta=(
                f"95% interval {charts.interval(found['heldout_interval'])}"
                if found["heldout_pairs"]
                else None
            ),
            delta_color="off",
            delta_arrow="off",
            help=(
                "One part of the prompts was held out and never trained on. Few votes: a wide"
                " interval."
            ),
        )
        st.metric(
            "Instant, on the same votes",
            (
                charts.percent(found["head_accuracy"])
                if found["head_accuracy"] is not None
                else "unknown"
            ),
            delta=(
                f"95% interval {charts.interval(found['head_interval'])}"
                if found.get("head_interval")
                else None
            ),
            delta_color="off",
            delta_arrow="off",
        )
        st.metric("Comparisons", found["comparisons"])
    st.markdown(text.plain(found["sentence"]))
    if found["comparisons"] != len(session.learnable):
        st.caption(
            f"Made from {found['comparisons']} comparisons; there are {len(session.learnable)} now."
        )
    charts.draw(second_opinion(found["examples"], "Fine-tuned"), key="tune_scores")
    curves(found["records"], key="tune")


def train() -> None:
    chosen = settings.RewardModelSettings(features=st.session_state["features"])
    rewind()
    state.submit(
        "fit",
        lambda: session.fit_reward_model(chosen),
        label="Training the reward model",
        long=False,
    )


def curves(records: list[dict], iterations: int | None = None, key: str = "fit") -> None:
    left, right = st.columns(2)
    with left:
        charts.draw(charts_fit.reward_model_loss(records, iterations), key=f"{key}_loss")
    with right:
        charts.draw(charts_fit.accuracy(records, iterations), key=f"{key}_accuracy")


def live(records: list[dict], view: dict) -> None:
    """While it trains: the curves so far, and the outputs, sorted by what the reward model thinks
    of them at this moment.
    """
    if view["status"] not in state.ALIVE:
        return
    rows = [record for record in records if "iteration" in record]
    curves(rows, settings.RewardModelSettings().iterations)
    if rows and rows[-1].get("examples"):
        charts.draw(charts_outputs.scores(rows[-1]["examples"]), key="fit_scores")


def playback() -> None:
    """The iterations one after the other, at a pace that people can follow."""
    records = session.fit_records
    began = st.session_state.setdefault("fit_began", time.monotonic())
    shown = st.session_state["fit_shown"] = 1 + int((time.monotonic() - began) / A_LOOK)
    st.caption(
        f"Iteration {min(shown, len(records))} of {len(records)}, in slow motion: the fit itself is"
        " much faster."
    )
    curves(records[:shown], len(records))
    charts.draw(charts_outputs.scores(records[:shown][-1].get("examples", [])), key="fit_scores")
    if shown >= len(records):
        state.rerun()


def rewind() -> None:
    """From the next run of the page on, the fit is shown from its first iteration."""
    st.session_state["fit_shown"] = 0
    st.session_state.pop("fit_began", None)


def doubts() -> None:
    """What in the comparisons will make the fit weak, each in a sentence."""
    pairs = session.pairs
    made = Counter(pair.choice for pair in pairs)
    decided = made["a"] + made["b"]
    if pairs and not decided and not made["tie"]:
        st.warning(
            "So far everything was skipped or both bad, and neither teaches a score. Prefer one"
            " answer at least once.",
            icon=":material/balance:",
        )
    elif decided == 1:
        st.warning(
            "One clear comparison is enough to train, and far too little to trust. Ten or more,"
            " about different prompts, make it useful.",
            icon=":material/counter_1:",
        )
    circles = session.contradictions()
    if circles:
        prompts = {row["prompt"] for row in circles}
        where = "one prompt" if len(prompts) == 1 else f"{len(prompts)} prompts"
        st.warning(
            f"Some choices contradict each other, about {where}. That is human, and nothing is"
            " thrown away: the reward model takes the middle way.",
            icon=":material/sync_problem:",
        )
        with st.expander("See where", key="circles"):
            for row in circles[:10]:
                st.markdown(f"**{text.plain(row['prompt'])}**")
                for index, winner in enumerate(row["texts"]):
                    loser = row["texts"][(index + 1) % len(row["texts"])]
                    st.markdown(f"- {text.plain(winner)} **beats** {text.plain(loser)}")


def verdict(summary: dict) -> None:
    """The numbers that matter, with what they are not."""
    accuracy, bounds = (
        summary.get("heldout_accuracy"),
        charts.interval(summary.get("heldout_interval")),
    )
    with st.container(horizontal=True, key="fit_numbers"):
        st.metric(
            "Right on prompts it never saw",
            charts.percent(accuracy) if accuracy is not None else "unknown",
            help=(
                "Held-out accuracy: the prompts are dealt into a few parts, and each part's pairs"
                " are judged by a twin that was trained without it. 50% is tossing a coin. “Can you"
                " trust it?” leaves out one prompt at a time, so its number may differ a little."
            ),
            delta=f"95% interval {bounds}" if bounds else None,
            delta_color="off",
            delta_arrow="off",
        )
        st.metric(
            "Right on what it trained on",
            charts.percent(summary.get("train_accuracy")),
            help="Always flattering: it has seen these answers.",
        )
        used, pairs = summary.get("pairs_used", 0), summary.get("pairs", 0)
        st.metric(
            "Comparisons used",
            f"{used} of {pairs}",
            help="Skipped and both-bad ones teach nothing; a tie counts half each way.",
        )
    scored, ties = summary.get("heldout_pairs") or 0, summary.get("ties") or 0
    if scored and ties:
        st.caption(
            f"The two accuracies count clear choices only ({scored} on held-out prompts): {ties}"
            f" {'tie has' if ties == 1 else 'ties have'} no right answer to hit."
        )
    if exploits := summary.get("exploits"):
        st.caption(
            f"It also learned from {exploits} rejected exploit{'s' * (exploits > 1)}. They were"
            " picked because it erred there, so the held-out accuracy leaves them out."
        )
    if summary.get("offered") not in (None, len(session.learnable)):
        st.warning(
            f"This one was trained on {used} comparison{'s' * (used != 1)}; by now there are"
            f" {len(session.learnable)}. Train it again to use them.",
            icon=":material/update:",
        )
    if summary.get("note"):
        st.info(text.plain(summary["note"]), icon=":material/lightbulb:")


st.title("The reward model", anchor=False)
st.markdown(
    "It turns your choices into a score for any text, so that PPO has something to climb. It only"
    " knows what your comparisons tell it."
)
unit = session.reward_summary.get("unit")
st.caption(
    "Chance that A beats B = 1 / (1 + e to the power of (score B − score A)). Training moves the"
    " scores until that agrees with your choices."
    + (
        " What is shown below is measured in the spread of the original model's answers: a"
        f" difference of 1 there is {charts.number(unit)} in the formula."
        if unit
        else ""
    )
)

missing = session.needs("reward_model")
busy = state.alive("fit")

if missing and session.reward_model is None and not busy:
    with st.container(border=True, key="fit_missing"):
        st.markdown(
            "**Not yet.** The reward model still needs "
            + " and ".join(text.plain(need) for need in missing)
            + "."
        )
        doubts()
        st.page_link(
            "pages/steps/rank.py", label="Go and rank some answers", icon=":material/arrow_forward:"
        )
    st.stop()

if session.pairs:
    made = Counter(pair.choice for pair in session.learnable)
    named = [
        f"{made[choice]} {'tie' if (choice, made[choice]) == ('tie', 1) else words}"
        for choice, words in CHOICES.items()
        if made[choice]
    ]
    idle = len(session.pairs) - sum(made.values())
    rest = (
        f" {idle} more {'teaches' if idle == 1 else 'teach'} nothing (skipped, both bad) or"
        f" {'is' if idle == 1 else 'are'} about prompts kept for the verdict." * bool(idle)
    )
    st.caption(
        f"It learns from {sum(made.values())}"
        f" pair{'s' * (sum(made.values()) != 1)}{': ' * bool(named)}{', '.join(named)}.{rest}"
    )
doubts()
st.segmented_control(
    "Which kind",
    list(KINDS),
    format_func=KINDS.get,
    default=st.session_state["kind"],
    required=True,
    key="kind_widget",
    on_change=keep_kind,
    help=(
        "Instant: a few weights on what the original model already sees, in a second. Fine-tuned:"
        " slower, a second opinion."
    ),
)
if st.session_state["kind"] == "fine-tuned":
    slower_kind()
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom", key="fit_box"):
    label = "Train it again" if session.reward_model is not None else "Train the reward model"
    st.button(
        label,
        key="fit",
        type="primary" if session.reward_model is None else "secondary",
        icon=":material/model_training:",
        on_click=train,
        disabled=busy or bool(missing),
    )
    with st.popover("How fine a taste", icon=":material/tune:"):
        st.slider(
            "Features",
            FEATURES["low"],
            LARGEST,
            st.session_state["features"],
            1,
            key="features_widget",
            help=FEATURES["help"],
            on_change=keep,
            disabled=busy,
        )
        st.caption(
            "More features can tell more kinds of text apart, and need more comparisons before they"
            " stop guessing."
        )

if state.job("fit"):
    monitor.monitor("fit", controls=("stop",), draw=live, every=0.3, quiet=not busy)

slow_motion = st.session_state.get("fit_shown", len(session.fit_records)) < len(session.fit_records)
if session.reward_model is not None and not busy and slow_motion:
    st.fragment(playback, run_every=A_LOOK, key="playback")()
elif session.reward_model is not None and not busy:
    verdict(session.reward_summary)
    if session.reward_summary.get("examples"):
        charts.draw(charts_outputs.scores(session.reward_summary["examples"]), key="scores")
    curves(session.fit_records)
    with st.container(horizontal=True, key="fit_labs"):
        st.page_link(
            "pages/labs/trust_it.py", label="Can you trust it?", icon=":material/verified:"
        )
        st.page_link(
            "pages/labs/what_it_learned.py",
            label="What did it learn?",
            icon=":material/manage_search:",
        )
        st.page_link("pages/labs/flip_a_vote.py", label="Flip a vote", icon=":material/swap_horiz:")
        st.page_link(
            "pages/labs/hack_reward_model.py", label="Hack it", icon=":material/bug_report:"
        )
    with st.container(horizontal=True, key="fit_next"):
        st.button(
            "Watch it learn again",
            key="watch_again",
            icon=":material/replay:",
            on_click=rewind,
            disabled=not session.fit_records,
        )
        if st.button(
            "On to PPO",
            key="to_ppo",
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
        ):
            st.switch_page("pages/steps/ppo.py")
elif not busy:
    st.caption(
        "It learns in a second or two. The first time takes a little longer: "
        "the original model writes a few hundred answers to set the zero and the unit of the score."
    )
