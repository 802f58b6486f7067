"""``python -m ui.export DIR --out FILE``: what ``python -m rlhf_core export-html`` hands over to.

Standard output is one line of data, standard error is words. Exit status as there: 0 done, 1 the
file could not be written, 2 no run can be read, with one line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rlhf_core.common.errors import BriefError, BundleError, InputError, PreferenceError
from rlhf_core.store import plain_files
from ui.export.html import html_of

DONE, FAILED, BAD_INPUT = 0, 1, 2


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ui.export", allow_abbrev=False)
    parser.add_argument("bundle")
    parser.add_argument("--out", required=True)
    args = parser.parse_args(arguments)
    try:
        made = html_of(args.bundle).encode()
    except (BriefError, BundleError, InputError, PreferenceError) as error:
        return _say(error, BAD_INPUT)
    try:
        plain_files.put_file(Path(args.out), made, plain_files.OTHERS)
    except BundleError as error:
        return _say(error, FAILED)
    print(json.dumps({"kind": "html", "file": args.out, "bytes": len(made)}, ensure_ascii=False))
    words = f"{args.out}: {len(made) / 1e6:.2f} MB. Open it in any browser; it needs no network."
    print(words, file=sys.stderr)
    return DONE


def _say(error: object, status: int) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
