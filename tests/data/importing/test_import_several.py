"""Scenes of several pictures: lists, folders, cameras, patterns and videos, selected and named as the mapping says."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from import_cases import (
    QUESTIONS,
    ROW_COLUMNS,
    TABLE,
    TALKS,
    as_jsonl,
    refused,
    row,
    run_import,
    scenes,
    talk,
    write_source,
)
from import_cases import questions as asked_alone
from PIL import Image
from turns_case import TURNS

from gcl.data.importing.videos import video_frames

COLUMNS = {name: name for name in ("id", *TURNS)}
SPLIT = {"train": 2, "test": 1, "seed": 0}


def frame(number: int) -> Image.Image:
    """A picture unlike that of any other number."""
    values = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(values.repeat(8, 0).repeat(8, 1))


def frames(source: Path, number: int, count: int, folder: str = "frames") -> list[str]:
    """Frames of a scene, in files whose names sort otherwise than their numbers."""
    names = [f"{folder}/s{number}/{k}.png" for k in range(8, 8 + count)]
    for k, name in enumerate(names):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        frame(100 * number + k).save(source / name)
    return names


def source_of(tmp_path: Path, records: list[dict[str, Any]], count: int = 4) -> Path:
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(records)})
    for number in range(3):
        frames(source, number, count)
    return source


def without(record: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "image"} | fields


def listed(number: int, count: int = 4) -> list[str]:
    return [f"frames/s{number}/{k}.png" for k in range(8, 8 + count)]


def table(pictures: Any, **more: Any) -> dict[str, Any]:
    return TABLE | {"files": ["a.jsonl"], "columns": ROW_COLUMNS, "pictures": pictures} | more


def shown(source: Path) -> list[list[tuple[str, str | None]]]:
    """Path, without images/, and name of each picture of each scene, all of which have to be stored."""
    found = []
    for scene in scenes(source):
        pictures = scene["images"] if "images" in scene else [{"path": scene["image"]}]
        assert all((source.parent / "raw" / picture["path"]).is_file() for picture in pictures)
        found.append([(p["path"].removeprefix("images/"), p.get("name")) for p in pictures])
    return found


@pytest.mark.parametrize(
    ("pictures", "wanted"),
    [
        ("all", [8, 9, 10, 11]),
        ({"last": 2}, [10, 11]),
        ({"last": 9}, [8, 9, 10, 11]),
        ({"every": 3}, [8, 11]),
        ({"every": 2, "last": 1}, [11]),
    ],
)
@pytest.mark.parametrize("kind", ["list", "text", "folder"])
def test_pictures_are_selected_from_the_last_one_back(tmp_path, pictures, wanted, kind):
    def named(k: int) -> Any:
        return {"list": listed(k), "text": json.dumps(listed(k)), "folder": f"frames/s{k}"}[kind]

    source = source_of(tmp_path, [row(k) | {"image": named(k)} for k in range(3)])
    run_import(source, table(pictures))
    assert shown(source) == [[(f"frames/s{k}/{n}.png", None) for n in wanted] for k in range(3)]


def test_fewer_pictures_have_the_last_names(tmp_path):
    records = [row(k) | {"image": listed(k)[k:]} for k in range(3)]
    source = source_of(tmp_path, records)
    assert refused(source, table({"names": ["before", "now"]}))[0].startswith(
        "a.jsonl:1: pictures: 4 pictures, but 2 names; write last: 2 beside names in mapping.yaml"
    )
    run_import(source, table({"last": 3, "names": ["2 s before", "1 s before", "now"]}))
    names = [[name for _, name in pictures] for pictures in shown(source)]
    assert names == [["2 s before", "1 s before", "now"]] * 2 + [["1 s before", "now"]]


def test_each_camera_has_a_column_and_a_name(tmp_path):
    records = [without(row(k), front=listed(k)[0], rear=listed(k)[1]) for k in range(3)]
    records[1]["rear"] = None
    source = source_of(tmp_path, records)
    wrong = {"columns": {"front camera": "front", "rear camera": "back"}}
    assert "no column 'back'" in refused(source, table(wrong, columns=COLUMNS))[0]
    cameras = {"columns": {"front camera": "front", "rear camera": "rear"}}
    summary = run_import(source, table(cameras, columns=COLUMNS))
    assert shown(source)[0] == [("frames/s0/8.png", "front camera"), ("frames/s0/9.png", "rear camera")]
    assert shown(source)[1] == [("frames/s1/8.png", "front camera")], "one picture, but with a name"
    assert "records without a picture of the rear camera: 1" in summary.notes


def test_files_may_be_called_by_fields_of_the_record(tmp_path):
    source = source_of(tmp_path, [without(row(k)) for k in range(3)])
    assert refused(source, table({"pattern": "frames/{id}/*.jpg"}, columns=COLUMNS))[0].startswith(
        "a.jsonl:1: pictures: no file is called like 'frames/s0/*.jpg'; put the pictures there"
    )
    assert "missing" in refused(source, table({"pattern": "frames/{clip}/*.png"}, columns=COLUMNS))[0]
    pattern = {"pattern": "frames/{id}/*.png", "last": 3}
    run_import(source, table(pattern, columns=COLUMNS))
    assert shown(source)[2] == [(f"frames/s2/{k}.png", None) for k in (9, 10, 11)]


@pytest.mark.parametrize("id", ["../outside", "*", "/etc", "a\0"])
def test_a_field_in_a_pattern_leads_nowhere_else(tmp_path, id):
    (tmp_path / "outside").mkdir()
    frame(0).save(tmp_path / "outside/0.png")
    source = source_of(tmp_path, [without(row(k)) for k in range(3)])
    (source / "a.jsonl").write_bytes(as_jsonl([without(row(k), clip=id) for k in range(3)]))
    found = refused(source, table({"pattern": "frames/{clip}/*.png"}, columns=COLUMNS))
    assert "leads out" in found[0] or "no file" in found[0]


def test_dialogues_of_several_pictures_lose_all_their_marks(tmp_path):
    """In a list beside the messages, and in parts of the first one."""
    records = [talk(k, "<image>\n<image>\n<image>\n<image>\n") | {"image": listed(k)} for k in range(3)]
    source = source_of(tmp_path, records)
    run_import(source, TALKS | {"files": ["a.jsonl"], "pictures": "all", "split": SPLIT}, kind="llava")
    assert all("<image>" not in scene["turns"][TURNS[0]]["question"] for scene in scenes(source))
    assert [len(pictures) for pictures in shown(source)] == [4] * 3

    for record, k in zip(records, range(3), strict=True):
        del record["image"]
        parts = [*({"type": "image", "image": path} for path in listed(k)), {"type": "text", "text": "What is there?"}]
        record["conversations"][0] = {"role": "user", "content": parts}
    other = source_of(tmp_path / "parts", records)
    run_import(other, TALKS | {"files": ["a.jsonl"], "pictures": "all", "split": SPLIT}, kind="llava")
    assert shown(other) == shown(source)


def test_records_without_a_picture_are_scenes_of_words_and_counted(tmp_path):
    records = [talk(k, "") | {"image": listed(k) if k else []} for k in range(3)]
    source = source_of(tmp_path, records)
    mapping = TALKS | {"files": ["a.jsonl"], "pictures": "all", "split": SPLIT}
    assert "records without a picture: 1" in run_import(source, mapping, kind="llava").notes
    assert scenes(source)[0]["images"] == []


def test_no_pictures_at_all(tmp_path):
    source = source_of(tmp_path, [without(row(k)) for k in range(3)])
    summary = run_import(source, table("none", columns=COLUMNS))
    assert summary.pictures == 0 and [scene["images"] for scene in scenes(source)] == [[]] * 3


def test_single_questions_on_the_same_pictures_are_one_scene(tmp_path):
    records = [question | {"image": listed(k)} for k in range(3) for question in asked_alone(k)]
    source = source_of(tmp_path, records)
    by_id = QUESTIONS | {"files": ["a.jsonl"], "pictures": "all", "split": SPLIT}
    run_import(source, by_id, kind="snei")
    assert [len(pictures) for pictures in shown(source)] == [4] * 3
    by_picture = by_id | {"ids": "picture", "turns": "by order"}
    other = source_of(tmp_path / "pictures", records)
    run_import(other, by_picture, kind="snei")
    assert [scene["id"] for scene in scenes(other)] == ["11", "frames/s1/11", "frames/s2/11"]
    records[1]["image"] = listed(0)[:3]
    last = source_of(tmp_path / "other", records)
    assert refused(last, by_id, kind="snei") == [
        "a.jsonl:2: image: not that of a.jsonl:1; a scene has its pictures once"
    ]


def test_a_drawn_split_keeps_scenes_with_a_frame_in_common_together(tmp_path):
    shared = [listed(0), [*listed(1)[:2], listed(0)[3]], listed(2)]
    source = source_of(tmp_path, [row(k) | {"image": shared[k]} for k in range(3)])
    run_import(source, table("all", split=SPLIT))
    assert [scene["split"] for scene in scenes(source)] == ["train", "train", "test"]
    leaking = [row(0) | {"image": listed(0)}, row(1) | {"image": listed(1)}, row(2) | {"image": listed(0)[2:]}]
    other = source_of(tmp_path / "leak", leaking)
    assert "is the same picture as in the train split" in refused(other, table("all"))[0]


def test_a_frame_that_is_absent_or_out_of_the_download_is_named(tmp_path):
    records = [row(k) | {"image": listed(k)} for k in range(3)]
    records[1]["image"][2] = "frames/s1/99.png"
    (line,) = refused(source_of(tmp_path / "absent", records), table("all"))
    assert line.startswith("a.jsonl:2: image: 'frames/s1/99.png': no such file")
    (empty := source_of(tmp_path / "empty", [row(k) | {"image": f"frames/s{k}"} for k in range(3)]))
    for path in (empty / "frames/s1").iterdir():
        path.unlink()
    assert refused(empty, table("all"))[0].startswith("a.jsonl:2: image: 'frames/s1': no picture in this folder")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "both": ({"pictures": "all", "picture": "last"}, "picture: pictures takes several; remove one of the two"),
    "column and columns": ({"pictures": {"columns": {"front": "image"}}}, "columns.image: pictures says where they are"),
    "columns and last": (
        {"pictures": {"columns": {"front": "image"}, "last": 1}, "columns": COLUMNS},
        "pictures.columns: each names one picture",
    ),
    "too few names": ({"pictures": {"last": 3, "names": ["now"]}}, "pictures.names: 1 for up to 3 pictures"),
    "pattern outside": (
        {"pictures": {"pattern": "../*.png"}, "columns": COLUMNS},
        "pictures.pattern: '../*.png' is not inside the source",
    ),
    "seconds and every": ({"pictures": {"seconds": 1.0, "every": 2}}, "pictures.seconds: is for videos"),
    "no ids": ({"pictures": "none", "ids": "picture", "columns": dict.fromkeys(TURNS, "action")}, "ids: there are no"),
    "a control word": ({"pictures": {"names": ["<|im_end|>"]}}, "pictures: '<|im_end|>': name: '<|im_end|>' is a sign"),
    "no name": ({"pictures": {"names": [" "]}}, "pictures: ' ': no name that members could read"),
    "unknown key": ({"pictures": {"lasts": 2}}, "pictures.lasts: unknown key; did you mean 'last'?"),
    "word": ({"pictures": "some"}, "pictures: 'some' is not possible"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_a_mistake_in_the_mapping_is_named(tmp_path, change, message):
    source = source_of(tmp_path, [row(k) for k in range(3)])
    lines = refused(source, table("all") | change)
    assert any(f"mapping.yaml: {message}" in line for line in lines), lines


def video(path: Path, seconds: int = 3, rate: int = 10, blue: int = 0) -> None:
    """A clip whose grey value tells the time: 20 a second."""
    av = pytest.importorskip("av")
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width = stream.height = 64
        for k in range(seconds * rate + 1):
            picture = Image.new("RGB", (64, 64), (*(40 + 20 * k // rate,) * 2, 40 + 20 * k // rate + blue))
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())


def grey(data: bytes, path: Path) -> float:
    path.write_bytes(data)
    with Image.open(path) as picture:
        return float(np.asarray(picture.convert("L")).mean())


@pytest.mark.parametrize(
    ("seconds", "last", "times"), [(1.0, None, [0, 1, 2, 3]), (1.0, 2, [2, 3]), (0.5, 2, [2.5, 3])]
)
def test_frames_of_a_video_are_at_equal_distances_back_from_its_end(tmp_path, seconds, last, times):
    video(tmp_path / "a.mp4")
    found = [grey(data, tmp_path / "frame.png") for data in video_frames(tmp_path / "a.mp4", seconds, last)]
    assert found == pytest.approx([40 + 20 * time for time in times], abs=4)


def test_a_video_is_imported_as_its_frames(tmp_path):
    source = source_of(tmp_path, [row(k) | {"image": f"clips/{k}.mp4"} for k in range(3)])
    for k in range(3):
        video(source / f"clips/{k}.mp4", seconds=k + 2, blue=40 * k)
    mapping = table({"seconds": 1, "last": 2, "names": ["1 s before", "now"]})
    (source / "clips/1.mp4").write_bytes(b"no video")
    assert refused(source, mapping)[0].startswith("a.jsonl:2: image: 'clips/1.mp4': cannot be read as a video (")
    (line, *_) = refused(source, table("all"))
    assert "'clips/0.mp4': a video, of which no frames are asked for; write pictures: {seconds: 1, last: 4}" in line
    video(source / "clips/1.mp4", seconds=3, blue=40)
    run_import(source, mapping)
    assert [[name for _, name in pictures] for pictures in shown(source)] == [["1 s before", "now"]] * 3
    (first, second), *_ = [[p["path"] for p in scene["images"]] for scene in scenes(source)]
    assert grey((tmp_path / "raw" / first).read_bytes(), tmp_path / "frame.png") == pytest.approx(60, abs=4)
    assert grey((tmp_path / "raw" / second).read_bytes(), tmp_path / "frame.png") == pytest.approx(80, abs=4)


def test_without_its_library_a_video_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    source = source_of(tmp_path, [row(k) | {"image": f"clips/{k}.mp4"} for k in range(3)])
    (source / "clips").mkdir()
    (source / "clips/0.mp4").write_bytes(b"a video")
    assert refused(source, table({"seconds": 1.0}))[0].endswith(
        "videos need PyAV, which is not installed; install it: pip install 'gcl[video]'"
    )
