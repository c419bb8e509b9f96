"""The documentation: short sentences, links that lead somewhere, generated pages that are current, a short README."""

import re
import shlex
from pathlib import Path

import markdown_pages
import pytest
from conftest import ROOT
from cyclopts import CycloptsError

from gcl.cli.main import app
from gcl.experiment.settings_page import PAGE, settings_page

README = ROOT / "README.md"
GENERATED = {"settings.md", "commands.md"}
PAGES = [
    README,
    *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "config/README.md", "results/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
WRITTEN = [page for page in PAGES if page.name not in GENERATED]
# The house's limit is 20 words. Of each page so many sentences may be longer, none longer than LONGEST.
LIMIT, LONGEST, SHARE = 20, 30, 0.03


def sentences_of(page: Path, *kinds: str) -> list[str]:
    """All sentences in blocks of these kinds."""
    text = page.read_text(encoding="utf-8")
    return [
        one for kind, block in markdown_pages.blocks(text) if kind in kinds for one in markdown_pages.sentences(block)
    ]


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_very_long(page):
    long = [one for one in sentences_of(page, "prose", "cell") if markdown_pages.words(one) > LONGEST]
    assert not long, f"more than {LONGEST} words:\n" + "\n".join(long)


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_few_sentences_are_long(page):
    found = sentences_of(page, "prose")
    long = [one for one in found if markdown_pages.words(one) > LIMIT]
    assert len(long) <= SHARE * len(found), f"{len(long)} of {len(found)} have more than {LIMIT} words:\n" + "\n".join(
        long
    )


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_no_subject(page):
    found = [
        one for one in sentences_of(page, "prose") if one.lstrip("*_").startswith("What ") and not one.endswith("?")
    ]
    assert not found, "a sentence names its subject:\n" + "\n".join(found)


def test_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 130


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page):
    dead = []
    for link in markdown_pages.links(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if "://" in link or link.startswith("mailto:"):
            continue
        if not target.is_file() or (anchor and anchor not in markdown_pages.anchors(target)):
            dead.append(link)
    assert not dead, f"{page.name} links to nothing: {', '.join(dead)}"


def test_the_page_of_settings_is_current(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert settings_page() == (ROOT / PAGE).read_text(encoding="utf-8"), "type `make schema`"


def mistake(command: str) -> str | None:
    """The parser's complaint about a command of `gcl`; None if it has none."""
    try:
        app.parse_args(shlex.split(command, comments=True), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return f"gcl {command}: {' '.join(str(error).split())}"
    return None


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_gcl_can_be_typed(page):
    whole, mentioned = markdown_pages.commands(page.read_text(encoding="utf-8"), "gcl")
    found = [mistake(command) for command in whole]
    # A sentence may leave out what a verb needs, but name no verb or option that there is not.
    found += [said for said in map(mistake, mentioned) if said and "requires an argument" not in said]
    assert not any(found), "\n".join(filter(None, found))


@pytest.mark.parametrize("command", ["nonsense", "status --nonsense", "data nonsense", "runs a b"])
def test_a_command_that_cannot_be_typed_is_noticed(command):
    assert mistake(command) is not None


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_target_of_make_exists(page):
    known = re.findall(
        r"[\w./-]+", " ".join(re.findall(r"^([^\s#].*?):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    )
    whole, mentioned = markdown_pages.commands(page.read_text(encoding="utf-8"), "make")
    asked = [command.partition("#")[0].split() for command in whole + mentioned]
    assert {words[0] for words in asked if words} <= {*known}


def test_every_page_is_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if page.parent.name == "docs" and page.name not in navigation] == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One fact. See Sec. 4.1 and `a b c` (two words).", [2, 7]),
        ("- an item\n  of two lines\n- another\n", [5, 1]),
        ("```\nno prose here\n```\nProse [with a link](x.md#y).", [4]),
        ("| a cell | of two. Three words here |\n|---|---|\n", [2, 2, 3]),
    ],
)
def test_sentences_are_counted_as_a_reader_would(text, count):
    found = [one for _, block in markdown_pages.blocks(text) for one in markdown_pages.sentences(block)]
    assert [markdown_pages.words(one) for one in found] == count
