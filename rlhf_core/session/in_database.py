"""Sessions in a database: what a save writes, what another process wrote meanwhile, and a session
again from its rows.

A save writes the fields that changed since this process last read or wrote their part, and nothing
else. A part that somebody else wrote meanwhile is taken over first, and what changed here is made
again on top of it (``merging``): a writer that is behind never overwrites. Imports no torch.
"""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass, field
from typing import Any

from rlhf_core.common.errors import StoreError
from rlhf_core.common.source import engine_version
from rlhf_core.session import merging, parts, weights
from rlhf_core.session.database_weights import DatabaseWeights, Put
from rlhf_core.session.state import Session
from rlhf_core.store import bundle, job_rows, machine, marker, session_rows
from rlhf_core.store.blobs import Blobs
from rlhf_core.store.database import Database
from rlhf_core.store.pool_rows import Pools
from rlhf_core.store.session_rows import Judgements, Part, Records

FORMAT = 1  # of the parts, in a session's row


@dataclass
class Known:
    """A part as this process last read or wrote it.

    Attributes:
        version: 0: never. fields: the very objects that the session then had.
        keys: of its judgements by field, in their order.
        given: keys of judgements that were made here and may not be written yet, by the object's
            ``id``; a save that has to be tried again gives the same ones.
    """

    version: int = 0
    fields: dict = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    given: dict[int, tuple[str, object]] = field(default_factory=dict)


class InDatabase:
    """A ``store.keeping.Store``.

    ``most_bytes``: of the weights of all sessions together.
    """

    def __init__(self, database: Database, blobs: Blobs, most_bytes: int | None = None):
        self.database = database
        self.weights = DatabaseWeights(database, blobs, most_bytes)
        self.pools = Pools(database)

    # --- from the database ------------------------------------------------------------------------

    def load(self, session_id: str) -> Session | None:
        """The session of this id; None where there is none. Raises StoreError."""
        with self.database.look() as db:
            about = session_rows.about(db, session_id)
            if about is None:
                return None
            found = session_rows.read(db, session_id)
        session = Session(seed=int(about.get("seed", 0)), id=session_id)
        session.status, session.restartable, session.store = "done", True, self
        for name, part in found.items():
            _take_over(session, name, part)
        if self._is_over(session):
            self.settle(session)
            session.note = (
                "The server stopped while something of yours was under way. What was finished is"
                f" here: {_finished(session)}. Start it again to go on."
            )
        return session

    def _goes_on(self, session: Session) -> bool:
        """Whether a worker has a job of it, or will."""
        with self.database.look() as db:
            return job_rows.is_alive(db, session.id)

    def put_right(self, session: Session) -> None:
        """Nothing is under way where its process is dead and no worker has a job of the session.
        Raises StoreError.
        """
        if self._is_over(session):
            with session.change():
                if self._is_over(session):  # as the newest rows say
                    self.settle(session)

    def _is_over(self, session: Session) -> bool:
        under_way = session.under_way and not machine.alive(session.process)
        return bool(under_way) and not self._goes_on(session)

    def settle(self, session: Session) -> None:
        """A run that ended between two saves of its weights goes on from where the weights are:
        whatever was under way is not, any more.
        """
        if session.under_way:
            part, kept = session.tuned, session.on_disk
            if part.weights and not weights.is_kept(session, part.weights):
                step = int(kept.get("step", 0)) if kept.get("run") == part.run else 0
                part.metrics = [row for row in part.metrics if row["step"] <= step]
                part.samples = [row for row in part.samples if row["step"] <= step]
                part.log = [segment for segment in part.log if segment["step"] <= step]
                part.weights, part.evaluation = kept.get("policy", "") if step else "", None
            session.under_way, session.process = 0, None

    def refresh(self, session: Session) -> None:
        """Take over the parts that other processes wrote. Raises StoreError."""
        if not session.known:
            return
        with session.lock:
            with self.database.look() as db:
                versions = session_rows.versions(db, session.id)
                if not versions and session_rows.about(db, session.id) is None:
                    session.deleted = True
                    return
                newer = _newer(session, versions)
                found = session_rows.read(db, session.id, newer) if newer else {}
            for name, part in found.items():
                _rebase(session, name, part)
            if found:
                self.weights.look_again(session)

    # --- into it ----------------------------------------------------------------------------------

    def save(self, session: Session) -> None:
        """Raises StoreError."""
        self._write(session, self.weights.put_all(session))

    def take_in(self, session: Session, files: dict[str, bytes]) -> None:
        """Keep a session that came from elsewhere, with its weights as files, by name. Raises
        StoreError.
        """
        put = self.weights.put_files(files)
        self.weights.note_policy(session, put)
        self._write(session, put)

    def _write(self, session: Session, put: Put) -> None:
        if engine_version() not in session.made_by:
            session.made_by = [*session.made_by, engine_version()]
        written: dict[str, Known] = {}
        with self.database.change() as db:
            if not session_rows.lock(db, session.id):
                if session.known:  # started over in another tab, or another process
                    session.deleted = True
                    return
                about = {"seed": session.seed, "format": FORMAT, "engine": engine_version()}
                session_rows.create(db, session.id, about)
            versions = session_rows.versions(db, session.id)
            if behind := _newer(session, versions):
                for name, part in session_rows.read(db, session.id, behind).items():
                    _rebase(session, name, part)
                self.weights.look_again(session)
            now = parts.fields(session)
            for name in (*now, *(gone for gone in session.known if gone not in now)):
                if change := _change(session.known.get(name) or Known(), name, now.get(name, {})):
                    body, records, judgements, new = change
                    new.version = session_rows.write(
                        db,
                        session.id,
                        name,
                        expected=_known(session, name),
                        body=body,
                        records=records,
                        judgements=judgements,
                    )
                    written[name] = new
            let_go = self.weights.refer(db, session, put)
        self.weights.wrote(session, put, let_go)
        self.weights.drop(let_go)
        session.known = {**session.known, **written}
        place = session.directory
        if place is not None and place.is_dir() and not (place / bundle.RUN).exists():
            marker.mark(place)  # made for checkpoints: it is not what a person put there

    def delete(self, session: Session) -> None:
        """Remove the session's rows, what only it refers to, and the folder that the app made for
        it. Raises StoreError.
        """
        with session.lock:
            session.deleted = True
            with self.database.change() as db:
                let_go = self.weights.all_of(db, session)
                session_rows.delete(db, session.id)
            self.weights.drop(let_go)
            if session.directory is not None and marker.is_ours(session.directory):
                shutil.rmtree(session.directory, ignore_errors=True)


def _finished(session: Session) -> str:
    """What there is, in words."""
    judged, steps = len(session.judged.rankings), session.tuned.steps_done
    return ", ".join(
        (
            f"{judged} judgement{'s' * (judged != 1)}",
            "a reward model" if session.learned.head else "no reward model yet",
            f"{steps} PPO step{'s' * (steps != 1)}" if steps else "no PPO steps yet",
        )
    )


def _newer(session: Session, versions: dict[str, int]) -> list[str]:
    """The parts of which this process does not know the newest version."""
    return [name for name, number in versions.items() if number > _known(session, name)]


def _known(session: Session, name: str) -> int:
    found = session.known.get(name)
    return found.version if found else 0


# --- a part, out of its rows ----------------------------------------------------------------------


def _read(name: str, part: Part) -> Known:
    """Raises StoreError: rows of a version that this one cannot read."""
    try:
        if unknown := [f for f in part.body if not parts.is_known(name, f)]:
            raise KeyError(unknown[0])
        values = {f: parts.live(name, f, value) for f, value in part.body.items()}
        keys: dict[str, list[str]] = {}
        for f in parts.rows_of(name):
            rows = part.lists.get(f, [])
            if f in parts.JUDGEMENTS.get(name, ()):
                keyed = part.judgements.get(f, [])
                keys[f], rows = [key for key, _ in keyed], [row for _, row in keyed]
            values[f] = parts.live(name, f, rows)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError(
            f"This session was saved by another version of Opossum, which this one cannot read"
            f" ({type(error).__name__} in {name})."
        ) from error
    return Known(part.version, values, keys)


def _take_over(session: Session, name: str, part: Part) -> None:
    theirs = _read(name, part)
    parts.put(session, name, theirs.fields)
    theirs.fields = parts.fields(session).get(name, {})
    session.known = {**session.known, name: theirs}


def _rebase(session: Session, name: str, part: Part) -> None:
    """Take a part over, and make on top of it what changed here."""
    former, mine = session.known.get(name) or Known(), parts.fields(session).get(name, {})
    if _change(former, name, mine) is None:
        _take_over(session, name, part)
        return
    theirs, merged = _read(name, part), {}
    for f in {**theirs.fields, **mine}:
        fields: list[Any] = [values.get(f) for values in (former.fields, mine, theirs.fields)]
        base, here, there = fields
        if name in parts.ASIDE:
            merged[f] = here
            continue
        if f in parts.JUDGEMENTS.get(name, ()):
            keyed = [*zip(theirs.keys[f], there, strict=True)]
            own, known = _keyed(former, f, here), former.keys.get(f, [])
            merged[f] = [row for _, row in merging.merged_rows(known, own, keyed, parts.said)]
        else:
            merged[f] = merging.merged(base, here, there)
    parts.put(session, name, merged)
    theirs.given = former.given
    session.known = {**session.known, name: theirs}


# --- what changed of a part -----------------------------------------------------------------------


def _change(known: Known, name: str, now: dict) -> tuple | None:
    """(the document or None, records, judgements, the part as it is then); None: nothing."""
    ours, records, judgements, keys = parts.rows_of(name), {}, {}, {}
    for f in ours:
        former, present = known.fields.get(f, []), now.get(f, [])
        if f in parts.JUDGEMENTS.get(name, ()):
            keyed = _keyed(known, f, present)
            keys[f] = [key for key, _ in keyed]
            if keys[f] != known.keys.get(f, []):
                judgements[f] = _judgements(known.keys.get(f, []), name, f, keyed)
        elif (keep := _shared(former, present)) < max(len(former), len(present)):
            records[f] = Records(keep, parts.plain(name, f, present[keep:]))
    alone = {f: value for f, value in now.items() if f not in ours}
    before = {f: value for f, value in known.fields.items() if f not in ours}
    body = None
    if not known.version or alone.keys() != before.keys() or not _alike(before, alone):
        body = {f: parts.plain(name, f, value) for f, value in alone.items()}
    if body is None and not records and not judgements:
        return None
    return body, records, judgements, Known(known.version, now, keys)


def _alike(before: dict, now: dict) -> bool:
    """Values are replaced, never edited in place; numbers and short texts may be equal ones."""
    plain = str | int | float | bool | None
    return all(
        value is before[f] or (isinstance(value, plain) and value == before[f])
        for f, value in now.items()
    )


def _shared(former: list, present: list) -> int:
    """How many rows both begin with."""
    if former is present:
        return len(present)
    count = 0
    for one, other in zip(former, present, strict=False):
        if one is not other:
            break
        count += 1
    return count


def _keyed(known: Known, f: str, present: list) -> list[tuple[str, object]]:
    """Each judgement with its key; a new one gets one, the same however often it is asked for."""
    former, keys = known.fields.get(f, []), known.keys.get(f, [])
    if present is former:
        return [*zip(keys, present, strict=True)]
    there = {id(row): key for key, row in zip(keys, former, strict=True)}
    found = []
    for row in present:
        key = there.get(id(row))
        if key is None:
            fresh = f"{parts.called(row)}~{secrets.token_hex(6)}", row
            key, _ = known.given.setdefault(id(row), fresh)
        found.append((key, row))
    return found


def _judgements(former: list[str], name: str, f: str, keyed: list) -> Judgements:
    places, now = {key: n for n, key in enumerate(former)}, {key for key, _ in keyed}
    rows = [(key, n, row) for n, (key, row) in enumerate(keyed)]
    new = [row for key, _, row in rows if key not in places]
    bodies = iter(parts.plain(name, f, new))
    return Judgements(
        added=[(key, n, next(bodies)) for key, n, _ in rows if key not in places],
        withdrawn=[key for key in former if key not in now],
        moved={key: n for key, n, _ in rows if places.get(key, n) != n},
    )
