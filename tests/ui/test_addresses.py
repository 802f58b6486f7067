"""Whose request it is; what a proxy says is believed only where the operator says so."""

import pytest

from ui import addresses


def forwarded(said):
    return {"X-Forwarded-For": said}


@pytest.mark.parametrize(
    ("trust", "headers", "peer", "address"),
    [
        ("", {}, "203.0.113.7", "203.0.113.7"),
        ("", {}, "::ffff:203.0.113.7", "203.0.113.7"),
        ("", {}, "2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("", {}, None, "unknown"),
        # Nobody vouches for it: whoever says so shares one count with all who do.
        ("", forwarded("198.51.100.1"), "203.0.113.7", addresses.THROUGH_A_PROXY),
        ("0", {"Via": "1.1 proxy"}, "198.51.100.2", addresses.THROUGH_A_PROXY),
        ("all", forwarded("198.51.100.1"), "10.0.0.2", addresses.THROUGH_A_PROXY),
        # One proxy: what stands last is what it saw; what the visitor made up stands before.
        ("1", forwarded("198.51.100.1"), "10.0.0.2", "198.51.100.1"),
        ("1", forwarded("made up, 127.0.0.1, 198.51.100.1"), "10.0.0.2", "198.51.100.1"),
        ("2", forwarded("made up, 198.51.100.1, 10.0.0.3"), "10.0.0.2", "198.51.100.1"),
        ("2", forwarded("198.51.100.1"), "10.0.0.2", "10.0.0.2"),
        ("1", {}, "10.0.0.2", "10.0.0.2"),
    ],
)
def test_whom_a_request_is_counted_to(monkeypatch, trust, headers, peer, address):
    monkeypatch.setenv("OPOSSUM_TRUST_PROXY", trust)
    assert addresses.address_of(headers, peer) == address
