"""The human side: who judges, how they are told, paid and asked; what a narrow group does to a
reward model; what a small model costs; where its words come from.
"""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import places
from rlhf_core.judging import annotators
from rlhf_core.session import judged
from ui import charts, monitor, people, state, text
from ui.charts import annotation_labs as charts_labs

CARD = places.ASSETS / "pocket-gpt2" / "README.md"
NARROW = "narrow_group"  # the job, and where the session keeps what it found
TASTES = ("facts", "jokes")  # of the two groups
WATTS = 45  # of a laptop under load: an assumption, to be changed
JOULES_A_WATT_HOUR = 3600

OUYANG = (
    "Ouyang et al. 2022, Training language models to follow instructions with human feedback,"
    " section 3.4"
)
GEBRU = "Gebru et al. 2021, Datasheets for Datasets, section 3.3"
CASPER = (
    "Casper et al. 2023, Open Problems and Fundamental Limitations of Reinforcement Learning from"
    " Human Feedback, section 3.1.1"
)
GRAY = "Gray & Suri 2019, Ghost Work, introduction"
STRUBELL = (
    "Strubell et al. 2019, Energy and Policy Considerations for Deep Learning in NLP, table 3"
)

session = state.session()


def claim(words: str, source: str, page: str, action: str, icon: str) -> None:
    """A claim, where it stands, and the place in the tool where it can be acted on."""
    with st.container(border=True, height="stretch", key=f"human_{page}"):
        st.markdown(words)
        st.caption(f"Source: {source}.")
        st.page_link(f"pages/{page}.py", label=action, icon=f":material/{icon}:")


def start() -> None:
    state.submit(NARROW)


def mixture(share: float) -> str:
    """Whose votes a reward model learned from."""
    return {0.0: "all facts", 0.25: "3 of 4 facts", 0.5: "half and half"}[share]


def narrow() -> None:
    """A reward model of one group's votes, asked about both groups."""
    st.subheader("A narrow group, live", anchor=False)
    st.markdown(
        "Two groups judge the same answers: one wants facts, one wants jokes (two rules play them)."
        " A reward model learns from one group, or from both. Whose taste does it know?"
    )
    busy = state.alive(NARROW)
    st.button(
        "Ask both groups again" if session.labs.get(NARROW) else "Let one group vote",
        key="narrow_start",
        type="secondary" if session.labs.get(NARROW) else "primary",
        icon=":material/how_to_vote:",
        on_click=start,
        disabled=busy,
    )
    if state.job(NARROW):
        monitor.monitor(
            NARROW, controls=("stop",), draw=lambda records, view: None, every=0.4, quiet=not busy
        )
    if (found := session.labs.get(NARROW)) and not busy:
        who_is_heard(found)
    st.caption(f"Source: {CASPER}. Real groups agree about much; these two are opposites.")


def who_is_heard(found: dict) -> None:
    rows = [
        {"name": f"{mixture(model['share'])} → {taste}", **agrees}
        for model in found["models"]
        for taste, agrees in zip(TASTES, model["agrees"], strict=True)
    ]
    chart = charts_labs.accuracies(
        rows,
        title="Who votes → whose taste it is asked about",
        x_title="Favourite wins (% of pairs)",
        look_for=(
            "the group that did not vote, far left of 50%: its favourites lose. In the middle,"
            " one score for two tastes serves neither."
        ),
    )
    charts.draw(chart, key="narrow_chart")
    liked = found["favourites"][1]
    text.answer(
        liked["prompt"],
        liked["text"],
        tag="A favourite of those who want jokes",
        foot=" · ".join(
            f"{mixture(model['share'])}: {charts.number(score, sign=True)} SD"
            for model, score in zip(found["models"], liked["scores"], strict=True)
        ),
    )


def seconds_of_work() -> float:
    """Seconds of PPO in this session (all rounds that still have their steps) and of the
    demonstration above.
    """
    branches = [row for one in session.history.branches for row in one["metrics"]]
    steps = sum(row.get("seconds") or 0.0 for row in [*session.tuned.metrics, *branches])
    return steps + (session.labs.get(NARROW) or {}).get("processor_seconds", 0.0)


def energy() -> None:
    seconds = seconds_of_work()
    watts = st.number_input(
        "Watts of this computer (assumed: put in yours)", 1, 2000, WATTS, key="watts"
    )
    if seconds:
        hours = seconds * watts / JOULES_A_WATT_HOUR
        st.markdown(
            f"**An estimate:** your runs took {monitor.duration(seconds)} of work, × {watts} W ="
            f" **{charts.small(hours)} Wh**. Training BERT base took about 1,507,000 Wh."
        )
    else:
        st.markdown(
            "Run PPO or the demonstration above, and this says what it took. Training BERT base"
            " took about 1,507,000 Wh."
        )
    st.caption(f"Source: {STRUBELL} (with the data centre).")
    st.page_link("pages/models.py", label="Compare the models' sizes", icon=":material/memory:")


def provenance() -> None:
    st.markdown(
        "The bundled model was trained from nothing, on text made for this project (with the help"
        " of a large language model) or openly licensed. It was never tested for bias."
    )
    card = CARD.read_text(encoding="utf-8") if CARD.is_file() else ""
    if "## Data" in card:
        st.caption("Its card, assets/pocket-gpt2/README.md, says under Data:")
        st.markdown(card.split("## Data", 1)[1].split("\n## ", 1)[0])
    st.page_link(
        "pages/prompt.py", label="Ask it about something that it never read", icon=":material/edit:"
    )


st.title("The human side", anchor=False)
names = annotators.names(judged.pairs(session))
here = ", ".join(text.plain(people.label(name)) for name in names) or "nobody yet"
st.markdown(f"A model's taste is somebody's taste. In this session so far: **{here}**.")
rows = (
    (
        "**Who judges?** InstructGPT learned from about 40 contractors, picked by a screening"
        " test.",
        OUYANG,
        "whose_preferences",
        "Let somebody else judge too",
        "groups",
    ),
    (
        "**How are they told?** By written instructions, and the priorities changed: helpfulness"
        " first in training, truth and harmlessness first in the final evaluation.",
        "the same, section 3.4",
        "briefs",
        "Write the instructions yourself",
        "assignment",
    ),
    (
        "**Paid and credited?** Much of this work is done by people whom the user never sees,"
        " paid by the task. Judge a few dozen pairs and see what it takes.",
        GRAY,
        "mirror",
        "See your pace and your care",
        "face",
    ),
    (
        "**Did they agree, and is it said?** A datasheet tells who was asked, told and paid, and"
        " who consented. What leaves here says who judged, a person or a rule.",
        GEBRU,
        "import_export",
        "See what an export says",
        "swap_horiz",
    ),
)
for pair in (rows[:2], rows[2:]):
    for column, row in zip(st.columns(2), pair, strict=True):
        with column:
            claim(*row)
narrow()
with st.expander("Small models save energy", icon=":material/bolt:", key="human_energy"):
    energy()
with st.expander("Where its words come from", icon=":material/menu_book:", key="human_words"):
    provenance()
