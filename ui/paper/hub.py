"""Where a run goes: a push to the Hugging Face hub, with a token that is asked for each time; and
the lines that do it in a terminal.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import streamlit as st

from rlhf_core.common.errors import InputError, QueueError, StoreError
from rlhf_core.exchange import hub_aside, hub_push
from rlhf_core.session import paper, taking
from rlhf_core.session.state import Session
from ui import guards, monitor, state, text
from ui.paper import pushing
from ui.paper import taking as files

KINDS = {"dataset": "dataset", "model": "model", "reward": "model"}  # ours -> the hub's
CALLED = {"dataset": "Judgements", "model": "Tuned model", "reward": "Reward model"}
OFFLINE = (
    "This server is set to stay away from the hub (`HF_HUB_OFFLINE`), so it cannot push. The lines"
    " below can, on your own machine."
)


def draw(session: Session) -> None:
    st.markdown(
        "To the Hugging Face hub, as a repository of your own: private, until you say otherwise."
    )
    what = st.segmented_control(
        "What goes there",
        list(KINDS),
        default="dataset",
        required=True,
        format_func=CALLED.get,
        key="hub_what",
    )
    if lacking := files.missing(session, what):
        st.caption(lacking)
        return
    if not paper.said(session)["licence"]:
        st.caption("No licence was chosen yet (tab “The card”): nobody may use what has none.")
    if hub_aside.offline():
        st.info(OFFLINE, icon=":material/cloud_off:")
    else:
        _push(session, what)
    with st.expander("Rather in a terminal", icon=":material/terminal:", key="hub_terminal"):
        _lines(session, what)


def _push(session: Session, what: str) -> None:
    try:
        made = taking.kept(session).get(what)
    except StoreError as error:
        st.error(text.plain(str(error)), icon=":material/error:")
        return
    busy = pushing.alive(session.id)
    if made and made[2]:
        _form(what, made[0], busy)
    else:
        st.caption("First its file has to be made; that takes some seconds.")
        files.make_button(what, made, state.alive(files.JOB), key=f"hub_make_{what}")
    if problem := st.session_state.pop("hub_problem", ""):
        st.error(text.plain(problem), icon=":material/block:")
    if pushing.view(session.id) and (busy or not problem):  # what came of a former one is no answer
        _watch(session.id, busy)


def _form(what: str, sha256: str, busy: bool) -> None:
    with st.form("hub_form", border=True):
        left, right = st.columns(2)
        left.text_input(
            "Name of the repository",
            key="hub_name",
            max_chars=200,
            placeholder=f"my-{taking.NAMES[what]}",
            help="Or owner/name, where it is an organisation's.",
        )
        right.text_input(
            "Token",
            type="password",
            key="hub_token",
            max_chars=300,
            autocomplete="off",
            help="With the right to write; you make one on the hub: Settings, Access Tokens.",
        )
        left.checkbox("Anybody may see it", key="hub_public")
        right.checkbox(
            "Add to it, if it is there already",
            key="hub_update",
            help="Files of the same name are replaced, others stay.",
        )
        st.caption(_about_the_token())
        st.form_submit_button(
            "Push",
            key="hub_push",
            icon=":material/cloud_upload:",
            disabled=busy,
            on_click=_begin,
            args=(what, sha256),
        )


def _about_the_token() -> str:
    said = "The token is used for this push and then forgotten; it is written down nowhere."
    if state.at_home():
        return said
    said += " It goes through this server, though: give it only to one that you trust"
    if urlsplit(st.context.url or "").scheme == "http":
        return f"{said}, and over a line that you trust: this page came without encryption."
    return f"{said}."


def _begin(what: str, sha256: str) -> None:
    """The field is empty before anything else happens."""
    secret = hub_aside.Secret(st.session_state.get("hub_token") or "")
    st.session_state["hub_token"] = ""
    session = state.session()
    values = st.session_state
    target = hub_push.Target(
        (values.get("hub_name") or "").strip(),
        KINDS[what],
        bool(values.get("hub_public")),
        bool(values.get("hub_update")),
    )
    token = secret.take()
    try:
        hub_push.check(target, token)
        if refused := guards.too_many_jobs(session.id):
            raise QueueError(refused)
        order = pushing.Order(sha256, target, hub_aside.Secret(token))
        pushing.begin(session.id, order)
    except (InputError, QueueError) as error:
        st.session_state["hub_problem"] = str(error)


def _watch(session_id: str, busy: bool) -> None:
    """How far it is, and what came of it."""

    def look() -> None:
        view = pushing.view(session_id)
        if view is None:
            return
        if view["status"] in state.ALIVE:
            monitor.state_line(view, where=_where(view))
            st.button(
                "Stop", key="hub_stop", icon=":material/stop:", on_click=_stop, args=(session_id,)
            )
            return
        if busy:
            state.rerun()
        _came(view, pushing.records(session_id))

    often = 0.6 if busy else None
    st.fragment(look, run_every=often, key="hub_watch")()


def _where(view: dict) -> str:
    if view["stage"] == hub_push.SENDING and view["total"]:
        return f"sending: {view['done'] / 1e6:,.1f} of {view['total'] / 1e6:,.1f} MB"
    return view["stage"]


def _stop(session_id: str) -> None:
    pushing.stop(session_id)


def _came(view: dict, records: list[dict]) -> None:
    standing = [row["sentence"] for row in records if row["kind"] == "standing"]
    pushed = [row for row in records if row["kind"] == "pushed"]
    if pushed:
        row = pushed[-1]
        seen = {None: "As visible as before", True: "Public", False: "Private"}[row["public"]]
        st.success(
            f"{row['files']} files, {row['bytes'] / 1e6:,.1f} MB, are at"
            f" {text.plain(row['repo'])}. {seen}.",
            icon=":material/check:",
        )
        st.link_button("Look at it", row["url"], icon=":material/open_in_new:")
    elif view["status"] == "failed":
        st.error(text.plain(view["error"] or "It did not work."), icon=":material/block:")
    else:
        left = standing[-1] if standing else hub_push.NOTHING
        st.info(f"Stopped. {text.plain(left)}", icon=":material/stop:")


def _lines(session: Session, what: str) -> None:
    name, kind = taking.file_name(session, what), KINDS[what]
    more = " --repo-type dataset" if kind == "dataset" else ""
    st.markdown("With the file from “Take it home”; `hf` comes with `pip install huggingface_hub`.")
    st.code(
        f"hf auth login\nunzip {name}.zip\nhf upload YOU/{name} {name} .{more} --private",
        language="bash",
        wrap_lines=True,
    )
