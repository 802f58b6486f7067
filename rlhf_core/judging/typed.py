"""What a person may type: prompts, reasons, ideal answers, names; each with its limits."""

from __future__ import annotations

from rlhf_core.common.errors import InputError
from rlhf_core.common.untrusted import seen

MAX_PROMPT, MAX_REASON, MAX_IDEAL, MAX_NAME = 400, 300, 400, 80  # characters


def clean_name(name: object) -> str:
    """Who judged, on one line and cut to 80 characters; "unknown" where nobody says."""
    said = "" if name is None else str(name).encode("utf-8", "replace").decode()
    return " ".join(seen(said).split())[:MAX_NAME] or "unknown"


def check_prompt(text: str) -> str:
    """The prompt, ready for a model. Raises InputError: empty, or too long to read."""
    if not isinstance(text, str) or not text.strip():
        raise InputError(
            "The prompt is empty. Write how a text could begin, for example: An opossum is"
        )
    if len(text) > MAX_PROMPT:
        raise InputError(
            f"The prompt has {len(text):,} characters; at most {MAX_PROMPT} fit this model."
            " Shorten it."
        )
    # The latter: bytes that were no text.
    if any((ord(c) < 32 and c not in "\n\r\t") or 0xD800 <= ord(c) <= 0xDFFF for c in text):
        raise InputError("The prompt has control characters in it. Type it again as plain text.")
    return " ".join(text.split())


def check_note(text: object, what: str, most: int) -> str:
    """A reason or an ideal answer as it is kept; empty where nothing was written.

    ``what`` begins the sentence of an InputError.
    """
    written = text if isinstance(text, str) else ""
    if any(
        (ord(c) < 32 and c not in "\n\r\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) <= 0xDFFF
        for c in written
    ):
        raise InputError(f"{what} has control characters in it. Type it again as plain text.")
    written = " ".join(written.split())
    if len(written) > most:
        raise InputError(
            f"{what} has {len(written):,} characters; at most {most} fit. Shorten it; your"
            " judgement waits."
        )
    return written
