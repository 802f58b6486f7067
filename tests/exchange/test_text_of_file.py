"""The encoding of a file: what can be told is read, the rest is refused and shown, never taken for
Western text in silence.
"""

from __future__ import annotations

import pytest

from rlhf_core.exchange import taking_in
from rlhf_core.exchange.import_report import ImportRefused

TEXTS = {
    "ru": ("Кошка это", "Маленький зверь.", "Мой начальник."),
    "uk": ("Кіт це", "їжак", "Мій ґанок"),
    "el": ("Η γάτα είναι", "ένα ζώο", "ο διευθυντής"),
    "he": ("חתול הוא", "חיה קטנה", "הבוס שלי"),
    "ar": ("القطة هي", "حيوان صغير", "رئيسي"),
    "zh": ("猫是", "一种小动物。", "我的老板。"),
    "ja": ("ネコは", "小さな動物です。", "わたしのボス"),
    "ko": ("고양이는", "작은 동물", "나의 상사"),
    "th": ("แมวคือ", "สัตว์เล็ก", "เจ้านาย"),
    "pl": ("Kot to", "małe zwierzę, które śpi", "mój szef żółw"),
    "de": ("Käfer sind", "groß und schön", "Übermäßig"),
    "fr": ("La fête est", "créée à Noël, déjà", "Ça va"),
    "es": ("¿Qué es?", "¡Un animal pequeño!", "El 1º año"),
    "da": ("Kat på", "smørrebrød", "æble ål"),
    "pt": ("Coração", "não são ações", "às 5ª"),
}
FOREIGN = {
    "ru": "cp1251 koi8-r cp866 iso8859-5 mac-cyrillic",
    "uk": "cp1251 koi8-u",
    "el": "cp1253 iso8859-7",
    "he": "cp1255",
    "ar": "cp1256",
    "zh": "gb18030 big5",
    "ja": "shift-jis euc-jp",
    "ko": "euc-kr",
    "th": "cp874",
    "pl": "cp1250 iso8859-2",
    "de": "cp850 mac-roman",
    "fr": "cp850 mac-roman",
    "es": "cp850 mac-roman",
    "da": "cp850 mac-roman",
    "pt": "cp850 mac-roman",
}


def sheet(language: str, encoding: str) -> bytes:
    text = f"prompt;a;b;choice\n{';'.join(TEXTS[language])};a\n"
    return text.encode(encoding, "replace")


@pytest.mark.parametrize("language", FOREIGN)
def test_what_windows_1252_would_turn_into_nonsense_is_refused_and_shown(language):
    for encoding in FOREIGN[language].split():
        with pytest.raises(ImportRefused) as caught:
            taking_in.read(sheet(language, encoding), "f.csv")
        said = str(caught.value)
        assert "line 2" in said and said.endswith("give it again."), (encoding, said)
        assert "Save it as UTF-8" in said and len(said) < 400


@pytest.mark.parametrize("language", TEXTS)
def test_unicode_is_read_with_and_without_a_mark(language):
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"):
        (pair,) = taking_in.read(sheet(language, encoding), "f.csv").pairs
        assert (pair.prompt, pair.a, pair.b) == TEXTS[language], encoding


@pytest.mark.parametrize("language", ["de", "fr", "es", "da", "pt"])
def test_western_text_is_read_and_its_words_are_shown(language):
    report = taking_in.read(sheet(language, "cp1252"), "f.csv")
    (pair,) = report.pairs
    assert (pair.prompt, pair.a, pair.b) == TEXTS[language]
    note = next(note for note in report.notes if "Windows-1252" in note)
    word = next(word for word in TEXTS[language][0].split() if not word.isascii()).strip("¿?")
    assert repr(word) in note and "check" in note


def test_letters_that_no_word_gives_away_are_all_shown():
    text = "prompt;a;b;choice\nKedi;küçük hayvandır;şirin ığ;a\n"
    note = str(taking_in.read(text.encode("cp1254"), "f.csv").notes)
    assert "'küçük'" in note and "'hayvandýr'" in note and "'þirin'" in note


@pytest.mark.parametrize("word", ["Caf\u00c3\u00a9", "Caf\ufffd", "it\u00e2\u20ac\u2122s"])
def test_letters_that_were_lost_before_are_named(word):
    report = taking_in.read(f"prompt,a,b,choice\np,{word} x,y,a\n".encode(), "f.csv")
    assert any(word[:4] in note and "garbled" in note for note in report.notes)
    assert not taking_in.read("prompt,a,b,choice\np,São,â,a\n".encode(), "f.csv").notes
