"""Pictures arrive byte for byte unless training could not use them as they are; each is stored once."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import datasets
import numpy as np
import pytest
from import_cases import (
    QUESTIONS,
    ROW_COLUMNS,
    SPLITS,
    TABLE,
    as_jsonl,
    colour,
    questions,
    refused,
    row,
    run_import,
    scenes,
    write_source,
)
from import_shapes import parquet
from PIL import Image

from gcl.data.images import load_picture

MAPPING = TABLE | {"files": ["a.jsonl"]}


def _turned() -> tuple[Image.Image, dict]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return colour(1), {"exif": exif, "format": "JPEG"}


def _deep() -> tuple[Image.Image, dict]:
    return Image.fromarray((np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64)), {"format": "PNG"}


def _clear() -> tuple[Image.Image, dict]:
    picture = colour(1).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((64, 64)))
    return picture, {"format": "PNG"}


def _animated() -> tuple[Image.Image, dict]:
    return colour(1), {"format": "PNG", "save_all": True, "append_images": [colour(5)]}


CHANGED: dict[str, tuple[Callable, str, str]] = {
    "turned": (_turned, "turned.jpg", "1 picture: turned upright as its EXIF data says"),
    "16 bits": (_deep, "deep.png", "1 picture: 16 bits a pixel made 8"),
    "transparent": (_clear, "clear.png", "1 picture: transparency put on white"),
    "CMYK": (lambda: (colour(1).convert("CMYK"), {"format": "JPEG"}), "print.jpg", "1 picture: CMYK made RGB"),
    "palette": (lambda: (colour(1).convert("P"), {"format": "PNG"}), "palette.png", "1 picture: palette made RGB"),
    "animated": (_animated, "moving.png", "1 picture: only the first of several frames used"),
}


def _import(tmp_path: Path, name: str, content: bytes) -> tuple[Path, list[str]]:
    rows = [row(0), row(1) | {"image": f"pictures/{name}"}, row(2)]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows), f"pictures/{name}": content})
    notes = run_import(source, MAPPING).notes
    return source, notes


@pytest.mark.parametrize(("make", "name", "note"), CHANGED.values(), ids=CHANGED)
def test_picture_that_needs_a_change_is_stored_as_training_sees_it(
    tmp_path: Path, make: Callable, name: str, note: str
) -> None:
    picture, options = make()
    stream = BytesIO()
    picture.save(stream, **options)
    source, notes = _import(tmp_path, name, stream.getvalue())
    assert notes == [note]
    stored = scenes(source)[1]["image"]
    assert stored == f"images/pictures/{Path(name).stem}.png"
    found, changes = load_picture(tmp_path / "raw" / stored)
    assert changes == ()
    expected, _ = load_picture(stream.getvalue())
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_picture_that_needs_no_change_is_copied_byte_for_byte(tmp_path: Path, format: str, mode: str) -> None:
    stream = BytesIO()
    colour(1).convert(mode).save(stream, format)
    source, notes = _import(tmp_path, f"x.{format.lower()}", stream.getvalue())
    assert notes == []
    assert (tmp_path / "raw" / scenes(source)[1]["image"]).read_bytes() == stream.getvalue()


def test_several_changed_pictures_are_counted_together(tmp_path: Path) -> None:
    rows = [row(k) | {"image": f"p{k}.png"} for k in range(3)]
    files = {"a.jsonl": as_jsonl(rows)}
    for k in range(3):
        stream = BytesIO()
        colour(k).convert("P").save(stream, "PNG")
        files[f"p{k}.png"] = stream.getvalue()
    assert run_import(write_source(tmp_path / "source", files), MAPPING).notes == ["3 pictures: palette made RGB"]


def test_picture_of_several_scenes_is_stored_once(tmp_path: Path) -> None:
    rows = [row(0), row(1) | {"image": "./images//0.png"}, row(2)]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    assert run_import(source, MAPPING).pictures == 2
    assert [scene["image"] for scene in scenes(source)] == ["images/0.png", "images/0.png", "images/2.png"]


def test_names_that_meet_after_the_import_are_kept_apart(tmp_path: Path) -> None:
    stream = BytesIO()
    colour(7).convert("P").save(stream, "PNG")
    rows = [row(0) | {"image": "images/2.bmp"}, row(1) | {"image": "2.png"}, row(2)]
    files = {"a.jsonl": as_jsonl(rows), "images/2.bmp": stream.getvalue(), "2.png": BytesIO().getvalue()}
    source = write_source(tmp_path / "source", files)
    colour(1).save(source / "2.png")
    summary = run_import(source, MAPPING)
    names = [scene["image"] for scene in scenes(source)]
    assert names == ["images/2.png", "images/2-2.png", "images/2-3.png"]
    assert (summary.to / names[1]).read_bytes() == (source / "2.png").read_bytes()
    assert (summary.to / names[2]).read_bytes() == (source / "images/2.png").read_bytes()


def test_paths_start_from_the_folder_that_the_mapping_names(tmp_path: Path) -> None:
    rows = [row(k) | {"image": f"{k}.png"} for k in range(3)]
    source = write_source(tmp_path / "source", {"a.jsonl": as_jsonl(rows)})
    run_import(source, MAPPING | {"images": "images"})
    assert [scene["image"] for scene in scenes(source)] == ["images/0.png", "images/1.png", "images/2.png"]


def test_embedded_pictures_are_numbered_and_their_names_can_be_ids(tmp_path: Path) -> None:
    import datasets

    datasets.disable_progress_bars()
    source = write_source(tmp_path / "source", {})
    stream = BytesIO()
    colour(1).save(stream, "JPEG")
    png = (source / "images/0.png").read_bytes()
    pictures = [(png, "a/x.png"), (stream.getvalue(), "y.jpg"), ((source / "images/2.png").read_bytes(), "z.png")]
    columns = {name: [row(k)[name] for k in range(3)] for name in row(0)}
    columns["image"] = [{"bytes": data, "path": path} for data, path in pictures]
    datasets.Dataset.from_dict(columns).to_parquet(source / "a.parquet")
    mapping = TABLE | {"files": ["a.parquet"], "ids": "picture", "columns": ROW_COLUMNS | {"id": None}}
    run_import(source, mapping)
    assert [(scene["id"], scene["image"]) for scene in scenes(source)] == [
        ("x", "images/000000.png"),
        ("y", "images/000001.jpg"),
        ("z", "images/000002.png"),
    ]


def test_a_question_whose_embedded_picture_has_no_name_is_refused_and_not_dropped(tmp_path: Path) -> None:
    """Of question rows in Parquet, joined by the picture's name, one scene's picture came without it."""
    rows = []
    for number in range(3):
        data = (write_source(tmp_path / f"made{number}", {}) / "images" / f"{number}.png").read_bytes()
        picture = {"bytes": data, "path": None if number == 1 else f"{number}.png"}
        rows += [line | {"image": picture, "split": SPLITS[number]} for line in questions(number)]
    source = write_source(tmp_path / "rows/source", {"a.parquet": parquet(rows, {"image": datasets.Image()})})
    mapping = QUESTIONS | {"files": ["a.parquet"], "ids": "picture", "split": TABLE["split"]}
    lines = refused(source, mapping)
    assert lines[0] == (
        "a.parquet: row 6: id: the picture has no name that could be the id; write ids: field or ids: row in mapping.yaml"
    )
