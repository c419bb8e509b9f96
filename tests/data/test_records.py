"""Annotation files are read as far as possible; each flaw in their syntax is named with file and line."""

import json
from pathlib import Path

import pytest

from gcl.data.records import Record, find_file, read_csv, read_json, text_field

OBJECT = '{"a": 1}'
BROKEN_JSON = {
    "comma": ("a.json", f"[{OBJECT},\n{OBJECT}\n,]", "a.json:3: not valid JSON: "),
    "empty": ("a.json", "", "a.json:1: not valid JSON: Expecting value at column 1; correct it"),
    "object": ("a.json", OBJECT, "a.json: the file holds an object instead of a list; "),
    "lone NaN": ("a.json", "NaN", "a.json: the file holds a decimal number instead of a list; "),
    "infinite": ("a.json", '[{"a": -Infinity}]', "a.json: record 1: NaN or Infinity is not JSON; write null or text"),
    "overflow": ("a.json", '[{"a": [1e999]}]', "a.json: record 1: NaN or Infinity is not JSON; write null or text"),
    "depth": ("a.json", "[" * 200_000, "a.json: not valid JSON for a data set: nested too deeply; correct it"),
    "digits": ("a.json", f"[{'1' * 5000}]", "a.json: not valid JSON for a data set: a number with thousands of digits"),
    "list record": ("a.json", f"[{OBJECT}, []]", "a.json: record 2: a list instead of an object; "),
    "no records": ("a.json", "[]", "a.json: no records; add the scenes"),
    "line cut short": ("a.jsonl", f"{OBJECT}\n\n{OBJECT[:5]}\n", "a.jsonl:3: not valid JSON: "),
    "line depth": ("a.jsonl", "[" * 200_000, "a.jsonl:1: not valid JSON for a data set: nested too deeply; correct it"),
    "line NaN": ("a.jsonl", f'{OBJECT}\n{{"a": NaN}}\n', "a.jsonl:2: NaN or Infinity is not JSON; "),
    "number line": ("a.jsonl", "3\n", "a.jsonl:1: a whole number instead of an object; "),
    "blank lines only": ("a.jsonl", "\n\n", "a.jsonl: no records; add the scenes"),
}
BROKEN_CSV = {
    "empty file": ("", "a.csv:1: empty file; begin with the header x,y"),
    "only a header": ("x,y\n", "a.csv: no records; add the scenes"),
    "extra column": ("x,y,mood\n1,2,3\n", "a.csv:1: header: unknown column 'mood'; remove it (expected: x,y)"),
    "missing column": ("y\n1\n", "a.csv:1: header: column 'x' is missing; add it (expected: x,y)"),
    "double column": ("x,y,x\n1,2,3\n", "a.csv:1: header: column 'x' stands there twice; remove one (expected: x,y)"),
    "comma in a text": (
        "x,y\n1,2\n1,2, 3\n",
        "a.csv:3: 3 columns instead of 2; put texts with commas into double quotes",
    ),
    "after a text of two lines": ('x,y\n"1\n1",2\n\n1\n', "a.csv:5: 1 columns instead of 2; "),
    "open quote": ('x,y\n1,2\n1,"2\n3,4\n', "a.csv:3: not valid CSV: unexpected end of data; "),
    "text after a quote": ('x,y\n"1"2,3\n', "a.csv:2: not valid CSV: "),
    "huge cell": (f"x,y\n1,{'2' * 200_000}\n", "a.csv:2: not valid CSV: field larger than field limit"),
}


@pytest.mark.parametrize(("name", "text", "expected"), BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_invalid_json_is_named_with_its_place(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    problems: list[str] = []
    read_json(tmp_path / name, problems)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


@pytest.mark.parametrize(("text", "expected"), BROKEN_CSV.values(), ids=BROKEN_CSV)
def test_invalid_csv_is_named_with_the_line_where_the_record_begins(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    problems: list[str] = []
    read_csv(tmp_path / "a.csv", ["x", "y"], problems)
    assert len(problems) == 1
    assert problems[0].startswith(expected)


def test_records_around_a_broken_line_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{OBJECT}\n{{\n{OBJECT}\n")
    problems: list[str] = []
    assert read_json(path, problems) == [Record("a.jsonl:1", {"a": 1}), Record("a.jsonl:3", {"a": 1})]
    assert len(problems) == 1


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("y,x\n1,2\n")
    assert read_csv(tmp_path / "a.csv", ["x", "y"], []) == [Record("a.csv:2", {"y": "1", "x": "2"})]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "a.jsonl"
    # A count that forgot the byte order mark would be off here: the bad byte follows a line end at once.
    path.write_bytes(mark + OBJECT.encode() + b"\n\xe9\n")
    problems: list[str] = []
    assert read_json(path, problems) == []
    assert problems == ["a.jsonl:2: not UTF-8; save the file as UTF-8"]


def test_unusual_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"a": "b\u2028c\x85d"}, ensure_ascii=False) + "\n")
    assert read_json(tmp_path / "a.jsonl", []) == [Record("a.jsonl:1", {"a": "b\u2028c\x85d"})]


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    problems: list[str] = []
    assert read_json(tmp_path / "a.json", problems) == []
    assert problems[0].startswith("a.json: cannot be read (No such file or directory); ")


def test_folder_is_not_taken_for_an_annotation_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").mkdir()
    problems: list[str] = []
    assert find_file(tmp_path, ["a.json"], problems) is None
    assert problems == [f"a.json: no such file; put exactly one of them into {tmp_path}"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "here: a: missing; add it"),
        ({"a": None}, "here: a: null instead of text; write text in double quotes"),
        ({"a": False}, "here: a: true or false instead of text; write text in double quotes"),
        ({"a": " \t\n"}, "here: a: empty; fill it in"),
        ({"a": "x\udc00"}, r"here: a: '\udc00' is half a character (a lone surrogate); write the whole character"),
    ],
)
def test_field_that_holds_no_text_is_named(fields: dict[str, object], expected: str) -> None:
    problems: list[str] = []
    assert text_field(fields, "a", "here", problems) is None
    assert problems == [expected]


def test_text_comes_without_surrounding_whitespace() -> None:
    assert text_field({"a": " b c\n"}, "a", "here", []) == "b c"
