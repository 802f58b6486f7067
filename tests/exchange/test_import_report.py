"""Files of judgements from elsewhere: every row is used, or repaired and reported, or left out and
reported; a file that cannot be read is refused in words.
"""

import csv
import io
import json
from collections import Counter

import pytest

from rlhf_core.exchange.choices import MEANINGS, is_slip_of, read_word
from rlhf_core.exchange.file_rows import MAX_DEPTH, depth_of
from rlhf_core.exchange.import_report import ImportRefused, ImportReport
from rlhf_core.exchange.spreadsheets import import_preferences
from rlhf_core.exchange.text_of_file import decode
from rlhf_core.judging.preferences import CHOICES, MAX_ROWS, Pair
from rlhf_core.store.formats import to_lines


def table(*rows, delimiter=",", header=("prompt", "a", "b", "choice")) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([header, *rows])
    return text.getvalue()


def lines(*rows) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def accounted(report: ImportReport) -> ImportReport:
    """Every judgement of the file is used or left out, and the sentence says so."""
    assert (
        report.used + len(report.left_out) == report.read
        and f"{report.used:,} of {report.read:,}" in report.summary
    )
    json.dumps(report.to_dict())
    return report


# --- the choice column ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "choice"),
    [
        *((choice, choice) for choice in CHOICES),
        ("left ", "a"),
        ("LEFT", "a"),
        ("A", "a"),
        (" a", "a"),
        ("\ufeffa", "a"),
        ("Response 1", "a"),
        ("response_1", "a"),
        ("model_a", "a"),
        ("right", "b"),
        ("answer2", "b"),
        ("B wins!", "b"),
        ("a_winner", "a"),
        ("winner: model_b", "b"),
        ("Left is better", "a"),
        ("the right one", "b"),
        ("A is slightly better", "a"),
        ("B is better than A", "b"),
        ("A is worse than B", "b"),
        ("I prefer B", "b"),
        ("A>>B", "a"),
        ("B > A", "b"),
        ("A << B", "b"),
        ("A=B", "tie"),
        ("[[B]]", "b"),
        ("Tie", "tie"),
        ("it's a tie", "tie"),
        ("equal", "tie"),
        ("Either", "tie"),
        ("both good", "tie"),
        ("Both are equally good", "tie"),
        ("tie (bothbad)", "both_bad"),
        ("Both bad", "both_bad"),
        ("both-bad", "both_bad"),
        ("neither", "both_bad"),
        ("Can't choose", "skip"),
        ("unsure", "skip"),
        ("lef", "a"),
        ("leftt", "a"),
        ("elft", "a"),
        ("rihgt", "b"),
        ("rigth", "b"),
        ("righr", "b"),
        ("skp", "skip"),
        ("bot bad", "both_bad"),
    ],
)
def test_choices_as_people_write_them(written, choice):
    read, said = read_word(written)
    assert read == choice and bool(said) == (written not in CHOICES)


@pytest.mark.parametrize(
    "written",
    [
        *("", "  ", None, float("nan"), "None", " none ", "nan", "NULL", "N/A", "-"),
        *(
            "0",
            0,
            "3",
            -1,
            True,
            1.5,
            "1",
            2,
            "1.0",
            "one",
            "maybe",
            "good",
            "ab",
            "12",
            [],
            {"a": 1},
        ),
        *("leftright", "both", "A and B", "not A", "A is worse", "a lot better", "a better answer"),
        *(
            "eight",
            "light",
            "lame",
            "lie",
            "right wing",
            "let",
            "fist",
            "nether",
            "response c",
            "C",
        ),
        "x" * 5000,
    ],
)
def test_what_has_no_meaning_or_two_is_refused(written):
    choice, why = read_word(written)
    assert choice is None and why.startswith("the choice is") and len(why) < 150


def test_no_slip_of_the_keys_leads_from_one_meaning_to_another():
    assert not [
        (word, other)
        for word in MEANINGS
        for other in MEANINGS
        if MEANINGS[word] != MEANINGS[other] and is_slip_of(word, other)
    ]


@pytest.mark.parametrize(
    ("typed", "word", "slip"),
    [
        ("lef", "left", 1),
        ("lleft", "left", 1),
        ("leftt", "left", 1),
        ("letf", "left", 1),
        ("left", "left", 0),
        ("tfel", "left", 0),
        ("light", "right", 0),
        ("rights", "right", 0),
        ("either", "neither", 0),
        ("ship", "skip", 0),
        ("secnd", "second", 1),
        ("", "a", 0),
    ],
)
def test_one_slip(typed, word, slip):
    assert is_slip_of(typed, word) is bool(slip)


# --- encodings and tables -------------------------------------------------------------------------

ROWS = [("Ein Café ist", " schön – „ja“", " träge", "left "), ("A cat is", " x", " y", "2")]
PAIRS = [
    Pair("Ein Café ist", " schön – „ja“", " träge", "a", annotator="unknown"),
    Pair("A cat is", " x", " y", "b", annotator="unknown"),
]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_spreadsheets_in_every_encoding_and_with_every_delimiter(encoding, delimiter, newline):
    text = table(*ROWS, delimiter=delimiter).replace("\r\n", newline)
    report = accounted(import_preferences(text.encode(encoding), "p.csv"))
    assert report.pairs == PAIRS and report.counted == "row"
    assert [
        (row.row, "left one" in row.why or "right one" in row.why) for row in report.repaired
    ] == [(2, True), (3, True)]
    assert any("UTF-16" in note for note in report.notes) == encoding.startswith("utf-16")
    assert any("separated by" in note for note in report.notes) == (delimiter != ",")


def test_a_file_glued_together_from_two_encodings_is_reported_row_by_row():
    one, other = (
        table(("é", " a", " b", "a"), ("two\nlines", " a", " b", "a")).encode(),
        table(("é", " c", " d", "b"), header=("x", " y", " z", "a")).encode("cp1252"),
    )
    report = accounted(import_preferences(one + other, "p.csv"))
    assert [pair.prompt for pair in report.pairs] == ["é", "two\nlines", "x", "é"]
    assert [(row.row, row.why) for row in report.repaired] == [
        (5, "read as Windows-1252, because it is not UTF-8")
    ]
    assert (
        "1 lines were read as Windows-1252" in report.notes[0]
        and "other lines are UTF-8" in report.notes[0]
    )


def test_texts_in_a_table_keep_their_spaces_quotes_lines_and_markup():
    odd = ' <b>&</b> "quoted", two\nlines; 🦝 \u2028 漢字 '
    report = import_preferences(table(("p", odd, " y", "a")).encode(), "p.csv")
    assert report.pairs == [Pair("p", odd, " y", "a", annotator="unknown")] and not report.repaired
    assert (
        import_preferences(b"prompt,a,b,choice\np, blue, green,a\n", "p.csv").pairs[0].a == " blue"
    )


def test_excels_own_first_line_blank_lines_and_spare_columns():
    text = (
        "sep=;\r\nPrompt;Response A;Response-B; Winner ;Mood;\r\n\r\np; x; y;A;fine;\r\np; x; y\r\n"
    )
    report = accounted(import_preferences(text.encode(), "p.csv"))
    assert report.pairs == [Pair("p", " x", " y", "a", annotator="unknown")]
    assert [(row.row, row.why[:19]) for row in report.left_out] == [(4, "the choice is empty")]
    assert "The column 'Response A' was read as a." in report.notes and report.lost == [
        "A preference row has no place for: Mood."
    ]


def test_bad_rows_are_left_out_one_by_one():
    rows = [
        ("p", " x", " y", "a"),
        ("", " x", " y", "a"),
        ("p", " x", " x", "a"),
        ("p", " x", " y", "dunno"),
        ("p", "x" * 10_001, " y", "a"),
        ("p", " x", " y", "a", "spare"),
        ("p", " x\x07", " y", "a"),
        ("p", " x", " y", "b"),
    ]
    report = accounted(import_preferences(table(*rows).encode(), "p.csv"))
    why = {row.row: row.why for row in report.left_out}
    assert report.used == 2 and sorted(why) == [3, 4, 5, 6, 7, 8]
    for row, words in {
        3: "prompt is empty",
        4: "both texts are the same",
        5: "'dunno'",
        6: "10,001 characters",
        7: "5 cells",
        8: "control characters",
    }.items():
        assert words in why[row]


def test_numbers_in_cells():
    header = ("prompt", "a", "b", "choice", "seconds", "annotator", "brief_version")
    cells = [
        ("2.5", "Kim", "3"),
        ("2,5 s", "", ""),
        ("soon", "Ada", ""),
        ("-1", "Ada", ""),
        ("", "Ada", ""),
        ("1e999", "Ada", ""),
    ]
    report = accounted(
        import_preferences(
            table(
                *(("p", f" {i}", " y", "a", *cell) for i, cell in enumerate(cells)), header=header
            ).encode(),
            "p.csv",
        )
    )
    assert [(pair.seconds, pair.annotator, pair.brief_version) for pair in report.pairs] == [
        (2.5, "Kim", 3),
        (2.5, "unknown", 1),
        (None, "Ada", 1),
        (None, "Ada", 1),
        (None, "Ada", 1),
        (None, "Ada", 1),
    ]
    assert [row.row for row in report.repaired] == [3, 4, 5, 7]


def test_a_weight_that_a_row_may_not_have_is_named_with_its_row():
    header = ("prompt", "a", "b", "choice", "weight")
    cells = ["", "0.01", "0,5", "100", "0.005", "0", "-1", "nan", "1e9", "inf", "abc", "101"]
    rows = [("p", f" {i}", " y", "a", cell) for i, cell in enumerate(cells)]
    report = accounted(import_preferences(table(*rows, header=header).encode(), "p.csv"))
    assert [pair.weight for pair in report.pairs] == [1, 0.01, 0.5, 100]
    assert report.repaired == []
    assert [(row.row, row.why) for row in report.left_out] == [
        (row, f"the weight is {cell!r}; it must be a number from 0.01 to 100")
        for row, cell in enumerate(cells, 2)
        if row > 5
    ]
    rows = [{"prompt": "p", "a": " x", "b": " y", "choice": "a", "weight": w} for w in (0, 1, True)]
    report = accounted(import_preferences(lines(*rows), "p.jsonl"))
    assert [row.row for row in report.left_out] == [1, 3] and len(report.pairs) == 1


def test_our_own_file_comes_back_as_it_was_with_nothing_to_report(tmp_path):
    pairs = [
        Pair("p", " x", f" {choice}", choice, 1 / 3, 2.5, "Kim", "meme-bot", 4)
        for choice in CHOICES
    ]
    (tmp_path / "p.jsonl").write_bytes(to_lines([pair.to_dict() for pair in pairs]))
    report = accounted(import_preferences((tmp_path / "p.jsonl").read_bytes(), "p.jsonl"))
    assert report.pairs == pairs and not (
        report.repaired or report.left_out or report.lost or report.notes
    )


def test_rows_that_are_alike_are_kept_and_said():
    report = import_preferences(table(*[("p", " x", " y", "a")] * 3).encode(), "p.csv")
    assert report.used == 3 and any("2 rows say the same" in note for note in report.notes)


# --- refused as a whole ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"x" * (2 * 1024 * 1024 + 1), "larger than 2 MB"),
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"PAR1", "Parquet"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"a,b\x00\x01\x02,c", "zero bytes"),
        (b"\xff\xfea\x00\x00", "breaks off or is damaged"),
        (b"prompt,a,b,choice\nx,\x81\x8d,y,a", "line 2 is neither UTF-8 nor Windows-1252"),
        (b"hello world\nthis is a letter", "no table of judgements"),
        (b'[{"prompt": "p", "a": " x"', "breaks off"),
        (b'[{"prompt": "p", "a": " x', "breaks off"),
        (b'{"prompt": "p",}', "a comma too many"),
        (b'{"prompt": "p" "a": 1}', "not valid JSON"),
        (b'{"chosen": "x", "chosen": "y"}', "has the field 'chosen' twice"),
        (
            b"prompt,a,b,choice\n" + b"p,x,y," + b"x" * 140_000,
            "a cell has more than 100,000 letters",
        ),
        (b"x" * 140_000, "no table of judgements"),
        (
            b"prompt,a,b,choice\n" + b"p,x,y," + b"x" * 110_000,
            "a cell of more than 100,000 letters",
        ),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested too deeply"),
        (b"[1" + b"0" * 5000 + b"]", "not usable JSON"),
        (
            b'prompt,a,b,choice\np,"x,y,a\np,x,y,b\n',
            "after line 1: a quotation mark is opened and never closed",
        ),
        (b"prompt,a,A,b,choice\np,x,y,z,a\n", "the column 'a' twice"),
        (b"prompt,answer1,response_1,b,choice\np,x,y,z,a\n", "several columns that could be a"),
        (
            b'[{"images": [], "categories": []}]',
            "holds no judgements that can be recognised: its fields are images, categories",
        ),
        (b"prompt,text\np,x\n", "Needed are prompt, a, b, choice"),
        (b"prompt,a,b,choice\n" + b"p,x,y,a\n" * (MAX_ROWS + 1), "more than 20,000 rows"),
        (b"{}\n" * 600_000, "600,000 lines; at most 20,000"),
        (b"[" + b"1," * 500_000 + b"1]", "500,001 rows; at most 20,000"),
    ],
)
def test_files_that_cannot_be_read_are_refused_in_one_sentence(data, sentence):
    with pytest.raises(ImportRefused) as caught:
        import_preferences(data, "p.any")
    said = str(caught.value)
    assert sentence in said and said.startswith("p.any") and "\n" not in said and len(said) < 400


def test_nothing_usable_is_refused_with_the_first_reason():
    report = import_preferences(
        table(("p", " x", " y", ""), ("p", " x", " y", "NaN")).encode(), "p.csv"
    )
    with pytest.raises(
        ImportRefused,
        match=r"^Nothing in p.csv can be used. Row 2: the choice is empty.* \(and 1 more\)\.$",
    ):
        report.checked()
    with pytest.raises(ImportRefused, match="has no row of judgements"):
        import_preferences(b"prompt,a,b,choice\n", "p.csv")


def test_half_a_jsonl_file_loses_only_its_last_line():
    data = lines(*[{"prompt": "p", "a": " x", "b": " y", "choice": "a"}] * 3)[:-9]
    report = accounted(import_preferences(data, "p.jsonl"))
    assert (
        report.used == 2
        and [(row.row, row.why) for row in report.left_out][0][0] == 3
        and "breaks off" in report.left_out[0].why
    )


def test_depth_is_counted_without_recursion():
    assert [depth_of(value) for value in (1, [], {"a": [1]}, [[], [[]]])] == [0, 1, 2, 3]
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert depth_of(deep) == 100_001


def test_decoding_says_nothing_where_nothing_was_assumed():
    report = ImportReport("x")
    assert decode("é".encode(), report) == ("é", set()) and not report.notes


# --- other tools' rows ----------------------------------------------------------------------------

USER, ANSWER = (
    {"role": "user", "content": "What is a cat?"},
    [{"role": "assistant", "content": "A pet."}, {"role": "assistant", "content": "A king."}],
)
TRL_ROWS = [
    {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."},
    {"chosen": "The sky is blue.", "rejected": "The sky is green."},
    {"prompt": [USER], "chosen": ANSWER[:1], "rejected": ANSWER[1:]},
    {"chosen": [USER, ANSWER[0]], "rejected": [USER, ANSWER[1]]},
    {"prompt": "What is a cat?", "chosen": [USER, ANSWER[0]], "rejected": [USER, ANSWER[1]]},
]


def test_trls_five_shapes_mean_what_trl_says_they_mean():
    from trl.data_utils import maybe_extract_prompt

    report = accounted(import_preferences(lines(*TRL_ROWS), "trl.jsonl"))
    for row, pair in zip(TRL_ROWS, report.pairs, strict=True):
        reference = maybe_extract_prompt(dict(row))
        plain = {
            name: value if isinstance(value, str) else value[0]["content"]
            for name, value in reference.items()
        }
        assert (pair.prompt, pair.a, pair.b, pair.choice) == (
            plain["prompt"],
            plain["chosen"],
            plain["rejected"],
            "a",
        )
    assert [row.row for row in report.repaired] == [2] and any(
        "Roles" in sentence for sentence in report.lost
    )


def test_an_implied_prompt_ends_with_a_word():
    rows = [
        {"chosen": "The sky is blue.", "rejected": "The sky is black."},
        {"chosen": "It is, yes", "rejected": "It is no"},
        {"chosen": "Yes", "rejected": "No"},
    ]
    report = accounted(import_preferences(lines(*rows), "trl.jsonl"))
    assert [(pair.prompt, pair.a, pair.b) for pair in report.pairs] == [
        ("The sky is", " blue.", " black."),
        ("It is", ", yes", " no"),
    ]
    assert "prompt is empty" in report.left_out[0].why


def test_conversations_of_several_turns_become_a_transcript_and_odd_ones_are_left_out():
    system = {"role": "system", "content": "Be kind."}
    rows = [
        {"prompt": [system, USER], "chosen": ANSWER[:1], "rejected": ANSWER[1:]},
        {"prompt": "p", "chosen": ANSWER[:1], "rejected": "text"},
        {"chosen": [USER, *ANSWER], "rejected": [USER]},
        {"prompt": "p", "chosen": [{"role": "assistant", "content": None}], "rejected": ANSWER[:1]},
        {"prompt": "An id", "chosen": [USER, ANSWER[0]], "rejected": [USER, ANSWER[1]]},
    ]
    report = accounted(import_preferences(lines(*rows), "trl.jsonl"))
    assert [pair.prompt for pair in report.pairs] == [
        "system: Be kind.\nuser: What is a cat?",
        "What is a cat?",
    ]
    assert [row.row for row in report.left_out] == [2, 3, 4] and [
        row.row for row in report.repaired
    ] == [1, 5]


def test_what_hugging_faces_datasets_writes_is_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    made = datasets.Dataset.from_list(
        [
            {"prompt": "Ein Café ist", "chosen": ' "schön", \n ja.', "rejected": " träge."},
            {"prompt": "p", "chosen": " x", "rejected": " y"},
        ]
    )
    made.to_json(tmp_path / "p.jsonl")
    made.to_csv(tmp_path / "p.csv")
    for name in ("p.jsonl", "p.csv"):
        pairs = accounted(import_preferences((tmp_path / name).read_bytes(), name)).pairs
        assert [(p.prompt, p.a, p.b) for p in pairs] == [
            (r["prompt"], r["chosen"], r["rejected"]) for r in made
        ]


FIELDS = {"prompt": "What is a cat?", "response1": "A pet.", "response2": "A king."}


def test_argillas_three_shapes():
    flat = {
        "id": "1",
        "status": "completed",
        "_server_id": "x",
        **FIELDS,
        "preference.responses": ["response1", "2", "response2", "response1", "both"],
        "preference.responses.users": ["u1", "u2", "u3", "u4", "u5"],
        "preference.responses.status": [
            "submitted",
            "submitted",
            "draft",
            "discarded",
            "submitted",
        ],
        "preference.suggestion": "response2",
    }
    nested = {
        "id": "1",
        "fields": FIELDS,
        "metadata": {},
        "responses": {"preference": [{"value": "response2", "user_id": "u1"}]},
        "suggestions": {},
        "status": "completed",
    }
    first = {
        **FIELDS,
        "preference": [{"user_id": "u1", "value": "response1", "status": "submitted"}],
        "external_id": None,
    }
    for data, expected, left_out in (
        ([flat], [("u1", "a"), ("u2", "b"), ("u4", "skip")], 2),
        ([nested], [("u1", "b")], 0),
        ([first], [("u1", "a")], 0),
    ):
        report = accounted(import_preferences(json.dumps(data).encode(), "argilla.json"))
        assert [(pair.annotator, pair.choice) for pair in report.pairs] == expected and len(
            report.left_out
        ) == left_out
        assert {(pair.prompt, pair.a, pair.b) for pair in report.pairs} == {
            tuple(FIELDS.values())
        } and report.format == "Argilla records"


def test_argillas_rankings_keep_their_order_and_are_refused_where_it_means_nothing():
    """Argilla issue 5712: rankings saved as 1, 2, 3 whatever the user chose."""
    fields = {"prompt": "p", "r1": " one", "r2": " two", "r3": " three"}
    ranked = {
        **fields,
        "rank": [
            {
                "user_id": "u1",
                "status": "submitted",
                "value": [
                    {"value": "r3", "rank": 1},
                    {"value": "r1", "rank": 2},
                    {"value": "r2", "rank": 2},
                ],
            }
        ],
    }
    ordered = {
        **fields,
        "rank": [{"user_id": "u2", "status": "submitted", "value": ["r2", "r3", "r1"]}],
    }
    nothing = {
        **fields,
        "rank": [{"user_id": "u3", "status": "submitted", "value": ["1", "2", "3"]}],
    }
    report = accounted(
        import_preferences(json.dumps([ranked, ordered, nothing]).encode(), "argilla.json")
    )
    assert report.used == 2 and "'1', which is no field of the record" in report.left_out[0].why
    assert Counter((p.annotator, p.a, p.b, p.choice) for p in report.pairs) == Counter(
        {
            ("u1", " three", " one", "a"): 1,
            ("u1", " three", " two", "a"): 1,
            ("u1", " one", " two", "tie"): 1,
            ("u2", " two", " three", "a"): 1,
            ("u2", " two", " one", "a"): 1,
            ("u2", " three", " one", "a"): 1,
        }
    )
