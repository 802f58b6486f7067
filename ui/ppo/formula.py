"""What PPO climbs: in a sentence, and as a formula with the numbers of one step in it.

Only numbers of ours go into the LaTeX.
"""

from __future__ import annotations

import streamlit as st

from ui import charts, terms


def in_words(settings: dict, whose: str, beta_now: float | None) -> None:
    """What PPO climbs, in a sentence, with all that limits what an answer earns. ``whose`` numbers
    these are; ``beta_now``: where a target has steered β to.
    """
    steered = (
        f", steered to {charts.small(beta_now)} by now"
        if beta_now is not None and beta_now != settings["beta"]
        else ""
    )
    doubt = (
        f" − {charts.small(settings['conservative'])} × the reward model's [[doubt]]"
        if settings["conservative"]
        else ""
    )
    limits = _limits(settings)
    terms.draw(
        "PPO looks for high scores that still sound like the original. **It climbs**"
        f" [[score]]{doubt}{f' ({limits})' if limits else ''} − [[beta|β]] × [[KL]] to"
        f" the original; β = {charts.small(settings['beta'])}{steered} ({whose})."
    )


def _limits(settings: dict) -> str:
    """What bounds the worth of a single answer, in words."""
    words = []
    if settings["score_clip"]:
        words.append(f"an answer counts up to {settings['score_clip']:g} SD")
    if settings["missing_end_penalty"]:
        words.append(f"loses {settings['missing_end_penalty']:g} SD where it never ends")
    return ", ".join(words)


def draw(row: dict, settings: dict) -> None:
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
    words = ["σ is the reward model's doubt about a score, k how much of it is taken off."] * bool(
        off
    )
    if limits := _limits(settings):
        words.append(f"Of a single answer: {limits}. These means are from before that.")
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
