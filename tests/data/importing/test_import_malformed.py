"""Invalid inputs: one exact line names the place and the remedy of each, and nothing is left behind."""

# ruff: noqa: E501 (the exact messages stay on one line)

import json
import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from import_cases import (
    ACTIONS,
    QUESTIONS,
    ROW_COLUMNS,
    TABLE,
    TALKS,
    WORDINGS,
    as_csv,
    as_json,
    as_jsonl,
    colour,
    questions,
    refused,
    row,
    talk,
    write_source,
)
from turns_case import TURNS, dialogue

Files = dict[str, bytes]
Case = tuple[dict[str, Any] | str, Files, str]  # mapping, files beside three pictures, expected line
ROWS = [row(k) for k in range(3)]
CSV, JSONL = TABLE | {"files": ["a.csv"]}, TABLE | {"files": ["a.jsonl"]}
TALK_FILES = TALKS | {"files": {"train": ["train.json"], "test": ["test.json"]}}
BY_WORDING = TALK_FILES | {"turns": {text: turn for turn, text in WORDINGS.items()}}
ASKED = QUESTIONS | {"files": {"train": ["a.jsonl"], "test": ["b.jsonl"]}}
OUT = "leads out of the data set; write a path relative to {source}, without '..'"


def _jpeg() -> bytes:
    stream = BytesIO()
    colour(1).save(stream, "JPEG")
    return stream.getvalue()


def _bomb() -> bytes:
    """A PNG of a few bytes that claims 40,000 x 30,000 pixels."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 30_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + b"\0\0\0\0IDAT"


def _rows(**change: Any) -> Files:
    """A table whose second row differs."""
    return {"a.jsonl": as_jsonl([ROWS[0], ROWS[1] | change, ROWS[2]])}


def _table(text: str) -> Files:
    return {"a.csv": text.encode()}


def _talks(*train: Any) -> Files:
    return {"train.json": as_json([talk(0), *train]), "test.json": as_json([talk(2)])}


def _changed(**change: Any) -> Files:
    return _talks(talk(1) | change)


def _message(number: int, **change: Any) -> Files:
    record = talk(1)
    record["conversations"][number - 1] |= change
    return _talks(record)


def _messages(count: int) -> Files:
    return _changed(conversations=talk(1)["conversations"][:count])


def _asked(*lines: Any, test: Any = None) -> Files:
    return {"a.jsonl": as_jsonl([*questions(0), *lines]), "b.jsonl": as_jsonl(test or questions(2))}


def _raw(text: str | bytes) -> Files:
    data = text if isinstance(text, bytes) else text.encode()
    return {"train.json": data, "test.json": as_json([talk(2)])}


def _picture(data: bytes) -> Files:
    return {"a.csv": as_csv(ROWS), "images/1.png": data}


def _without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


SYNTAX: dict[str, Case] = {
    "comma at the end": (TALK_FILES, _raw(f"[{json.dumps(talk(0))},\n]"), "train.json:2: not valid JSON: Expecting value at column 1; correct it"),
    "comma missing": (TALK_FILES, _raw(as_json([talk(0), talk(1)]).replace(b",\n", b"\n")), "train.json:3: not valid JSON: Expecting ',' delimiter at column 1; correct it"),
    "end missing": (TALK_FILES, _raw("[" + json.dumps(talk(0))), "train.json:1: not valid JSON: Expecting ',' delimiter at column 619; correct it"),
    "cut in a string": (TALK_FILES, _raw('[{"id":\n"s1'), "train.json:2: not valid JSON: Unterminated string starting at at column 1; correct it"),
    "text after the end": (TALK_FILES, _raw(as_json([talk(0)]) + b"\n x"), "train.json:5: not valid JSON: Extra data at column 2; correct it"),
    "tab in a string": (TALK_FILES, _raw('[\n{"id": "a\tb"}]'), "train.json:2: not valid JSON: Invalid control character at at column 10; correct it"),
    "single quotes": (TALK_FILES, _raw("[{'id': 1}]"), "train.json:1: not valid JSON: Expecting property name enclosed in double quotes at column 3; correct it"),
    "no JSON": (TALK_FILES, _raw("hello"), "train.json:1: not valid JSON: Expecting value at column 1; correct it"),
    "empty file": (TALK_FILES, _raw(""), "train.json: no records; add the scenes"),
    "only spaces": (TALK_FILES, _raw(" \r\n "), "train.json: no records; add the scenes"),
    "empty list": (TALK_FILES, _raw("[ ]"), "train.json: no records; add the scenes"),
    "object": (TALK_FILES, _raw('{"a": 1}\n{"a": 2}'), "train.json:1: no dialogue (there are: 'a'); name it under columns.dialogue, or say where the records are, in mapping.yaml"),
    "number": (TALK_FILES, _raw("7"), "train.json: the file holds a whole number instead of a list; put the records between [ and ]"),
    "depth": (TALK_FILES, _raw("[" * 200_000), "train.json:1: not valid JSON for a data set: nested too deeply; correct it"),
    "digits": (TALK_FILES, _raw("[\n" + "1" * 5000 + "]"), "train.json:2: not valid JSON for a data set: a number with thousands of digits; correct it"),
    "NaN": (TALK_FILES, _changed(score=float("nan")), "train.json:3: NaN or Infinity is not JSON; write null or text"),
    "overflow": (TALK_FILES, _raw('[{"a": [1e999]}]'), "train.json:1: NaN or Infinity is not JSON; write null or text"),
    "list in the list": (TALK_FILES, _talks([1]), "train.json:3: a list instead of an object; write the fields between { and }"),
    "second on its line": (TALK_FILES, _raw(f"[{json.dumps(talk(0))}, 3]"), "train.json:1 (record 2): a whole number instead of an object; write the fields between { and }"),
    "giant record": (TALK_FILES, _raw('[{"a": "' + "x" * (17 * 2**20) + '"}]'), "train.json:1: a record of more than 16 MiB is no scene; check that the file is whole"),
    "giant line": (JSONL, {"a.jsonl": b'{"a": "' + b"x" * (17 * 2**20) + b'"}'}, "a.jsonl:1: a line of more than 16 MiB is no scene; check that the file is whole"),
    "broken line": (JSONL, {"a.jsonl": as_jsonl(ROWS) + b'{"id":\n'}, "a.jsonl:4: not valid JSON: Expecting value at column 7; correct it"),
    "latin-1 in JSON": (TALK_FILES, _raw(as_json([talk(0)]).decode().encode("latin-1")), "train.json:2: not UTF-8; save the file as UTF-8"),
    "latin-1 in CSV": (CSV, {"a.csv": as_csv(ROWS).decode().encode("latin-1")}, "a.csv:2: not UTF-8; save the file as UTF-8"),
    "UTF-16 cut short": (CSV, {"a.csv": as_csv(ROWS).decode().encode("utf-16")[:-1]}, "a.csv:4: not the UTF-16 that its first bytes announce; save the file as UTF-8"),
    "UTF-16 with half a pair": (TALK_FILES, _raw(b"\xff\xfe" + "[\n".encode("utf-16-le") + b"\x00\xd8\x20\x00"), "train.json:2: not the UTF-16 that its first bytes announce; save the file as UTF-8"),
    "UTF-16 without a mark": (TALK_FILES, _raw("[1]".encode("utf-16-le")), "train.json:1: not valid JSON: Expecting value at column 2; correct it"),
}  # fmt: skip
TABLES: dict[str, Case] = {
    "empty table": (CSV, _table(""), "a.csv:1: no header; begin with a line of column names"),
    "only a header": (CSV, _table(as_csv(ROWS).decode().split("\n")[0]), "a.csv: no records; add the scenes"),
    "column twice": (CSV, _table("id,image,id\n1,2,3\n"), "a.csv:1: header: column 'id' stands there twice; rename one"),
    "other columns": (CSV, _table("scene,image\n1,2\n"), "a.csv:2: no column 'id', 'perception', 'prediction', 'reasoning', 'action', 'explanation', 'split' (there are: 'scene', 'image'); correct columns in mapping.yaml"),
    "too many cells": (CSV, _table(as_csv(ROWS).decode() + "1,2,3,4,5,6,7,8,9\n"), "a.csv:5: 9 columns instead of 8; put texts with ',' into double quotes"),
    "open quote": (CSV, _table(as_csv(ROWS).decode() + '\n1,"2\n3,4\n'), "a.csv:6: not valid CSV: unexpected end of data; check the double quotes of this record"),
    "text after a quote": (CSV, _table('id\n"1"2\n'), "a.csv:2: not valid CSV: ',' expected after '\"'; check the double quotes of this record"),
    "huge cell": (CSV, _table("id,image\n1," + "2" * 200_000 + "\n"), "a.csv:2: not valid CSV: field larger than field limit (131072); check the double quotes of this record"),
    "empty cell": (JSONL, _rows(reasoning=" \n"), "a.jsonl:2: reasoning: empty; fill it in"),
    "number as text": (JSONL, _rows(reasoning=3.5), "a.jsonl:2: reasoning: a decimal number instead of text; write text in double quotes"),
    "half a character": (JSONL, {"a.jsonl": json.dumps(ROWS[0] | {"id": "\ud800"}).encode()}, r"a.jsonl:1: id: '\ud800' is half a character (a lone surrogate); write the whole character"),
    "no id": (JSONL, {"a.jsonl": as_jsonl([ROWS[0], _without(ROWS[1], "id"), ROWS[2]])}, "a.jsonl:2: id: missing; add it"),
    "boolean id": (JSONL, _rows(id=True), "a.jsonl:2: id: true or false instead of text; write text in double quotes"),
    "unknown word": (JSONL, _rows(split="dev"), "a.jsonl:2: split: unknown word 'dev'; add it to split.words in mapping.yaml, with null if such scenes are left out"),
    "unknown action": (JSONL, _rows(action="Run"), "a.jsonl:2: action: unknown action 'Run'; use one of Move Forward, Stop, or add a label"),
    "duplicate id": (JSONL, _rows(id="s0"), "a.jsonl:2: id: 's0' is a duplicate (see a.jsonl:1); give each scene its own id"),
    "one split only": (JSONL, {"a.jsonl": as_jsonl(ROWS[:2])}, "mapping.yaml: split: no scene is in test; both splits need scenes"),
    "Parquet that is none": (TABLE | {"files": ["a.parquet"]}, {"a.parquet": b"PAR1 hello"}, "a.parquet: cannot be read as a data set (Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file.); fetch it again"),
    "empty Parquet": (TABLE | {"files": ["a.parquet"]}, {"a.parquet": b""}, "a.parquet: cannot be read as a data set (Parquet file size is 0 bytes); fetch it again"),
    "folder of no data set": (TABLE | {"files": ["images"]}, {}, "images: a folder without state.json; name the files in it, for example images/train-*.parquet"),
    "several saved splits": (TABLE | {"files": ["d"]}, {"d/dataset_dict.json": b"{}", "d/test/state.json": b"{}", "d/train/state.json": b"{}"}, "d: a data set of several splits; name them by split in files: d/test, d/train"),
    "broken saved data set": (TABLE | {"files": ["d"]}, {"d/state.json": b"{}"}, "d: cannot be read as a data set (Directory {source}/d is neither a `Dataset` directory nor a `DatasetDict` directory.); fetch it again"),
    "other type": (TABLE | {"files": ["a.xlsx"]}, {"a.xlsx": b"PK"}, "a.xlsx: not a file of annotations; known are .json, .jsonl, .ndjson, .csv, .tsv, .parquet and saved data sets"),
    "missing file": (CSV, {}, "a.csv: no such file in {source}; correct files in the mapping"),
    "pattern without a match": (TABLE | {"files": ["data/*.csv"]}, {}, "data/*.csv: no such file in {source}; correct files in the mapping"),
    "file twice": (TABLE | {"files": ["a.csv", "*.csv"]}, {"a.csv": as_csv(ROWS)}, "a.csv: named twice by files in the mapping; name it once"),
}  # fmt: skip
DIALOGUES: dict[str, Case] = {
    "no dialogue": (TALK_FILES, _talks(_without(talk(1), "conversations")), "train.json:3: conversations: missing; write one list of messages"),
    "two dialogues": (TALK_FILES, _changed(messages=[]), "train.json:3: conversations and messages: only one of them may be there; write one list of messages"),
    "dialogue as text": (TALK_FILES, _changed(conversations="hi"), "train.json:3: conversations: text instead of a list; write the list of messages"),
    "message as text": (TALK_FILES, _changed(conversations=["x"]), "train.json:3: conversations: message 1: text instead of an object; write role and text"),
    "four rounds": (TALK_FILES, _messages(8), "train.json:3: 4 rounds instead of 5 (perception, prediction, reasoning, action, explanation); correct the record, or name the turns by their wording"),
    "no last answer": (TALK_FILES, _messages(9), "train.json:3: conversations: message 9: a question without an answer; add the answer"),
    "unknown role": (TALK_FILES, _message(3, **{"from": "robot"}), "train.json:3: conversations: message 3: from: unknown role 'robot'; use human and gpt, or user and assistant"),
    "late system message": (TALK_FILES, _message(3, **{"from": "system"}), "train.json:3: conversations: message 3: from: unknown role 'system'; use human and gpt, or user and assistant"),
    "role as a number": (TALK_FILES, _message(3, **{"from": 3}), "train.json:3: conversations: message 3: from: a whole number instead of text; write text in double quotes"),
    "wrong order": (TALK_FILES, _message(2, **{"from": "human"}), "train.json:3: conversations: message 2: from: 'human' where the answer is due; let question and answer alternate"),
    "null answer": (TALK_FILES, _message(4, value=None), "train.json:3: conversations: message 4: value: null instead of text; write text in double quotes"),
    "empty answer": (TALK_FILES, _message(10, value=" \n"), "train.json:3: conversations: message 10: value: empty; fill it in"),
    "only a tag": (TALK_FILES, _message(1, value="<image>\n"), "train.json:3: conversations: message 1: value: empty but for <image>; write the question"),
    "no chosen answer": (TALK_FILES, _changed(conversations=[{"human": "a", "chosen": "b"}, {"human": "c"}]), "train.json:3: conversations: message 2: chosen: missing; add it"),
    "unknown wording": (BY_WORDING, _message(3, value="Really?"), "train.json:3: message 3: unknown question 'Really?'; add it to turns in mapping.yaml, with null if it is not used"),
    "turn twice": (BY_WORDING, _changed(conversations=talk(1)["conversations"] + talk(1, "")["conversations"][:2]), "train.json:3: message 11: a second question on perception; keep one"),
    "turn missing": (BY_WORDING, _messages(8), "train.json:3: no question on explanation; add it, or remove the scene"),
    "scene in both splits": (TALK_FILES, {"train.json": as_json([talk(0), talk(1)]), "test.json": as_json([talk(2), talk(1)])}, "test.json:3: id: 's1' is a duplicate (see train.json:3); give each scene its own id"),
    "question without answers": (ASKED, _asked(_without(questions(1)[0], "answer")), "a.jsonl:6: no answer; such a file can only say which scenes are for the test: split: {{file: ...}} in mapping.yaml"),
    "question without number": (ASKED, _asked(questions(1)[0] | {"question_id": "s1"}), "a.jsonl:6: question_id: 's1' does not end with _q1 to _q5; number the questions of a scene, or write ids: picture in mapping.yaml"),
    "sixth question": (ASKED, _asked(*questions(1), questions(1)[0] | {"question_id": "s1_q6"}), "a.jsonl:11: question_id: no suffix from _q1 to _q5; correct it, or name the turns by their wording"),
    "question twice": (ASKED, _asked(*questions(1), questions(1)[4]), "a.jsonl:11: a second question on explanation; keep one"),
    "question missing": (ASKED, _asked(*questions(1)[:4]), "a.jsonl:6: no question on explanation; add it, or remove the scene"),
    "question of another picture": (ASKED, _asked(*questions(1)[:4], questions(1)[4] | {"image": "images/2.png"}), "a.jsonl:10: image: not that of a.jsonl:6; a scene has one picture"),
    "test id unknown": (TALKS | {"files": ["train.json"], "split": {"file": "t.txt"}}, {"train.json": as_json([talk(0), talk(1)]), "t.txt": b"s1\ns9\n"}, "t.txt:2: 's9' is no scene of the data; correct it: ids look like 's0', pictures like 'images/0.png'"),
    "test ids missing": (TALKS | {"files": ["train.json"], "split": {"file": "t.txt"}}, {"train.json": as_json([talk(0)])}, "t.txt: cannot be read (No such file or directory); check that it exists and its permissions"),
    "split too large": (TALKS | {"files": ["train.json"], "split": {"train": 2, "test": 2, "seed": 0}}, {"train.json": as_json([talk(k) for k in range(3)])}, "mapping.yaml: split: 3 scenes cannot give 2 for training and 2 for the test; ask for fewer"),
}  # fmt: skip
PICTURES: dict[str, Case] = {
    "truncated JPEG": (CSV, _picture(_jpeg()[:-100]), "a.csv:3: image: 'images/1.png': truncated or corrupt image (image file is truncated (5 bytes not processed)); fetch it again"),
    "zero bytes": (CSV, _picture(b""), "a.csv:3: image: 'images/1.png': empty file (0 bytes); fetch it again"),
    "bomb": (CSV, _picture(_bomb()), "a.csv:3: image: 'images/1.png': more than 50 megapixels; scale it down"),
    "text as picture": (CSV, _picture(b"hello"), "a.csv:3: image: 'images/1.png': not an image (PNG, JPEG, WEBP, BMP); fetch it again or convert it"),
    "absolute path": (JSONL, _rows(image="/etc/passwd"), f"a.jsonl:2: image: '/etc/passwd': {OUT}"),
    "path upwards": (JSONL, _rows(image="images/../../x.png"), f"a.jsonl:2: image: 'images/../../x.png': {OUT}"),
    "null character": (JSONL, _rows(image="a\0.png"), r"a.jsonl:2: image: 'a\x00.png': no file name; remove the null character"),
    "no such picture": (JSONL, _rows(image="images/9.png"), "a.jsonl:2: image: 'images/9.png': no such file or directory; put the file there or correct the path"),
    "folder as picture": (JSONL, _rows(image="images"), "a.jsonl:2: image: 'images': not a file; name the picture itself"),
    "long name": (JSONL, _rows(image="a" * 300), f"a.jsonl:2: image: '{'a' * 76}...: file name too long; correct the path, or make the file readable"),
    "picture as number": (JSONL, _rows(image=7), "a.jsonl:2: image: a whole number instead of text; write text in double quotes"),
    "two pictures": (JSONL, _rows(image=["a.png", "b.png"]), "a.jsonl:2: image: 2 pictures instead of one; write picture: last, first or a number, or pictures: all in mapping.yaml"),
    "no picture in the list": (JSONL, _rows(image=[]), "a.jsonl:2: image: 0 pictures instead of one; add it"),
}  # fmt: skip
MAPPINGS: dict[str, Case] = {
    "unknown key": (CSV | {"colums": {}}, {}, "{mapping}: colums: unknown key; did you mean 'columns'?"),
    "unknown column": (CSV | {"columns": ROW_COLUMNS | {"mood": "x"}}, {}, "{mapping}: columns.mood: unknown key; use id, image, perception, prediction, reasoning, action, explanation, label"),
    "missing column": (CSV | {"columns": _without(ROW_COLUMNS, "action")}, {}, "{mapping}: columns.action: missing; add it"),
    "left to choose": (CSV | {"columns": ROW_COLUMNS | {"action": "CHOOSE"}}, {}, "{mapping}: columns.action: CHOOSE stands where nothing could be told; fill it in"),
    "no format": ({"files": ["a.csv"]}, {}, "{mapping}: format: missing; add it"),
    "unknown format": (CSV | {"format": "excel"}, {}, "{mapping}: format: 'excel' is not possible; input should be 'conversations', 'questions', 'table' or 'socialnav-sub'"),
    "no files": (CSV | {"files": []}, {}, "{mapping}: files: [] is not possible; list should have at least 1 item after validation, not 0"),
    "files of one split": (_without(CSV, "split") | {"files": {"train": ["a.csv"]}}, {}, "{mapping}: files: needs both splits; write {{train: [...], test: [...]}}, or a list and split"),
    "files of a third split": (_without(CSV, "split") | {"files": {"train": ["a"], "test": ["b"], "dev": ["c"]}}, {}, "{mapping}: files.dev: 'dev' is not possible; input should be 'train' or 'test'"),
    "file outside": (CSV | {"files": ["../a.csv"]}, {}, "{mapping}: files: '../a.csv' is not inside the source; write a path relative to it, without '..'"),
    "pictures outside": (CSV | {"images": "/tmp"}, {}, "{mapping}: images: '/tmp' is not inside the source; write a path relative to it, without '..'; for paths of another computer: {{strip: THEIR FOLDER, from: FOLDER HERE}}"),
    "split twice": (CSV | {"files": {"train": ["a.csv"], "test": ["b.csv"]}}, {}, "{mapping}: split: the files name the splits already; remove it, or write files as a list"),
    "no split": (_without(CSV, "split"), {}, "{mapping}: split: missing; say which scenes are for the test (see docs/data.md), or write files by split"),
    "no test": (CSV | {"split": {"column": "split", "words": {"a": "train"}}}, {}, "{mapping}: split.words: needs a word for train and one for test; add it"),
    "text as size": (CSV | {"split": {"train": "2", "test": 1, "seed": 0}}, {}, "{mapping}: split.train: '2' is not possible; input should be a valid integer"),
    "no seed": (CSV | {"split": {"train": 2, "test": 1}}, {}, "{mapping}: split.seed: missing; add it"),
    "no columns": (_without(CSV, "columns"), {}, "{mapping}: columns: missing; name the columns of the table"),
    "no id column": (CSV | {"columns": _without(ROW_COLUMNS, "id")}, {}, "{mapping}: columns.id: missing; name the column, or write ids: picture or ids: row"),
    "two kinds of ids": (CSV | {"ids": "row"}, {}, "{mapping}: columns.id: ids: row does not read it; remove one of the two"),
    "columns of dialogues": (TALK_FILES | {"columns": ROW_COLUMNS}, {}, "{mapping}: columns: conversations has no perception, prediction, reasoning, action, explanation; use id, image, dialogue, label, or correct format"),
    "turns of a table": (CSV | {"turns": "by order"}, {}, "{mapping}: turns: table has no questions to tell apart; remove it, or correct format"),
    "no turns": (_without(TALK_FILES, "turns"), {}, "{mapping}: turns: missing; write by order, or the wording of each question and its turn"),
    "dialogues by suffix": (TALK_FILES | {"turns": "by suffix"}, {}, "{mapping}: turns: 'by suffix' is not possible for conversations; write by order, or the wordings"),
    "not all turns": (TALK_FILES | {"turns": {"a": "action"}}, {}, "{mapping}: turns: no wording for perception, prediction, reasoning, explanation; add it"),
    "unknown turn": (BY_WORDING | {"turns": {"a": "mood"}}, {}, "{mapping}: turns: 'a': 'mood' is no turn of the data set; use perception, prediction, reasoning, action, explanation or null"),
    "numbered samples": (_without(CSV, "columns") | {"format": "socialnav-sub", "ids": "row"}, {}, "{mapping}: ids: socialnav-sub has its own; remove it, or correct format"),
    "no mapping": ("- a\n", {}, "{mapping}: not a mapping of keys to values; let `gcl data inspect` propose one"),
    "empty mapping": ("", {}, "{mapping}: not a mapping of keys to values; let `gcl data inspect` propose one"),
    "word as a key": (CSV | {"split": {"column": "split", "words": {1.5: "train", "x": "test"}}}, {}, "{mapping}: split.words.1.5: input should be a valid string; put words that YAML reads otherwise in quotes"),
    "no YAML": ("format: [", {}, "{mapping}:1: not valid YAML: expected the node content, but found '<stream end>'; correct it"),
    "alias": ("a: &a {b: *a}", {}, "{mapping}:1: not valid YAML: write the value instead of an alias (*); correct it"),
    "key that stands there twice": ("format: table\nformat: questions", {}, "{mapping}:2: not valid YAML: 'format' stands there twice, first in line 1; remove one; correct it"),
    "impossible date": ("format: 2020-99-99", {}, "{mapping}: not valid YAML: month must be in 1..12; correct it"),
}  # fmt: skip
CORPUS = SYNTAX | TABLES | DIALOGUES | PICTURES | MAPPINGS


def test_corpus_has_no_name_twice() -> None:
    assert len(CORPUS) == sum(map(len, (SYNTAX, TABLES, DIALOGUES, PICTURES, MAPPINGS))) >= 60


@pytest.mark.parametrize(("mapping", "files", "expected"), CORPUS.values(), ids=CORPUS)
def test_malformed_input_is_refused_in_one_line(
    tmp_path: Path, mapping: dict[str, Any] | str, files: Files, expected: str
) -> None:
    source = write_source(tmp_path / "source", files)
    places = {"{source}": str(source), "{mapping}": str(tmp_path / "mapping.yaml"), "{{": "{", "}}": "}"}
    for mark, text in places.items():
        expected = expected.replace(mark, text)
    assert refused(source, mapping, actions=ACTIONS) == [expected]


def test_missing_mapping_is_named(tmp_path: Path) -> None:
    from gcl.data.importing.mapping import read_mapping
    from gcl.errors import ConfigError

    with pytest.raises(ConfigError) as caught:
        read_mapping(tmp_path / "m.yaml", TURNS)
    reason = "cannot be read (No such file or directory); check that it exists and its permissions"
    assert str(caught.value) == f"{tmp_path / 'm.yaml'}: {reason}"


def test_missing_source_is_named(tmp_path: Path) -> None:
    expected = f"{tmp_path / 'source'}: no such folder; name the folder of the download"
    assert refused(tmp_path / "source", CSV) == [expected]


def test_symbolic_link_out_of_the_source_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", _rows(image="linked/x.png"))
    (tmp_path / "outside").mkdir()
    colour(7).save(tmp_path / "outside" / "x.png")
    (source / "linked").symlink_to(tmp_path / "outside")
    what = f"leads out of {source} through a symbolic link; copy the picture into the folder"
    assert refused(source, JSONL) == [f"a.jsonl:2: image: 'linked/x.png': {what}"]


def test_same_picture_in_both_splits_is_refused(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {"a.csv": as_csv(ROWS)})
    (source / "images/2.png").write_bytes((source / "images/0.png").read_bytes())
    what = "'images/2.png' is the same picture as in the train split (see a.csv:2); keep the scene in one split"
    assert refused(source, CSV) == [f"a.csv:4: image: {what}"]


def test_embedded_picture_that_is_damaged_is_named(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    source = write_source(tmp_path / "source", {})
    columns = {name: [r[name] for r in ROWS] for name in ROWS[0]} | {"image": [b"", b"x", _jpeg()]}
    datasets.Dataset.from_dict(columns).to_parquet(source / "a.parquet")
    assert refused(source, TABLE | {"files": ["a.parquet"]}) == [
        "a.parquet: row 1: image: embedded: empty file (0 bytes); fetch it again",
        "a.parquet: row 2: image: embedded: not an image (PNG, JPEG, WEBP, BMP); fetch it again or convert it",
    ]


def test_all_mistakes_come_together_and_the_rest_is_counted(tmp_path: Path) -> None:
    from import_cases import write_mapping

    from gcl.data.importing.importer import import_source
    from gcl.errors import DataError

    rows = [ROWS[0] | {"id": f"s{k}", "reasoning": "", "image": "x.png"} for k in range(23)] + [ROWS[1] | {"id": "x"}]
    source = write_source(tmp_path / "source", {"a.csv": as_csv(rows)})
    with pytest.raises(DataError) as caught:
        import_source(
            "muson", source, write_mapping(tmp_path / "m.yaml", CSV), tmp_path / "raw", dialogue(ACTIONS), show=5
        )
    heading, *lines = str(caught.value).split("\n")
    # The missing picture is one mistake, not 23.
    assert heading == f"{source}: 24 problems"
    assert lines[-1] == "  ... and 19 more"
    assert len(lines) == 6


def test_unknown_wording_is_said_once_for_all_records(tmp_path: Path) -> None:
    records = [talk(0), talk(1)]
    for record in records:
        record["conversations"][2]["value"] = "Really?"
    files = {"train.json": as_json(records), "test.json": as_json([talk(2)])}
    assert len(refused(write_source(tmp_path / "source", files), BY_WORDING)) == 1


def test_an_annotation_file_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {})
    os.mkfifo(source / "a.csv")
    assert refused(source, CSV) == ["a.csv: not a file; name a file of annotations"]


def test_an_annotation_file_outside_of_the_source_is_not_read(tmp_path: Path) -> None:
    source = write_source(tmp_path / "source", {})
    (tmp_path / "other.csv").write_bytes(as_jsonl(ROWS))
    (source / "a.csv").symlink_to(tmp_path / "other.csv")
    (problem,) = refused(source, CSV)
    assert problem.startswith("a.csv: leads out of") and problem.endswith("copy the file into the folder")


@pytest.mark.parametrize("id", ["a\tb", "a\nb"])
def test_an_id_that_no_manifest_could_hold_is_refused_at_its_place(tmp_path: Path, id: str) -> None:
    source = write_source(tmp_path / "source", _rows(id=id))
    assert refused(source, JSONL) == [f"a.jsonl:2: id: {id!r} has a tab or a line break; rename it"]
