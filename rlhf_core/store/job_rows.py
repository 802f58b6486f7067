"""Jobs in the tables: functions of an open transaction (``database.change`` or ``look``).

The server adds jobs and wishes; the worker that has claimed a job writes how far it is. Each writes
only where the other has not written meanwhile. Knows nothing about what a job does, nor who is next
(``work``).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Row, case, delete, func, select, update
from sqlalchemy.orm import Session

from rlhf_core.common.known import known
from rlhf_core.store.job_tables import ALIVE, JobRecordRow, JobRow, WorkerRow
from rlhf_core.store.session_rows import NOT_IN_MEMORY, changed, insert_new

CLOSING = ("stopped", "expired")
COLUMNS = JobRow.__table__.columns
LIGHT = [column for column in COLUMNS if column.name not in ("arguments", "begun")]


# --- who asks -------------------------------------------------------------------------------------


def lock(db: Session) -> None:
    """Keep others from adding, claiming and wishing until the transaction ends. SQLite's
    transactions keep them off as they are.
    """
    if db.get_bind().dialect.name == "postgresql":
        db.execute(select(func.pg_advisory_xact_lock(0x6F706A6F)))


def alive(db: Session) -> list[Row]:
    """Those that have more to do, in the order of submission."""
    return list(db.execute(select(*LIGHT).where(ALIVE).order_by(JobRow.number)))


def all_of(db: Session) -> list[Row]:
    return list(db.execute(select(*LIGHT).order_by(JobRow.number)))


def some(db: Session, ids: Iterable[str]) -> list[Row]:
    """Those of ``ids`` that are there."""
    query = select(*LIGHT).where(JobRow.job_id.in_([*ids]))
    return list(db.execute(query.order_by(JobRow.number)))


def ids(db: Session) -> set[str]:
    """Of all there are."""
    return set(db.scalars(select(JobRow.job_id)))


def one(db: Session, job_id: str) -> Row | None:
    """A job, with its arguments."""
    return db.execute(select(*COLUMNS).where(JobRow.job_id == job_id)).first()


def add(db: Session, values: dict) -> str:
    """A new job, at the end of the line; its id. The id of the one of its owner and slot that is
    alive, where there is one.
    """
    number = 1 + (db.scalar(select(func.max(JobRow.number))) or 0)
    query = insert_new(db, JobRow).on_conflict_do_nothing()
    row = {"number": number, "place": next_place(db), "status": "queued", "wish": None}
    row |= {"stepping": 0, "wishes": 0, "looks": 0, "forgotten": False, "worker": None}
    row |= {"threads": 0, "deaths": 0, "begun": {}, "progress": {}, "records": 0, "error": None}
    db.execute(query, row | values)
    same = (JobRow.owner == values["owner"], JobRow.slot == values["slot"])
    return known(db.scalar(select(JobRow.job_id).where(ALIVE, *same)))


def next_place(db: Session) -> int:
    return 1 + (db.scalar(select(func.max(JobRow.place))) or 0)


def is_alive(db: Session, owner: str) -> bool:
    """Whether ``owner`` has a job that has more to do."""
    query = select(JobRow.job_id).where(ALIVE, JobRow.owner == owner).limit(1)
    return db.scalar(query) is not None


def change(db: Session, job_id: str, **values) -> None:
    """What a wish changes; whoever has the job reads it anew."""
    query = update(JobRow).where(JobRow.job_id == job_id)
    db.execute(query.values(wishes=JobRow.wishes + 1, **values), execution_options=NOT_IN_MEMORY)


def looked(db: Session, ids: Iterable[str]) -> None:
    """Somebody asked about these."""
    query = update(JobRow).where(JobRow.job_id.in_([*ids]))
    db.execute(query.values(looks=JobRow.looks + 1), execution_options=NOT_IN_MEMORY)


def remove(db: Session, ids: Iterable[str]) -> None:
    """With their records."""
    query = delete(JobRow).where(JobRow.job_id.in_([*ids]))
    db.execute(query, execution_options=NOT_IN_MEMORY)


def records(db: Session, job_id: str, start: int = 0) -> list[dict]:
    """Its records from number ``start`` on."""
    query = select(JobRecordRow.body).where(JobRecordRow.job_id == job_id)
    query = query.where(JobRecordRow.number >= start).order_by(JobRecordRow.number)
    return list(db.scalars(query))


# --- who works ------------------------------------------------------------------------------------


def claim(db: Session, job_id: str, worker: str, threads: int) -> bool:
    """Whether ``worker`` has the job now, and runs it: nobody else had it."""
    query = update(JobRow).where(JobRow.job_id == job_id, JobRow.worker.is_(None))
    query = query.values(worker=worker, threads=threads, status="running")
    return changed(db, query) > 0


def write(db: Session, job_id: str, worker: str, wishes: int, **values) -> bool:
    """How far ``worker`` has come; False: another has the job, or somebody wished something that it
    has not read.
    """
    mine = (JobRow.job_id == job_id, JobRow.worker == worker, JobRow.wishes == wishes)
    query = update(JobRow).where(*mine).values(**values)
    return changed(db, query) > 0


def append(db: Session, job_id: str, worker: str, start: int, bodies: list[dict]) -> bool:
    """Records from number ``start`` on; one whose number is there stays as it is. False: another
    has the job.
    """
    mine = (JobRow.job_id == job_id, JobRow.worker == worker)
    count = start + len(bodies)
    query = update(JobRow).where(*mine)
    query = query.values(records=case((JobRow.records > count, JobRow.records), else_=count))
    if not changed(db, query):
        return False
    rows = [{"job_id": job_id, "number": n, "body": body} for n, body in enumerate(bodies, start)]
    db.execute(insert_new(db, JobRecordRow).on_conflict_do_nothing(), rows)
    return True


def held(db: Session, worker: str) -> list[Row]:
    """The jobs that ``worker`` has claimed."""
    return list(db.execute(select(*LIGHT).where(ALIVE, JobRow.worker == worker)))


def hand_back(db: Session, worker: str, deaths: int = 0) -> list[Row]:
    """Leave the jobs of ``worker`` to others; they as they were. ``deaths``: more of them, of each
    that ran.
    """
    rows = held(db, worker)
    for row in rows:
        ran = deaths if row.status == "running" else 0
        values = {"worker": None, "deaths": row.deaths + ran}
        if row.wish in CLOSING:
            values |= {"status": row.wish, "wish": None}
        elif row.wish == "paused":
            values |= {"status": "paused", "wish": None}
        elif row.status == "running":
            values["status"] = "queued"
        change(db, row.job_id, **values)
    return rows


# --- the processes --------------------------------------------------------------------------------


def sign_in(db: Session, worker: str, engine: str, process: dict, threads: int) -> None:
    row = {"worker_id": worker, "engine": engine, "process": process, "threads": threads}
    db.execute(insert_new(db, WorkerRow).on_conflict_do_nothing(), row | {"beat": 0})


def beat(db: Session, worker: str) -> bool:
    """Still alive; False: it was given up, and what it had is others'."""
    query = update(WorkerRow).where(WorkerRow.worker_id == worker)
    query = query.values(beat=WorkerRow.beat + 1)
    return changed(db, query) > 0


def sign_out(db: Session, worker: str) -> bool:
    """Whether it was there."""
    query = delete(WorkerRow).where(WorkerRow.worker_id == worker)
    return changed(db, query) > 0


def workers(db: Session) -> list[Row]:
    return list(db.execute(select(*WorkerRow.__table__.columns)))
