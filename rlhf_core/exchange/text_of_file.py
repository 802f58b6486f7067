"""The text of a file, and its encoding: UTF-8, UTF-16 or Windows-1252, or a refusal that shows how
it would read.

An old encoding of one byte a letter does not say which it is: every file can be read as each of
them. Western text is taken, and shown in the report; what would come out as no Western text
(Cyrillic, Greek, Chinese, Polish, a Mac's or DOS's letters) is refused. Simplified: nothing is
guessed from how often letters stand in a language, which a short file does not show.
"""

from __future__ import annotations

import re

from rlhf_core.common.known import known
from rlhf_core.exchange.import_report import ImportRefused, ImportReport, excerpt
from rlhf_core.judging.preferences import MAX_BYTES

_SAVE = "Save it as UTF-8 (in Excel: “CSV UTF-8”) and give it again."
_TABLE = "Save the judgements as CSV, .xlsx, JSON or Parquet, and give that."
# What is left of a letter that could not be written, and UTF-8 that was read as Windows-1252.
_GARBLED = re.compile(r"\w{,20}(?:\ufffd|\u00c3[\u00a0-\u00bf\u201e\u2013\u0178]|\u00e2\u20ac)")
_WORDS = re.compile(r"[^\W\d_]+")
# Several letters in a row with an accent: no word of a Western language, and all of a Greek one.
_RUN = re.compile(r"[\u00c0-\u024f]{3}")
_ACCENT = "A-Za-z\u00c0-\u00ff\u0160\u0161\u017d\u017e\u0152\u0153\u0178"
# A sign inside a word, which no Western language has there, a low quotation mark behind a letter,
# or a capital behind a small letter.
_ODD = re.compile(
    rf"[{_ACCENT}][^\x00-\x7f{_ACCENT}\u2019\u2018\u00b4\u00b7\u2013\u2014\u2026\u00a0\u00ad\u00ba"
    rf"\u00aa\u00ab\u00bb\u2122\u201c\u201d][{_ACCENT}]|[{_ACCENT}][\u201a\u201e]"
    rf"|[\u00b2\u00b3\u00b9\u00bc-\u00be][{_ACCENT}]"
    r"|[a-z][\u00c0-\u00de\u0160\u017d\u0152](?![A-Z])|\u0192"
)


_FOREIGN = {
    b"PK\x03\x04": (
        "a zip archive and no Excel workbook (.xlsx); unpack it, and take the file in it"
    ),
    b"\xd0\xcf\x11\xe0": (
        "an old Excel workbook (.xls); save the sheet as CSV (UTF-8) and take that file"
    ),
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"%PDF": "a PDF; a table of rows is needed",
}


def check_size(data: bytes, name: str) -> None:
    """Raises ImportRefused where there is more than is read."""
    if len(data) > MAX_BYTES:
        raise ImportRefused(
            f"{name} is larger than 2 MB. Split it, or leave out what nobody has judged."
        )


def decode(data: bytes, report: ImportReport) -> tuple[str, set[int]]:
    """The file's text, and the numbers (from 1) of the lines that were not UTF-8.

    A byte-order mark decides; without one: UTF-16 where the first letters are plain ones with zero
    bytes between, else UTF-8, else Windows-1252, line by line, because files get glued together.
    The report says what was assumed. Raises ImportRefused: too large, empty, a foreign kind of
    file, not text, or text that Windows-1252 would turn into nonsense.
    """
    name = report.filename
    check_size(data, name)
    for magic, kind in _FOREIGN.items():
        if data.startswith(magic):
            raise ImportRefused(f"{name} is {kind}.")
    lines: set[int] = set()
    if encoding := _utf_16(data):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            raise ImportRefused(
                f"{name} begins as UTF-16 text and breaks off or is damaged at byte"
                f" {error.start:,}."
            ) from error
        report.say("notes", "The file is UTF-16, as older Excel writes it.")
    elif b"\x00" in data:
        raise ImportRefused(f"{name} is not a text file: it has zero bytes in it. {_TABLE}")
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text, lines = _windows_1252(data, report)
    if garbled := _GARBLED.search(text):
        report.say(
            "notes",
            f"The file holds garbled letters, as in {excerpt(garbled[0])!r}: they were lost before"
            " it was saved.",
        )
    if "\x00" in text:
        raise ImportRefused(f"{name} is not a text file: it has zero bytes in it. {_TABLE}")
    if not text.strip():
        raise ImportRefused(f"{name} is empty.")
    return text, lines


def _utf_16(data: bytes) -> str:
    """Which UTF-16 it is; "" for none. A table begins with a plain letter, whatever follows."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    zeros = [byte == 0 for byte in data[:8]]
    if len(zeros) >= 4 and zeros == [False, True] * (len(zeros) // 2):
        return "utf-16-le"
    if len(zeros) >= 4 and zeros == [True, False] * (len(zeros) // 2):
        return "utf-16-be"
    return ""


def _windows_1252(data: bytes, report: ImportReport) -> tuple[str, set[int]]:
    """The text, and which lines were no UTF-8. Raises ImportRefused."""
    name = report.filename
    lines, old = [], {}
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            try:
                lines.append(line.decode("cp1252"))
            except UnicodeDecodeError as worse:
                raise ImportRefused(
                    f"{name} is not text that can be read: line {number} is neither UTF-8 nor"
                    f" Windows-1252. {_SAVE}"
                ) from worse
            old[number] = lines[-1]
    shown = [word for line in old.values() for word in _WORDS.findall(line) if not word.isascii()]
    odd = next((line for line in old.values() if _ODD.search(line)), "")
    foreign = [word for word in shown if _RUN.search(word)]
    if odd or 2 * len(foreign) > len([word for word in shown if len(word) > 2]):
        number = next(n for n, line in old.items() if line == odd or foreign and foreign[0] in line)
        first = re.escape((foreign or [""])[0])
        part = known(_ODD.search(old[number]) or re.search(first, old[number]))
        raise ImportRefused(
            f"{name} is not UTF-8, and in no encoding that can be told: read as Windows-1252, line"
            f" {number} says {excerpt(old[number][max(0, part.start() - 20) :])!r}. {_SAVE}"
        )
    others = (
        "the other lines are UTF-8"
        if any(not line.isascii() for n, line in enumerate(lines, 1) if n not in old)
        else "not UTF-8"
    )
    seen: set[str] = set()
    some: list[str] = []
    for word in shown:  # each with a letter that the ones before do not show
        letters = {letter for letter in word if not letter.isascii()}
        if letters - seen and len(some) < 5:
            some.append(word)
            seen |= letters
    first = f"; in them stands {', '.join(map(repr, some))}" if some else ""
    report.say(
        "notes",
        f"{len(old):,} lines were read as Windows-1252, an older encoding ({others}{first}): check"
        " their accents and quotation marks.",
    )
    return "\n".join(lines), set(old)
