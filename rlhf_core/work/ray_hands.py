"""Workers as Ray actors: Ray places them on the nodes of a cluster, and what they speak is the same
protocol, with the same database and the same blobs.

The server holds an actor by a ``RayHand``. An actor that dies, or whose node does, is seen by that:
what it had goes back to the line at once, and the pool starts another one, wherever there is room.
Ray ends the actors of a server that is killed. Every node needs this code at the same place (or in
its Python), and the same DATABASE_URL and OPOSSUM_BLOBS within reach. Imports no torch, and Ray
only when it is used.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rlhf_core.work import pool

logger = logging.getLogger(__name__)

SETTING, AUTO = "OPOSSUM_RAY", "auto"
MISSING = (
    f"{SETTING} is set, but Ray is not installed: pip install -r requirements-ray.txt, or leave"
    f" {SETTING} empty to work without it."
)
INSIDE = "rlhf_core.work.ray_actor"
OURS = ("OPOSSUM_", "DATABASE_URL", "OMP_", "GOMP_", "KMP_", "HF_", "AWS_")  # settings that travel
REMEMBERED = Path(tempfile.gettempdir()) / "ray" / "ray_current_cluster"  # Ray's own note
NEWS = 2.0  # seconds that an actor is asked at a time whether there is something new
_LOCK = threading.Lock()


def address() -> str:
    """Where OPOSSUM_RAY says the cluster is; "": do without."""
    return os.environ.get(SETTING, "").strip()


def is_installed() -> bool:
    return importlib.util.find_spec("ray") is not None


def connected(at: str = AUTO):
    """The module, connected: to the cluster ``at`` this address; "auto": to the one that runs on
    this machine, else to one of this process's own.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent home
    os.environ.setdefault("RAY_worker_niceness", "5")  # of a Ray that begins here: as our processes
    import ray

    with _LOCK:
        if not ray.is_initialized():
            where = "local" if at == AUTO and not one_answers() else at
            ray.init(address=where, log_to_driver=False, logging_level=logging.WARNING)
    return ray


def one_answers(remembered: Path = REMEMBERED) -> bool:
    """Whether the Ray that this machine remembers is there. Asked first, because Ray ends a process
    that was connected to one that is gone.
    """
    try:
        host, _, port = remembered.read_text().strip().rpartition(":")
        with socket.create_connection((host, int(port)), timeout=2):
            return True
    except (OSError, ValueError):
        return False


def cpus(at: str) -> int:
    """Of the whole cluster."""
    return max(1, int(connected(at).cluster_resources().get("CPU", 1)))


def actor_class(ray):
    """Made here, so that a node needs none of our modules before it is told where they are."""

    class OpossumWorker:
        def __init__(self, inside, name, workers, environment, path):
            import importlib
            import os
            import sys

            os.environ.update(environment)
            sys.path[:0] = [place for place in path if place not in sys.path]
            self.inside = importlib.import_module(inside).Inside(name, workers)

        def wake(self):
            self.inside.wake()

        def news(self, known, seconds):
            return self.inside.news(known, seconds)

        def end(self):
            self.inside.end()

    return ray.remote(OpossumWorker)


class RayHand:
    """A ``pool.Hand``. The cluster is reached, and the actor made, while somebody listens.

    Args:
        inside: the module on the node that holds ``Inside``. path: where it and ours are.
    """

    pid: int | None = None

    def __init__(
        self,
        name: str,
        workers: int,
        at: str = AUTO,
        *,
        inside: str = INSIDE,
        path: tuple[str, ...] = (),
    ):
        self._name, self._workers, self._at = name, workers, at
        self._inside, self._path = inside, (*path, str(pool.ROOT))
        self._actor: Any = None  # made while somebody listens
        self._ended: Any = None  # asked to end
        self._there = False

    def listen(self, new: Callable[[], None]) -> object:
        try:
            ray = connected(self._at)
            environment = {k: v for k, v in os.environ.items() if k.startswith(OURS)}
            environment["OPOSSUM_RUNS"] = os.path.abspath(environment.get("OPOSSUM_RUNS", "runs"))
            options = {"num_cpus": 1, "max_concurrency": 8, "scheduling_strategy": "SPREAD"}
            made = actor_class(ray).options(**options)
            about = (self._inside, self._name, self._workers, environment, self._path)
            self._actor = made.remote(*about)
            atexit.register(self.wait, pool.PATIENCE)  # before Ray's own: it hands back what it has
            known = 0
            while True:
                heard = ray.get(self._actor.news.remote(known, NEWS))
                self._there = True
                if heard != known:
                    known = heard
                    new()
        except Exception as error:  # Ray has many, and any of them means that it is gone
            return f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
        finally:
            atexit.unregister(self.wait)

    def wake(self) -> None:
        if self._actor is not None:
            with suppress(Exception):
                self._actor.wake.remote()

    def end(self) -> None:
        if self._actor is not None and self._ended is None:
            with suppress(Exception):
                self._ended = self._actor.end.remote()

    def wait(self, patience: float) -> None:
        self.end()
        if self._actor is None:
            return
        import ray

        with suppress(Exception):
            if self._there:  # else it waits for room on the cluster, and has nothing
                ray.get(self._ended, timeout=patience)
        with suppress(Exception):
            ray.kill(self._actor)


def starter(at: str, **about) -> Callable[[str, int], RayHand]:
    """For a ``pool.Pool``."""
    return functools.partial(RayHand, at=at, **about)
