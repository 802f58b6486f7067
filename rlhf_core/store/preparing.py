"""A database brought to this version's tables: by one process while the others wait.

Alembic, which does it, is imported only where there is something to do.
"""

from __future__ import annotations

import threading

from sqlalchemy import Connection, Engine, inspect, text

from rlhf_core.store.database_errors import store_error
from rlhf_core.store.migrations import PLACE, VERSIONS

ADVISORY_LOCK = 0x6F706F73  # PostgreSQL's locks of one's own have a number: "opos"

_ALEMBIC = threading.Lock()  # it keeps what it is at in its module


def is_ready(connection: Connection) -> bool:
    """Whether the tables are this version's. Raises StoreError where they are a newer one's."""
    return inspect(connection).has_table("alembic_version") and is_newest(connection)


def is_newest(connection: Connection) -> bool:
    """The same of a database that has been prepared, by one short query."""
    found = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if found is not None and found not in VERSIONS:
        raise store_error("newer")
    return found == VERSIONS[-1]


def bring_up_to_date(engine: Engine) -> None:
    """All or nothing. ``engine``: begins with a transaction that writes, waits long for it, and
    checks no foreign keys (SQLite changes a table by making it anew).
    """
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        if not is_ready(connection):
            from alembic import command
            from alembic.config import Config

            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(PLACE).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            with _ALEMBIC:
                command.upgrade(config, "head")
