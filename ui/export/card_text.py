"""A run's README.md as HTML: the few marks that our cards use, and everything else as text.

Headings, lists, tables, indented or fenced blocks, bold and code. No link, no picture and no HTML
of the text's own becomes one: what is read is escaped first.
"""

from __future__ import annotations

import re

from ui.export.words import plain, safe

MOST = 60_000  # characters of a card
_SIGN = r"[!-/:-@\[-`{-~]"
_ASIDE = 0xF0000  # where signs wait that are no marks: characters that no text uses
_BACK = {_ASIDE + code: safe(chr(code)) for code in range(0x21, 0x7F)}


def html_of_card(markdown: str) -> str:
    """The card as HTML, one level of headings lower than it says; its YAML block comes last."""
    text = plain(markdown, MOST)
    head = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    if head is None:
        return _blocks(text.split("\n"))
    yaml = f"<pre>{safe(head[1], MOST)}</pre>"
    body = _blocks(text[head.end() :].split("\n"))
    return f"{body}<details><summary>For machines (YAML)</summary>{yaml}</details>"


def _blocks(lines: list[str]) -> str:
    parts, at = [], 0
    while at < len(lines):
        line = lines[at]
        take = _block_at(lines, at)
        if take:
            made, at = take
            parts.append(made)
        elif not line.strip():
            at += 1
        else:
            end = at + 1
            while end < len(lines) and lines[end].strip() and not _block_at(lines, end):
                end += 1
            parts.append(f"<p>{_inline(' '.join(map(str.strip, lines[at:end])))}</p>")
            at = end
    return "".join(parts)


def _block_at(lines: list[str], at: int) -> tuple[str, int] | None:
    """The block that begins at a line, and where it ends; None: a paragraph's line."""
    line = lines[at]
    if heading := re.match(r"(#{1,6}) +(.+)", line):
        level = min(6, len(heading[1]) + 2)
        return f"<h{level}>{_inline(heading[2])}</h{level}>", at + 1
    if fence := re.match(r"(```+|~~~+)", line):
        end = at + 1
        while end < len(lines) and not lines[end].startswith(fence[1]):
            end += 1
        return f"<pre>{_text(lines[at + 1 : end])}</pre>", end + 1
    for start, strip, tag in ((r" {4}", r"^ {4}", "pre"), (r"[-*] ", r"^[-*] +", "ul")):
        end = at
        while end < len(lines) and re.match(start, lines[end]):
            end += 1
        if end > at:
            rows = [re.sub(strip, "", row) for row in lines[at:end]]
            if tag == "pre":
                return f"<pre>{_text(rows)}</pre>", end
            return f"<ul>{''.join(f'<li>{_inline(row)}</li>' for row in rows)}</ul>", end
    if (
        line.startswith("|")
        and at + 1 < len(lines)
        and re.match(r"\|[\s:|-]+\|\s*$", lines[at + 1])
    ):
        end = at + 2
        while end < len(lines) and lines[end].startswith("|"):
            end += 1
        return _table([_cells(row) for row in (line, *lines[at + 2 : end])]), end
    return None


def _table(rows: list[list[str]]) -> str:
    made = [
        "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row)
        for row, tag in zip(rows, ["th"] + ["td"] * len(rows))
    ]
    body = "".join(f"<tr>{row}</tr>" for row in made[1:])
    return (
        f'<div class="wide" tabindex="0"><table><thead><tr>{made[0]}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def _inline(text: str) -> str:
    """Code and bold; a backslash before a sign makes it a plain one."""
    parts = []
    for piece in re.split(r"(`[^`]+`)", text):
        if len(piece) > 2 and piece[0] == piece[-1] == "`":
            parts.append(f"<code>{safe(piece[1:-1], MOST)}</code>")
        else:
            aside = re.sub(rf"\\({_SIGN})", lambda sign: chr(_ASIDE + ord(sign[1])), piece)
            bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", safe(aside, MOST))
            parts.append(bold.translate(_BACK))
    return "".join(parts)


def _text(lines: list[str]) -> str:
    return safe("\n".join(lines), MOST)
