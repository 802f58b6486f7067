"""Exit 0 where the server of this machine answers: the container's health check.

It knows what the container's environment says of port and base path, as Streamlit does, and imports
nothing of ours: it runs every half minute.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Mapping


def address(environment: Mapping[str, str]) -> str:
    port = environment.get("STREAMLIT_SERVER_PORT", "").strip() or "8501"
    base = environment.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip().strip("/")
    return f"http://127.0.0.1:{port}/{base + '/' if base else ''}_stcore/health"


def main() -> int:
    where = address(os.environ)
    # Not by a proxy: it is this machine that is asked.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(where, timeout=4) as reply:
            if reply.read() == b"ok":
                return 0
        print(f"Something else answers at {where}.")
    except OSError as error:
        print(f"Nothing answers at {where}: {error}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
