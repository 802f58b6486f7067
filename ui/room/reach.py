"""The addresses of a room as phones reach them, and their QR code.

A page that was opened as "localhost" has an address that no phone can use. Where this server
answers the network, its address there is taken instead; where it answers this machine only, the
host is told.
"""

from __future__ import annotations

import socket
from urllib.parse import urlencode, urlsplit, urlunsplit

import segno
import streamlit as st

from ui import addresses, share
from ui.room import roles

QUIET = 4  # modules of white around the code, as ISO 18004 asks for
NOT_REACHED = (
    "Phones cannot reach this server: it answers this computer only. Stop it, start it with"
    " `make run HOST=0.0.0.0 PORT=8501`, and open this page again."
)


def address(**query: str) -> str:
    """The room's page with ``query``, as another device on the same network opens it."""
    found = urlsplit(share.address(roles.PAGE, urlencode(query)))
    host, port = found.hostname or "", found.port
    if host in addresses.LOOPBACK and not at_home_only() and (near := in_the_network()):
        found = found._replace(netloc=f"{near}:{port}" if port else near)
    return urlunsplit(found)


def at_home_only() -> bool:
    """Does this server answer its own machine only?"""
    return (st.get_option("server.address") or "") in addresses.LOOPBACK


def at_this_machine() -> bool:
    """Was the page opened by an address that only this machine can use?"""
    return (urlsplit(st.context.url or "").hostname or "") in addresses.LOOPBACK


def in_the_network() -> str:
    """This machine's address in its network; "" where it has none. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # reserved for documentation: nobody is there
            found = probe.getsockname()[0]
        except OSError:
            return ""
    return "" if found.startswith(("127.", "0.")) else found


def shown(whole: str) -> str:
    """An address as people type it: without the scheme and what stands behind the page."""
    found = urlsplit(whole)
    return f"{found.netloc}{found.path}"


def qr(whole: str, words: str, css: str = "op-qr") -> str:
    """``whole`` as a QR code: HTML, black on white in every theme. ``words``: its alternative."""
    code = segno.make(whole, error="m", micro=False)
    picture = code.svg_data_uri(border=QUIET, dark="#000", light="#fff", omitsize=True)
    return f'<img class="{css}" alt="{words}" src="{picture}">'
