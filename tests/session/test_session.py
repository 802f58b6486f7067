"""What a session keeps, forgets and gives back: judgements, rounds, and above all what lies on disk
when somebody comes back to it.

The loop itself, run through on the bundled model, is in test_loop.
"""

from __future__ import annotations

import dataclasses
import json
import shutil

import pytest
import torch
from tiny_models import one_thread, tiny_gpt2  # noqa: F401

from rlhf_core.common.errors import BundleError, InputError, PreferenceError, SettingsError
from rlhf_core.common.events import Progress
from rlhf_core.common.settings import PPOSettings, RewardModelSettings, SamplingSettings
from rlhf_core.judging import briefs
from rlhf_core.judging.preferences import Pair
from rlhf_core.judging.typed import check_prompt
from rlhf_core.lm import texts
from rlhf_core.loop import comparing, reward, scripted_rater, tuning, whole, workbench, writing
from rlhf_core.loop.replay import replay
from rlhf_core.session import asked, judged, rounds, saving, weights
from rlhf_core.session.state import Session
from rlhf_core.store.bundle import read_bundle
from rlhf_core.store.public_id import public_id
from rlhf_core.work import running

FEW = RewardModelSettings(reference_samples=64, iterations=12)
SHORT = PPOSettings(steps=2, batch_size=8, minibatch_size=8, epochs=1, max_new_tokens=8)
BIOLOGY, MEMES = briefs.PRESETS["biology-homework"], briefs.PRESETS["meme-bot"]


def run(work) -> list[dict]:
    return [item for item in work if not isinstance(item, Progress)]


def job(session: Session, name: str, *args):
    """The job as the worker drives it."""
    return running.begin(running.Order(name, session, args))


def kept(session: Session) -> Session:
    """Saved with every change, as the app's sessions are."""
    session.store = saving.Folder()
    return session


def reopened(directory) -> Session:
    return kept(saving.load(directory))


def rank_longest_first(session: Session, count: int) -> None:
    """A taste of the test's own, which any model's outputs can be ranked by; equal lengths tie."""
    if asked.waiting(session) < count:
        run(writing.generate_pool(session, count))
    for _ in range(count):
        row = asked.next_set(session)
        lengths = sorted({len(text) for text in row["texts"]}, reverse=True)
        judged.add_ranking(
            session,
            row["id"],
            groups=[
                [i for i, text in enumerate(row["texts"]) if len(text) == length]
                for length in lengths
            ],
            seconds=1.0,
        )


def learned(directory=None, **options) -> Session:
    """A session with judgements and a reward model."""
    session = Session(BIOLOGY, directory=directory, **options)
    if directory is not None:
        kept(session)
    rank_longest_first(session, 8)
    run(reward.fit_reward_model(session, FEW))
    return session


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Session:
    """A session with judgements, a reward model, two PPO steps, saved. No test changes it."""
    session = learned(tmp_path_factory.mktemp("session") / "run", id="saved-session-16")
    run(tuning.ppo(session, SHORT))
    saving.save(session)
    return session


@pytest.fixture
def saved(original):
    """Its bundle. Never changed by a test."""
    return original.directory


@pytest.fixture
def tuned(saved, tmp_path) -> Session:
    """A copy of that session, reopened."""
    return reopened(shutil.copytree(saved, tmp_path / "run"))


def same(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def set_of(session: Session, *texts: str, prompt: str = "A cat is") -> dict:
    """A candidate set that nobody had to write."""
    return asked.add_set(session, prompt, list(texts), [True] * len(texts), 0)


# --- prompts --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["", " \n\t ", None, 5])
def test_a_prompt_of_nothing_is_refused(prompt):
    with pytest.raises(InputError, match="The prompt is empty"):
        check_prompt(prompt)


def test_prompts_are_tidied_and_limited():
    assert check_prompt("  An \n opossum\r\n\tis ") == "An opossum is"
    assert check_prompt("x" * 400) == "x" * 400
    with pytest.raises(InputError, match="401 characters; at most 400"):
        check_prompt("x" * 401)
    for broken in ("a\x00b", "a\x1b[31mb", "a\udc80b"):
        with pytest.raises(InputError, match="control characters"):
            check_prompt(broken)


def test_own_prompts_are_kept_once_and_bounded():
    session = Session()
    assert (
        asked.add_prompt(session, "A yak is")
        == asked.add_prompt(session, " A  yak is ")
        == "A yak is"
    )
    assert session.asked.user_prompts == ["A yak is"] and asked.training_prompts(session) == [
        *BIOLOGY.training_prompts,
        "A yak is",
    ]
    asked.add_prompt(session, BIOLOGY.training_prompts[0])
    assert asked.training_prompts(session).count(BIOLOGY.training_prompts[0]) == 1
    for i in range(asked.MAX_USER_PROMPTS - 2):
        asked.add_prompt(session, f"Prompt {i} is")
    with pytest.raises(InputError, match=f"already has {asked.MAX_USER_PROMPTS} prompts"):
        asked.add_prompt(session, "One more is")
    assert len(session.asked.user_prompts) == asked.MAX_USER_PROMPTS


def test_a_brief_without_prompts_needs_one():
    session = Session(dataclasses.replace(BIOLOGY, training_prompts=(), evaluation_prompts=()))
    with pytest.raises(InputError, match="no training prompts"):
        run(writing.generate_pool(session, 2))
    asked.add_prompt(session, "A yak is")
    run(writing.generate_pool(session, 2))
    assert {row["prompt"] for row in session.asked.candidate_sets} == {"A yak is"}


def test_a_prompt_too_long_for_the_model_does_not_block_training_for_ever():
    """400 characters are allowed before a model is loaded; as emoji they are more tokens than the
    model reads, and nothing removes a prompt.
    """
    session = Session(dataclasses.replace(BIOLOGY, training_prompts=("A yak is",)))
    long = asked.add_prompt(session, "🦝" * 300)
    with pytest.raises(InputError, match="tokens long"):
        run(writing.generate(session, long))
    rank_longest_first(session, 3)
    run(reward.fit_reward_model(session, FEW))
    run(tuning.ppo(session, dataclasses.replace(SHORT, steps=1)))
    assert {row["prompt"] for row in session.tuned.samples} == {"A yak is"}
    alone = Session(dataclasses.replace(BIOLOGY, training_prompts=()))
    asked.add_prompt(alone, long)
    with pytest.raises(InputError, match="tokens long.*Shorten it"):
        run(writing.generate_pool(alone, 1))


def test_evaluation_prompts_stay_out_of_training_whoever_brings_them():
    session = Session(BIOLOGY)
    kept_out = BIOLOGY.evaluation_prompts[0]
    asked.add_prompt(session, kept_out)
    session.judged.imported = [
        Pair(kept_out, " x.", " y.", "a"),
        Pair("A yak is", " x.", " y.", "a"),
    ]
    assert kept_out not in asked.training_prompts(session) and "A yak is" in asked.training_prompts(
        session
    )
    assert [pair.prompt for pair in judged.learnable(session)] == ["A yak is"] and len(
        judged.pairs(session)
    ) == 2
    run(reward.fit_reward_model(session, FEW))
    assert session.learned.summary["pairs_used"] == 1
    session.judged.imported = session.judged.imported[:1]
    assert judged.needs(session, "reward_model") == [
        "at least one judged pair (rank some answers first)"
    ]


def test_a_brief_without_evaluation_prompts_is_judged_on_prompts_that_nothing_learned_from():
    session = Session(
        dataclasses.replace(BIOLOGY, training_prompts=("A yak is",), evaluation_prompts=())
    )
    ranked, typed = briefs.FEATURED_PROMPTS[3], briefs.FEATURED_PROMPTS[5]
    row = set_of(session, " a.", " b.", prompt=ranked)
    judged.add_ranking(session, row["id"], groups=[[0], [1]])
    asked.add_prompt(session, typed)
    assert set(comparing.evaluation_prompts(session)) == set(briefs.FEATURED_PROMPTS) - {
        ranked,
        typed,
    }


# --- judgements -----------------------------------------------------------------------------------


def test_a_set_is_judged_once_and_only_while_it_is_there():
    session = Session()
    row = set_of(session, " a.", " b.", " c.")
    with pytest.raises(PreferenceError, match="must place every output once"):
        judged.add_ranking(session, row["id"], groups=[[0], [1]])
    assert session.judged.rankings == [] and asked.next_set(session)["id"] == row["id"]
    made = judged.add_ranking(
        session, row["id"], groups=[[2], [0, 1]], shown=[1, 2, 0], seconds=3.0
    )
    assert (made.brief, made.brief_version, made.round, made.annotator, made.shown) == (
        "biology-homework",
        BIOLOGY.version,
        1,
        "you",
        [1, 2, 0],
    )
    with pytest.raises(InputError, match="already judged, perhaps in another tab"):
        judged.add_ranking(session, row["id"], verdict="skip")
    with pytest.raises(InputError, match="no longer part of the session"):
        judged.add_ranking(session, "set-99", verdict="skip")
    assert session.judged.rankings == [made] and asked.next_set(session) is None


def test_identical_answers_collapse_and_a_single_one_is_not_put_up_for_ranking():
    session = Session()
    row = set_of(session, " same.", " other.", " same.")
    assert row["texts"] == [" same.", " other."] and row["drawn"] == 3
    set_of(session, " same.", " same.")
    assert (
        asked.waiting(session) == 1
        and asked.waiting(session, 2) == 1
        and asked.waiting(session, 3) == 0
    )
    alone = Session()
    run(writing.generate(alone, "An opossum is", SamplingSettings(candidates=1, max_new_tokens=3)))
    assert len(alone.asked.candidate_sets) == 1 and asked.next_set(alone) is None


def test_undo_takes_the_last_judgement_back_and_its_outputs_come_up_again():
    session = Session()
    first, second, third = (set_of(session, f" a{i}.", f" b{i}.") for i in range(3))
    for row in (first, second):
        judged.add_ranking(session, row["id"], groups=[[0], [1]])
    assert (
        judged.undo_ranking(session).id == second["id"]
        and asked.next_set(session)["id"] == second["id"]
    )
    assert [r.id for r in session.judged.rankings] == [first["id"]]
    assert (
        judged.undo_ranking(session).id == first["id"]
        and judged.undo_ranking(session) is None
        and session.judged.rankings == []
    )
    assert asked.waiting(session) == 3 and third in session.asked.candidate_sets


def test_undo_does_not_reach_into_another_brief():
    session = Session(BIOLOGY)
    judged.add_ranking(session, set_of(session, " a.", " b.")["id"], groups=[[0], [1]])
    asked.set_brief(session, MEMES)
    assert judged.undo_ranking(session) is None and len(session.judged.rankings) == 1
    asked.set_brief(session, BIOLOGY)
    assert judged.undo_ranking(session) is not None and session.judged.rankings == []


def test_who_judged_is_said_in_words():
    session = Session()
    assert judged.rater(session) == "nobody yet"
    judged.add_ranking(session, set_of(session, " a.", " b.")["id"], verdict="skip")
    assert judged.rater(session) == "nobody yet"
    judged.add_ranking(session, set_of(session, " c.", " d.")["id"], groups=[[0], [1]])
    run(scripted_rater.judge_for_me(session, 1))
    session.judged.imported = [Pair("p", " x.", " y.", "a")]
    assert judged.rater(session) == "you and scripted rater (rule) and imported preferences"
    asked.set_brief(session, MEMES)
    assert judged.rater(session) == "imported preferences"


def test_what_is_missing_is_said_step_by_step(tuned):
    session = Session()
    assert judged.needs(session, "reward_model") == [
        "at least one judged pair (rank some answers first)"
    ]
    assert judged.needs(session, "ppo") == ["a trained reward model"]
    assert (
        judged.needs(session, "before_after")
        == judged.needs(session, "rounds")
        == ["a tuned model: run at least one PPO step"]
    )
    judged.add_ranking(session, set_of(session, " a.", " b.")["id"], verdict="both_bad")
    assert "at least one judged pair" in judged.needs(session, "reward_model")[0]
    judged.add_ranking(session, set_of(session, " c.", " d.")["id"], groups=[[0, 1]])
    assert "every pair is a tie" in judged.needs(session, "reward_model")[0]
    judged.add_ranking(session, set_of(session, " e.", " f.")["id"], groups=[[0], [1]])
    assert judged.needs(session, "reward_model") == []
    assert [
        judged.needs(tuned, step) for step in ("reward_model", "ppo", "before_after", "rounds")
    ] == [[]] * 4


@pytest.mark.parametrize(
    ("judgements", "words"),
    [
        ([], "no pair was judged yet"),
        (["skip", "both_bad"], "no pair prefers"),
        (["tie", "tie"], "every pair is a tie"),
    ],
)
def test_a_reward_model_without_a_preference_is_refused(judgements, words):
    session = Session()
    for number, judgement in enumerate(judgements):
        row = set_of(session, f" a{number}.", f" b{number}.")
        judged.add_ranking(
            session,
            row["id"],
            **({"groups": [[0, 1]]} if judgement == "tie" else {"verdict": judgement}),
        )
    with pytest.raises(InputError, match=words):
        run(reward.fit_reward_model(session, FEW))
    assert session.learned.head == "" and session.learned.fit_records == []


def test_steps_out_of_order_are_refused_in_words():
    session = Session()
    without_rater = Session(dataclasses.replace(BIOLOGY, wanted=None))
    for work, words in (
        (tuning.ppo(session, SHORT), "PPO needs a reward model"),
        (comparing.evaluate(session, 4), "no tuned model yet"),
        (comparing.compare(session, "A cat is"), "no tuned model yet"),
        (reward.score_texts(session, "A cat is", [" a."]), "no trained reward model"),
        (scripted_rater.judge_for_me(without_rater, 1), "has no scripted rater"),
        (whole.run_once(without_rater, 2, 1), "has no scripted rater"),
    ):
        with pytest.raises(InputError, match=words):
            run(work)
    with pytest.raises(SettingsError, match="setting temperature"):
        run(writing.generate(session, "A cat is", SamplingSettings(temperature=0.0)))
    with pytest.raises(InputError, match="A vote must be before, after or tie"):
        judged.add_vote(session, "A cat is", "left")


def test_the_first_vote_on_a_prompt_counts_for_the_model_as_it_stands():
    session = Session()
    for choice in ("after", "after", "before"):
        judged.add_vote(session, "A cat is", choice)
    assert [row["choice"] for row in judged.votes_here(session)] == ["after"]
    session.tuned.metrics = [{"step": 1}]
    judged.add_vote(session, "A cat is", "tie")
    assert [row["choice"] for row in judged.votes_here(session)] == ["tie"]


def test_contradictions_are_counted_in_the_note_and_one_prompt_alone_holds_nothing_out():
    session = Session()
    for groups in ([[0], [1]], [[1], [0]], [[0], [1]]):
        judged.add_ranking(
            session, set_of(session, " a furry animal.", " a mood.")["id"], groups=groups
        )
    run(reward.fit_reward_model(session, FEW))
    summary = session.learned.summary
    assert "contradict each other in 1 place" in summary["note"] and "one prompt" in summary["note"]
    assert summary["heldout_accuracy"] is None and summary["heldout_interval"] is None
    assert summary["train_accuracy"] == pytest.approx(2 / 3)


def says_only(lm, *tokens: int) -> dict:
    """Weights of a model that draws from ``tokens``, evenly, whatever it has read."""
    weights = {name: tensor.clone() for name, tensor in lm.trunk.state_dict().items()}
    for name, value in (("wte.weight", 0.0), ("ln_f.weight", 0.0), ("ln_f.bias", 0.0)):
        weights[name].fill_(value)
    weights["ln_f.bias"][0], weights["wte.weight"][list(tokens), 0] = 1.0, 30.0
    return weights


def test_a_model_with_too_little_to_say_ends_the_rater_instead_of_keeping_it_busy_for_ever():
    session = Session()
    lm = workbench.ready(session)
    for tokens, words in (
        ([lm.encode("z")[0]], "same answer every time"),
        ([lm.encode("z")[0], lm.end_id], "too few different answers to rank 8 at a time"),
    ):
        session.history.start = workbench.put(session, says_only(lm, *tokens))
        work = scripted_rater.judge_for_me(session, 6, 8)
        with pytest.raises(InputError, match=words):
            for _ in range(500):
                next(work)
    assert session.judged.rankings == []


# --- the reward model and PPO ---------------------------------------------------------------------


def test_a_stopped_or_refused_fit_leaves_the_former_one(tuned):
    model, records, summary = tuned.learned.head, tuned.learned.fit_records, tuned.learned.summary
    work = reward.fit_reward_model(tuned, FEW)
    while isinstance(next(work), Progress):
        pass
    next(work)
    assert len(tuned.learned.fit_records) < len(records)
    work.close()
    assert (tuned.learned.head, tuned.learned.fit_records, tuned.learned.summary) == (
        model,
        records,
        summary,
    )
    tuned.judged.rankings = []
    with pytest.raises(InputError):
        run(reward.fit_reward_model(tuned, FEW))
    assert tuned.learned.fit_records == records


def test_a_new_reward_model_scores_the_next_step():
    """The batch at hand was scored by the former reward model: the next update must not follow its
    taste.
    """
    session = learned()
    run(tuning.ppo(session, dataclasses.replace(SHORT, steps=1)))
    session.judged.rankings = [
        dataclasses.replace(r, groups=list(reversed(r.groups))) for r in session.judged.rankings
    ]  # the opposite taste
    run(reward.fit_reward_model(session, FEW))
    seen = []
    lm, head = workbench.ready(session), workbench.head_of(session)
    score = head.score
    head.score = lambda pooled: seen.append(pooled) or score(pooled)
    run(tuning.ppo(session, dataclasses.replace(SHORT, steps=1)))
    assert len(seen) == 2 and [row["step"] for row in session.tuned.metrics] == [
        0,
        1,
        2,
    ]  # a fresh batch before the step and one after it
    policy = workbench.policy_of(session)
    assert policy.batch.scores.tolist() == pytest.approx(
        [row["reward"] for row in session.tuned.samples if row["step"] == 2]
    )
    assert lm.trunk is not policy.trunk


def test_rewards_and_features_of_a_text_do_not_depend_on_its_neighbours(tuned):
    lm = workbench.ready(tuned)
    short, long = (
        ("A cat is", " tired.", True),
        ("Word " * 60, " and so it went on and on until the very end of the day.", False),
    )

    def pooled(rows):
        work = texts.pooled_of_texts(lm, rows)
        while True:
            try:
                next(work)
            except StopIteration as end:
                return end.value

    torch.testing.assert_close(pooled([short, long])[0], pooled([short])[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(pooled([short, long])[1], pooled([long])[0], atol=1e-4, rtol=0)
    full = (
        (" a" * (lm.trunk.context - 2)).strip(),
        " and more and more and more.",
        True,
    )  # hardly any room: read as far as the context goes
    assert torch.isfinite(pooled([full, short])).all()
    with pytest.raises(InputError, match="tokens long"):
        pooled([(" a" * (lm.trunk.context + 1), " x.", True)])


def test_a_texts_score_is_what_training_gave_it_and_its_logprob_transformers(tuned):
    from transformers import GPT2LMHeadModel

    from rlhf_core.lm.language_model import BUNDLED

    lm = workbench.ready(tuned)
    sample = (
        next(row for row in tuned.tuned.samples if row["ended"] and row["text"].strip())
        if any(r["ended"] for r in tuned.tuned.samples)
        else None
    )
    text = sample["text"] if sample else " tired."
    prompt = sample["prompt"] if sample else "A cat is"
    (row,) = run(reward.score_texts(tuned, prompt, [text]))
    if sample and lm.encode(text) == lm.encode(lm.decode(lm.encode(text))):
        assert row["reward"] == pytest.approx(sample["reward"], abs=0.02)
    ids, answer = lm.encode(prompt), lm.encode(text) + [lm.end_id]
    model = GPT2LMHeadModel.from_pretrained(BUNDLED, dtype=torch.float32).eval()
    with torch.no_grad():
        log_p = model(torch.tensor([ids + answer])).logits[0, len(ids) - 1 : -1].log_softmax(-1)
    assert row["reference_logprob"] == pytest.approx(
        sum(log_p[t, token].item() for t, token in enumerate(answer)), abs=1e-2
    )
    assert row["uncertainty"] > 0


def test_a_model_that_has_not_changed_writes_the_same_after_as_before(tuned):
    """Common random numbers: what differs between before and after is the model alone."""
    lm = workbench.ready(tuned)
    tuned.tuned.weights = workbench.put(tuned, dict(lm.trunk.state_dict()))
    (record,) = run(comparing.evaluate(tuned, count=6, seed=4))
    assert (record["wins"], record["ties"], record["losses"]) == (0, 6, 0) and record[
        "sentence"
    ].startswith("No detectable change")
    assert all(
        pair["before"] == pair["after"] and pair["reward_before"] == pair["reward_after"]
        for pair in tuned.tuned.evaluation["pairs"]
    )
    language = {row["name"]: row for row in tuned.tuned.evaluation["language"]}
    assert language["fluency"]["before"] == language["fluency"]["after"] < 0 and not any(
        row["beyond"] for row in language.values()
    )
    assert all(
        judge["win_rate"] == 0.5 and judge["luck"] == [0.5, 0.5]
        for judge in tuned.tuned.evaluation["judges"]
    )
    assert (
        len({pair["prompt"] for pair in tuned.tuned.evaluation["pairs"]}) == 6
    )  # every prompt once before any comes again
    (one,), (other,) = (
        run(comparing.compare(tuned, "A yak is", seed=1)),
        run(comparing.compare(tuned, "A yak is", seed=2)),
    )
    assert one["before"] == one["after"] != other["before"]


def test_layers_frozen_after_all_were_trained_are_refused(tuned):
    with pytest.raises(InputError, match="already trained in all its layers"):
        run(tuning.ppo(tuned, dataclasses.replace(SHORT, frozen_layers=1)))
    with pytest.raises(
        InputError,
        match=(
            "at most 3 can be frozen"
            if workbench.ready(tuned).trunk.layers == 4
            else "can be frozen"
        ),
    ):
        run(tuning.ppo(tuned, dataclasses.replace(SHORT, frozen_layers=40)))


def test_frozen_layers_train_the_top_alone():
    session = learned()
    run(tuning.ppo(session, dataclasses.replace(SHORT, steps=1, frozen_layers=2)))
    base = workbench.ready(session).trunk.state_dict()
    changed = {
        name.split(".")[0] if not name.startswith("h.") else name[:3]
        for name, tensor in workbench.tuned_of(session).items()
        if not torch.equal(tensor, base[name])
    }
    assert changed == {f"h.{i}" for i in range(2, workbench.ready(session).trunk.layers)} | {"ln_f"}


# --- rounds ---------------------------------------------------------------------------------------


def test_rounds_are_bounded(tuned):
    tuned.history.current_round = rounds.MAX_ROUNDS
    with pytest.raises(InputError, match=f"at most {rounds.MAX_ROUNDS} rounds"):
        rounds.start_next(tuned)


def test_a_round_is_summed_up_in_numbers(tuned):
    run(comparing.evaluate(tuned, count=4))
    metrics, comparisons = tuned.tuned.metrics, len(tuned.judged.rankings)
    rounds.start_next(tuned)
    (row,) = tuned.history.rounds
    assert (row["round"], row["comparisons"], row["steps"]) == (1, comparisons, 2)
    assert (
        row["reward_gain"] == pytest.approx(metrics[2]["reward_mean"] - metrics[0]["reward_mean"])
        and row["kl"] == metrics[2]["kl_to_reference"]
    )
    assert row["win_interval"][0] <= row["win_rate"] <= row["win_interval"][1]
    assert (
        tuned.tuned.evaluation is None and tuned.tuned.samples == [] and tuned.tuned.steps_done == 0
    )


def test_the_next_rounds_answers_come_from_the_tuned_model(tuned):
    lm = workbench.ready(tuned)
    only = says_only(lm, lm.encode("z")[0], lm.encode("y")[0])
    tuned.tuned.weights = workbench.put(tuned, only)
    rounds.start_next(tuned)
    run(writing.generate(tuned, "An opossum is", SamplingSettings(candidates=6, max_new_tokens=6)))
    run(writing.generate_pool(tuned, 2))
    new = [row for row in tuned.asked.candidate_sets if row["round"] == 2]
    assert len(new) == 3 and {
        letter for row in new for text in row["texts"] for letter in text
    } == {"y", "z"}


# --- on disk --------------------------------------------------------------------------------------


def test_everything_comes_back(saved, original):
    session, bundle = saving.load(saved), read_bundle(saved)
    assert session.held == {}, "nothing heavy is read before it is needed"
    assert session.learned.head and session.tuned.weights and session.history.start == ""
    assert session.on_disk["step"] == 2
    assert same(workbench.tuned_of(session), bundle["tensors"]["policy"])
    assert same(workbench.head_of(session).tensors(), bundle["tensors"]["reward_model"])
    assert same(workbench.tuned_of(session), workbench.tuned_of(original))
    mine, theirs = workbench.head_of(session).tensors(), workbench.head_of(original).tensors()
    assert same(mine, theirs)
    assert session.id == public_id(original.id) != original.id
    for name in ("model_name", "model_hash", "seed", "settings", "labs", "judged", "history"):
        assert getattr(session, name) == getattr(original, name), name
    for name in ("head", "fit_records", "summary"):
        assert getattr(session.learned, name) == getattr(original.learned, name), name
    for name in ("weights", "run", "log", "metrics", "samples", "evaluation", "broke"):
        assert getattr(session.tuned, name) == getattr(original.tuned, name), name
    for name in ("brief", "briefs", "older_count", "user_prompts", "drawn"):
        assert getattr(session.asked, name) == getattr(original.asked, name), name
    assert [
        {k: v for k, v in row.items() if k != "tokens"} for row in original.asked.candidate_sets
    ] == session.asked.candidate_sets


def test_a_conservative_run_is_kept_and_replays(tmp_path):
    session = learned(tmp_path / "run")
    run(tuning.ppo(session, dataclasses.replace(SHORT, conservative=1.0)))
    session.status = "done"
    saving.save(session)
    reopened, stored = saving.load(tmp_path / "run"), read_bundle(tmp_path / "run")
    assert reopened.settings["ppo"]["conservative"] == 1.0 and all(
        row["doubt_mean"] > 0 for row in reopened.tuned.metrics
    )
    *different, last = run(replay(reopened, stored))
    assert different == [] and last["compared"] > 100
    reopened.tuned.log = [
        segment | {"settings": segment["settings"] | {"conservative": 0.0}}
        for segment in reopened.tuned.log
    ]
    assert any(row.get("where") == "metrics.csv" for row in run(replay(reopened, stored))), (
        "the doubt was part of what was learned"
    )


def test_tuned_weights_are_used_after_reopening(tuned):
    lm = workbench.ready(tuned)
    tuned.tuned.weights = workbench.put(tuned, says_only(lm, lm.encode("z")[0]))
    saving.save(tuned)
    again = saving.load(tuned.directory)
    (record,) = run(comparing.compare(again, "An opossum is", seed=3))
    assert all(set(text) == {"z"} for text in record["after"]) and not any(
        set(text) == {"z"} for text in record["before"]
    )
    run(tuning.ppo(again, dataclasses.replace(SHORT, steps=1)))
    assert {
        letter for row in again.tuned.samples if row["step"] == 3 for letter in row["text"]
    } == {"z"}


def test_a_brief_change_is_a_change_on_disk_too(tuned):
    made = tuned.judged.rankings
    asked.set_brief(tuned, MEMES)
    again = saving.load(tuned.directory)
    assert again.asked.brief == MEMES and again.judged.rankings == made
    assert (
        again.learned.head == again.tuned.weights == again.history.start == ""
        and again.tuned.metrics == []
    )
    tensors = read_bundle(tuned.directory)["tensors"]
    assert tensors == {"reward_model": None, "policy": None, "round_start": None}


def test_an_edit_of_the_same_brief_keeps_what_was_learned(tuned):
    asked.set_brief(tuned, tuned.asked.brief.edited(prefer="Short facts."))
    again = saving.load(tuned.directory)
    assert (
        again.asked.brief.version == BIOLOGY.version + 1
        and again.learned.head == tuned.learned.head != ""
        and again.tuned.weights == tuned.tuned.weights != ""
        and again.tuned.steps_done == 2
    )


@pytest.mark.parametrize(
    "action", [lambda s: rounds.roll_back(s, 0), rounds.restart], ids=["roll back", "restart"]
)
@pytest.mark.parametrize("needed", [False, True])
def test_steps_that_were_taken_back_stay_taken_back_on_disk(tuned, action, needed):
    if needed:
        workbench.tuned_of(tuned)
    action(tuned)
    again = saving.load(tuned.directory)
    assert (
        again.tuned.metrics == []
        and again.tuned.weights == again.history.start == ""
        and again.learned.head == tuned.learned.head != ""
    )
    run(tuning.ppo(again, dataclasses.replace(SHORT, steps=1)))
    assert again.tuned.metrics[0]["kl_to_reference"] < 1e-3  # it starts from the original


@pytest.mark.parametrize("needed", [False, True])
def test_a_new_round_starts_from_the_last_ones_weights_also_after_reopening(tuned, needed):
    expected = read_bundle(tuned.directory)["tensors"]["policy"]
    if needed:
        workbench.tuned_of(tuned)
    rounds.start_next(tuned)
    again = saving.load(tuned.directory)
    assert (again.history.current_round, len(again.history.rounds), again.tuned.steps_done) == (
        2,
        1,
        0,
    )
    for session in (tuned, again):
        assert same(workbench.start_of(session), expected) and session.tuned.weights == ""
    run(tuning.ppo(tuned, dataclasses.replace(SHORT, steps=1)))
    assert not same(workbench.tuned_of(tuned), expected)
    assert same(workbench.tensors_of(tuned, tuned.history.rounds[0]["weights"]), expected)
    rounds.roll_back(tuned, 1)
    assert same(workbench.start_of(tuned), expected)


@pytest.mark.parametrize(
    "action", [rounds.restart, lambda s: rounds.roll_back(s, 1)], ids=["restart", "roll back"]
)
def test_a_reopened_round_starts_over_from_what_it_started_from(tuned, action):
    first = read_bundle(tuned.directory)["tensors"]["policy"]
    rounds.start_next(tuned)
    run(tuning.ppo(tuned, dataclasses.replace(SHORT, steps=1)))
    again = reopened(tuned.directory)
    action(again)
    assert (
        again.history.current_round == 2
        and again.tuned.weights == ""
        and same(read_bundle(again.directory)["tensors"]["policy"], first)
    )
    once_more = saving.load(again.directory)
    assert same(workbench.start_of(once_more), first) and once_more.tuned.steps_done == 0


def test_a_reopened_session_can_be_saved_elsewhere_with_its_weights(saved, tmp_path):
    session = saving.load(saved)
    saving.save(session, tmp_path / "copy")
    one, other = read_bundle(saved)["tensors"], read_bundle(tmp_path / "copy")["tensors"]
    assert same(one["policy"], other["policy"]) and same(one["reward_model"], other["reward_model"])
    session.directory = tmp_path / "copy"
    saving.save(session)
    assert same(one["policy"], read_bundle(tmp_path / "copy")["tensors"]["policy"])


def test_a_session_killed_between_two_saves_of_its_weights_goes_on_from_the_weights(
    tuned, monkeypatch
):
    # As if the model were a large one, whose weights are not saved at every step.
    monkeypatch.setattr(weights, "SMALL", 0)
    before, metrics = workbench.tuned_of(tuned), tuned.tuned.metrics
    work = job(tuned, "ppo", dataclasses.replace(SHORT, steps=4))
    while tuned.tuned.steps_done < 4:
        next(work)
    # What lies on disk at this moment:
    killed = reopened(shutil.copytree(tuned.directory, tuned.directory.with_name("killed")))
    work.close()
    assert (
        killed.tuned.metrics == metrics
        and {row["step"] for row in killed.tuned.samples} == {0, 1, 2}
        and "weights are those of step 2" in killed.note
    )
    assert same(workbench.tuned_of(killed), before)
    run(tuning.ppo(killed, dataclasses.replace(SHORT, steps=1)))
    assert [row["step"] for row in killed.tuned.metrics] == [0, 1, 2, 3]
    closed = saving.load(
        tuned.directory
    )  # a stop, other than a kill, saves the weights of the last finished step
    assert closed.tuned.steps_done == 4 and same(
        read_bundle(tuned.directory)["tensors"]["policy"], workbench.tuned_of(tuned)
    )


def test_imported_and_own_judgements_are_told_apart_after_reopening(tmp_path):
    session = kept(Session(directory=tmp_path / "run"))
    session.judged.imported = [
        Pair("A yak is", " x.", f" y{i}.", "a", annotator="Kim") for i in range(3)
    ]
    for number in range(2):
        judged.add_ranking(
            session, set_of(session, f" a{number}.", f" b{number}.")["id"], groups=[[0], [1]]
        )
    again = saving.load(tmp_path / "run")
    assert (
        again.judged.imported == session.judged.imported
        and judged.pairs(again) == judged.pairs(session)
        and len(judged.pairs(again)) == 5
    )


def test_weights_of_another_model_are_not_laid_over_this_one(tuned):
    tuned.model_hash = "0" * 64
    with pytest.raises(InputError, match="belong to another version of the language model"):
        workbench.ready(tuned)
    other = tiny_gpt2().transformer.state_dict()
    with pytest.raises(InputError, match="belong to another model"):
        workbench.trunk_with(workbench.ready(Session()), {"wte.weight": other["wte.weight"]})


def test_a_deleted_session_is_gone_and_writes_no_more(tuned):
    tuned.store = saving.Folder(ours=True)
    tuned.store.delete(tuned)
    assert not tuned.directory.exists()
    asked.add_prompt(tuned, "A yak is")
    rounds.restart(tuned)
    assert not tuned.directory.exists()


@pytest.mark.parametrize(
    "damage", [{"brief": None}, {"model": {}}, {"seed": None}, {"state": None}]
)
def test_a_damaged_bundle_is_refused_in_one_sentence(tuned, damage):
    path = tuned.directory / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **damage}))
    with pytest.raises((BundleError, ValueError)) as caught:
        saving.load(tuned.directory)
    assert str(caught.value) and "\n" not in str(caught.value)


# --- settings, steps and layers -------------------------------------------------------------------


def test_a_run_that_begins_settles_what_was_chosen_for_it(tuned):
    tuned.settings = {**tuned.settings, "ppo_next": {"beta": 1.0}}
    work = tuning.ppo(tuned, dataclasses.replace(SHORT, beta=0.5))
    while isinstance(next(work), Progress):
        pass
    assert "ppo_next" not in tuned.settings and tuned.settings["ppo"]["beta"] == 0.5
    work.close()


def test_a_gain_is_not_reckoned_across_two_reward_models():
    session = Session()
    assert session.tuned.reward_gain is None
    session.tuned.metrics = [
        {"step": n, "reward_mean": mean, "reward_model": fit}
        for n, mean, fit in ((0, 0.1, 1), (1, 0.6, 1))
    ]
    assert session.tuned.reward_gain == pytest.approx(0.5)
    session.tuned.metrics = [
        *session.tuned.metrics,
        {"step": 2, "reward_mean": 0.9, "reward_model": 2},
    ]
    assert session.tuned.reward_gain == pytest.approx(0.9)


def test_training_anew_is_counted_and_marks_the_steps(tuned):
    assert {row["reward_model"] for row in tuned.tuned.metrics} == {1}
    run(reward.fit_reward_model(tuned, FEW))
    run(tuning.ppo(tuned, dataclasses.replace(SHORT, steps=1)))
    assert [row["reward_model"] for row in tuned.tuned.metrics] == [1, 1, 1, 2]


def test_whether_an_answer_ended_is_kept_across_a_change_of_brief(tmp_path):
    session = kept(Session(directory=tmp_path / "run"))
    row = set_of(session, " a", " b.")
    row["finished"] = [False, True]
    judged.add_ranking(session, row["id"], groups=[[1], [0]])
    other = session.asked.brief
    asked.set_brief(session, MEMES)
    asked.set_brief(session, other)
    assert session.asked.candidate_sets == [] and session.judged.rankings[0].finished == [
        False,
        True,
    ]
    assert saving.load(tmp_path / "run").judged.rankings[0].finished == [False, True]


def test_layers_that_were_frozen_can_stay_frozen_after_reopening(tuned):
    rounds.restart(tuned)
    frozen = dataclasses.replace(SHORT, frozen_layers=2, steps=1)
    run(tuning.ppo(tuned, frozen))
    again = reopened(tuned.directory)
    run(tuning.ppo(again, frozen))
    assert again.tuned.steps_done == 2
    run(tuning.ppo(again, dataclasses.replace(SHORT, frozen_layers=0, steps=1)))
    with pytest.raises(InputError, match="already trained in all its layers"):
        run(tuning.ppo(again, frozen))


def test_a_room_that_wants_the_same_reference_samples_writes_them_once(monkeypatch):
    """Two sessions at the same moment: the second waits for what the first writes; where the first
    stands still, it writes them itself.
    """
    written = []
    real = workbench.write
    monkeypatch.setattr(workbench, "write", lambda *a, **k: written.append(1) or real(*a, **k))
    one, two = (Session(BIOLOGY, seed=seed) for seed in (1, 2))
    lm, _ = workbench.ready(one), workbench.ready(two)

    def both(prompt: str) -> tuple:
        """Both sessions at samples that nobody wrote before."""
        for session in (one, two):
            asked.add_prompt(session, prompt)
        return tuple(workbench.reference_pool(session, lm, 64) for session in (one, two))

    first, second = both("A tapir is")
    next(first)
    waiting = [next(second) for _ in range(3)]
    assert all(item.wait > 0 and item.stage == "sampling the original model" for item in waiting)
    list(first)
    list(second)
    assert len(written) == 1
    stuck, patient = both("An okapi is")
    next(stuck)
    looks = 0
    for item in patient:
        looks += item.wait > 0
    assert looks * workbench.A_MOMENT >= workbench.PATIENCE and len(written) == 3
    stuck.close()
    assert list(workbench.reference_pool(two, lm, 64)) == [] and len(written) == 3
