"""Weights of a session in a database: blobs, named by the hash of their bytes, which the session's
own names refer to.

Knows nothing about rows of parts. Imports torch only where tensors are read from a blob or become
one.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from weakref import WeakKeyDictionary

from safetensors import SafetensorError, deserialize

from rlhf_core.common.errors import BundleError, StoreError
from rlhf_core.session import weights
from rlhf_core.session.folder_weights import half_of
from rlhf_core.session.state import Session
from rlhf_core.store import blob_rows
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database
from rlhf_core.store.formats import Raw, raw_tensors

DAMAGED = "Weights of this session are damaged: no tensors in them."
Put = dict[str, tuple[str, bytes]]  # name -> sha256 of the bytes, and these
FILE = "file:"  # how the session's names begin for what is no weights: files to be taken home


class DatabaseWeights:
    """A ``store.keeping.Weights``. ``most_bytes``: of all sessions together; None: no bound."""

    def __init__(self, database: Database, blobs: Blobs, most_bytes: int | None = None):
        self.database, self.blobs, self.most_bytes = database, blobs, most_bytes
        self._known: WeakKeyDictionary[Session, dict[str, str]] = WeakKeyDictionary()

    # --- what every keeper of weights can do ------------------------------------------------------

    def has(self, session: Session, name: str) -> bool:
        return name in self._names(session)

    def lasts(self, session: Session, name: str) -> bool:
        return self.has(session, name)

    def whole(self, session: Session, name: str) -> bool:
        """Read without torch: a page asks."""
        sha256 = self._names(session).get(name)
        try:
            return sha256 is not None and bool(
                half_of(name, dict(deserialize(self.blobs.get(sha256))))
            )
        except (BundleError, SafetensorError):
            return False

    def read(self, session: Session, name: str) -> dict[str, dict]:
        """Raises StoreError for a blob that is missing or damaged."""
        sha256 = self._names(session).get(name)
        if sha256 is None:
            return {}
        from safetensors.torch import load

        try:
            found = half_of(name, load(self.blobs.get(sha256)))
        except SafetensorError as error:
            raise StoreError(DAMAGED) from error
        return {name: found} if found else {}

    def raw(self, session: Session, name: str) -> dict[str, Raw]:
        """Raises StoreError for a blob that is missing or damaged."""
        sha256 = self._names(session).get(name)
        if sha256 is None:
            return {}
        try:
            return half_of(name, raw_tensors(self.blobs.get(sha256)))
        except SafetensorError as error:
            raise StoreError(DAMAGED) from error

    def put_away(self, session: Session, name: str, tensors: dict) -> None:
        """Nothing to do at once: ``put_all`` puts whatever is in use, at the next save."""

    def size(self, session: Session, names: Iterable[str]) -> int:
        names = {*names}
        with self.database.look() as db:
            sizes = blob_rows.sizes(db, session.id)
        return sum({sha: size for name, (sha, size) in sizes.items() if name in names}.values())

    def tidy(self, session: Session, used: Iterable[str]) -> None:
        """Nothing to do at once: ``refer`` lets go of what is not in use, at the next save."""

    def _names(self, session: Session) -> dict[str, str]:
        """The hashes by name, as this process last read or wrote them."""
        if session not in self._known:
            with self.database.look() as db:
                self._known[session] = blob_rows.names(db, session.id)
        return self._known[session]

    def look_again(self, session: Session) -> None:
        """Another process wrote the session."""
        self._known.pop(session, None)

    # --- at a save --------------------------------------------------------------------------------

    def put_all(self, session: Session) -> Put:
        """Make blobs of the tensors in use that are in memory only; what they then are called.

        A blob that nothing refers to yet stays for an hour, so this comes before the transaction.
        Raises StoreError.
        """
        there, found = self._names(session), {}
        stored = session.on_disk
        for name in sorted(weights.in_use(session) - {*there}):
            tensors = session.held.get(name)
            if tensors is None:
                continue
            if name == session.tuned.weights and weights.may_wait(session, name, stored):
                continue
            found[name] = self._put(tensors)
        self.note_policy(session, {*found, *there})
        return found

    def note_policy(self, session: Session, kept: Iterable[str]) -> None:
        """Where the policy stands that is kept, if it is the one of now."""
        now = session.tuned.weights
        here = {"policy": now, "run": session.tuned.run, "step": session.tuned.steps_done}
        if now in kept and here != session.on_disk:
            session.on_disk = here

    def put_files(self, files: dict[str, bytes]) -> Put:
        """Make blobs of weights that are files already, by name. Raises StoreError."""
        return {name: self._kept(data) for name, data in files.items()}

    def _put(self, tensors: dict) -> tuple[str, bytes]:
        from safetensors.torch import save

        whole = {key: value.detach().contiguous() for key, value in tensors.items()}
        return self._kept(save(whole))

    def _kept(self, data: bytes) -> tuple[str, bytes]:
        self._make_room(len(data))
        return self.blobs.put(data), data

    def _make_room(self, size: int) -> None:
        """Raises StoreError where the server keeps as much as it may."""
        if self.most_bytes is None:
            return
        with self.database.look() as db:
            kept = blob_rows.total_bytes(db)
        if kept + size > self.most_bytes:
            raise StoreError(
                f"This server keeps {kept / 1e9:.1f} GB of everybody's models, and"
                f" {self.most_bytes / 1e9:.1f} GB is the most it may: no further one is kept until"
                " older sessions have gone."
            )

    def refer(self, db, session: Session, put: Put) -> set[str]:
        """Inside a save: the session's names for its blobs, and none for what it uses no more. The
        hashes that were let go of, for ``drop``.
        """
        for name, (sha256, data) in put.items():
            blob_rows.refer(db, session.id, name, sha256, len(data))
            if not self.blobs.has(sha256):  # another session had the same one, and dropped it
                self.blobs.put(data)
        used = weights.in_use(session) | {session.on_disk.get("policy", "")}
        known = self._names(session).items()
        gone = {n: sha for n, sha in known if n not in used and not n.startswith(FILE)}
        if gone:
            blob_rows.release(db, session.id, gone)
        return {*gone.values()}

    def wrote(self, session: Session, put: Put, let_go: set[str]) -> None:
        """The save that ``refer`` was a part of is through."""
        there = self._names(session) | {name: sha256 for name, (sha256, _) in put.items()}
        self._known[session] = {n: sha256 for n, sha256 in there.items() if sha256 not in let_go}

    def all_of(self, db, session: Session) -> set[str]:
        """The hashes of all that the session refers to."""
        return {*blob_rows.names(db, session.id).values()}

    # --- files to be taken home -------------------------------------------------------------------

    def keep_file(self, session: Session, kind: str, key: str, data: bytes) -> None:
        """Keep a file with the session until it goes, or until the next of its ``kind`` comes.
        ``key``: what it was made of. Raises StoreError.
        """
        sha256, data = self._kept(data)
        with self.database.change() as db:
            former = blob_rows.names(db, session.id).items()
            gone = {n: sha for n, sha in former if n.startswith(f"{FILE}{kind}:")}
            blob_rows.release(db, session.id, gone)
            blob_rows.refer(db, session.id, f"{FILE}{kind}:{key}", sha256, len(data))
            if not self.blobs.has(sha256):
                self.blobs.put(data)
        self.look_again(session)
        self.drop({*gone.values()} - {sha256})

    def lay_down(self, data: bytes) -> str:
        """Put bytes where every process finds them, for an hour; what they are called. Raises
        StoreError.
        """
        return self._kept(data)[0]

    def take_up(self, sha256: str) -> bytes:
        """What was laid down, which is gone from there afterwards, unless a session refers to it.
        Raises StoreError.
        """
        data = self.blobs.get(sha256)
        with self.database.look() as db:
            referred = blob_rows.is_referred(db, sha256)
        if not referred:
            with suppress(StoreError):
                self.blobs.delete(sha256)
        return data

    def kept_files(self, session: Session) -> dict[tuple[str, str], tuple[str, int]]:
        """{(kind, key): (sha256, bytes)}. Raises StoreError."""
        with self.database.look() as db:
            sizes = blob_rows.sizes(db, session.id)
        return {
            (name.split(":")[1], name.split(":")[2]): found
            for name, found in sizes.items()
            if name.startswith(FILE)
        }

    def drop(self, hashes: set[str]) -> None:
        """After a save: delete what nothing refers to any more; what cannot be deleted now is found
        by the sweep.
        """
        if hashes:
            with suppress(StoreError):
                blob_rows.drop(self.database, self.blobs, hashes)
