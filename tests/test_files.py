"""Whole or absent, and the same bytes for the same content."""

import pytest

from gcl.errors import DataError
from gcl.files import (
    atomic_folder,
    atomic_path,
    canonical_json,
    read_json,
    read_jsonl,
    sha256_files,
    write_json,
    write_jsonl,
)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1})
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.json") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(tmp_path / "a.json") == {"x": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_folder_leaves_the_old_one_and_no_other(tmp_path):
    with atomic_folder(tmp_path / "d") as work:
        (work / "x").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "d") as work:
        (work / "x").write_text("new")
        raise RuntimeError
    assert (tmp_path / "d/x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("one", "two"):
        with atomic_folder(tmp_path / "d") as work:
            (work / name).write_text(name)
    assert [path.name for path in (tmp_path / "d").iterdir()] == ["two"]


def test_not_a_number_is_never_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_equal_values_have_one_spelling():
    assert canonical_json({"b": 2.0e-5, "a": [1, None]}) == canonical_json({"a": [1, None], "b": 0.00002})


def test_a_hash_over_files_depends_on_names_and_contents_not_on_order(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("2")
    first = sha256_files([a, b], tmp_path)
    assert sha256_files([b, a], tmp_path) == first
    a.write_text("2")
    b.write_text("1")
    assert sha256_files([a, b], tmp_path) != first


def test_a_hash_over_links_out_of_the_folder_is_that_of_the_files(tmp_path):
    """As in the hub's cache, where snapshots link to blobs."""
    blobs, snapshot, plain = (tmp_path / name for name in ("blobs", "snapshot", "plain"))
    for folder in (blobs, snapshot, plain):
        folder.mkdir()
    (blobs / "abc").write_text("weights")
    (snapshot / "model.safetensors").symlink_to(blobs / "abc")
    (plain / "model.safetensors").write_text("weights")
    hashes = {sha256_files(folder.glob("*.safetensors"), folder) for folder in (snapshot, plain)}
    assert len(hashes) == 1


def test_broken_files_are_named_with_their_line(tmp_path):
    write_jsonl(tmp_path / "p.jsonl", [{"a": 1}, {"a": 2}])
    assert read_jsonl(tmp_path / "p.jsonl") == [{"a": 1}, {"a": 2}]
    (tmp_path / "p.jsonl").write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(DataError, match=r"p.jsonl:2: broken"):
        read_jsonl(tmp_path / "p.jsonl")
    (tmp_path / "p.json").write_text("{")
    with pytest.raises(DataError, match=r"p.json: broken"):
        read_json(tmp_path / "p.json")


def test_line_separators_inside_texts_survive_jsonl(tmp_path):
    records = [{"text": "one\u2028two\u2029three\x85four"}, {"text": ""}]
    write_jsonl(tmp_path / "x.jsonl", records)
    assert read_jsonl(tmp_path / "x.jsonl") == records
    write_jsonl(tmp_path / "empty.jsonl", [])
    assert read_jsonl(tmp_path / "empty.jsonl") == []


def test_a_folder_that_somebody_made_meanwhile_is_not_replaced(tmp_path):
    refused = pytest.raises(DataError, match="somebody else has made it meanwhile")
    with refused, atomic_folder(tmp_path / "new", replace=False) as work:
        (work / "ours").touch()
        (tmp_path / "new").mkdir()
        (tmp_path / "new/theirs").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["theirs"]
