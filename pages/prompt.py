"""Prompt: ask the model something, watch its answers appear, look into them token by token."""

from __future__ import annotations

import streamlit as st

from rlhf_core.common import errors, settings
from rlhf_core.common.errors import InputError
from rlhf_core.common.seeds import seed_of
from rlhf_core.judging import briefs
from rlhf_core.lm import model_list
from rlhf_core.session import asked
from ui import knobs, monitor, next_step, reading, share, state, terms, text

LABELS = {
    "candidates": "How many answers",
    "max_new_tokens": "Longest answer",
    "min_new_tokens": "Shortest answer",
    "temperature": "Temperature",
    "top_k": "Top-k",
    "top_p": "Top-p",
    "seed": "Seed",
}

SEEDS = 10_000  # of a press: few enough to read out

session = state.session()
sampling = knobs.Knobs(session, "sampling", settings.SamplingSettings, labels=LABELS)


def offer(prompt: str) -> None:
    st.session_state["prompt_text"] = prompt
    generate()


def generate() -> None:
    """Check the prompt, then let the worker write; the message of a refused prompt stays until the
    next try.
    """
    st.session_state["prompt_kept"] = st.session_state.get("prompt_text", "")
    st.session_state.pop("prompt_error", None)
    try:
        prompt = (
            asked.add_prompt(session, st.session_state["prompt_kept"])
            or st.session_state["prompt_kept"]
        )
        fresh_seed()
        chosen = settings.SamplingSettings(**sampling.chosen()).validate()
    except (InputError, errors.SettingsError) as error:
        st.session_state["prompt_error"] = str(error)
        return
    st.session_state["prompt_asked"] = prompt
    state.submit("generate", prompt, chosen)


def fresh_seed() -> None:
    """Other luck at every press, unless the seed is locked or was never used here."""
    used = [row["seed"] for row in session.asked.candidate_sets if row.get("asked")]
    if not st.session_state.get("seed_locked") and sampling.chosen()["seed"] in used:
        seed = seed_of(session.seed, "generate", len(used)) % SEEDS
        session.choose("sampling", {"seed": seed})


def lock_seed() -> None:
    st.session_state["seed_locked"] = st.session_state["seed_locked_widget"]


def streaming(records: list[dict], view: dict) -> None:
    """The answers as they grow; after the end the page draws the finished set instead."""
    latest = next((record for record in reversed(records) if record.get("kind") == "tokens"), None)
    live = view["status"] in state.ALIVE
    if not live:
        return
    texts = latest["texts"] if latest else [""] * sampling.chosen()["candidates"]
    text.answers(st.session_state.get("prompt_asked", ""), texts, live=True)


def look_inside(row: dict) -> None:
    """One answer of a set, token by token."""
    st.caption(
        "Greener means likelier. Point at a token, or tab to it, to see what else could have been"
        " drawn there. A dot stands for a space."
    )
    chosen = 0
    if len(row["tokens"]) > 1:
        chosen = st.segmented_control(
            "Which answer",
            list(range(len(row["tokens"]))),
            format_func=lambda index: f"Answer {index + 1}",
            default=0,
            required=True,
            key=f"inside_{row['id']}",
        )
    tokens = row["tokens"][chosen or 0]
    text.tokens(tokens)
    if st.toggle("As a table", key="inside_table"):
        st.dataframe(
            [
                {
                    "token": text.visible(token["token"]),
                    "probability": token["probability"],
                    "also possible": ", ".join(
                        f"{text.visible(str(name))} {text.percent(share)}"
                        for name, share in token["alternatives"]
                    ),
                }
                for token in tokens
            ],
            column_config={
                "probability": st.column_config.ProgressColumn(
                    min_value=0.0, max_value=1.0, format="percent"
                )
            },
        )


st.title("Write a prompt", anchor=False)
st.markdown(
    "The model carries on from your words, several times over: same question, different luck."
)
if session.model_name != model_list.BUNDLED:
    st.caption(
        f"Written by **{text.plain(model_list.title(session.model_name))}**."
        f" {model_list.content_note(session.model_name)}"
    )
st.page_link(
    "pages/briefs.py",
    label=f"Brief: {text.plain(session.asked.brief.title)}",
    icon=":material/assignment:",
)

own = [row for row in session.asked.candidate_sets if row.get("asked")]
ranked = {ranking.id for ranking in session.judged.rankings}
busy, step = state.alive("generate"), next_step.now(session)
several = bool(own) and not busy and len(own[-1]["texts"]) > 1
to_rank = several and own[-1]["id"] not in ranked
leads_on = not busy and (to_rank or step.box != "prompt")  # a button at the end is the primary one

st.session_state.setdefault("prompt_text", st.session_state.get("prompt_kept", ""))
with st.container(key="prompt_box"):
    st.text_area(
        "Your prompt",
        key="prompt_text",
        placeholder="for example: An opossum is",
        height=80,
        help="Plain English works best. A beginning that wants an ending works very well.",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Generate",
            key="generate",
            type="secondary" if leads_on else "primary",
            icon=":material/auto_awesome:",
            on_click=generate,
            disabled=busy,
            shortcut="Ctrl+Enter",
        )
        with st.popover("How it picks words", icon=":material/tune:"):
            terms.caption(
                "At every step the model gives each possible next [[token]] a probability, then one"
                " is drawn."
            )
            for name in sampling.rows:
                sampling.draw(name)
            st.toggle(
                "Keep this seed",
                value=st.session_state.get("seed_locked", False),
                key="seed_locked_widget",
                on_change=lock_seed,
                help="Off: every press draws another seed, so other words. On: the same again.",
            )
            st.page_link(
                "pages/models.py", label="Let another model write", icon=":material/memory:"
            )

with st.container(horizontal=True, key="prompt_offers", gap="small", vertical_alignment="center"):
    st.caption("Or try:", width="content")
    for number, prompt in enumerate(
        dict.fromkeys((*session.asked.brief.training_prompts[:4], *briefs.FEATURED_PROMPTS[13:16]))
    ):
        st.button(
            text.plain(prompt),
            key=f"offer_{number}",
            type="tertiary",
            on_click=offer,
            args=(prompt,),
            disabled=busy,
        )

error = st.session_state.get("prompt_error")
# Better than a guess beforehand; of a refused prompt nothing was measured.
told = bool(own) and not busy and not error and reading.unread(own[-1])
guesses = session.model_name == model_list.BUNDLED and not told
if error:
    st.error(text.plain(error), icon=":material/error:")
elif note := text.about_prompt(st.session_state.get("prompt_asked", ""), guesses=guesses):
    st.info(note, icon=":material/info:")

job = state.job("generate")
if job:
    monitor.monitor("generate", controls=("stop",), draw=streaming, every=0.2, quiet=True)

if own and not busy:
    row = own[-1]
    count = f"{len(row['texts'])} answers" if len(row["texts"]) > 1 else "One answer"
    count += " to your former prompt" if error else ""
    st.subheader(f"{count} · seed {row['seed']}", anchor=False)
    if len(row["texts"]) < row.get("drawn", 0):
        st.caption(
            f"{row['drawn']} were written; those that came out the same, word for word, are shown"
            " once."
        )
    if told:
        reading.box(row, offer, ranked=row["id"] in ranked)
    finished = row.get("finished") or [True] * len(row["texts"])
    # As "Look inside" calls them.
    tags = [f"Answer {number}" for number in range(1, len(row["texts"]) + 1)]
    text.answers(
        row["prompt"],
        row["texts"],
        tags=tags,
        feet=["" if done else "breaks off: it ran out of tokens" for done in finished],
    )
    if len(row["texts"]) < 2 and not told:
        st.info(
            "One answer can't be ranked against itself. Ask for more answers or raise the"
            " temperature, under “How it picks words”.",
            icon=":material/info:",
        )
    elif len(row["texts"]) > 1:
        if row["prompt"] in session.asked.brief.evaluation_prompts:
            st.info(
                "This prompt is one of those kept for the final test, so the model will not be"
                " trained on it.",
                icon=":material/lock:",
            )
    with st.expander(
        "Look inside: the probability of every token", icon=":material/search:", key="look_inside"
    ):
        reading.measured(row)
        if row.get("tokens"):
            look_inside(row)
        else:
            st.caption(
                "The probabilities are kept only while the server runs. Generate again to see them."
            )
    with st.container(horizontal=True, key="prompt_next"):
        if to_rank and st.button(
            "Rank these answers",
            key="to_rank",
            type="primary",
            icon=":material/arrow_forward:",
            icon_position="right",
        ):
            st.session_state["first"] = row["id"]
            st.switch_page("pages/rank.py")
        if not to_rank:
            next_step.draw(session, "prompt")
        share.button(session, "prompt")
elif not busy and not job and not error:
    st.info(
        "Nothing written yet. Type a prompt, or press one of the examples above.",
        icon=":material/edit:",
    )
if leads_on and not own:
    next_step.draw(session, "prompt")
