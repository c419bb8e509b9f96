"""The three reports: all findings in JSON, all errors in HTML, a readable beginning in the terminal."""

import json
import re
import shutil
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from clean_set import QUESTIONS, change, check, say, write_clean
from PIL import Image
from turns_case import TURNS, dialogue

from gcl.data.problem import Problem
from gcl.data.raw import FILE, scene_record
from gcl.data.validation import reports as page
from gcl.data.validation.reports import SHOWN, Summary, Validation
from gcl.data.validation.validate import validate
from gcl.files import write_jsonl

HOSTILE = "<script>alert(1)</script> <img src=x onerror='alert(2)'> &amp; \"quoted\" {{ 7 * 7 }}"
VOID = {"meta", "img", "br"}


class _Page(HTMLParser):
    """Tags that are closed in order, what they refer to, and the text of the page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open, self.tags, self.targets, self.text = [], [], [], ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.targets += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def clean(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "set"
    write_clean(folder)
    return folder


@pytest.fixture
def folder(clean, tmp_path) -> Path:
    return Path(shutil.copytree(clean, tmp_path / "set"))


@pytest.fixture
def spoilt(folder) -> Path:
    """Errors and warnings of many kinds."""
    (folder / "images/1.png").write_bytes(b"")
    (folder / "images/2.png").unlink()
    shutil.copy(folder / "images/3.png", folder / "images/14.png")
    (folder / "notes <b>.txt").touch()
    change(folder, say(5, "action", "Fly"))
    change(folder, say(6, "explanation", HOSTILE + "\ufffd"))
    change(folder, lambda records: records[7].update(id=HOSTILE, image=f"../{HOSTILE}"))
    change(folder, lambda records: records[8].update({HOSTILE: 1}))
    change(folder, lambda records: records.pop(17))
    return folder


def test_json_holds_every_finding_in_fields(spoilt):
    found = check(spoilt)
    value = json.loads(json.dumps(found.to_dict()))
    assert [Problem(**problem) for problem in value["errors"]] == found.errors
    assert [Problem(**problem) for problem in value["warnings"]] == found.warnings
    assert {problem.kind for problem in found.errors} == {"format", "label", "count", "picture", "leak"}
    assert {"encoding", "unused"} <= {problem.kind for problem in found.warnings}
    assert value["name"] == "drawn" and value["summary"]["scenes"] == {"train": 12, "test": 5}


def test_html_holds_every_error_and_warning(spoilt):
    found = check(spoilt)
    parsed = _Page(found.html())
    text = " ".join(parsed.text.split())
    for problem in (*found.errors, *found.warnings):
        assert " ".join(f"{problem.place} {problem.field + ': ' * bool(problem.field)}{problem.what}".split()) in text


def test_html_shows_hostile_text_as_text(spoilt):
    html = check(spoilt).html()
    parsed = _Page(html)
    assert "script" not in parsed.tags and "<script" not in html and "&lt;script&gt;alert(1)" in html
    assert parsed.tags.count("img") == 17 - 3  # two damaged pictures and one whose path leads out
    assert "alert(1)" in parsed.text and "{{ 7 * 7 }}" in parsed.text


def test_html_needs_nothing_from_outside(spoilt):
    html = check(spoilt).html()
    parsed = _Page(html)
    assert all(target.startswith(("#", "data:image/jpeg;base64,")) for target in parsed.targets)
    assert not {"script", "link", "iframe", "object"} & set(parsed.tags)
    assert not re.search(r"url\(|@import|https?://", html.replace(escape(HOSTILE), ""))
    assert "default-src 'none'" in html and "prefers-color-scheme: dark" in html


def test_html_samples_scenes_the_same_way_each_time(spoilt, monkeypatch):
    monkeypatch.setattr(page, "SAMPLE", 5)
    found = check(spoilt)
    assert found.html() == found.html() == check(spoilt).html()
    text = _Page(found.html()).text
    assert "5 scenes, drawn at random" in text and text.count(QUESTIONS["prediction"]) == 5


def test_html_counts_warnings_beyond_the_first_and_lists_all_errors(folder, monkeypatch):
    monkeypatch.setattr(page, "LISTED", 2)
    for k in range(5):
        change(folder, say(k, "explanation", f"Lost \ufffd {k}."))
        (folder / f"images/{k + 6}.png").write_bytes(b"")
    text = _Page(check(folder).html()).text
    assert "and 3 more, which the JSON report lists" in text and text.count("characters that were lost") == 2
    assert text.count("empty file (0 bytes)") == 5


def test_html_flags_the_scenes_that_have_findings(folder):
    change(folder, say(6, "explanation", "\ufffd Going straight disturbs nobody."))
    text = _Page(check(folder).html()).text
    assert text.count("texts with broken characters") == 2  # heading and flag


def test_reports_of_free_text_actions_show_the_most_frequent(folder):
    for k in range(13):
        change(folder, say(k, "action", f"Do number {k}."))
    for k in (13, 14, 15):
        change(folder, say(k, "action", "Wait."))
    found = check(folder, closed=False)
    assert next(iter(found.summary.actions)) == "Wait." and len(found.summary.actions) == 10
    assert found.summary.actions["Wait."] == {"train": 0, "test": 3}
    assert (
        sum(found.summary.other_actions.values())
        + sum(sum(counts.values()) for counts in found.summary.actions.values())
        == 18
    )
    assert "(other texts)" in found.text() and "(other texts)" in found.html()


def test_numbers_of_a_closed_list_name_all_labels(folder):
    found = check(folder)
    assert list(found.summary.actions) == [
        "Move Forward", "Move Forward Left", "Move Forward Right", "Stop", "Turn Left", "Turn Right",
    ]  # fmt: skip
    assert found.summary.sizes == {"96 x 64": 18} and found.summary.pictures == 18
    assert found.summary.words["action"]["longest"] <= 3 and found.summary.words["perception"]["median"] > 8
    first = found.text().splitlines()[0]
    assert first == "drawn: 18 scenes (12 train, 6 test), 18 pictures"


def test_the_terminal_shows_the_first_of_each_kind_and_counts_the_rest():
    problems = [Problem(f"{FILE}:{k}", "image", f"what {k}", "do", "picture") for k in range(1000)]
    odd = [Problem(FILE, "image", "odd", "look", "unused")]
    empty = Summary({"train": 0, "test": 0}, 0, {}, {"train": 0, "test": 0}, {}, {})
    lines = Validation("x", Path(), [], empty, problems, odd, ["not counted"]).text().splitlines()
    assert f"    {problems[SHOWN - 1]}" in lines and f"    {problems[SHOWN]}" not in lines
    assert f"    ... and {1000 - SHOWN} more" in lines and "1000 errors:" in lines and "1 warning:" in lines
    assert len(lines) < SHOWN + 20


def test_the_terminal_keeps_texts_of_the_data_on_their_line(folder):
    change(folder, say(0, "action", "Stop\n0 errors\x1b[2J"))
    assert r"Stop\n0 errors\x1b[2J" in check(folder, closed=False).text()


@pytest.mark.slow
def test_the_page_of_800_real_pictures_with_many_findings_stays_below_a_megabyte(tmp_path):
    (tmp_path / "images").mkdir()
    long = {turn: (None, f"A sentence of ordinary length about the {turn}. " * 8) for turn in TURNS}
    records = []
    for k in range(800):
        picture = Image.effect_noise((160, 90), 80).convert("RGB").resize((1280, 720), Image.Resampling.BILINEAR)
        picture.save(tmp_path / f"images/{k}.jpg")
        records.append(scene_record(str(k), [(f"images/{k}.jpg", None)], "train" if k % 5 else "test", long, None))
    write_jsonl(tmp_path / FILE, records)
    for k in range(0, 800, 2):
        (tmp_path / f"images/{k}.jpg").write_bytes(b"damaged")
    found = validate("long", tmp_path, dialogue(questions=QUESTIONS), None)
    assert len(found.errors) == 400 and len(found.warnings) > 700
    assert 100_000 < len(found.html().encode()) < 1_000_000
