"""Who may name folders on this machine: only who sits at it."""

from types import SimpleNamespace

import pytest
import streamlit as st

from ui import state

HERE = {"Host": "127.0.0.1:8501", "Origin": "http://127.0.0.1:8501"}


@pytest.mark.parametrize(
    ("address", "headers", "home"),
    [
        ("127.0.0.1", HERE, True),
        ("localhost", {"Host": "LOCALHOST:8501"}, True),
        ("::1", {"host": "[::1]:8501", "origin": "http://[::1]:8501"}, True),
        ("0.0.0.0", HERE, False),
        ("", HERE, False),
        ("127.0.0.1", {}, False),
        ("127.0.0.1", {"Host": "evil.example:8501"}, False),
        ("127.0.0.1", {"Host": "127.0.0.1.nip.io"}, False),
        ("127.0.0.1", {"Host": "localhost@evil.example"}, False),
        ("127.0.0.1", {"Host": "[::1"}, False),
        ("127.0.0.1", {**HERE, "Origin": "https://evil.example"}, False),
        ("127.0.0.1", {**HERE, "Origin": "null"}, False),
        ("127.0.0.1", {**HERE, "X-Forwarded-For": "10.0.0.7"}, False),
        ("127.0.0.1", {**HERE, "x-forwarded-host": "evil.example"}, False),
        ("127.0.0.1", {**HERE, "Forwarded": "for=10.0.0.7"}, False),
        ("127.0.0.1", {**HERE, "X-Real-IP": "10.0.0.7"}, False),
        ("127.0.0.1", {**HERE, "Via": "1.1 proxy"}, False),
    ],
)
def test_only_who_comes_straight_from_this_machine_is_at_home(monkeypatch, address, headers, home):
    monkeypatch.setattr(st, "get_option", lambda name: address)
    monkeypatch.setattr(st, "context", SimpleNamespace(headers=headers))
    assert state.at_home() is home
