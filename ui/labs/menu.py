"""The labs as the menu lists them, and links to them: what ``labs.registry`` says, drawn."""

from __future__ import annotations

import streamlit as st

from rlhf_core.labs.registry import LABS, Lab


def script(lab: Lab) -> str:
    return f"pages/{lab.page}.py"


def icon(lab: Lab) -> str:
    return f":material/{lab.icon}:"


def pages() -> list[st.Page]:
    """Every lab's page, for the router."""
    return [st.Page(script(lab), title=lab.title, icon=icon(lab)) for lab in LABS]


def links() -> None:
    """A link to every lab."""
    for lab in LABS:
        st.page_link(script(lab), label=lab.title, icon=icon(lab))


def link(page: str, label: str = "") -> None:
    """A link to the lab whose page is called ``page``; ``label``: other words than its title."""
    lab = next(lab for lab in LABS if lab.page == page)
    st.page_link(script(lab), label=label or lab.title, icon=icon(lab))
