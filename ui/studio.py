"""The parts of the PPO page: presets and knobs with their safe ranges, where a step is, the token
view, the formula, the doctor, the guess.

Each draws plain data that it is given, or that the session holds. What is computed stands in
``rlhf_core``; nothing here trains.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import streamlit as st

from rlhf_core.common import ppo_presets
from rlhf_core.evaluation import predictions, token_view
from rlhf_core.session.state import Session
from ui import charts, knobs, styles, text

CSS = styles.sheet("studio")
STAGES = (  # what the engine calls it (ppo.STAGES), what it is called here
    ("writing answers", "Generate", "the model writes a batch of answers"),
    ("scoring", "Score", "the reward model scores each of them"),
    ("pricing the drift", "KL penalty", "each token pays for its drift"),
    ("judging each token", "Advantages", "was the rest better than expected?"),
    ("updating the model", "Clipped update", "likelier what was better, within limits"),
)
ORDER = (
    2,
    3,
    4,
    0,
    1,
)  # of one step: it learns from the batch at hand, then writes and scores the next
SEVERITY = {
    "serious": (":material/emergency_home:", "error"),
    "watch": (":material/visibility:", "warning"),
    "note": (":material/info:", "info"),
}


# --- knobs ----------------------------------------------------------------------------------------


def preset_row(session: Session, chosen: dict, *, disabled: bool) -> None:
    """Three buttons that set the knobs at once; the one that is in force is marked."""

    def use(name: str) -> None:
        with session.lock:
            session.settings = {
                **session.settings,
                "ppo_next": {**session.settings.get("ppo_next", {}), **ppo_presets.preset(name)},
            }

    now = ppo_presets.which(chosen)
    with st.container(horizontal=True, key="ppo_presets"):
        for name, (words, _) in ppo_presets.PRESETS.items():
            icon = ":material/check:" if name == now else None
            st.button(
                name.capitalize(),
                key=f"preset_{name}",
                icon=icon,
                help=words,
                on_click=use,
                args=(name,),
                disabled=disabled,
                type="secondary",
            )
    st.caption(ppo_presets.PRESETS[now][0] if now else "Your own settings: no preset.")


def knob_with_range(knob: knobs.Knobs, name: str, *, disabled: bool = False) -> None:
    """A knob, and below it where it is safe, or what to expect of where it stands."""
    knob.draw(name, disabled=disabled)
    if (safe := ppo_presets.SAFE.get(name)) is not None:
        expect = safe.says(knob.chosen()[name])
        words = f"Safe: {knobs.plainly(safe.low)} to {knobs.plainly(safe.high)}."
        st.caption(f":orange[:material/warning: {words} Here: {expect}.]" if expect else words)


# --- where the step is ----------------------------------------------------------------------------


def stages(stage: str) -> None:
    """The five stages of a PPO step, numbered as the engine's file numbers them; the one at work is
    lit.
    """
    at = next((i for i, (name, _, _) in enumerate(STAGES) if name == stage), None)
    done = set(ORDER[: ORDER.index(at)]) if at is not None else set()
    rows = []
    for i, (_, title, what) in enumerate(STAGES):
        mark = (
            ' class="op-here" aria-current="step"'
            if i == at
            else ' class="op-done"'
            if i in done
            else ""
        )
        rows.append(
            f'<li{mark} title="{what}"><b>{i + 1}</b> {title}{" ✓" if i in done else ""}</li>'
        )
    st.html(f'<ol class="op-stages" aria-label="Stages of a PPO step">{"".join(rows)}</ol>')
    st.caption(
        "A step begins at 3: it learns from the batch at hand, then writes (1) and scores (2) the"
        " next one."
    )


# --- the formula ----------------------------------------------------------------------------------


def formula(row: dict, settings: dict) -> None:
    """What PPO climbs, with the numbers of one step. Only numbers of ours go into the LaTeX."""
    beta, clip, weight = (
        _tex(value) for value in (row.get("beta"), settings["clip"], settings["value_coefficient"])
    )
    st.markdown(
        f"**What an answer is worth** (step {row['step']}, mean of its answers): its score, less"
        " the price of its drift."
    )
    reward, kl, doubt, k = (
        row.get("reward_mean"),
        row.get("kl_to_reference"),
        charts.finite(row.get("doubt_mean")),
        settings["conservative"],
    )
    net = (
        reward - row["beta"] * kl
        if None not in (charts.finite(reward), charts.finite(kl), charts.finite(row.get("beta")))
        else None
    )
    off, of_it = ("", "")
    if k and doubt is not None and net is not None:
        net, off, of_it = net - k * doubt, r" - k\, \sigma", rf" - {_tex(k)} \times {_tex(doubt)}"
    st.latex(
        _lines(
            rf"R &= r{off} - \beta \cdot \mathrm{{KL}}",
            rf"&= {_tex(reward)}{of_it} - {beta} \times {_tex(kl)} = {_tex(net)}",
        )
    )
    limits = (
        [f"counts up to {settings['score_clip']:g} SD at most"] if settings["score_clip"] else []
    )
    limits += (
        [f"loses {settings['missing_end_penalty']:g} SD where it never ends"]
        if settings["missing_end_penalty"]
        else []
    )
    words = ["σ is the reward model's doubt about a score, k how much of it is taken off."] * bool(
        off
    )
    words += [
        f"Each single answer also {' and '.join(limits)}; these means are from before that."
    ] * bool(limits)
    if words:
        st.caption(" ".join(words))
    if not row["step"] or not row.get("learning_rate"):
        st.caption("Step 0 is the model before any update, so there is no loss yet.")
        return
    st.markdown(
        "**What the update climbed:** for each token, advantage times probability ratio, with no"
        " gain beyond the clip range; less the value head's error."
    )
    st.latex(
        _lines(
            r"J &= \operatorname{mean}\,\min(\rho A,\ \rho_{\text{clip}} A) - c\, L_V",
            r"\rho_{\text{clip}} &= \rho \text{ kept within } 1 \pm \varepsilon",
            rf"\varepsilon &= {clip}, \quad c = {weight}",
        )
    )
    climbed, loss = charts.finite(row.get("policy_loss")), charts.finite(row.get("value_loss"))
    if climbed is not None and loss is not None:
        st.latex(
            rf"J = {_tex(-climbed)} - {weight} \times {_tex(loss)} ="
            rf" {_tex(-climbed - settings['value_coefficient'] * loss)}"
        )
    clipped = charts.percent(row.get("clip_fraction"))
    st.caption(
        "ρ is how much likelier a token has become since it was written, A its advantage."
        f" {clipped} of the tokens were clipped. A is scaled to mean 0, so J starts at about 0 in"
        " each step; what counts is that it rises within the step."
    )


def _lines(*rows: str) -> str:
    """Short lines under each other: a phone is narrow."""
    return r"\begin{aligned} " + r" \\ ".join(rows) + r" \end{aligned}"


def _tex(value: object) -> str:
    """A number for LaTeX, and nothing else."""
    value = charts.finite(value)
    if value is None:
        return r"\text{no number}"
    words = f"{value:.2g}" if 0 < abs(value) < 0.1 else f"{value:.2f}"
    if "e" in words:
        digits, power = words.split("e")
        words = rf"{digits} \times 10^{{{int(power)}}}"
    return words if value >= 0 else f"({words})"


# --- token by token -------------------------------------------------------------------------------


def tokens(session: Session) -> None:
    """One sample of a step under the glass. Reads what the steps left behind; computes nothing."""
    traces = session.traces
    if not traces:
        st.caption(
            "The tokens of the newest steps are kept in memory while the app runs. There are none"
            " yet: run a step."
        )
        return
    steps = sorted(traces)
    if st.session_state.get("token_step") not in steps:
        st.session_state["token_step"] = max(
            (step for step in steps if traces[step].update), default=steps[-1]
        )
    step = (
        st.select_slider(
            "Step",
            steps,
            st.session_state["token_step"],
            key="token_step",
            help="Answers that the model of this step wrote.",
        )
        if len(steps) > 1
        else steps[0]
    )
    trace = traces[step]
    written = token_view.answers(trace)
    number = st.selectbox(
        "Answer",
        range(len(written)),
        key="token_answer",
        format_func=lambda i: (
            f"{written[i]['prompt']} …{written[i]['text']}"[:110] if i < len(written) else ""
        ),
    )
    number = min(number or 0, len(written) - 1)
    rows = token_view.tokens(trace, number)
    if not rows:
        st.caption("This answer has no token.")
        return
    picked = st.pills(
        "Click a token",
        range(len(rows)),
        default=0,
        key=f"token_{step}_{number}",
        format_func=lambda i: text.plain(text.visible(rows[i]["token"])),
        required=True,
    )
    row = rows[picked or 0]
    for column, side, title in zip(
        st.columns(2),
        ("before", "after"),
        ("The original would have written", f"The model of step {step}"),
        strict=True,
    ):
        with column:
            st.markdown(f"**{title}**")
            rivals(row[side], row["token"])
    st.markdown(about(row, trace.update))
    st.dataframe(
        [
            {
                "token": text.visible(one["token"]),
                "p now": one["policy"],
                "p original": one["reference"],
                "KL (nats)": one["kl"],
                "reward": one["reward"],
                "advantage": one["advantage"],
                "ratio": one["ratio"],
                "clipped": one["clipped"],
            }
            for one in rows
        ],
        hide_index=True,
        width="stretch",
        key="token_table",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f")
            for name in ("p now", "p original", "KL (nats)", "reward", "advantage", "ratio")
        },
    )
    st.caption(
        "**p**: probability of the token. **KL**: exact, over all tokens that could stand here; the"
        " whole answer's drift is their sum. **reward**: −β × (log p now − log p original); the"
        " last token also earns the score. **advantage**: how much better it went than expected,"
        " scaled. **ratio**: how much likelier the update made it (in its last pass over the"
        " batch)."
        + (
            ""
            if trace.update
            else (
                " The last four come with the next step: nothing has been learned from this batch"
                " yet."
            )
        )
    )


def rivals(found: list, taken: str) -> None:
    """The likeliest tokens at one place, as bars."""
    rows = []
    for token, p in found:
        mark = ' class="op-taken"' if token == taken else ""
        rows.append(
            f"<code{mark}>{text.escape(text.visible(token))}</code><i"
            f" style='width:{100 * min(1.0, max(0.0, p)):.1f}%'></i><span>{text.percent(p)}</span>"
        )
    st.html(f'<div class="op-rivals">{"".join(rows)}</div>')


def about(row: dict, update: dict | None) -> str:
    """One token in a sentence."""
    word = text.plain(text.visible(row["token"]))
    times = row["policy"] / row["reference"] if row["reference"] > 0 else math.inf
    said = (
        f"“{word}”: {text.percent(row['policy'])} now, {text.percent(row['reference'])} in the"
        " original"
    )
    said += f" ({times:.1f} times as likely)." if times < 1000 else "."
    if update is None:
        return said
    said += f" Advantage {charts.number(row['advantage'], sign=True)}: " + (
        "more of this." if row["advantage"] > 0 else "less of this."
    )
    clip = charts.small(update["clip"])
    return said + (
        f" The update made it {row['ratio']:.2f} times as likely"
        + (f", which is beyond 1 ± {clip}: clipped, no further push." if row["clipped"] else ".")
    )


# --- the doctor -----------------------------------------------------------------------------------


def doctor(
    findings: list[dict],
    labels: dict,
    on_retry: Callable[[int, dict], None],
    *,
    busy: bool,
    measured: bool,
) -> None:
    """What the records show, in plain words, with one safe way to try again."""
    if not findings:
        if measured:
            st.caption(
                ":material/stethoscope: The doctor looked at every step so far and saw none of the"
                " classic failures."
            )
        return
    for number, one in enumerate(findings):
        icon, kind = SEVERITY[one["severity"]]
        changes = [f"{labels.get(name, name)} {value:g}" for name, value in one["retry"].items()]
        with st.container(border=True, key=f"doctor_{one['name']}"):
            words = (
                f"**{text.plain(one['title'])}.** {text.plain(one['seen'])}"
                f" {text.plain(one['means'])}"
            )
            getattr(st, kind)(words, icon=icon) if number == 0 else st.markdown(f"{icon} {words}")
            st.caption(f"The knob behind it: **{text.plain(one['knob'])}**.")
            if changes:
                verb = "Stop, go back" if busy else "Go back"
                st.button(
                    f"{verb} to step {one['step']} and try with safer settings",
                    key=f"retry_{one['name']}",
                    icon=":material/healing:",
                    on_click=on_retry,
                    args=(one["step"], one["retry"]),
                    help="Changes: "
                    + text.plain(", ".join(changes))
                    + ". Later steps are taken back.",
                )


# --- guess first ----------------------------------------------------------------------------------


def guess(session: Session, steps: int, *, disabled: bool) -> None:
    """An offer to guess where the run will end; folded away, and nothing waits for it."""
    with st.expander("Guess first? (You need not.)", icon=":material/casino:", key="guess_box"):
        st.caption(
            f"Where will {steps} more steps lead? A guess makes you look twice. Afterwards the app"
            " shows how close it came; nobody else sees it."
        )
        columns = st.columns(3)
        kl = columns[0].slider(
            "KL to the original (nats)", 0.0, 20.0, 2.0, 0.5, key="guess_kl", disabled=disabled
        )
        reward = columns[1].slider(
            "Mean reward (SD; 0: the original)",
            -1.0,
            4.0,
            0.5,
            0.1,
            key="guess_reward",
            disabled=disabled,
        )
        winner = columns[2].selectbox(
            "Who wins on unseen prompts?",
            list(predictions.WINNERS),
            format_func=predictions.WINNERS.get,
            key="guess_winner",
            disabled=disabled,
        )

        def keep() -> None:
            one = predictions.predict(
                kl,
                reward,
                winner,
                round=session.current_round,
                step=session.steps_done,
                steps=steps,
            )
            session.predictions = [
                *[
                    p
                    for p in session.predictions
                    if (p["round"], p["from"]) != (one["round"], one["from"])
                ],
                one,
            ][-predictions.MOST :]
            session.autosave()

        st.button("Keep my guess", key="guess_keep", on_click=keep, disabled=disabled)
        if waiting := current_guess(session):
            st.caption(
                f":material/check: Kept: KL {charts.number(waiting['kl'])}, reward"
                f" {charts.number(waiting['reward'], sign=True)},"
                f" {predictions.WINNERS[waiting['winner']]}, at step {waiting['to']}."
            )


def current_guess(session: Session) -> dict | None:
    """The guess about where the round stands now, before its run."""
    return next(
        (
            p
            for p in reversed(session.predictions)
            if (p["round"], p["from"]) == (session.current_round, session.steps_done)
        ),
        None,
    )


def scored_guess(session: Session) -> None:
    """The newest guess of this round whose run has begun, beside what came out."""
    for one in reversed(session.predictions):
        if one["round"] == session.current_round and (
            found := predictions.score(one, session.metrics, session.evaluation)
        ):
            lines = ["| Your guess | You | It came out | |", "|:--|--:|--:|:--|"]
            for row in found["rows"]:
                you, real = (
                    charts.number(value) if isinstance(value, float) else value
                    for value in (row["guess"], row["real"])
                )
                mark = (
                    "not measured yet: see Before / after"
                    if real is None
                    else "close"
                    if row["close"]
                    else "off"
                )
                lines.append(f"| {row['name']} | {you} | {real or '–'} | {mark} |")
            with st.container(border=True, key="guess_scored"):
                st.markdown("\n".join(lines))
                st.caption(
                    f"At step {found['step']}."
                    + (" The guess was about a later step." if found["early"] else "")
                )
            return
