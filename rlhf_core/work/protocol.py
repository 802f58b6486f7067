"""What a line of jobs can be asked: the same whether a thread here works on it (``jobs``) or
processes elsewhere (``posted``).
"""

from __future__ import annotations

from typing import Protocol


class Line(Protocol):
    """Every method may be called from any thread, and returns at once; what the views hold and what
    a wish does is told in ``jobs.JobQueue``.
    """

    def submit(
        self, order, *, label: str, owner: str, long: bool, total: int | None = None, kin: str = ""
    ) -> str:
        """Take a job (a ``running.Order``) and return its id. Raises QueueError."""

    def view(self, job_id: str) -> dict | None:
        """What a page shows of a job; None: it is not known (any more)."""

    def records(self, job_id: str, start: int = 0) -> list[dict]:
        """Its records from number ``start`` on."""

    def pause(self, job_id: str) -> None:
        """Pause at the next yield."""

    def resume(self, job_id: str) -> None:
        """Go on; a paused job waits in line again."""

    def step(self, job_id: str, records: int = 1) -> None:
        """Go on for so many records, then pause."""

    def stop(self, job_id: str) -> None:
        """End it at its next yield; its records are kept."""

    def forget(self, owner: str) -> None:
        """Stop every job of ``owner``; nobody sees them any more."""

    def close(self, timeout: float = 10.0) -> None:
        """Take no more jobs, and leave nothing running in this process."""
