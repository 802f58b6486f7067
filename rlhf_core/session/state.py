"""One learner's work as plain state: what was asked, judged, learned and tuned, round by round.

A session is its parts. Each part is data that JSON can hold; weights and reward models stand in it
by the name of their contents (a hash), and become tensors only in ``loop``. Values are replaced or
appended to, never edited in place, so that a page may read them while the worker writes; who
changes any does it inside ``with session.change():``, the one way to lock and to save.

Commands are functions on parts, in the modules beside this one; what takes time is a job of
``loop`` and ``labs``. Imports no torch: a page is drawn before the engine is loaded.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from rlhf_core.common.errors import BundleError
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.preferences import Pair, Ranking, pair_from_row
from rlhf_core.lm import model_list
from rlhf_core.store.keeping import Store
from rlhf_core.store.plain_files import without_place

YOU, SCRIPTED, IMPORTED = "you", "scripted rater (rule)", "imported preferences"

ROW, PAIR = 2_000, 2_300  # bytes of memory that a row takes, about, and an imported pair
ABOUT_HEAD = "reward_model"  # the key in ``labs`` whose findings go with the reward model


class _Part:
    """``UNSAVED``: fields that are in no bundle, and in a database parts of their own."""

    UNSAVED: ClassVar[tuple[str, ...]] = ()


@dataclass
class Asked(_Part):
    """What is asked for.

    Attributes:
        brief: the one in force. briefs: every version that was ever in force here, oldest first.
        older_count: do judgements under an older version of the brief count?
        user_prompts: the learner's own.
        candidate_sets: rows {"id", "prompt", "texts", "finished", "seed", "round", "drawn",
            "tokens" (not in bundles), "asked", "reading", "sampling"}, hidden checks also "check",
            "for", "shown".
        drawn: how many candidate sets were ever made; part of their seeds.
    """

    brief: Brief
    briefs: list[Brief] = field(default_factory=list)
    older_count: bool = True
    user_prompts: list[str] = field(default_factory=list)
    candidate_sets: list[dict] = field(default_factory=list)
    drawn: int = 0

    def __post_init__(self):
        self.briefs = self.briefs or [self.brief]

    def to_dict(self) -> dict:
        sets = [{k: v for k, v in row.items() if k != "tokens"} for row in self.candidate_sets]
        return {
            "brief": self.brief.to_dict(),
            "briefs": [brief.to_dict() for brief in self.briefs],
            "older_count": self.older_count,
            "user_prompts": self.user_prompts,
            "candidate_sets": sets,
            "drawn": self.drawn,
        }

    @classmethod
    def from_dict(cls, data: dict) -> Asked:
        """Raises BriefError, KeyError, TypeError."""
        return cls(
            briefs.from_dict(data["brief"]),
            [briefs.from_dict(row) for row in data.get("briefs", [])],
            bool(data.get("older_count", True)),
            list(data.get("user_prompts", [])),
            list(data.get("candidate_sets", [])),
            int(data.get("drawn", 0)),
        )


@dataclass
class Judged(_Part):
    """What was judged, and by whom.

    Attributes:
        rankings: in the order in which they were made.
        imported: pairs from files. imports: which files, rows {"file", "pairs"}.
        exploits: rejected exploits (``labs.hacking_game``), each under its own brief.
        votes: blind before / after votes, rows {"prompt", "choice", "round", "step"}.
        people: names of others at this screen. sitting: who judges now; "" is ``YOU``.
        thumbs_begun: answers called good or bad in sets that are not through, which count for
            nothing yet: rows {"set", "who", "said": [[index, good]], "how", "why", "brief"}
            (``thumbs_begun``).
    """

    rankings: list[Ranking] = field(default_factory=list)
    imported: list[Pair] = field(default_factory=list)
    imports: list[dict] = field(default_factory=list)
    exploits: list[Pair] = field(default_factory=list)
    votes: list[dict] = field(default_factory=list)
    people: list[str] = field(default_factory=list)
    sitting: str = ""
    thumbs_begun: list[dict] = field(default_factory=list)

    def to_dict(self) -> dict:
        return {
            "rankings": [ranking.to_dict() for ranking in self.rankings],
            "imported": [pair.to_dict() for pair in self.imported],
            "imports": self.imports,
            "exploits": [pair.to_dict() for pair in self.exploits],
            "votes": self.votes,
            "people": self.people,
            "sitting": self.sitting,
            "thumbs_begun": self.thumbs_begun,
        }

    @classmethod
    def from_dict(cls, data: dict) -> Judged:
        """Raises PreferenceError, KeyError, TypeError."""
        imported, exploits = data.get("imported", []), data.get("exploits", [])
        return cls(
            [Ranking.from_dict(row) for row in data.get("rankings", [])],
            [pair_from_row(row, f"imported row {i}") for i, row in enumerate(imported, 1)],
            list(data.get("imports", [])),
            [pair_from_row(row, f"exploit {i}") for i, row in enumerate(exploits, 1)],
            list(data.get("votes", [])),
            list(data.get("people", [])),
            str(data.get("sitting", "")),
            list(data.get("thumbs_begun", [])),
        )


class _Plain(_Part):
    """A part whose fields are plain values as they stand."""

    def to_dict(self) -> dict:
        return {name: value for name, value in vars(self).items() if name not in self.UNSAVED}

    @classmethod
    def from_dict(cls, data: dict):
        return cls(**{name: value for name, value in data.items() if name not in cls.UNSAVED})


@dataclass
class Learned(_Plain):
    """The reward model.

    Attributes:
        head: the name of its tensors; "": there is none.
        fit_records: a row an iteration of its training. summary: what the page says of it.
        asking: what the next pair is chosen by (``loop.next_question``): {"fit", "judged",
            "features": {set id: rows}, "weights", "covariance"}, arrays; made anew when needed.
    """

    UNSAVED = ("asking",)
    head: str = ""
    fit_records: list[dict] = field(default_factory=list)
    summary: dict = field(default_factory=dict)
    asking: dict = field(default_factory=dict)


@dataclass
class Tuned(_Plain):
    """This round's policy.

    Attributes:
        weights: the name of its tensors; "": no step was made yet.
        run: a name for this round's run. log: under which conditions it ran, from which step on.
        metrics: a row a step, step 0 is the reference. samples: what was written at each step.
        evaluation: before against after, or None.
        broke: {"step", "sentence"} where the last run broke, or None.
        traces: tokens of the newest steps (``token_view``), in no bundle.
    """

    UNSAVED = ("traces",)
    weights: str = ""
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    log: list[dict] = field(default_factory=list)
    metrics: list[dict] = field(default_factory=list)
    samples: list[dict] = field(default_factory=list)
    evaluation: dict | None = None
    broke: dict | None = None
    traces: dict = field(default_factory=dict)

    @property
    def steps_done(self) -> int:
        """PPO steps finished in this round."""
        return self.metrics[-1]["step"] if self.metrics else 0

    @property
    def reward_gain(self) -> float | None:
        """How far the mean reward has risen in this round, in reference standard deviations; None
        before the first step.

        Where the reward model was trained anew meanwhile, earlier rewards are on its predecessor's
        scale: then the distance to the original model's mean, which is 0 on every scale.
        """
        first, last = (self.metrics[0], self.metrics[-1]) if len(self.metrics) > 1 else ({}, {})
        same = first.get("reward_model") == last.get("reward_model")
        start = first.get("reward_mean") if same else 0.0
        if start is None or last.get("reward_mean") is None:
            return None
        return last["reward_mean"] - start


@dataclass
class History(_Plain):
    """The rounds before this one.

    Attributes:
        rounds: finished ones, a row each (``rounds.summary``, and "weights" and "head", names).
        current_round: the number of the present one, from 1.
        start: the name of the weights that it starts from; "": the original model.
        branches: futures that were rolled back (``rounds``).
        predictions: what the learner guessed before runs (``evaluation.predictions``).
    """

    rounds: list[dict] = field(default_factory=list)
    current_round: int = 1
    start: str = ""
    branches: list[dict] = field(default_factory=list)
    predictions: list[dict] = field(default_factory=list)


class Session:
    """Parts, and what a process knows beside them. ``seed`` decides every random number: same seed,
    same actions, same results.

    Attributes:
        asked, judged, learned, tuned, history: the parts. labs: what the labs found, by key; opaque
            here, plain values.
        settings: what each stage last ran with, by its name; "ppo_next" and the like: what was
            chosen for the next run, which also reaches a run under way.
        model_name, model_hash: the base model, and the sha256 of its weights once it was loaded.
        made_by: which engines saved it (``source.engine_version``), oldest first; "": one of before
            that was written down.
        step_times: what was measured of the model on this machine (``loop.model_choice``).
        held: tensors by name, put here by ``loop``; whoever saves writes them.
        reckoned: what follows from the parts (``session.reckoned``); nothing of it is kept.
        jobs: the ids of this session's jobs, by slot (``ui.state``); replaced, never edited.
        store: who saves it (``store.keeping.Store``); None: nobody.
        known: what its store last read or wrote of it (``in_database``).
        on_disk: what the weight files of its bundle hold: {role: name}, and "step", the PPO step.
        directory: its folder, or None. restartable: are checkpoints kept there?
        under_way: trainings and measurements going on. process: which process they go on in
            (``machine.this_process``), or None.
        status: "running", "done" or "interrupted", as the bundle says. deleted: it is gone.
        save_problem, note: sentences for the learner.
        lock: guards all of it. worker: the thread that advances one of its jobs right now.
    """

    __slots__ = (
        *("id", "seed", "model_name", "model_hash", "made_by", "settings", "step_times", "jobs"),
        *("asked", "judged", "learned", "tuned", "history", "labs"),
        *("shelf", "held", "store", "known", "directory", "restartable", "status", "under_way"),
        *("process", "on_disk", "reckoned"),
        *("save_problem", "note", "deleted", "lock", "worker", "_depth", "_unsaved"),
        "__weakref__",
    )

    def __init__(
        self,
        brief: Brief | None = None,
        *,
        model_name: str = model_list.BUNDLED,
        seed: int = 0,
        id: str | None = None,
        directory: Path | None = None,
    ):
        self.id, self.seed, self.directory = id or secrets.token_urlsafe(12), seed, directory
        self.model_name, self.model_hash = model_name, ""
        self.made_by: list[str] = []
        self.asked = Asked(brief or briefs.PRESETS["biology-homework"])
        self.judged, self.learned, self.tuned, self.history = (
            Judged(),
            Learned(),
            Tuned(),
            History(),
        )
        self.labs: dict[str, Any] = {}  # by lab, which alone knows what is in it
        self.shelf: dict[str, dict] = {}
        self.settings: dict[str, dict] = {}
        self.step_times: dict[str, dict] = {}
        self.jobs: dict[str, str] = {}
        self.held: dict[str, dict] = {}
        self.on_disk: dict = {}
        self.reckoned: dict[str, tuple] = {}
        self.store: Store | None = None
        self.known: dict = {}
        self.restartable = False
        self.status, self.under_way = "running", 0
        self.process: dict | None = None
        self.deleted = False
        self.save_problem, self.note = "", ""
        self.lock = threading.RLock()
        self.worker: int | None = None  # the thread that works for it
        self._depth, self._unsaved = 0, False

    # --- changing and saving ----------------------------------------------------------------------

    @contextmanager
    def change(self) -> Iterator[Session]:
        """Lock the session, let its parts be changed, and save it when the outermost change is
        through. In a job the worker saves, after each record.
        """
        with self.lock:
            if not self._depth:
                self.refresh()
            self._depth += 1
            try:
                yield self
                self._unsaved = True
            finally:
                self._depth -= 1
            if not self._depth and self.worker != threading.get_ident():
                self.save_changes()

    @property
    def is_kept(self) -> bool:
        """Is nothing of it in memory only?"""
        return not self._unsaved

    def size(self) -> int:
        """About how many bytes of memory it takes."""
        rows = (*self.judged.rankings, *self.tuned.samples, *self.asked.candidate_sets)
        tensors = (tensor for found in self.held.values() for tensor in found.values())
        weights = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
        return weights + ROW * len(rows) + PAIR * len(self.judged.imported)

    def keep(self) -> None:
        """Have it saved, changed or not."""
        with self.lock:
            self._unsaved = True
        self.save_changes()

    def refresh(self) -> None:
        """Take over what other processes wrote of the session meanwhile."""
        with self.lock:
            if self.store is None or self.deleted:
                return
            try:
                self.store.refresh(self)
                if not self._unsaved:
                    self.save_problem = ""
            except BundleError as error:
                self._told(error)

    def save_changes(self) -> None:
        """Save where somebody keeps the session and something changed. A full disk is told, not
        raised: what is in memory goes on.
        """
        with self.lock:
            if self.store is None or self.deleted or not self._unsaved:
                return
            try:
                self.store.save(self)
                self._unsaved, self.save_problem = False, ""
            except BundleError as error:
                self._told(error)

    def _told(self, error: BundleError) -> None:
        self.save_problem = (
            f"{without_place(str(error), self.directory)} Your work goes on here, but a reload"
            " after a restart would not find it."
        )

    def take_note(self) -> str:
        """The note, once: later it would be about what is long past."""
        with self.lock:
            told, self.note = self.note, ""
        return told

    # --- settings ---------------------------------------------------------------------------------

    def choose(self, stage: str, values: dict) -> None:
        """Keep ``values`` for the next run of ``stage``; one under way takes them from its next
        step on, in whatever process."""
        chosen = f"{stage}_next"
        with self.change():
            values = {**self.settings.get(chosen, {}), **values}
            self.settings = {**self.settings, chosen: values}

    def begin(self, stage: str, values: dict) -> None:
        """``stage`` begins with ``values``; what was chosen for it has been taken."""
        with self.lock:
            chosen = f"{stage}_next"
            others = {name: kept for name, kept in self.settings.items() if name != chosen}
            self.settings, self._unsaved = {**others, stage: values}, True
