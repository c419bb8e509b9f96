"""Annotation files are read as far as possible; each flaw in their syntax is named with file and line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gcl.data import annotations as records
from gcl.data.annotations import Record, read_json, read_text, text_field, text_lines
from gcl.data.problem import Problem
from gcl.errors import DataError

OBJECT = '{"a": 1}'
LIST = "; put the records between [ and ]"
BROKEN_JSON = {
    "comma": (
        "a.json",
        f"[{OBJECT},\n{OBJECT}\n,]",
        "a.json:3: not valid JSON: Expecting value at column 2; correct it",
    ),
    "empty": ("a.json", "", "a.json: no records; add the scenes"),
    "text alone": ("a.json", '"a"', f"a.json: the file holds text instead of a list{LIST}"),
    "lone NaN": ("a.json", "NaN", f"a.json: the file holds a decimal number instead of a list{LIST}"),
    "infinite": ("a.json", '[{"a": -Infinity}]', "a.json:1: NaN or Infinity is not JSON; write null or text"),
    "overflow": ("a.json", '[\n{"a": [1e999]}]', "a.json:2: NaN or Infinity is not JSON; write null or text"),
    "depth": ("a.json", "[" * 200_000, "a.json:1: not valid JSON for a data set: nested too deeply; correct it"),
    "digits": (
        "a.json",
        f"[{'1' * 5000}]",
        "a.json:1: not valid JSON for a data set: a number with thousands of digits; correct it",
    ),
    "list record": (
        "a.json",
        f"[{OBJECT}, []]",
        "a.json:1 (record 2): a list instead of an object; write the fields between { and }",
    ),
    "text behind": ("a.json", f"[{OBJECT}]\n ]", "a.json:2: not valid JSON: Extra data at column 2; correct it"),
    "no records": ("a.json", "[]", "a.json: no records; add the scenes"),
    "line cut short": (
        "a.jsonl",
        f"{OBJECT}\n\n{OBJECT[:5]}\n",
        "a.jsonl:3: not valid JSON: Expecting value at column 6; correct it",
    ),
    "line depth": ("a.jsonl", "[" * 200_000, "a.jsonl:1: not valid JSON for a data set: nested too deeply; correct it"),
    "line NaN": ("a.jsonl", f'{OBJECT}\n{{"a": NaN}}\n', "a.jsonl:2: NaN or Infinity is not JSON; write null or text"),
    "number line": (
        "a.jsonl",
        "3\n",
        "a.jsonl:1: a whole number instead of an object; write the fields between { and }",
    ),
    "blank lines only": ("a.jsonl", "\n\n", "a.jsonl: no records; add the scenes"),
}


@pytest.mark.parametrize(("name", "text", "expected"), BROKEN_JSON.values(), ids=BROKEN_JSON)
def test_invalid_json_is_named_with_its_place(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).write_text(text)
    problems: list[Problem] = []
    list(read_json(tmp_path / name, problems))
    assert [*map(str, problems)] == [expected]


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300)
@given(
    values=st.lists(st.dictionaries(st.text(max_size=4), VALUE, max_size=4), min_size=1, max_size=5),
    indent=st.sampled_from([None, 0, 2]),
    ascii=st.booleans(),
)
def test_records_are_what_the_whole_file_holds(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any], indent: int | None, ascii: bool
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(values, indent=indent, ensure_ascii=ascii), encoding="utf-8", newline="")
    problems: list[Problem] = []
    assert [record.fields for record in read_json(path, problems)] == values
    assert problems == []


@settings(max_examples=200)
@example(text="1e1")
@example(text="-1.5e-1]")
@given(text=st.text('[]{},:"\\ \n1ea-nul.+', max_size=30))
def test_what_is_no_json_is_refused_where_the_standard_library_refuses_it(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(f"[{text}", encoding="utf-8", newline="")
    problems: list[Problem] = []
    list(read_json(path, problems))
    try:
        json.loads(f"[{text}")
    except json.JSONDecodeError as error:
        line = f"a.json:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}; correct it"
        assert line in map(str, problems)
    else:
        assert not any("not valid JSON" in str(problem) for problem in problems)


def test_records_know_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a":\n1},\n\n{"a": 2}, {"a": 3},\r\n{"a": 4}]')
    places = [record.where for record in read_json(tmp_path / "a.json", [])]
    assert places == ["a.json:1", "a.json:4", "a.json:4 (record 3)", "a.json:5"]


def test_records_around_a_broken_line_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{OBJECT}\n{{\n{OBJECT}\n")
    problems: list[Problem] = []
    assert list(read_json(path, problems)) == [Record("a.jsonl:1", {"a": 1}), Record("a.jsonl:3", {"a": 1})]
    assert len(problems) == 1


def test_records_before_the_end_of_a_broken_list_are_still_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(f"[{OBJECT},\n{OBJECT},\n{{")
    problems: list[Problem] = []
    assert len(list(read_json(path, problems, "data/a.json"))) == 2
    assert [*map(str, problems)] == [
        "data/a.json:3: not valid JSON: Expecting property name enclosed in double quotes at column 2; correct it"
    ]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_that_is_not_utf8_is_named_with_its_line(tmp_path: Path, mark: bytes) -> None:
    path = tmp_path / "a.jsonl"
    # A count that forgot the byte order mark would be off here: the bad byte follows a line end at once.
    path.write_bytes(mark + OBJECT.encode() + b"\n\xe9\n")
    problems: list[Problem] = []
    assert list(read_json(path, problems)) == []
    assert [*map(str, problems)] == ["a.jsonl:2: not UTF-8; save the file as UTF-8"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends_of_other_systems_change_nothing(tmp_path: Path, encoding: str, end: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"é{end}😀{end}".encode(encoding))
    problems: list[Problem] = []
    assert read_text(path, problems) == "é\n😀\n"
    assert problems == []
    assert list(text_lines(path, "a.txt")) == ["é", "😀"]


def test_unusual_line_separators_inside_a_text_do_not_end_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"a": "b\u2028c\x85d"}, ensure_ascii=False) + "\n")
    assert list(read_json(tmp_path / "a.jsonl", [])) == [Record("a.jsonl:1", {"a": "b\u2028c\x85d"})]


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    problems: list[Problem] = []
    assert list(read_json(tmp_path / "a.json", problems)) == []
    assert read_text(tmp_path, problems) is None
    remedy = "check that it exists and its permissions"
    assert [*map(str, problems)] == [
        f"a.json: cannot be read (No such file or directory); {remedy}",
        f"{tmp_path.name}: cannot be read (Is a directory); {remedy}",
    ]


def test_line_that_is_too_long_ends_the_reading(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a\n" + "b" * 200)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", 100)
        with pytest.raises(DataError, match=r"a.txt:2: a line of more than 16 MiB is no scene"):
            list(text_lines(tmp_path / "a.txt", "a.txt"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "here: a: missing; add it"),
        ({"a": None}, "here: a: null instead of text; write text in double quotes"),
        ({"a": False}, "here: a: true or false instead of text; write text in double quotes"),
        ({"a": b"x"}, "here: a: bytes instead of text; write text in double quotes"),
        ({"a": " \t\n"}, "here: a: empty; fill it in"),
        ({"a": "x\udc00"}, r"here: a: '\udc00' is half a character (a lone surrogate); write the whole character"),
    ],
)
def test_field_that_holds_no_text_is_named(fields: dict[str, object], expected: str) -> None:
    problems: list[Problem] = []
    assert text_field(fields, "a", "here", problems) is None
    assert [*map(str, problems)] == [expected]


@pytest.mark.parametrize("text", ['[\n{"a": "' + "b" * 99 + '"}]', '\n{"a": "' + "b" * 99 + '"}{"a": 1}'])
def test_a_record_that_is_too_large_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    problems: list[Problem] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", 100)
        assert list(read_json(tmp_path / "a.json", problems)) == []
    assert [*map(str, problems)] == ["a.json:2: a record of more than 16 MiB is no scene; check that the file is whole"]


@pytest.mark.parametrize(("line", "end"), [("é", b"\x00"), ("é\n", b"\x00")])
def test_cut_utf16_is_named_with_its_line(tmp_path: Path, line: str, end: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(line.encode("utf-16") + end)
    said = "not the UTF-16 that its first bytes announce"
    with pytest.raises(DataError, match=rf"a.txt:{1 + line.count(chr(10))}: {said}; save the file as UTF-8"):
        list(text_lines(tmp_path / "a.txt", "a.txt"))


def test_text_comes_without_surrounding_whitespace() -> None:
    assert text_field({"a": " b c\n"}, "a", "here", []) == "b c"


WRAPPED = '{"info": {"a": [1, [2]]}, "data":\n {"x": {"a": 1},\n "y": [2], "z": "w"}, "more": "}"}'


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ('{"a": 1}', None, [("a.json:1", {"a": 1})]),
        ('{"a": 1}\n{"a": 2}\n', None, [("a.json:1", {"a": 1}), ("a.json:2", {"a": 2})]),
        ('{"a":\n1}\n{"a":\n2}\n', None, [("a.json:1", {"a": 1}), ("a.json:3", {"a": 2})]),
        ('{"d": [{"a": 1},\n{"a": 2}]}', "d", [("a.json:1", {"a": 1}), ("a.json:2", {"a": 2})]),
        ('{"x": {"a": 1}}', ".", [("a.json:1", {"(key)": "x", "a": 1})]),
        (
            WRAPPED,
            "data",
            [
                ("a.json:2", {"(key)": "x", "a": 1}),
                ("a.json:3", {"(key)": "y", "(value)": [2]}),
                ("a.json:3 (record 3)", {"(key)": "z", "(value)": "w"}),
            ],
        ),
        ('{"d": {"e": {"x": {"a": 1}}}}', "d.e", [("a.json:1", {"(key)": "x", "a": 1})]),
    ],
)
def test_records_are_found_where_the_file_has_them(
    tmp_path: Path, text: str, at: str | None, expected: list[tuple[str, dict]]
) -> None:
    (tmp_path / "a.json").write_text(text)
    problems: list[Problem] = []
    found = [(record.where, record.fields) for record in read_json(tmp_path / "a.json", problems, at=at)]
    assert (found, problems) == (expected, [])


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        ('{"d": [{"a": 1}]}', "e", "a.json: no records at e; correct records in the mapping"),
        ("[]", "e", "a.json:1: a list where the records of e should be; correct records in the mapping"),
        ('{"d": 1}', "d", "a.json:1: a whole number where the records should be; correct records in the mapping"),
        ('{"d": [{"a": 1}]', "d", "a.json:1: not valid JSON: Expecting ',' delimiter at column 17; correct it"),
        ('{"d": [{"a": 1}] "e"', "d", "a.json:1: not valid JSON: Expecting ',' delimiter at column 18; correct it"),
    ],
)  # fmt: skip
def test_records_that_are_not_there_are_named(tmp_path: Path, text: str, at: str, expected: str) -> None:
    (tmp_path / "a.json").write_text(text)
    problems: list[Problem] = []
    list(read_json(tmp_path / "a.json", problems, at=at))
    assert [*map(str, problems)] == [expected]


def test_lines_called_json_and_a_list_called_jsonl_are_read_by_content(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(f"{OBJECT}\n{{\n{OBJECT}\n")
    (tmp_path / "b.jsonl").write_text(f"[{OBJECT},\n{OBJECT}]")
    problems: list[Problem] = []
    assert len(list(read_json(tmp_path / "a.json", problems))) == 2
    assert len(problems) == 1
    assert len(list(read_json(tmp_path / "b.jsonl", problems))) == 2
    assert len(problems) == 1


def test_foreign_parts_of_a_wrapped_file_may_be_large_and_deep(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"big": [' + ",".join(['"' + "x" * 2**20 + '"'] * 17) + '], "d": [{"a": 1}]}')
    problems: list[Problem] = []
    assert [record.fields for record in read_json(tmp_path / "a.json", problems, at="d")] == [{"a": 1}]
    (tmp_path / "b.json").write_text('{"deep": ' + "[" * 99_999)
    assert list(read_json(tmp_path / "b.json", problems, at="d")) == []
    assert [*map(str, problems)] == ["b.json:1: not valid JSON for a data set: nested too deeply; correct it"]
