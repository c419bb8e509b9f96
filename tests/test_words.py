"""The words of the code: few sentences of docstrings and comments are long, and none has "what" as its subject."""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import markdown_pages
import pytest
from conftest import ROOT

LIMIT, LONGEST = 20, 30  # words of a sentence
SHARE = 0.02  # of a plain room's sentences that may be longer than LIMIT
# Rooms that were rewritten in plain words. Of the other rooms SHARE_ELSEWHERE may be longer; move each here when it is done.
PLAIN = [
    *("gcl/objective", "gcl/models", "gcl/planning", "gcl/data/drawing", "gcl/operations"),
    *("gcl/files.py", "gcl/errors.py", "benchmarks"),
    *("gcl/data", "gcl/data/importing", "gcl/data/validation", "gcl/evaluation", "gcl/evaluation/scorers", "gcl/tasks"),
    "gcl/tasks/instructions",
]
SHARE_ELSEWHERE = 0.15
ELSEWHERE = sorted({str(path.parent.relative_to(ROOT)) for path in (ROOT / "gcl").rglob("*.py")} - {*PLAIN, "gcl"})
_SECTION = re.compile(r"(Args|Attributes|Returns|Yields|Raises):")
_FIELD = re.compile(r" {4}(\*{0,2}\w+): (?=\S)")


def paragraphs(docstring: str) -> Iterator[str]:
    """Yield the paragraphs and the described fields of a docstring; indented examples and formulas are left out."""
    lines, inside = [], False
    for line in [*inspect.cleandoc(docstring).splitlines(), ""]:
        section, field = _SECTION.fullmatch(line), _FIELD.match(line)
        inside = bool(section) or (inside and (line.startswith(" ") or not line))
        if not line.strip() or section or (inside and field) or line.lstrip().startswith("- "):
            if lines:
                yield " ".join(lines)
            lines = []
        if inside and field:
            lines = [line[field.end() :]]
        elif line.strip() and not section and (inside or not line.startswith("  ") or lines):
            lines.append(line.strip().removeprefix("- "))
    # A paragraph's lines stand flush, so an indented line that opens a block is an example.


def comments(source: str) -> Iterator[str]:
    """Yield the comments; neighbouring lines of comment are one."""
    block: list[str] = []
    last = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        alone = not token.line[: token.start[1]].strip()
        if block and not (alone and token.start[0] == last + 1):
            yield " ".join(block)
            block = []
        block.append(token.string.lstrip("# "))
        last = token.start[0] if alone else -1
    if block:
        yield " ".join(block)


def sentences(path: Path) -> list[str]:
    """All sentences of a module's docstrings and comments."""
    source = path.read_text(encoding="utf-8")
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = [ast.get_docstring(node) or "" for node in ast.walk(ast.parse(source)) if isinstance(node, nodes)]
    blocks = [*(one for text in docstrings for one in paragraphs(text)), *comments(source)]
    return [sentence for block in blocks for sentence in markdown_pages.sentences(block)]


def sentences_of(room: str) -> dict[str, str]:
    """Where each sentence of a room's modules is, by sentence."""
    place = ROOT / room
    paths = sorted(place.glob("*.py")) if place.is_dir() else [place]
    return {sentence: path.name for path in paths for sentence in sentences(path)}


def listed(found: dict[str, str]) -> str:
    return "\n".join(f"{name}: {sentence}" for sentence, name in found.items())


@pytest.mark.parametrize("room", [*PLAIN, *ELSEWHERE])
def test_few_sentences_are_long(room):
    found = sentences_of(room)
    long = {one: name for one, name in found.items() if markdown_pages.words(one) > LIMIT}
    share = SHARE if room in PLAIN else SHARE_ELSEWHERE
    assert len(long) <= share * len(found), f"{len(long)} of {len(found)} have over {LIMIT} words:\n{listed(long)}"


@pytest.mark.parametrize("room", PLAIN)
def test_no_sentence_is_very_long_or_has_what_as_its_subject(room):
    bad = {
        one: name
        for one, name in sentences_of(room).items()
        if markdown_pages.words(one) > LONGEST or (one.startswith("What ") and not one.endswith("?"))
    }
    assert not bad, listed(bad)


def test_few_sentences_at_the_head_of_tests_are_long():
    found = [
        one
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for block in paragraphs(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        for one in markdown_pages.sentences(block)
    ]
    long = [one for one in found if markdown_pages.words(one) > LIMIT]
    assert len(long) <= SHARE * len(found), "\n".join(long)


EXAMPLE = '''
"""One fact. Another
fact.

    an example that is left out

- an item
"""


class Thing:
    """A thing.

    Attributes:
        size: of the thing. In cells,
            along a side.

    Raises:
        ValueError: if there is none.
    """

    size: int  # a comment at the end
    # Two lines of
    # one comment.
'''


def test_sentences_of_code_are_found(tmp_path):
    path = tmp_path / "thing.py"
    path.write_text(EXAMPLE.lstrip(), encoding="utf-8")
    assert sentences(path) == [
        *("One fact.", "Another fact.", "an item"),
        *("A thing.", "of the thing.", "In cells, along a side.", "if there is none."),
        *("a comment at the end", "Two lines of one comment."),
    ]
