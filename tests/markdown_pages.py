"""Markdown as the tests of the documentation read it: sentences, links and headings."""

import re
from collections.abc import Iterator
from pathlib import Path

ABBREVIATIONS = ("e.g.", "i.e.", "vs.", "cf.", "Sec.", "Secs.", "Fig.", "Figs.", "Eq.", "Eqs.", "No.")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def lines_of_prose(text: str) -> list[str]:
    """The lines of a page without comments and fenced code; lines of code become empty."""
    lines, fence = [], ""
    for line in re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL).splitlines():
        opened = re.match(r"\s*(```+|~~~+)", line)
        if fence or opened:
            fence = "" if fence and line.strip() == fence else fence or opened[1]
            line = ""
        lines.append(line)
    return lines


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) of every paragraph, list item and table cell; kind is `prose` or `cell`."""
    paragraph: list[str] = []
    for line in [*lines_of_prose(text), ""]:
        starts = re.match(r"\s*([-*+]|\d+\.) +", line)
        table, heading = line.lstrip().startswith("|"), line.startswith("#")
        if not line.strip() or starts or table or heading:
            if paragraph:
                yield "prose", " ".join(paragraph)
            paragraph = []
        if table:
            if not re.fullmatch(r"[\s|:-]+", line):
                yield from (("cell", cell.strip()) for cell in re.split(r"(?<!\\)\|", line.strip().strip("|")))
        elif starts:
            paragraph = [line[starts.end() :].strip()]
        elif line.strip() and not heading:
            paragraph.append(line.strip())


def sentences(block: str) -> list[str]:
    """The sentences of a paragraph. Code counts as one word, a link as its text."""
    text = re.sub(r"`+[^`]+`+", "code", LINK.sub(r"\2", block))
    for abbreviation in ABBREVIATIONS:
        text = re.sub(rf"\b{re.escape(abbreviation)}", abbreviation[:-1], text)
    return [part for part in re.split(r"(?<=[.!?])[\"')*_]*\s+", text) if part.strip()]


def words(sentence: str) -> int:
    """How many words a sentence has: runs of characters with a letter or digit."""
    return sum(any(character.isalnum() for character in word) for word in re.split(r"[\s/]+", sentence))


def links(text: str) -> list[str]:
    """Targets of all links and pictures of a page, outside of code."""
    prose = "\n".join(re.sub(r"`+[^`]+`+", "", line) for line in lines_of_prose(text))
    whole = re.sub(r"\[([^\]]*)\]", lambda found: f"[{' '.join(found[1].split())}]", prose)
    return [found[3] for found in LINK.finditer(whole)]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as forges and the site write them."""
    found = set()
    for line in lines_of_prose(path.read_text(encoding="utf-8")):
        if line.startswith("#"):
            text = re.sub(r"[^\w\s-]", "", LINK.sub(r"\2", line.lstrip("# ")).lower())
            found.add(re.sub(r"\s", "-", text.strip()))
    return found


def commands(text: str, program: str) -> tuple[list[str], list[str]]:
    """What a page says to type: whole commands of its consoles, and commands that its sentences mention, maybe shortened.

    Both without the program's name; a line that ends with a backslash goes on.
    """
    consoles = re.findall(rf"^ *\$ {program} (.*)$", text.replace("\\\n", " "), re.MULTILINE)
    return consoles, re.findall(rf"`{program} ([^`]*)`", text)
