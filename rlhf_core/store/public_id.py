"""What a bundle calls its session: never the id that opens it.

Whoever knows a live session's id has the session (``session.registry``), and a bundle is made to be
given away. So its run.json carries a name that follows from the id and does not lead back to it;
the folder on the server, which is called by the id, is how the server finds its own again. The
command line's runs have no such id, and keep the name of what went into them.
"""

from __future__ import annotations

import hashlib
import re

SECRET = re.compile(r"[A-Za-z0-9_-]{16}")  # 96 random bits; nothing else opens a session


def public_id(session_id: object) -> str:
    """The same id gives the same name, and a name stays as it is."""
    told = str(session_id)
    if not SECRET.fullmatch(told):
        return told
    return f"run-{hashlib.sha256(f'bundle of {told}'.encode()).hexdigest()[:16]}"
