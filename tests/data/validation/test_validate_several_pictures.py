"""Validation looks at every picture of a scene. Frames of one scene may be alike."""

import shutil
from pathlib import Path

import pytest
from clean_set import change, check, write_clean
from PIL import Image

from gcl.data.raw import FILE


@pytest.fixture
def folder(tmp_path) -> Path:
    """The clean set, each of whose scenes has three frames that are nearly alike."""
    write_clean(tmp_path / "set")

    def frames(records):
        for record in records:
            path = Path(record.pop("image"))
            record["images"] = []
            for number in range(3):
                name = path.with_stem(f"{path.stem}-{number}")
                with Image.open(tmp_path / "set" / path) as picture:
                    picture.putpixel((number, 0), (255, 255, 255))
                    picture.save(tmp_path / "set" / name)
                record["images"].append({"path": str(name), "name": f"{2 - number} s before"})
            (tmp_path / "set" / path).unlink()

    change(tmp_path / "set", frames)
    return tmp_path / "set"


def test_frames_of_one_scene_that_are_alike_are_no_finding(folder):
    found = check(folder)
    assert [str(problem) for problem in (*found.errors, *found.warnings)] == []
    assert found.summary.pictures == 54
    assert found.html().count("<img ") == 54 and 'alt="2 s before"' in found.html()


def test_a_frame_of_another_scene_is_found(folder):
    shutil.copy(folder / "images/5-1.png", folder / "images/2-2.png")
    (problem,) = check(folder).warnings
    assert problem.what == "train: 4 of 36 pictures nearly repeat another (groups: 1)"
    shutil.copy(folder / "images/5-1.png", folder / "images/14-0.png")
    found = check(folder)
    (leak,) = found.errors
    assert (leak.kind, leak.place) == ("leak", f"{FILE}:15")
    assert leak.what == f"'images/14-0.png' is the same picture as in the train split (see {FILE}:3)"
    (near,) = (problem for problem in found.warnings if problem.kind == "near across")
    assert near.what.startswith(f"'images/14-0.png' nearly repeats the picture of {FILE}:6 (bits: ")


def test_every_picture_is_decoded_and_an_unused_one_is_named(folder):
    (folder / "images/7-1.png").write_bytes(b"")
    change(folder, lambda records: records[3]["images"].pop())
    found = check(folder)
    assert [(p.kind, p.place, p.what) for p in found.errors] == [
        ("picture", f"{FILE}:8", "'images/7-1.png': empty file (0 bytes)")
    ]
    assert [problem.what for problem in found.warnings] == ["files without a scene (1): 'images/3-2.png'"]
