"""Writing: the right distribution, the right log-probabilities, the same numbers from the same
seed, and an end where the text ends.
"""

import warnings

import pytest
import torch
from tiny_models import END, PAD, nudged, random_numbers, random_prompts, tiny_gpt2, tiny_trunk  # noqa: F401
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from rlhf_core.common.settings import SamplingSettings
from rlhf_core.lm import language_model
from rlhf_core.lm.families import trunk_of
from rlhf_core.lm.language_model import LanguageModel
from rlhf_core.lm.sampling import (
    collect,
    decode,
    decode_texts,
    draw,
    keep_top,
    pad_left,
    pad_right,
    response_forward,
    sample,
    token_logprobs,
    uniform_numbers,
    without,
)

TEMPERATURE = 0.7


def written(trunk, prompts, tokens=8, *, samples=1, seed=0, uniforms=None, **options):
    numbers = (
        uniforms if uniforms is not None else random_numbers(len(prompts) * samples, tokens, seed)
    )
    return collect(
        decode(trunk, prompts, uniforms=numbers, end_id=END, pad_id=PAD, samples=samples, **options)
    )


# --- log-probabilities ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rollout():
    """What a rollout records, and the same sequences read by transformers in one go, row by row and
    without padding.
    """
    model = tiny_gpt2()
    responses = written(
        trunk_of(model),
        random_prompts([3, 9, 1, 6]),
        10,
        samples=3,
        temperature=TEMPERATURE,
        keep_distributions=True,
        keep_hidden=True,
    )
    rows = []
    for row in range(12):
        prompt = responses.prompt_ids[row][responses.prompt_mask[row]]
        answer = responses.tokens[row][responses.mask[row]]
        logits = (
            model(torch.cat([prompt, answer])[None]).logits[0, len(prompt) - 1 : -1] / TEMPERATURE
        )  # (T, V)
        rows.append((answer, logits))
    return model, responses, rows


def test_rollout_logprobs_are_those_of_a_full_forward_by_trl_and_by_hand(rollout):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from trl.trainer.utils import selective_log_softmax

    _, responses, rows = rollout
    assert {len(answer) for answer, _ in rows} > {10}  # some rows ended early
    for row, (answer, logits) in enumerate(rows):
        naive = torch.stack(
            [
                logits[t, token] - torch.log(torch.exp(logits[t].double()).sum()).float()
                for t, token in enumerate(answer)
            ]
        )
        trl = selective_log_softmax(logits[None], answer[None])[0]
        torch.testing.assert_close(
            token_logprobs(logits.log_softmax(-1)[None], answer[None])[0], trl, atol=1e-5, rtol=0
        )
        torch.testing.assert_close(naive, trl, atol=1e-5, rtol=0)
        torch.testing.assert_close(
            responses.logprobs[row][responses.mask[row]], trl, atol=1e-4, rtol=0
        )
        torch.testing.assert_close(
            responses.full_logprobs[row][responses.mask[row]],
            logits.log_softmax(-1),
            atol=1e-4,
            rtol=0,
        )


def test_reading_a_response_again_gives_the_states_it_was_written_from(rollout):
    model, responses, rows = rollout
    trunk = trunk_of(model)
    with torch.no_grad():
        before, at = response_forward(
            trunk, responses.prompt_ids, responses.prompt_mask, responses.tokens, responses.mask
        )
    torch.testing.assert_close(
        before[responses.mask], responses.hidden[responses.mask], atol=1e-4, rtol=0
    )
    log_p = (trunk.logits(before) / TEMPERATURE).log_softmax(-1)
    again = token_logprobs(log_p, responses.tokens)
    torch.testing.assert_close(
        again[responses.mask], responses.logprobs[responses.mask], atol=1e-4, rtol=0
    )
    for row, (answer, _) in enumerate(rows):  # "at": the state when the token itself has been read
        ids = torch.cat([responses.prompt_ids[row][responses.prompt_mask[row]], answer])
        states = model.transformer(ids[None]).last_hidden_state[0, -len(answer) :]
        torch.testing.assert_close(at[row][responses.mask[row]], states, atol=1e-4, rtol=0)


def test_masked_positions_hold_nothing(rollout):
    _, responses, _ = rollout
    assert (~responses.mask).any()
    assert (responses.tokens[~responses.mask] == PAD).all() and (
        responses.logprobs[~responses.mask] == 0
    ).all()


# --- what belongs together ------------------------------------------------------------------------


def test_one_reading_of_a_prompt_serves_all_its_samples_as_if_each_were_alone():
    trunk, prompts, numbers = tiny_trunk(), random_prompts([3, 9, 1, 6]), random_numbers(12, 10)
    together = written(trunk, prompts, samples=3, uniforms=numbers, temperature=TEMPERATURE)
    for row in range(12):
        alone = written(
            trunk, [prompts[row // 3]], uniforms=numbers[row : row + 1], temperature=TEMPERATURE
        )
        assert (
            alone.tokens[0][alone.mask[0]].tolist()
            == together.tokens[row][together.mask[row]].tolist()
        )
        torch.testing.assert_close(
            alone.logprobs[0][alone.mask[0]],
            together.logprobs[row][together.mask[row]],
            atol=1e-5,
            rtol=0,
        )


def test_batching_of_different_prompts_does_not_mix_up_rows():
    """With the same numbers in each row, a prompt's text is the same wherever it stands in the
    batch.
    """
    trunk, (a, b) = tiny_trunk(), random_prompts([7, 2])
    numbers = random_numbers(1, 6).repeat(3, 1)
    first, second = (
        written(trunk, [a, b, a], uniforms=numbers),
        written(trunk, [b, a, b], uniforms=numbers),
    )
    assert first.tokens[0].tolist() == first.tokens[2].tolist() == second.tokens[1].tolist()
    assert first.tokens[1].tolist() == second.tokens[0].tolist() != first.tokens[0].tolist()


def test_rows_without_numbers_of_their_own_are_refused():
    with pytest.raises(ValueError, match="4 rows of uniform numbers for 3 prompts x 2 samples"):
        written(tiny_trunk(), random_prompts([2, 2, 2]), samples=2, uniforms=random_numbers(4, 3))


# --- seeds ----------------------------------------------------------------------------------------


def test_same_seed_same_text_other_seed_other_text():
    trunk, prompts = tiny_trunk(), random_prompts([3, 5])
    one, same, other = (written(trunk, prompts, samples=4, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(one.tokens, same.tokens) and torch.equal(one.logprobs, same.logprobs)
    assert not torch.equal(one.tokens, other.tokens)


def test_sampling_leaves_the_global_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    written(tiny_trunk(), random_prompts([3]))
    uniform_numbers(5, 5, torch.Generator().manual_seed(1))
    assert torch.equal(torch.rand(3), expected)


def test_common_random_numbers_show_only_the_difference_of_the_models():
    trunk, prompts, rows = tiny_trunk(), random_prompts([4] * 4), 4 * 64
    near, numbers = nudged(trunk, 0.003), random_numbers(rows, 1)
    before, after = (
        written(model, prompts, samples=64, uniforms=numbers, keep_distributions=True)
        for model in (trunk, near)
    )
    distance = (
        0.5 * (before.full_logprobs.exp() - after.full_logprobs.exp()).abs().sum(-1).mean().item()
    )  # total variation
    common = (before.tokens != after.tokens).float().mean().item()
    unrelated = (
        (
            before.tokens
            != written(near, prompts, samples=64, uniforms=random_numbers(rows, 1, seed=5)).tokens
        )
        .float()
        .mean()
        .item()
    )
    assert 0 < distance < 0.05
    # Inverse transform moves a token only where a boundary between tokens moved over its number:
    # far rarer than a fresh draw.
    assert common < 0.2 < 0.6 < unrelated
    far = written(nudged(trunk, 0.3), prompts, samples=64, uniforms=numbers)
    assert (
        before.tokens != far.tokens
    ).float().mean().item() > 0.4  # the numbers don't force the text


# --- one token ------------------------------------------------------------------------------------


def test_draw_follows_the_distribution():
    logits = torch.tensor([0.0, 2.0, -1.0, 1.0, -torch.inf, 0.5, -3.0])
    count = 200_000
    taken = draw(logits.expand(count, -1), random_numbers(1, count)[0])
    found, expected = (
        torch.bincount(taken, minlength=7).double(),
        logits.double().softmax(0) * count,
    )
    assert found[4] == 0
    real = expected > 0
    chi_square = ((found - expected)[real] ** 2 / expected[real]).sum().item()
    assert chi_square < 20.5  # 99.9% of chi-square with 5 degrees of freedom


def test_draw_at_the_edges_of_the_unit_interval():
    last = 1 - 2**-24  # the largest float32 that uniform numbers can be
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]] * 4)
    assert draw(logits, torch.tensor([0.0, 0.49999, 0.5, last])).tolist() == [1, 1, 2, 2]
    wide = torch.zeros(2, 4096)
    assert draw(wide, torch.tensor([0.0, last])).tolist() == [0, 4095]


@pytest.mark.parametrize(
    ("top_k", "top_p"),
    [(1, 1.0), (5, 1.0), (40, 1.0), (0, 0.3), (0, 0.9), (0, 0.05), (7, 0.6), (100, 1.0)],
)
def test_top_k_and_top_p_against_transformers_and_by_hand(top_k, top_p):
    logits = torch.randn(30, 40, generator=torch.Generator().manual_seed(1)) * 2
    ours = keep_top(logits, top_k, top_p)
    theirs = logits
    if 0 < top_k:
        theirs = TopKLogitsWarper(min(top_k, 40))(None, theirs)
    if top_p < 1:
        theirs = TopPLogitsWarper(top_p)(None, theirs)
    assert torch.equal(ours, theirs)
    for row in range(30):  # by hand: walk down the list until enough is held
        left = sorted(range(40), key=lambda token: -logits[row, token].item())
        left = left[:top_k] if top_k else left
        shares = torch.stack([logits[row, token] for token in left]).softmax(0).tolist()
        kept, held = [], 0.0
        for token, share in zip(left, shares):
            kept.append(token)
            held += share
            if held >= top_p - 1e-6 and top_p < 1:
                break
        assert set(kept) == set(torch.isfinite(ours[row]).nonzero().flatten().tolist())


def test_top_k_and_top_p_switched_off_change_nothing():
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(2))
    assert torch.equal(keep_top(logits, 0, 1.0), logits)


def test_top_k_of_one_is_greedy_whatever_the_numbers_and_logprobs_stay_those_of_the_model():
    model, (prompt,) = tiny_gpt2(), random_prompts([4])
    trunk = trunk_of(model)
    one, other = (
        written(trunk, [prompt], 5, seed=seed, top_k=1, temperature=TEMPERATURE) for seed in (1, 2)
    )
    assert torch.equal(one.tokens, other.tokens)
    ids, total = list(prompt), []
    for _ in range(int(one.lengths[0])):
        log_p = (model(torch.tensor([ids])).logits[0, -1] / TEMPERATURE).log_softmax(0)
        ids.append(int(log_p.argmax()))
        total.append(log_p.max())
    assert one.tokens[0][one.mask[0]].tolist() == ids[4:]
    torch.testing.assert_close(one.logprobs[0][one.mask[0]], torch.stack(total), atol=1e-4, rtol=0)
    assert (
        one.logprobs[one.mask] < -0.01
    ).all()  # not the log of 1 that the cut distribution gives


def test_written_tokens_follow_the_models_probabilities_at_the_temperature():
    model, (prompt,) = tiny_gpt2(vocabulary=12), random_prompts([4], 12)
    expected = (model(torch.tensor([prompt])).logits[0, -1].double() / TEMPERATURE).softmax(0)
    tokens = written(trunk_of(model), [prompt], 1, samples=4000, temperature=TEMPERATURE).tokens[
        :, 0
    ]
    found = torch.bincount(tokens, minlength=12).double() / 4000
    assert ((found - expected).abs() < 4 * (expected * (1 - expected) / 4000).sqrt() + 1e-4).all()


# --- the end --------------------------------------------------------------------------------------


def test_a_row_ends_with_its_first_end_of_text_and_the_batch_with_its_longest_row():
    responses = written(tiny_trunk(vocabulary=6), random_prompts([2] * 24, 6), 20)
    ended = responses.ended(END)
    assert ended.any() and len(set(responses.lengths.tolist())) > 3
    for row in range(24):
        tokens, mask = responses.tokens[row].tolist(), responses.mask[row].tolist()
        length = tokens.index(END) + 1 if END in tokens else len(tokens)
        assert mask == [True] * length + [False] * (len(tokens) - length)
        assert responses.lengths[row] == length and bool(ended[row]) == (END in tokens)
    assert responses.mask.any(0).all()  # no column that nobody wrote


def test_writing_stops_when_every_row_has_ended():
    trunk, prompts = tiny_trunk(vocabulary=6), random_prompts([2] * 3, 6)
    for seed in range(50):
        steps = list(
            decode(trunk, prompts, uniforms=random_numbers(3, 20, seed), end_id=END, pad_id=PAD)
        )
        if steps[-1].ended(END).all():
            break
    assert steps[-1].ended(END).all() and len(steps) == steps[-1].lengths.max() < 20


def test_streaming_never_takes_a_written_token_back():
    trunk, prompts = tiny_trunk(vocabulary=6), random_prompts([2] * 5, 6)
    seen = [
        (r.tokens.clone(), r.mask.clone(), r.logprobs.clone())
        for r in decode(trunk, prompts, uniforms=random_numbers(5, 9), end_id=END, pad_id=PAD)
    ]
    last = seen[-1]
    for number, parts in enumerate(seen, 1):
        for part, whole in zip(parts, last):
            assert part.shape == (5, number) and torch.equal(part, whole[:, :number])


def test_a_row_that_never_ends_is_as_long_as_it_may_be():
    responses = written(tiny_trunk(vocabulary=6), random_prompts([2] * 24, 6), 3)
    never = ~responses.ended(END)
    assert never.any() and (responses.lengths[never] == 3).all()


def test_context_limit_is_exact_and_told_in_words():
    trunk, (prompt,) = tiny_trunk(context=16), random_prompts([10])
    assert written(trunk, [prompt], 6).tokens.shape[1] <= 6
    with pytest.raises(
        ValueError,
        match=(
            "The prompt has 10 tokens; with 7 tokens of answer it does not fit the model's 16."
            " Shorten it."
        ),
    ):
        written(trunk, [prompt], 7)


def test_padding_helpers():
    ids, mask = pad_left([[5, 6], [7]], PAD)
    assert ids.tolist() == [[5, 6], [PAD, 7]] and mask.tolist() == [[True, True], [False, True]]
    ids, mask = pad_right([[5, 6], [7]], PAD)
    assert ids.tolist() == [[5, 6], [7, PAD]] and mask.tolist() == [[True, True], [True, False]]
    with pytest.raises(ValueError, match="at least one token"):
        pad_left([[5], []], PAD)


# --- text -----------------------------------------------------------------------------------------

SCRIPTS = [
    "👩‍🚀🦝 🙂",
    "漢字とかな",
    "שלום עולם",
    "Ünïcödé – “quotes” …",
    "  two  spaces\tand a tab",
    "isn't n't , . !",
    "مرحبا",
    "x² ≥ ½",
    "line\u2028separator\x85",
]


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_survives_the_tokenizer(text):
    lm = language_model.load()
    assert lm.decode(lm.encode(text)) == text
    assert lm.encode_response(text)[-1] == lm.end_id and lm.decode(lm.encode_response(text)) == text


def test_emoji_prompts_can_be_written_after_and_stream_as_text():
    lm = language_model.load()
    settings = SamplingSettings(candidates=3, max_new_tokens=6, temperature=1.5, seed=4)
    texts = [list(responses.texts) for responses in sample(lm, ["🦝🦝 ist ein", "漢字"], settings)]
    assert len(texts) == 6 and all(
        len(row) == 6 and all(isinstance(text, str) for text in row) for row in texts
    )


STATEMENTS = (  # the model would end at once after each, or set the missing full stop and end
    "My dad taught me how to ride a bike.",
    "List three kinds of fruit.",
    "I finally fixed the washing machine.",
    "the neighbor's cat visits me every night",
    "I went for a walk in the woods today",
    "The sunset was beautiful tonight.",
)


def test_no_answer_is_empty_whatever_is_typed():
    lm = language_model.load()

    def silent(least: int) -> int:
        settings = SamplingSettings(candidates=4, seed=7, min_new_tokens=least)
        return sum(
            not any(letter.isalnum() for letter in text)
            for text in collect(sample(lm, list(STATEMENTS), settings)).texts
        )

    assert silent(SamplingSettings().min_new_tokens) == 0
    assert silent(0) >= 6, "without the setting the model stays silent: the test would say nothing"


def test_before_the_shortest_answer_only_the_end_is_barred():
    lm = language_model.load()
    prompts = [lm.encode("My dad taught me how to ride a bike.")]
    uniforms = uniform_numbers(200, 6, torch.Generator().manual_seed(0))
    more = {"uniforms": uniforms, "end_id": lm.end_id, "pad_id": lm.pad_id, "samples": 200}
    barred = collect(decode(lm.trunk, prompts, min_new_tokens=3, keep_distributions=True, **more))
    assert (barred.tokens[:, :3] != lm.end_id).all() and (barred.lengths >= 4).all()
    usual = collect(decode(lm.trunk, prompts, keep_distributions=True, **more))
    first = usual.full_logprobs[0, 0]
    assert torch.equal(barred.full_logprobs[0, 0], first), "the model's own distribution is told"
    rest = without(first[None], lm.end_id)[0]
    assert rest[lm.end_id] == -torch.inf and rest.exp().sum() == pytest.approx(1, abs=1e-5)
    others = torch.arange(len(rest)) != lm.end_id
    shift = (rest - first)[others]
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), rtol=0, atol=1e-4)


def test_samples_settings_are_used():
    lm = language_model.load()
    prompt = "An opossum is"
    wide = collect(
        sample(
            lm, [prompt], SamplingSettings(candidates=5, max_new_tokens=7, temperature=1.3, seed=1)
        )
    )
    assert (
        wide.tokens.shape[0] == 5
        and wide.tokens.shape[1] <= 7
        and wide.texts == decode_texts(lm, wide)
    )
    again = collect(
        sample(
            lm, [prompt], SamplingSettings(candidates=5, max_new_tokens=7, temperature=1.3, seed=1)
        )
    )
    other = collect(
        sample(
            lm, [prompt], SamplingSettings(candidates=5, max_new_tokens=7, temperature=1.3, seed=2)
        )
    )
    assert wide.texts == again.texts != other.texts
    assert (
        len(
            set(
                collect(
                    sample(lm, [prompt], SamplingSettings(candidates=5, max_new_tokens=7, top_k=1))
                ).texts
            )
        )
        == 1
    )
    assert (
        len(
            set(
                collect(
                    sample(
                        lm,
                        [prompt],
                        SamplingSettings(
                            candidates=5, max_new_tokens=7, top_p=0.05, temperature=0.1
                        ),
                    )
                ).texts
            )
        )
        == 1
    )
    tuned = collect(
        sample(
            lm,
            [prompt],
            SamplingSettings(candidates=5, max_new_tokens=7, seed=1, temperature=1.3),
            trunk=nudged(lm.trunk, 0.2),
        )
    )
    assert tuned.texts != wide.texts


def test_typed_markers_are_no_end_and_texts_hold_no_markers():
    lm = language_model.load()
    assert lm.end_id not in lm.encode("a <|endoftext|> b") and lm.pad_id not in lm.encode(
        "a <|pad|> b"
    )
    assert lm.decode([*lm.encode("a"), lm.end_id, lm.pad_id]) == "a"
    assert (
        isinstance(lm, LanguageModel)
        and lm.piece(lm.end_id) == "⏹ end"
        and lm.piece(lm.encode("a")[0]) == "a"
    )
