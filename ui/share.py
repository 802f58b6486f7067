"""Links to share: what a page's link carries, ready to be copied; and a link that came, opened in a
session of its own.

What is in a link, and what may come by one: ``rlhf_core.session.links``. The visitor's own session
is never touched: its id never goes into a link, and a link never changes a session that is there.
"""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import streamlit as st

from rlhf_core.common.settings import SamplingSettings
from rlhf_core.lm import model_list
from rlhf_core.session import links, registry
from rlhf_core.session.state import Session
from ui import state, text

CAME = "came_by"  # the link that this tab's session came by
WRITES = "prompt"  # the page that has the model write at once


# --- a link that goes out -------------------------------------------------------------------------


def button(session: Session, page: str) -> None:
    """A press that shows the link to ``page`` as it stands, with a button that copies it."""
    with st.popover("Copy link", icon=":material/link:", type="tertiary", key="share"):
        prompt, _, knobs = links.to_share(session, page)
        written, left = links.query(session.asked.brief, prompt, page, knobs)
        st.code(address(page, written), language=None, wrap_lines=True)
        st.caption(_carries(session, page))
        if left:
            st.caption(text.plain(left))


def address(page: str, query: str) -> str:
    """The whole address of ``page`` with ``query``, as the visitor's browser reaches us."""
    here = urlsplit(st.context.url or "")
    folder, _, last = here.path.rstrip("/").rpartition("/")
    if last and last not in state.ADDRESSES:  # the server answers below a folder
        folder = f"{folder}/{last}"
    return urlunsplit((here.scheme, here.netloc, f"{folder}/{page}", query, ""))


def _carries(session: Session, page: str) -> str:
    """What whoever opens it gets, and what not."""
    words = "Carries brief, prompt, seed and settings. Your session and your judgements stay yours."
    if page == "ppo":
        words += " A run then climbs the reward model of whoever opens it."
    elif session.model_name != model_list.BUNDLED:
        words += " It opens with the pocket GPT-2: another model wrote these answers."
    elif session.history.start or session.history.current_round > 1:
        words += " It opens with the original model: yours is tuned, so its words differ."
    else:
        words += " The model writes the same words for everybody."
    return words


# --- a link that came -----------------------------------------------------------------------------


def receive(page: str) -> None:
    """Open what the address of ``page`` carries, if anything: call it before the session is taken.

    Somebody without a session gets a fresh one with it. Whose address names a session is asked.
    """
    given = {name: st.query_params.get_all(name) for name in st.query_params}
    link = links.read(page, given)
    if link is None:
        return
    name = repr(sorted((key, given[key]) for key in given if key in links.names(page)))
    mine = st.query_params.get("run")
    if st.session_state.get(CAME) == name and st.session_state.get("run_id"):  # the Back button
        _leave(page)
    elif mine and registry.get(mine) is not None:
        _ask(page, link, name)
    else:
        _open(page, link, name)


def _ask(page: str, link: links.Link, name: str) -> None:
    with st.container(border=True, key="shared_link"):
        st.markdown(
            "**This address also carries a shared link.** Your session stays as it is; the link"
            " would open in a new one, and this one stays at its own address."
        )
        with st.container(horizontal=True):
            st.button(
                "Open it in a new session",
                key="shared_open",
                on_click=_open,
                args=(page, link, name),
            )
            st.button("Stay here", key="shared_stay", on_click=_leave, args=(page,))


def _leave(page: str) -> None:
    """Take the link out of the address: nothing of it is done."""
    kept = {k: v for k, v in st.query_params.items() if k not in links.names(page)}
    st.query_params.from_dict(kept)


def _open(page: str, link: links.Link, name: str) -> None:
    """A fresh session with what came; on the Prompt page the model writes at once."""
    fresh = registry.create()
    links.begin(fresh, link)
    for key in ("prompt_text", "prompt_kept", "prompt_asked", "prompt_error"):
        st.session_state.pop(key, None)
    _leave(page)
    st.query_params["run"] = st.session_state["run_id"] = fresh.id
    st.session_state[CAME] = name
    st.session_state["prompt_kept"] = link.prompt
    told = "Opened from a shared link, in a session of its own."
    if problems := links.told(link):
        told += f" {text.plain(problems)}"
    st.session_state["note"] = told
    if page == WRITES and link.prompt:
        st.session_state["prompt_asked"] = link.prompt
        state.submit("generate", link.prompt, SamplingSettings(**link.knobs))
