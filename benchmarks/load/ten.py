"""``ten``: people press "Run it once for me" at the same moment, as a class that is told to."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from pathlib import Path

from benchmarks.load import learner, server
from benchmarks.load.figures import Figures
from benchmarks.load.learner import Crowd, Heard

FIRST, ALL = 2.0, 1.2  # targets: of one alone, and of processor seconds over cores


async def ten(figures: Figures, options: Namespace, folder: Path) -> None:
    """One alone, then ``ten`` at once, on a server that has its model in memory."""
    many, cores = options.ten, os.cpu_count() or 1
    with server.running(folder / "runs", root=options.root) as place:
        async with Crowd(place.url, options.seed) as crowd:
            first, alone, *others = (crowd.tab() for _ in range(many + 2))
            await first.open()
            await learner.to_rank(first, Heard())  # loads the model
            await first.close()
            await alone.open()
            before = place.cost()
            one = await learner.run_once(alone)
            used = place.cost() - before
            seconds = used.server + used.workers
            figures.add("one alone", one)
            figures.add("processor time of one alone, server and workers", seconds)
            await alone.close()
            await asyncio.gather(*(tab.open() for tab in others))
            patience = learner.LONG + 10 * many * one
            before = place.cost()
            came = await asyncio.gather(
                *(learner.run_once(tab, patience) for tab in others), return_exceptions=True
            )
            used = place.cost() - before
            times = sorted(time for time in came if isinstance(time, float))
            troubles = [str(one) for one in came if isinstance(one, BaseException)]
            if times:
                figures.add(f"{many} at once: the first", times[0], target=FIRST * one)
                figures.times(f"{many} at once: all", times)
                floor = many * seconds / cores
                figures.add(f"{many} at once: the last", times[-1], target=ALL * floor)
                figures.add("the last, over processor seconds / cores", times[-1] / floor, "x")
                spent = (used.server + used.workers) / len(times)
                figures.add(f"{many} at once: processor time of each", spent)
            figures.troubles(troubles + crowd.errors())
