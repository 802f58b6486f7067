"""Whose request it is: from this machine, or from which address. Functions of headers, no more.

What a proxy adds can be made up by whoever asks, so it is believed only where the operator says how
many proxies stand before this server (``OPOSSUM_TRUST_PROXY``). Without that, all that came through
one count as one address.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What a proxy adds about whom it speaks for.
PROXIED = ("forwarded", "via", "x-real-ip", "cf-connecting-ip", "true-client-ip", "x-client-ip")
THROUGH_A_PROXY = "through a proxy"


def at_home(served_at: str, headers: Mapping[str, str]) -> bool:
    """Whether a server at the address ``served_at`` answers its own machine only, and the visitor
    with these ``headers`` came straight to it from there.

    Not where a page elsewhere, a proxy or a name that points here (DNS rebinding) leads to it.
    """
    lower = _lower(headers)
    if served_at not in LOOPBACK or _proxied(lower):
        return False
    visited = [lower.get("host", "")]
    visited += [origin.partition("://")[2] for origin in (lower.get("origin"),) if origin]
    return all(_host_of(one) in LOOPBACK for one in visited)


def address_of(headers: Mapping[str, str], peer: str | None) -> str:
    """Whom to count a request to: an address, of IPv6 the network of 64 bits that one line has.

    ``peer``: who is connected to this server.
    """
    lower, proxies = _lower(headers), trusted_proxies()
    if proxies:
        said = [one.strip() for one in lower.get("x-forwarded-for", "").split(",")]
        return _network(said[-proxies] if len(said) >= proxies and said[-proxies] else peer)
    # Not ``peer``: uvicorn puts the header's word in its place where a proxy of this machine asks.
    return THROUGH_A_PROXY if _proxied(lower) else _network(peer)


def trusted_proxies() -> int:
    """How many proxies, each of which appends to X-Forwarded-For, stand before this server."""
    said = os.environ.get("OPOSSUM_TRUST_PROXY", "0")
    return int(said) if said.isdecimal() else 0


def _proxied(lower: Mapping[str, str]) -> bool:
    return any(name in PROXIED or name.startswith("x-forwarded") for name in lower)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _network(address: str | None) -> str:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if found.version == 6 and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found if found.version == 4 else ipaddress.ip_network((found, 64), strict=False))


def _host_of(address: str) -> str:
    """The host in "host:port"; "" where there is none."""
    try:
        return urlsplit(f"//{address}").hostname or ""
    except ValueError:
        return ""
