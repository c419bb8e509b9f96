"""Any download and any mapping gives a valid raw folder or a one-line error, never a part of one."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_cases import (
    ACTIONS,
    DIALOGUE,
    QUESTIONS,
    TABLE,
    TALKS,
    WORDINGS,
    as_csv,
    as_json,
    as_jsonl,
    questions,
    row,
    run_import,
    talk,
    write_source,
)
from turns_case import TURNS, dialogue

from gcl.data.importing.inspect import inspect_source
from gcl.data.importing.mapping import read_mapping
from gcl.data.raw import read_raw
from gcl.errors import ConfigError, DataError, GCLError

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a disk takes longer than all else
TEXT = st.text(st.characters(), max_size=8)  # lone surrogates and control characters included
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
SPECIAL = st.sampled_from(
    ["s0", "images/0.png", "images", "/", "..", "human", "gpt", "system", "train", "Stop", 0, "", []]
)
TALK_FILES = TALKS | {"files": {"train": ["a.json"], "test": ["b.json"]}}
SOUND: list[tuple[dict[str, Any], dict[str, list[Any]]]] = [
    (TABLE | {"files": ["a.jsonl"]}, {"a.jsonl": [row(0), row(2)]}),
    (TABLE | {"files": ["a.csv"]}, {"a.csv": [row(0), row(2)]}),
    (TABLE | {"files": ["a.jsonl"], "split": {"train": 1, "test": 1, "seed": 0}}, {"a.jsonl": [row(0), row(1)]}),
    (TALK_FILES, {"a.json": [talk(0)], "b.json": [talk(2)]}),
    (TALK_FILES | {"turns": {w: t for t, w in WORDINGS.items()}}, {"a.json": [talk(0)], "b.json": [talk(2)]}),
    (
        QUESTIONS | {"files": ["a.jsonl"], "split": {"file": "t.txt"}},
        {"a.jsonl": questions(0) + questions(1), "t.txt": ["s1"]},
    ),
]


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A value, now and then with something else at some place inside."""
    if draw(st.integers(0, 7)) == 0:
        return draw(SPECIAL | VALUE)
    if isinstance(value, dict):
        names = [name for name in value if draw(st.integers(0, 15))]
        extra = draw(st.dictionaries(TEXT, VALUE, max_size=1)) if draw(st.integers(0, 7)) == 0 else {}
        return {
            name: draw(changed(value[name])) if draw(st.integers(0, 2)) == 0 else value[name] for name in names
        } | extra
    if isinstance(value, list) and value:
        position = draw(st.integers(0, len(value) - 1))
        return [*value[:position], draw(changed(value[position])), *value[position + draw(st.integers(0, 1)) :]]
    return value


@st.composite
def spoiled(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes, now and then in another encoding, cut off, or with others put in."""
    damage = draw(st.sampled_from(["none", "none", "none", "utf-16", "mark", "cut", "insert"]))
    if damage == "utf-16":
        return content.decode(errors="replace").encode("utf-16")
    if damage == "mark":
        return b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    place = draw(st.integers(0, len(content)))
    if damage == "cut":
        return content[:place]
    return content[:place] + (draw(st.binary(max_size=6)) if damage == "insert" else b"") + content[place:]


@st.composite
def downloads(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A mapping and files that it may fit."""
    mapping, files = draw(st.sampled_from(SOUND))
    target = draw(st.sampled_from([*files, None]))  # None: everything stays sound but for encodings
    return mapping, {
        name: draw(spoiled(_written(name, [draw(changed(r)) if name == target else r for r in records])))
        for name, records in files.items()
    }


def _written(name: str, records: list[Any]) -> bytes:
    if name.endswith(".txt"):
        return "\n".join(map(str, records)).encode(errors="replace")
    if name.endswith(".csv"):
        rows = [{n: str(v) for n, v in r.items()} for r in records if isinstance(r, dict) and r.keys() == row(0).keys()]
        return b"".join(
            as_csv([r]) if k == 0 else as_csv([r]).split(b"\n", 1)[1] for k, r in enumerate(_printable(rows))
        )
    # Lone surrogates have no bytes of their own; as escapes they reach the reader.
    records = [json.loads(json.dumps(record), strict=False) for record in records]
    try:
        return as_json(records) if name.endswith(".json") else as_jsonl(records)
    except UnicodeEncodeError:
        lines = [json.dumps(record) for record in records]
        return ("[" + ",\n".join(lines) + "]" if name.endswith(".json") else "\n".join(lines)).encode()


def _printable(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{n: v.encode(errors="replace").decode() for n, v in r.items()} for r in rows]


def _import_or_refuse(download: tuple[dict[str, Any], dict[str, bytes]]) -> bool:
    """Import; whether it was possible."""
    mapping, files = download
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        source = write_source(Path(folder) / "source", files)
        try:
            run_import(source, mapping, actions=ACTIONS)
        except (DataError, ConfigError) as error:
            str(error).encode()  # a message that cannot be printed would be a traceback after all
            assert sorted(path.name for path in Path(folder).iterdir()) == ["mapping.yaml", "source"]
            return False
        scenarios = read_raw(Path(folder) / "raw", dialogue(ACTIONS, WORDINGS))
        assert {scenario.split for scenario in scenarios} == {"train", "test"}
        return True


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(download=downloads())
def test_any_download_gives_a_valid_raw_folder_or_an_error(download: tuple[dict[str, Any], dict[str, bytes]]) -> None:
    _import_or_refuse(download)


@pytest.mark.slow
@settings(max_examples=10_000, suppress_health_check=list(HealthCheck))
@given(download=downloads())
def test_any_of_ten_thousand_downloads_gives_a_valid_raw_folder_or_an_error(
    download: tuple[dict[str, Any], dict[str, bytes]],
) -> None:
    _import_or_refuse(download)


def test_sound_downloads_of_the_fuzz_can_be_imported() -> None:
    for mapping, files in SOUND:
        assert _import_or_refuse((mapping, {name: _written(name, records) for name, records in files.items()}))


@settings(max_examples=200, suppress_health_check=list(HealthCheck))
@given(download=downloads())
def test_any_download_can_be_inspected_and_gets_a_proposal_in_yaml_or_a_reason(
    download: tuple[dict[str, Any], dict[str, bytes]],
) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        source = write_source(Path(folder) / "source", download[1])
        inspection = inspect_source(source, DIALOGUE)
        inspection.text().encode()
        if inspection.mapping is None:
            assert inspection.reason and len(inspection.reason.splitlines()) == 1
            return
        file = Path(folder) / "mapping.yaml"
        file.write_text(inspection.mapping)
        assert isinstance(yaml.safe_load(inspection.mapping), dict)
        try:
            read_mapping(file, TURNS)
        except ConfigError as error:
            assert all("CHOOSE" in line or "turns" in line or "split" in line for line in str(error).split("\n")), error


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    mapping=st.sampled_from([mapping for mapping, _ in SOUND]).flatmap(changed),
    junk=st.binary(max_size=5),
    place=st.integers(0, 300),
)
def test_any_mapping_is_read_or_refused(mapping: Any, junk: bytes, place: int) -> None:
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        file = Path(folder) / "mapping.yaml"
        try:
            text = yaml.safe_dump(mapping).encode()
        except (UnicodeEncodeError, yaml.YAMLError):
            return
        file.write_bytes(text[:place] + junk + text[place:])
        try:
            read_mapping(file, TURNS)
        except GCLError as error:
            str(error).encode()
            assert all(line.startswith(f"{file}:") for line in str(error).split("\n"))
