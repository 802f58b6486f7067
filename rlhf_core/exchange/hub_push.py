"""A folder pushed to the Hugging Face hub by its own client (``huggingface_hub``): a data set or a
model, private unless told otherwise, in one commit: all files, or none.

``python -m rlhf_core.exchange.hub_push FOLDER`` does it in a process of its own (``hub_aside``),
told by one line on standard input, so that the token stands in no list of processes. The token is
used and not kept: no error, no record and no file has it. Knows nothing about sessions and how the
files came about. Imports no torch.
Source: huggingface_hub 2.4.0 (whoami, create_repo, preupload_lfs_files, create_commit).
Simplification: large files go by the hub's LFS interface, not by xet, which tells no progress.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rlhf_core.common.errors import HubError, InputError
from rlhf_core.exchange.hub_words import why

KINDS = ("dataset", "model")
PATIENCE = 60.0  # seconds that the hub may take for an answer
NOTHING = "Nothing was sent."
SENDING = "sending"  # this stage counts bytes
Tell = Callable[[str, int, int, str], None]


class Target(NamedTuple):
    """Where to. ``name``: of the repository, or "owner/name". ``public``: anybody may see it, where
    it is new. ``update``: add to a repository that is there already.
    """

    name: str
    kind: str
    public: bool = False
    update: bool = False


def check(target: Target, token: str) -> None:
    """Raises InputError: a name or a token that no hub takes, before anybody is asked."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    if target.kind not in KINDS:
        raise InputError(f"The hub has no kind of repository called {target.kind[:20]!r}.")
    try:
        if target.name != target.name.strip() or not target.name:
            raise HFValidationError
        validate_repo_id(target.name)
    except HFValidationError:
        problem = True
    else:
        problem = False
    if problem:
        raise InputError(
            f"{target.name[:100]!r} is no name for a repository: letters, digits, “-”, “_” and “.”,"
            " at most 96 of them, in front of it an owner and a “/” where it is not yours."
        )
    if not token.strip():
        raise InputError("The hub wants a token with the right to write; make one there.")
    if not re.fullmatch(r"[!-~]{3,300}", token.strip()):
        raise InputError("That is no token of the hub: one is a single word that begins with hf_.")


def push(folder: Path, target: Target, token: str, tell: Tell = lambda *_: None) -> dict:
    """Every file of ``folder``, hidden ones too, in one commit.

    Args:
        tell: called with (stage, done, total, what lies on the hub if it ends here).
    Returns:
        {"kind": "pushed", "url", "repo", "type", "new", "public", "files", "bytes", "commit"};
        "public": None of a repository that was there before.
    Raises:
        InputError: see ``check``. HubError: in one sentence why not, in another what lies there.
    """
    check(target, token)
    return _Push(Path(folder), target, token.strip(), tell).run()


class _Push:
    def __init__(self, folder: Path, target: Target, token: str, tell: Tell):
        self.folder, self.target, self._token, self._tell = folder, target, token, tell
        self.repo, self.standing, self.endpoint = target.name, NOTHING, ""
        self.sent = 0

    def run(self) -> dict:
        """Our errors are raised where no other is at hand: a request holds the token."""
        from huggingface_hub import HfApi, logging

        logging.set_verbosity_error()
        api = HfApi(token=self._token)
        self.endpoint, problem, stopped = api.endpoint, "", False
        try:
            return self._all(api)
        except HubError as error:
            problem = str(error)
        except KeyboardInterrupt:
            problem, stopped = "Stopped.", True
        except Exception as error:  # http's, the file system's and the client's own
            about = {"repo": self.repo, "kind": self.target.kind, "endpoint": self.endpoint}
            problem = why(error, token=self._token, **about)
        raise HubError(f"{problem} {self.standing}", stopped)

    def say(self, stage: str, done: int = 0, total: int = 1) -> None:
        if stage == SENDING:  # small files are read last, wherever they stand
            done = self.sent = max(self.sent, done)
        self._tell(stage, done, total, self.standing)

    def _all(self, api) -> dict:
        self._patient()
        self.say("asking the hub whose token it is")
        owner = self._owner(api)
        if "/" not in self.repo:
            self.repo = f"{owner}/{self.repo}"
        self.say("having the card looked at")
        self._check_card()
        self.say("making the repository")
        new, url = self._make(api)
        with ExitStack() as files:
            additions, size = self._additions(files)
            self.say(SENDING, 0, size)
            options = {"repo_type": self.target.kind}
            api.preupload_lfs_files(
                self.repo, additions, num_threads=1, free_memory=False, **options
            )
            self._patient()
            former, self.standing = self.standing, f"Whether it came in is not known: see {url}"
            self.say("putting it together", size, size)
            try:
                commit = api.create_commit(
                    self.repo, additions, commit_message="From Opossum", **options
                )
            except Exception as error:
                if not _in_doubt(error):
                    self.standing = former
                raise
        return {
            "kind": "pushed",
            "url": url,
            "repo": self.repo,
            "type": self.target.kind,
            "new": new,
            "public": self.target.public if new else None,
            "files": len(additions),
            "bytes": size,
            "commit": commit.oid,
        }

    def _patient(self) -> None:
        """The client waits for ever, as it comes."""
        from huggingface_hub import get_session

        get_session().timeout = PATIENCE

    def _owner(self, api) -> str:
        me = api.whoami()
        if me.get("auth", {}).get("accessToken", {}).get("role") == "read":
            raise HubError("This token may only read: make one with the right to write.")
        return str(me["name"])

    def _check_card(self) -> None:
        """Before there is a repository; raises ValueError."""
        from huggingface_hub import DatasetCard, ModelCard

        words = (self.folder / "README.md").read_text(encoding="utf-8")
        kind = DatasetCard if self.target.kind == "dataset" else ModelCard
        problem = ""
        try:
            kind(words).validate(repo_type=self.target.kind)
        except ValueError as error:
            problem = str(error)
        if problem:
            raise ValueError(f"README.md: {problem}")

    def _make(self, api) -> tuple[bool, str]:
        """Whether it is new, and its address."""
        from huggingface_hub.errors import HfHubHTTPError

        path = f"datasets/{self.repo}" if self.target.kind == "dataset" else self.repo
        url = f"{api.endpoint}/{path}"
        try:
            api.create_repo(self.repo, repo_type=self.target.kind, private=not self.target.public)
        except HfHubHTTPError as error:
            if error.response.status_code != 409 or not self.target.update:
                raise
            self.standing = f"{url} is as it was."
            return False, url
        self.standing = f"{url} was made, and is empty: add to it, or delete it there."
        return True, url

    def _additions(self, files: ExitStack) -> tuple[list, int]:
        from huggingface_hub import CommitOperationAdd

        places = sorted(path for path in self.folder.rglob("*") if path.is_file())
        size, before = sum(path.stat().st_size for path in places), 0
        additions, opened = [], []
        for path in places:
            opened.append(files.enter_context(_Counted(path, before, size, self.say)))
            before += path.stat().st_size
            name = path.relative_to(self.folder).as_posix()
            additions.append(CommitOperationAdd(name, opened[-1]))
        for file in opened:  # they were read once for their checksums
            file.counts = True
        return additions, size


def _in_doubt(error: Exception) -> bool:
    """Whether a commit may have come in although it failed: the hub had trouble, or the line."""
    if (response := getattr(error, "response", None)) is not None:
        return response.status_code >= 500
    return not isinstance(error, ValueError)  # what answered is no hub, or the card is refused


class _Counted(io.BufferedReader):
    """A file that says how far it was read."""

    def __init__(self, path: Path, before: int, size: int, say: Callable[[str, int, int], None]):
        super().__init__(io.FileIO(path))
        self.before, self.size, self.say, self.counts = before, size, say, False

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        if self.counts:
            self.say(SENDING, self.before + self.tell(), self.size)
        return data


# --- in a process of its own ----------------------------------------------------------------------


def main(arguments: list[str]) -> int:
    """{"token", "name", "kind", "public", "update"} on standard input; a JSON line for each thing
    that is told, the last one {"pushed"} or {"error"}.
    """
    order = json.loads(sys.stdin.readline())
    token = order.pop("token")

    def say(row: dict) -> None:
        print(json.dumps(row), flush=True)

    def tell(stage: str, done: int, total: int, standing: str) -> None:
        say({"stage": stage, "done": done, "total": total, "standing": standing})

    try:
        say({"pushed": push(Path(arguments[0]), Target(**order), token, tell)})
    except (InputError, HubError) as error:
        say({"error": str(error)})
        return 2
    return 0


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main(sys.argv[1:]))
