"""Streamlit, but Ctrl-C ends it with one plain line: ``python ui/quietly.py run serve.py``.

Streamlit's own command says "Aborted!" and ends with 1, as after a mistake. A script of its own,
started by its path: it imports nothing of ours.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    try:
        from streamlit.web import cli  # here, since its first reading takes seconds

        try:
            cli.main(arguments, prog_name="streamlit", standalone_mode=False)
        except cli.click.Abort:  # what Streamlit's reader of commands makes of Ctrl-C
            raise KeyboardInterrupt from None
        except cli.click.ClickException as error:
            error.show()
            return error.exit_code
    except KeyboardInterrupt:
        print("Opossum has stopped.", file=sys.stderr, flush=True)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
