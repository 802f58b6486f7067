"""Opossum as a Hugging Face Space: a page of another site shows it in a frame.

There the address that a visitor sees, and loads again, is that page's. It is kept in step by the
message that Hugging Face takes for it ({queryString, hash}, hub documentation, "How to handle URL
parameters in Spaces"); a link that leads straight to the session can be copied as well. The hub
sets SPACE_ID in a Space's container; elsewhere nothing of this is done.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from rlhf_core.session.state import Session

HUB = "https://huggingface.co"  # nobody else's page is told a session's address
_address = st.components.v2.component(
    "opossum_address", js=(Path(__file__).resolve().parent / "space.js").read_text(encoding="utf-8")
)


def in_one() -> bool:
    return bool(os.environ.get("SPACE_ID"))


def direct_link(url: str, session_id: str) -> str:
    """Where the session opens without a frame. ``url``: of the page as the browser reaches us."""
    here, query = urlsplit(url), urlencode({"run": session_id})
    return urlunsplit((here.scheme, here.netloc, here.path or "/", query, ""))


def keep_address(session: Session) -> None:
    """Tell the page around us the address, and offer the direct link; call it in the sidebar."""
    if not in_one():
        return
    with st.popover("Link to this session", icon=":material/link:", type="tertiary", key="direct"):
        st.code(direct_link(st.context.url or "", session.id), language=None, wrap_lines=True)
        st.caption("Opens your session without the frame. Keep it: it is your way back.")
    with st.container(key="space_address"):
        query = urlencode(st.query_params.to_dict(), doseq=True)
        _address(key="opossum_address", data={"query": f"?{query}", "hub": HUB})
