"""What the Hugging Face hub's refusals mean, each in one plain sentence without a token in it.

Knows nothing about what was pushed. The client's own errors are read by their kind and status: its
messages may quote what a server wrote, so of those only a refusal's reason is told, cleaned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from rlhf_core.common.untrusted import seen

MOST_QUOTED = 200  # characters of what a server says
_TOKEN = re.compile(r"\b(hf|api)_\w{6,}")


def why(error: BaseException, *, repo: str, kind: str, endpoint: str, token: str) -> str:
    """One sentence on what went wrong, and what to do.

    Args:
        repo: "owner/name", as far as it is known. kind: "dataset" or "model".
        endpoint: where the hub is. token: never told, even where a server sends it back.
    """
    host, found = urlsplit(endpoint).hostname or endpoint, [*_causes(error)]
    names = {kind.__name__ for cause in found for kind in type(cause).__mro__}
    if "OfflineModeIsEnabled" in names:
        return "This machine is set to stay away from the hub (HF_HUB_OFFLINE)."
    status = next(filter(None, map(_status, found)), 0)
    if status:
        said = _quoted(found, token)
        return _refusal(status, repo, "data set" if kind == "dataset" else "model", said)
    if "TimeoutException" in names or "TimeoutError" in names:
        return f"{host} was too slow to answer. Try again later."
    if names & {"NetworkError", "ProxyError", "UnsupportedProtocol", "ConnectionError"}:
        return f"{host} cannot be reached from here: look whether there is a network, then again."
    if "RemoteProtocolError" in names:
        return f"{host} broke the connection off. Try again."
    if isinstance(error, ValueError) and "README.md" in str(error):
        return f"The hub refuses the card: {_clean(str(error), token)}."
    if "OSError" in names:
        return f"A file of it cannot be read: {_clean(str(error), token)}."
    return f"What answers at {host} does not speak as the hub does ({type(error).__name__})."


def _refusal(status: int, repo: str, what: str, said: str) -> str:
    told = f" It says: {said}." if said else ""
    owner = repo.partition("/")[0] if "/" in repo else "anybody"
    sentences = {
        400: f"The hub refuses it.{told}",
        401: "The hub does not know this token: copy it once more, or make a new one there.",
        402: f"The hub wants to be paid for that.{told}",
        403: f"This token may not write for {owner}: is that you, and has it the right to write?",
        404: f"The hub has no {what} {repo} that this token may see.",
        409: f"There is a {what} {repo} already: choose another name, or allow to add to it.",
        413: f"That is more than the hub takes at once.{told}",
        429: "The hub has been asked too often from here: wait some minutes.",
    }
    if status in sentences:
        return sentences[status]
    if status >= 500:
        return f"The hub has trouble of its own (it answers {status}). Try again later."
    return f"The hub refuses it ({status}).{told}"


def _status(error: BaseException) -> int:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", 0)
    return status if isinstance(status, int) else 0


def _quoted(found: list[BaseException], token: str) -> str:
    """The reason that the server gave, where it gave one."""
    texts = [getattr(error, "server_message", None) for error in found]
    return _clean(next((text for text in texts if isinstance(text, str) and text), ""), token)


def _clean(text: str, token: str) -> str:
    text = text.replace(token, "…") if token else text
    text = " ".join(seen(_TOKEN.sub("…", text)).split())
    return text[:MOST_QUOTED].rstrip(" .")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
