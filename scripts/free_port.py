"""Is this port free? ``python scripts/free_port.py HOST PORT``: exit 2 and a line that names a free
one where it is not. ``make run PORT=...`` asks before it starts.
"""

from __future__ import annotations

import errno
import os
import socket
import sys


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
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return f"Port {port} is taken, perhaps by another Opossum."
        if error.errno == errno.EACCES:
            return f"Port {port} is kept for the system."
        return f"Nothing can listen at {host}, port {port}: {error}."
    return ""


def next_free(host: str, after: int) -> int | None:
    ports = range(max(after, 1023) + 1, min(after + 200, 65_536))
    return next((port for port in ports if not why_not(host, port)), None)


def main(arguments: list[str]) -> int:
    host, said = arguments
    if not said.isdecimal() or int(said) > 65_535:
        print(f"PORT is a number up to 65535, as in PORT=8501; {said!r} is none.")
        return 2
    why = why_not(host, int(said))
    if why:
        free = next_free(host, int(said))
        more = f" {free} is free: add PORT={free}, or none at all." if free else ""
        print(why + more)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
