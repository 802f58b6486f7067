"""One learner's work, headless: what was asked, judged, learned and tuned, round by round.

The command line drives a ``Session`` directly; the app drives it through ``jobs``. What acts at
once is here; what takes time is a generator in ``steps`` (imported when it is first needed: this
module imports no torch, so that a page can be drawn before the engine is loaded).

Attributes that pages read are plain data, replaced or appended to, never edited in place, so that
they can be read while the worker writes.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rlhf_core.common import errors
from rlhf_core.common.errors import InputError
from rlhf_core.common.settings import (
    AlgorithmsSettings,
    ContextFlipSettings,
    GoodhartSettings,
    PPOSettings,
    RewardModelSettings,
    SamplingSettings,
)
from rlhf_core.judging import briefs
from rlhf_core.judging.briefs import Brief
from rlhf_core.judging.contradictions import contradictions
from rlhf_core.judging.preferences import (
    EXPLOIT,
    Pair,
    Ranking,
    nothing_to_learn,
    pairs_from_rankings,
    training_pairs,
)
from rlhf_core.judging.typed import MAX_IDEAL, MAX_REASON, check_note, check_prompt
from rlhf_core.lm import model_list
from rlhf_core.store import bundle, checkpoint_folder

MAX_USER_PROMPTS, MAX_ROUNDS = 50, 8
MAX_BRIEFS = 60  # versions of briefs a session keeps
# of an imported file; the model writes several texts to each, which would take hours for a file of
# thousands
MAX_IMPORTED_PROMPTS = 100
YOU, SCRIPTED, IMPORTED = "you", "scripted rater (rule)", "imported preferences"
# stands for weights of a reopened session until the worker needs them (workbench.ready): reading
# them imports torch
ON_DISK = "on disk"


class Session:
    """See the module's docstring. ``seed`` decides every random number of the session: same seed,
    same actions, same results.
    """

    def __init__(
        self,
        brief: Brief | None = None,
        *,
        model_name: str = model_list.BUNDLED,
        seed: int = 0,
        id: str | None = None,
        directory: Path | None = None,
    ):
        self.id = id or secrets.token_urlsafe(12)
        self.brief, self.model_name, self.seed, self.directory = (
            brief or briefs.PRESETS["biology-homework"],
            model_name,
            seed,
            directory,
        )
        self.status, self.save_problem, self.note, self.deleted = "running", "", "", False
        # trainings and measurements going on; the bundle of an app's session (status "done") says
        # "running" only while there are any
        self.under_way = 0
        self.lock = threading.RLock()
        self.jobs: dict[str, str] = {}
        self.settings: dict[
            str, dict
            # the settings each stage last ran with; "ppo_next" and the like: what a page chose for
            # the next run
        ] = {}
        self.user_prompts: list[str] = []
        self.candidate_sets: list[dict] = []
        self.rankings: list[Ranking] = []
        self.briefs: list[Brief] = [
            self.brief
        ]  # every version that was ever in force here, oldest first
        self.older_count = True  # do judgements under an older version of the brief count?
        self.imported: list[Pair] = []
        self.exploits: list[Pair] = []  # rejected exploits, each under its own brief
        # the annotation studio: who is sitting here, what was imported, the labs' answers (people,
        # taking_in, *_lab)
        self.annotation: dict = {}
        self.votes: list[dict] = []
        self.rounds: list[dict] = []
        self.experiments: dict[
            str, dict
            # what labs that train models of their own found, by lab ("goodhart", "algorithms",
            # "context_flip"); no weights
        ] = {}
        self.current_round, self.drawn = (
            1,
            0,
        )  # drawn: how many candidate sets were ever made; part of their seeds
        self.held: dict[
            str, dict
        ] = {}  # weights of rounds and branches that are not on disk, by name (rounds)
        self.model_hash = ""  # sha256 of the frozen base, set when it is first loaded
        self.step_on_disk = 0  # the PPO step of this round whose weights the bundle holds
        self.step_times: dict[
            str, dict
            # what was measured of the model here, by the settings it was measured for
            # (model_choice)
        ] = {}
        self.start_weights: dict | None = (
            None  # what this round's policy starts from; None: the original model
        )
        self.branches: list[dict] = []  # futures that were rolled back (rounds)
        self.predictions: list[dict] = []  # what the learner guessed before runs (predictions)
        # whether checkpoints are kept in ``directory``: the app does, the command line does not
        self.restartable = False
        self._forget_reward_model()
        self._forget_policy()

    def _forget_reward_model(self) -> None:
        self.reward_model, self.fit_records, self.reward_summary = None, [], {}
        # what the reward lab keeps: {"fine_tuned": its summary, "boards": {prompt: board of the
        # hacking game}} (reward_lab)
        self.lab: dict = {}
        # what the next pair is chosen by (asking.prepare); plain arrays, not saved
        self.asking: dict = {}

    def _forget_policy(self) -> None:
        self.policy, self.weights, self.metrics, self.samples, self.evaluation = (
            None,
            None,
            [],
            [],
            None,
        )
        self.ppo_run, self.ppo_log = (
            secrets.token_hex(4),
            [],
            # a name for this round's run, and under which conditions it ran from which step on
            # (studio)
        )
        self.traces, self.broke = (
            {},
            None,
        )  # tokens of the newest steps (token_view); {"step", "sentence"} where the last run broke

    def _forget_rounds(self) -> None:
        self.rounds, self.branches, self.held, self.start_weights, self.current_round = (
            [],
            [],
            {},
            None,
            1,
        )

    # --- what is asked ----------------------------------------------------------------------------

    def set_brief(self, brief: Brief) -> None:
        """Change what is asked for. Judgements are kept, each under its own brief; what was learned
        under another brief is put away.
        """
        with self.lock:
            changed = brief.slug != self.brief.slug
            self.brief = briefs.validate(brief)
            if not any(
                (known.slug, known.version) == (brief.slug, brief.version) for known in self.briefs
            ):
                self.briefs = [*self.briefs, brief]
            if not changed:  # a new version: what waits to be ranked must still be asked for
                judged = {ranking.id for ranking in self.rankings}
                prompts = {
                    *brief.training_prompts,
                    *self.user_prompts,
                    *(pair.prompt for pair in self.imported),
                }
                self.candidate_sets = [
                    row
                    for row in self.candidate_sets
                    if row["id"] in judged
                    or (row["prompt"] in prompts and row["prompt"] not in brief.evaluation_prompts)
                ]
            if changed:
                self.candidate_sets = []
                self._forget_rounds()
                self._forget_reward_model()
                self._forget_policy()
        self.autosave(weights=changed)

    def set_model(self, name: str) -> None:
        """Change which language model writes and is trained. Comparisons are kept: they are about
        texts, whoever wrote them. What was learned on, or written by, the former model is put away.
        """
        with self.lock:
            if name == self.model_name:
                return
            judged = {ranking.id for ranking in self.rankings}
            self.model_name, self.model_hash = name, ""
            self.candidate_sets = [row for row in self.candidate_sets if row["id"] in judged]
            self._forget_rounds()
            self._forget_reward_model()
            self._forget_policy()
            self.settings = {
                stage: values
                for stage, values in self.settings.items()
                if stage not in ("ppo", "ppo_next")
            }  # meant for the other one's size
        self.autosave(weights=True)

    def brief_called(self, slug: str) -> Brief:
        """The newest version of a brief here; a preset as it ships where it was never changed.
        Raises KeyError.
        """
        return (
            next((brief for brief in reversed(self.briefs) if brief.slug == slug), None)
            or briefs.PRESETS[slug]
        )

    def draft_brief(self, fields: dict, *, new: bool = False) -> Brief:
        """The next version of the brief, or (``new``) a brief of the learner's own, not yet in
        force. Raises BriefError.
        """
        if len(self.briefs) >= MAX_BRIEFS:
            raise errors.BriefError(
                f"This session already keeps {MAX_BRIEFS} versions of briefs, which is the most."
                " Use one of them, or start over."
            )
        return (
            briefs.own(fields, {known.slug for known in self.briefs})
            if new
            else briefs.revised(self.brief, fields)
        )

    def counts(self, ranking: Ranking) -> bool:
        """Does this judgement count under the brief in force?"""
        return ranking.brief == self.brief.slug and (
            self.older_count or ranking.brief_version == self.brief.version
        )

    def let_older_count(self, yes: bool) -> None:
        """Whether judgements under an older version of the brief count; they are kept either way."""
        self.older_count = yes
        self.autosave()

    def add_prompt(self, text: str) -> str:
        """Remember a prompt of the learner's own and return it as it will be used. Raises
        InputError.
        """
        prompt = check_prompt(text)
        if prompt in self.brief.evaluation_prompts:
            return prompt  # may be looked at, but is never trained on
        if prompt not in self.user_prompts:
            if len(self.user_prompts) >= MAX_USER_PROMPTS:
                raise InputError(
                    f"This session already has {MAX_USER_PROMPTS} prompts of your own, which is the"
                    " most it keeps. Use one of them, or start over."
                )
            self.user_prompts = [*self.user_prompts, prompt]
            self.autosave()
        return prompt

    @property
    def training_prompts(self) -> list[str]:
        """The brief's training prompts, the learner's own, and the first hundred imported ones;
        never an evaluation prompt. Raises InputError where there are none.
        """
        own = [
            p
            for p in self.user_prompts
            if p not in self.brief.evaluation_prompts and p not in self.brief.training_prompts
        ]
        prompts, known = (
            [*self.brief.training_prompts, *own],
            {*self.brief.training_prompts, *own, *self.brief.evaluation_prompts},
        )
        prompts += [
            prompt
            for prompt in dict.fromkeys(pair.prompt for pair in self.imported)
            if prompt not in known
        ][:MAX_IMPORTED_PROMPTS]
        if not prompts:
            raise InputError(
                "This brief has no training prompts. Write at least one prompt of your own first."
            )
        return prompts

    # --- what is judged ---------------------------------------------------------------------------

    def waiting(self, candidates: int | None = None) -> int:
        """How many candidate sets (of ``candidates`` texts) wait to be ranked."""
        return sum(1 for _ in self.unranked(candidates))

    def next_set(self, candidates: int | None = None) -> dict | None:
        """The next candidate set to rank, or None: have more written."""
        return next(self.unranked(candidates), None)

    def unranked(self, candidates: int | None = None) -> Iterator[dict]:
        """The candidate sets (of ``candidates`` texts) that wait to be ranked, oldest first; a set
        of one text never does.
        """
        ranked = {ranking.id for ranking in self.rankings}
        for row in self.candidate_sets:
            if (
                row["id"] not in ranked
                and not row.get("check")
                and len(set(row["texts"])) >= 2
                and candidates in (None, len(row["texts"]))
            ):
                yield row

    @property
    def sitting(self) -> str:
        """Who is judging now (``people``)."""
        return self.annotation.get("sitting") or YOU

    def add_ranking(
        self,
        candidate_set_id: str,
        *,
        groups: list[list[int]] | None = None,
        verdict: str | None = None,
        shown: list[int] | None = None,
        seconds: float | None = None,
        annotator: str | None = None,
        reason: str = "",
        ideal: str = "",
        asked: str = "",
    ) -> Ranking:
        """Record a judgement of a candidate set; by whoever is sitting here where ``annotator``
        names nobody.

        Raises InputError (unknown or already judged set, a reason or ideal answer that can't be
        used), PreferenceError (impossible ranking).
        """
        annotator = annotator or self.sitting
        with self.lock:
            row = next((row for row in self.candidate_sets if row["id"] == candidate_set_id), None)
            if row is None:
                raise InputError(
                    "These outputs are no longer part of the session. Take the next ones."
                )
            if any(ranking.id == candidate_set_id for ranking in self.rankings):
                raise InputError(
                    "These outputs were already judged, perhaps in another tab. Take the next ones."
                )
            reason, ideal = self._notes(reason, ideal, row["texts"])
            ranking = Ranking(
                id=row["id"],
                prompt=row["prompt"],
                candidates=list(row["texts"]),
                shown=list(shown) if shown is not None else list(range(len(row["texts"]))),
                groups=groups or [],
                verdict=verdict,
                seconds=seconds,
                annotator=annotator,
                brief=self.brief.slug,
                brief_version=self.brief.version,
                round=self.current_round,
                finished=list(row["finished"]),
                reason=reason,
                ideal=ideal,
                asked=row.get("check") or asked,
            )
            self.rankings = [*self.rankings, ranking]
        if annotator != SCRIPTED:
            self.autosave()
        return ranking

    def change_ranking(
        self,
        ranking_id: str,
        *,
        groups: list[list[int]] | None = None,
        verdict: str | None = None,
        seconds: float | None = None,
        reason: str = "",
        ideal: str = "",
    ) -> Ranking:
        """Judge again what was judged before, under the brief as it now is; what was said first
        stays on record. Raises InputError, PreferenceError.
        """
        with self.lock:
            place = next(
                (
                    i
                    for i, ranking in enumerate(self.rankings)
                    if ranking.id == ranking_id and ranking.brief == self.brief.slug
                ),
                None,
            )
            if place is None:
                raise InputError(
                    "That judgement is no longer there; perhaps it was taken back in another tab."
                )
            old = self.rankings[place]
            if old.annotator != self.sitting:
                raise InputError(
                    f"That judgement was made by: {old.annotator}. Only your own can be changed."
                )
            reason, ideal = self._notes(reason, ideal, old.candidates)
            said = {"groups": groups or [], "verdict": verdict}
            other = said != {"groups": old.groups, "verdict": old.verdict}
            first = old.first or (
                {"groups": old.groups, "verdict": old.verdict, "seconds": old.seconds}
                if other
                else None
            )
            new = replace(
                old,
                **said,
                first=first,
                seconds=seconds if other else old.seconds,
                reason=reason,
                ideal=ideal,
                brief_version=self.brief.version,
            )
            self.rankings = [*self.rankings[:place], new, *self.rankings[place + 1 :]]
        self.autosave()
        return new

    def _notes(self, reason: str, ideal: str, texts: list[str]) -> tuple[str, str]:
        reason, ideal = (
            check_note(reason, "The reason", MAX_REASON),
            check_note(ideal, "The ideal answer", MAX_IDEAL),
        )
        if ideal in {" ".join(text.split()) for text in texts}:
            raise InputError(
                "Your ideal answer is one of those shown, word for word. Say that it is better, or"
                " change a word."
            )
        return reason, (
            ideal if not ideal or ideal[0] in ",.;:!?'’" else f" {ideal}"
        )  # as the model's own answers begin

    def undo_ranking(self) -> Ranking | None:
        """Take the last judgement back; its outputs come up again. None where the last one was not
        made under this brief.
        """
        with self.lock:
            if not self.rankings or self.rankings[-1].brief != self.brief.slug:
                return None
            last, self.rankings = self.rankings[-1], self.rankings[:-1]
            row = next((row for row in self.candidate_sets if row["id"] == last.id), None)
            if row:
                self.candidate_sets = [
                    row,
                    *(other for other in self.candidate_sets if other is not row),
                ]
        self.autosave()
        return last

    @property
    def pairs(self) -> list[Pair]:
        """Every judged pair under the current brief: what the reward model may learn from."""
        exploits = [pair for pair in self.exploits if pair.brief == self.brief.slug]
        return [
            *self.imported,
            *exploits,
            *pairs_from_rankings([r for r in self.rankings if self.counts(r)]),
        ]

    @property
    def learnable(self) -> list[Pair]:
        """The pairs that the reward model is fitted to: those that prefer or tie, and never about
        an evaluation prompt.
        """
        return [
            pair
            for pair in training_pairs(self.pairs)
            if pair.prompt not in self.brief.evaluation_prompts
        ]

    def nothing_to_learn(self) -> str:
        """Why the reward model cannot be fitted yet, in words; empty where it can."""
        judged = [pair for pair in self.pairs if pair.prompt not in self.brief.evaluation_prompts]
        if self.pairs and not judged:
            return "every comparison so far is about a prompt that is kept for the verdict"
        return nothing_to_learn(judged)

    @property
    def rater(self) -> str:
        """Who judged, in words."""
        names = list(
            dict.fromkeys(
                r.annotator for r in self.rankings if self.counts(r) and r.verdict != "skip"
            )
        )
        if self.imported:
            names.append(IMPORTED)
        if any(pair.brief == self.brief.slug for pair in self.exploits):
            names.append(EXPLOIT)
        return " and ".join(names) or "nobody yet"

    def contradictions(self) -> list[dict]:
        return contradictions(self.pairs)

    def add_vote(self, prompt: str, choice: str) -> None:
        """A blind before/after vote: choice is "before", "after" or "tie". Raises InputError."""
        if choice not in ("before", "after", "tie"):
            raise InputError("A vote must be before, after or tie.")
        self.votes = [
            *self.votes,
            {
                "prompt": prompt,
                "choice": choice,
                "round": self.current_round,
                "step": self.steps_done,
            },
        ]
        self.autosave()

    # --- rounds -----------------------------------------------------------------------------------

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
        start = (
            first.get("reward_mean")
            if first.get("reward_model") == last.get("reward_model")
            else 0.0
        )
        if start is None or last.get("reward_mean") is None:
            return None
        return last["reward_mean"] - start

    @property
    def tuned_weights(self) -> dict | str | None:
        """The model as it stands: this round's weights, else what the round started from; None: the
        original.
        """
        return self.start_weights if self.weights is None else self.weights

    def start_next_round(self) -> int:
        """Close this round; the next one samples from, and trains, the tuned model. Comparisons
        accumulate. Raises InputError.

        The KL reference and the reward's zero and unit stay the original model's, so that numbers
        of different rounds can be compared.
        """
        from rlhf_core.session import rounds

        return rounds.start_next(self)

    def round_summary(self) -> dict:
        """This round in one row: what the timeline shows."""
        from rlhf_core.session import rounds

        return rounds.summary(self)

    def roll_back(self, round: int, name: str = "") -> str:
        """Go on from the model as it was at the end of ``round`` (0: the original); comparisons
        stay. Raises InputError.

        What came after is kept as a branch called ``name``; returns that name, "" where nothing
        came after.
        """
        from rlhf_core.session import rounds

        return rounds.roll_back(self, round, name)

    def return_to(self, branch: str) -> str:
        """Go on where ``branch`` was left; returns the name of the branch that the present became,
        or "". Raises InputError.
        """
        from rlhf_core.session import rounds

        return rounds.return_to(self, branch)

    def forget_branch(self, branch: str) -> None:
        """Delete a branch for good."""
        from rlhf_core.session import rounds

        rounds.forget_branch(self, branch)

    def restart_round(self) -> None:
        """Forget this round's PPO steps; the reward model and all comparisons stay. Raises
        InputError.
        """
        with self.lock:
            if self.rounds and self.start_weights is None:
                raise InputError(
                    f"The weights that round {self.current_round} started from are no longer kept"
                    " (the server was restarted since). Roll back to round 0."
                )
            self._forget_policy()
            if self.directory:
                checkpoint_folder.clear_others(self.directory / "checkpoints", {self.ppo_run})
        self.autosave(weights=True)

    # --- going back to a step ---------------------------------------------------------------------

    @property
    def checkpoint_folder(self) -> Path | None:
        """Where this round's checkpoints are; None where none are kept."""
        return (
            self.directory / "checkpoints" / self.ppo_run
            if self.restartable and self.directory and not self.deleted
            else None
        )

    def steps_again(self, step: int) -> int:
        """How many PPO steps have to be made again before the round stands at ``step``."""
        return step - (
            checkpoint_folder.nearest(self.checkpoint_folder, step) or 0
            if self.checkpoint_folder
            else 0
        )

    def restart_from(self, step: int) -> Iterator:
        """Take back the steps after ``step``. Last record {"kind": "restarted", "step", "exact"}."""
        from rlhf_core.loop import tuning

        return self._told(tuning.restart_from(self, step))

    def retry(self, step: int, settings: PPOSettings) -> Iterator:
        """Back to ``step``, then ``settings.steps`` steps with other settings."""
        from rlhf_core.loop import tuning

        return self._told(tuning.retry(self, step, settings))

    # --- what a page still needs ------------------------------------------------------------------

    def needs(self, step: str) -> list[str]:
        """What is missing before ``step`` ("reward_model", "ppo", "before_after", "rounds") can be
        done, in words; empty: go ahead.
        """
        missing = []
        if step == "reward_model":
            reason = self.nothing_to_learn()
            if reason:
                missing.append(
                    f"a comparison that tells a taste: so far {reason}"
                    if self.learnable
                    else "at least one comparison (rank some outputs first)"
                )
        if step == "ppo" and self.reward_model is None:
            missing.append("a trained reward model")
        if (
            step in ("before_after", "rounds")
            and self.weights is None
            and not (step == "rounds" and self.rounds)
        ):
            missing.append("a tuned model: run at least one PPO step")
        return missing

    # --- work that takes time: generators, run by jobs or by the command line ---------------------

    def _told(self, work: Iterator) -> Iterator:
        """``work``, with a word on disk that it goes on: a server that is closed meanwhile leaves a
        bundle that was interrupted, an idle one does not.
        """
        self._count(1)
        try:
            yield from work
        finally:
            if (
                threading.main_thread().is_alive()
            ):  # else the process is ending, with this unfinished
                self._count(-1)

    def _count(self, change: int) -> None:
        with self.lock:
            self.under_way += change
        if self.status == "done":
            self.autosave()

    def generate(self, prompt: str, sampling: SamplingSettings | None = None) -> Iterator:
        """Write answers to one prompt. Records {"kind": "tokens", "texts", "token"}, last {"kind":
        "done", "set_id"}.
        """
        from rlhf_core.loop import whole

        return whole.generate(self, prompt, sampling or SamplingSettings())

    def generate_pool(self, count: int, candidates: int = 2) -> Iterator:
        """Write ``count`` candidate sets ahead, over all training prompts."""
        from rlhf_core.loop import whole

        return whole.generate_pool(self, count, candidates)

    def judge_for_me(self, count: int, candidates: int = 2) -> Iterator:
        """Let the brief's scripted rater judge ``count`` sets, named as what it is."""
        from rlhf_core.loop import whole

        return whole.judge_for_me(self, count, candidates)

    def fit_reward_model(self, settings: RewardModelSettings | None = None) -> Iterator:
        """Fit the reward model; a record an iteration, as in ``fit_records``."""
        from rlhf_core.loop import whole

        return self._told(
            whole.fit_reward_model(self, settings or RewardModelSettings(seed=self.seed))
        )

    def ppo(self, settings: PPOSettings | None = None) -> Iterator:
        """Train the policy for ``settings.steps`` more steps; a record a step, as in ``metrics``."""
        from rlhf_core.loop import whole

        return self._told(whole.ppo(self, settings or PPOSettings(seed=self.seed)))

    def evaluate(self, count: int = 200, seed: int = 1) -> Iterator:
        """Compare the original and the tuned model on prompts nobody trained on; one record, kept
        as ``evaluation``.
        """
        from rlhf_core.loop import whole

        return self._told(whole.evaluate(self, count, seed))

    def compare(self, prompt: str, seed: int = 0, samples: int = 3) -> Iterator:
        """One prompt of the learner's, both models, the same random numbers. Record {"prompt",
        "before", "after", ...}.
        """
        from rlhf_core.loop import whole

        return whole.compare(self, prompt, seed, samples)

    def token_changes(self, pair: dict) -> Iterator:
        """What training did to each token of a pair of answers. One record, see ``token_changes``."""
        from rlhf_core.loop import token_changes

        return token_changes.token_changes(self, pair)

    def choose_model(self, name: str) -> Iterator:
        """Fetch ``name`` where it is not on this machine, load it, make it this session's. One
        record {"kind": "model", "name", "parameters"}.
        """
        from rlhf_core.loop import model_choice

        return model_choice.choose(self, name)

    def time_a_step(self, settings: PPOSettings) -> Iterator:
        """Measure how long a PPO step takes here under ``settings``, and look for settings that fit
        a workshop; kept as ``step_times``.
        """
        from rlhf_core.loop import model_choice

        return model_choice.time_a_step(self, settings)

    def context_flip(
        self,
        settings: ContextFlipSettings | None = None,
        chosen: list[Brief] | None = None,
        own_votes: tuple[bool, bool] = (False, False),
    ) -> Iterator:
        """One set of outputs, two briefs, two reward models, two tuned models; kept in
        ``experiments["context_flip"]``. Touches nothing else of the session.
        """
        from rlhf_core.labs import context_flip

        return self._told(
            context_flip.run(self, settings or ContextFlipSettings(), chosen, own_votes)
        )

    def context_flip_own(self, prompt: str, text: str) -> Iterator:
        """A sentence of the learner's, scored under both briefs of the last context flip. Record
        {"prompt", "text", "scores"}.
        """
        from rlhf_core.labs import context_flip

        return context_flip.score_own(self, prompt, text)

    def run_once(self, comparisons: int = 30, steps: int = 15) -> Iterator:
        """The whole loop with the scripted rater. Records {"kind": "stage", "stage": generate |
        rank | reward | ppo | evaluate, ...}.
        """
        from rlhf_core.loop import whole as work

        return self._told(work.run_once(self, comparisons, steps))

    # --- labs with models of their own: nothing above is touched ----------------------------------

    def goodhart(self, settings: GoodhartSettings) -> Iterator:
        """How a reward stops measuring what it should; a record a measured point, kept in
        ``experiments["goodhart"]``.
        """
        from rlhf_core.labs import goodhart

        return self._told(goodhart.run(self, settings))

    def algorithms(self, settings: AlgorithmsSettings, own: bool = False) -> Iterator:
        """Best-of-n, PPO, RLOO and DPO from the same comparisons (``own``: the learner's); a record
        a measured point, kept in ``experiments["algorithms"]``.
        """
        from rlhf_core.labs import side_by_side

        return self._told(side_by_side.run(self, settings, own))

    # --- on disk: session_files -------------------------------------------------------------------

    def save(
        self,
        directory: str | Path | None = None,
        *,
        status: str | None = None,
        weights: bool = True,
    ) -> Path:
        """Write the bundle. ``weights=False`` leaves the weight files as they are. Raises
        run_bundle.BundleError.
        """
        from rlhf_core.session import saving

        return saving.save(self, Path(directory or self.directory), status=status, weights=weights)

    def autosave(self, weights: bool = False) -> None:
        """Save where the session lives on disk; a full disk is told, not raised: what is in memory
        goes on.
        """
        with self.lock:
            if self.directory is None or self.deleted:
                return
            try:
                self.save(weights=weights)
                self.save_problem = ""
            except bundle.BundleError as error:
                self.save_problem = (
                    f"{error} Your work goes on here, but a reload after a restart would not"
                    " find it."
                )

    @classmethod
    def open(cls, directory: str | Path) -> Session:
        """A session from its bundle. Raises BundleError, BriefError or PreferenceError, each in one
        sentence.
        """
        from rlhf_core.session import saving

        return saving.load(directory)

    def delete(self) -> None:
        """Remove what the session has on disk; the object is not used again."""
        import shutil

        with self.lock:
            self.deleted = True
            if self.directory is not None and self.directory.exists():
                shutil.rmtree(self.directory, ignore_errors=True)
