"""The word-list rule on sentences written by hand for this test: none of them is in the corpus that
the words come from.
"""

import importlib
import math
from pathlib import Path

import pytest

from rlhf_core.judging.register import (
    LEAD,
    REGISTERS,
    YARDSTICKS,
    is_full_sentence,
    is_second,
    judge,
    register_of,
    register_scores,
    second_list,
    share,
    stem,
    word_weights,
    words_of,
    yardstick,
)

WRITTEN = {
    "fact": (
        " a small mammal that lives in the forest and eats insects.",
        " a large bird with black feathers and a strong beak.",
        " a plant that grows in dry deserts and stores water in its stem.",
        " a person who teaches pupils in a school.",
        " made of flour, eggs and milk.",
        " a nocturnal animal with a long tail.",
        " a reptile with a hard shell that can live for many years.",
        " a mountain from which hot rock and gas come out.",
        " a tool for climbing up to high places.",
        " a fish that swims in the ocean and has sharp teeth.",
    ),
    "meme": (
        " basically me on a Monday morning.",
        " just a cat with extra steps and zero regrets.",
        " the main character and nobody can tell me otherwise.",
        " when you eat the whole pizza and regret nothing.",
        " proof that naps solve everything.",
        " my spirit animal, but with better hair.",
        " what happens when a potato believes in itself.",
        " the reason I have trust issues.",
        " literally vibing while the group chat burns.",
        " 10/10, would pet again.",
    ),
    "polite": (
        " We are very sorry about that. We will send you a new one today.",
        " Thank you so much for telling us! I will check it for you right away.",
        " Of course, I would be happy to help you with that, my friend.",
        " I am so sorry to hear that. I hope tomorrow is a better day.",
        " Please accept our apologies; your money will be back by Friday.",
        " You are welcome! Let me know if there is anything else.",
        " That sounds hard. I am here if you want to talk.",
        " Congratulations! I wish you a wonderful day.",
        " Thanks for your patience, we are looking into it.",
        " No worries at all, please take your time.",
    ),
    "rude": (
        " That is not my problem. Go away.",
        " Who cares? Read the instructions yourself.",
        " Stop whining and leave me alone.",
        " What do you want now? I am busy, so get lost.",
        " Are you stupid? Use your eyes.",
        " Nobody asked you.",
        " Ugh, not you again.",
        " Tough luck, deal with it.",
        " Do it yourself, I am not your servant.",
        " Your fault, not mine.",
    ),
    "advice": (
        " Stay where you are and signal for help with a whistle.",
        " keep warm, drink water, and wait for help.",
        " move away slowly and give the bear a lot of room.",
        " get to high ground and do not drive through the water.",
        " Press a clean cloth on it and call a doctor.",
        " Turn off the main switch and use a flashlight.",
        " go inside and stay away from tall trees.",
        " find dry wood and keep the fire small.",
        " stay with the car, so that people can find you.",
        " leave the building at once and call for help from outside.",
    ),
}
WRITTEN["kind"] = WRITTEN["polite"]
WRITTEN["joke"] = WRITTEN["meme"]
SCRIPTS = Path(__file__).parents[2] / "scripts"
FIRST = next(iter(YARDSTICKS.values()))
LISTS = [path for file in YARDSTICKS for path in (file, second_list(file))]
# What the rule gets wrong: it lost a third of its words to the second opinion.
MISJUDGED = {" basically me on a Monday morning.", " the reason I have trust issues."}


@pytest.mark.parametrize("register", REGISTERS)
def test_hand_written_sentences_are_recognised(register):
    found = {text: register_of(text, register) for text in WRITTEN[register]}
    wrong = {text for text, name in found.items() if name not in (register, "unclear")}
    assert wrong <= MISJUDGED
    assert sum(name == register for name in found.values()) >= 7, found
    assert share(list(found), register) == sum(name == register for name in found.values()) / 10


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 12345 !!!",
        " Qxz vbnm flrp.",
        " 漢字 🦝 עברית",
        " of",
        " the of and",
        "<script>&&</script>",
    ],
)
def test_what_has_no_register_is_unclear(text):
    assert register_of(text) == "unclear"


def test_one_clear_word_decides_and_a_word_of_each_of_two_registers_cancels_out():
    table = word_weights()

    def lead(word: str, i: int) -> float:
        return table[word][i] - max(table[word][:i] + table[word][i + 1 :])

    single = [word for word in table if "_" not in word]
    strongest = {name: max(single, key=lambda word: lead(word, i)) for i, name in enumerate(FIRST)}
    for name, word in strongest.items():
        assert register_of(f" {word}.") == name
    assert register_of(f" {strongest['polite']}! {strongest['rude']}!") == "unclear"


def test_words_and_neighbours_are_counted_by_hand():
    assert words_of("It's a DOG, a dog") == [
        "it's",
        "a",
        "dog",
        "a",
        "dog",
        "it's_a",
        "a_dog",
        "dog_a",
        "a_dog",
    ]
    table = word_weights()
    expected = [
        sum(table[word][i] for word in ("a", "a", "a_baby") if word in table) for i in range(4)
    ]
    known = [word for word in words_of("a a baby") if word in table]
    assert set(known) <= {"a", "baby", "a_baby", "a_a"} and "a_baby" in known
    extra = [sum(table[word][i] for word in ("baby", "a_a") if word in table) for i in range(4)]
    assert list(register_scores("a a baby").values()) == pytest.approx(
        [e + x for e, x in zip(expected, extra)]
    )
    assert math.isclose(LEAD, math.log(4))


@pytest.mark.parametrize("file", LISTS, ids=lambda file: file.stem)
def test_a_words_weights_are_relative_to_their_mean(file):
    """So a text's length alone speaks for no register. Weights at the table's limit are cut off,
    and don't add up.
    """
    table = word_weights(file)
    limit = max(abs(weight) for weights in table.values() for weight in weights)
    assert len(table) > 1000 and limit < 10
    for word, weights in table.items():
        assert len(weights) == 4 and (
            max(map(abs, weights)) == limit or abs(sum(weights)) < 0.05
        ), word


@pytest.mark.parametrize(
    ("text", "ended", "full"),
    [
        (" a marsupial.", True, True),
        (" a marsupial", True, False),
        (" a marsupial.", False, False),
        (" a marsupial with a long", False, False),
        (" really?", True, True),
        (" wow!  \n", True, True),
        (' he said "no."', True, True),
        (" (as they say.)", True, True),
        (" well...", True, True),
        (" a comma,", True, False),
        ("", True, False),
        (" 3.5 kg", True, False),
    ],
)
def test_full_sentences(text, ended, full):
    assert is_full_sentence(text, ended) is full


def test_grades_put_the_wanted_register_first_and_take_one_off_a_broken_sentence():
    fact, meme, neither = WRITTEN["fact"][0], WRITTEN["meme"][1], " Qxz vbnm."
    assert [judge(text, "fact") for text in (fact, neither, meme)] == [3, 2, 1]
    assert [judge(text, "meme") for text in (fact, neither, meme)] == [1, 2, 3]
    assert (
        judge(fact, "fact", ended=False) == 2
        and judge(fact[:-1], "fact") == 2
        and judge(meme, "fact", ended=False) == 0
    )


def test_share_of_no_texts_is_nothing():
    assert share([], "fact") == 0.0
    assert share([WRITTEN["fact"][0], WRITTEN["meme"][1], WRITTEN["fact"][1], ""], "fact") == 0.5


def test_a_brief_is_judged_by_the_yardstick_that_knows_its_register():
    assert REGISTERS == ("fact", "meme", "polite", "rude", "advice", "kind", "joke")
    assert (
        yardstick()
        == yardstick("fact")
        == yardstick("rude")
        != yardstick("advice")
        == yardstick("kind")
    )
    advice, rude = WRITTEN["advice"][0], WRITTEN["rude"][0]
    assert list(register_scores(advice, "advice")) == ["advice", "kind", "joke", "rude"] and list(
        register_scores(advice)
    ) == list(FIRST)
    assert (
        judge(advice, "advice") == 3
        and judge(rude, "advice") == 1
        and register_of(rude, "kind") == "rude"
    )
    assert share([advice, rude], "advice") == 0.5
    with pytest.raises(ValueError, match="No yardstick"):
        yardstick("sonnet")


# --- the second opinion ---------------------------------------------------------------------------


def parts_of(file):
    return {part for word in word_weights(file) for part in word.split("_")}


def test_no_word_and_no_beginning_of_a_word_is_in_both_lists():
    """Over both yardsticks: the rater's words about advice judge no facts for the other."""
    raters = set().union(*(parts_of(file) for file in YARDSTICKS))
    seconds = set().union(*(parts_of(second_list(file)) for file in YARDSTICKS))
    assert len(raters) > 2000 and len(seconds) > 800
    assert not set(map(stem, raters)) & set(map(stem, seconds))
    assert not any(map(is_second, raters)) and all(map(is_second, seconds))


def test_the_forms_of_a_word_stay_together():
    for forms in ("cook cooks cooked cooking cook's", "run running", "happy happily happier"):
        assert len({is_second(word) for word in forms.split()}) == 1


def test_the_lists_count_different_texts_and_a_pair_across_them_is_nobodys(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    make = importlib.import_module("make_register_words")
    texts = [f" a text, number {n}." for n in range(1000)]
    assert 400 < sum(map(make.is_second_text, texts)) < 600
    assert is_second("small") and not is_second("sorry")
    assert make.belongs("small", True) and not make.belongs("small", False)
    assert not make.belongs("small_sorry", True) and not make.belongs("small_sorry", False)


@pytest.mark.parametrize("register", REGISTERS)
def test_the_second_opinion_knows_the_same_registers_by_other_words(register):
    """It knows fewer words, so it is often unsure: chance alone would get two or three of ten."""
    scores = [register_scores(text, register, second=True) for text in WRITTEN[register]]
    likeliest = [max(row, key=row.get) if any(row.values()) else "" for row in scores]
    assert sum(name == register for name in likeliest) >= 6, likeliest


def test_what_only_the_rater_reads_leaves_the_second_opinion_without_one():
    table = word_weights()
    alone = [word for word in table if "_" not in word][:50]
    assert any(register_scores(" ".join(alone)).values())
    assert set(register_scores(" ".join(alone), second=True).values()) == {0}
