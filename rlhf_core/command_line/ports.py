"""Can one listen at this port, and if not, at which one."""

from __future__ import annotations

import errno
import os
import socket


def why_not(host: str, port: int) -> str:
    """Why nobody can listen there, in words; "" where one can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":  # as the server does: a port that was just left is free
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        return f"There is no address {host[:80]} here; 127.0.0.1 and 0.0.0.0 always work."
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is taken, perhaps by another Opossum."
        if error.errno == errno.EACCES:
            return f"Port {port} is kept for the system."
        at = f"{host}, port {port}" if port else host
        return f"Nothing can listen at {at}: {error.strerror or error}."
    return ""


def refusal(host: str, port: int | None) -> str:
    """Why the app cannot be had there, and where it can, in a sentence; "" where it can. ``port``:
    None for any there is.
    """
    if port is not None and not 1 <= port <= 65_535:
        return f"There is no port {port}; they go from 1 to 65535."
    why = why_not(host, port or 0)
    free = next_free(host, port) if why and port else None
    return why + (f" {free} is free: take that one, or name none." if free else "")


def next_free(host: str, after: int) -> int | None:
    ports = range(max(after, 1023) + 1, min(after + 200, 65_536))
    return next((port for port in ports if not why_not(host, port)), None)
