"""Small downloads in every format, all of the same three scenes, and what importing them says."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from turns_case import TURNS
from turns_case import dialogue as usual

from gcl.data.importing.importer import ImportSummary, import_source
from gcl.errors import GCLError
from gcl.experiment.dialogue import Dialogue

DIALOGUE = usual()
ACTIONS = ["Move Forward", "Stop"]
WORDINGS = {turn: f"What about {turn}?" for turn in TURNS}
SPLITS = ("train", "train", "test")
ROW_COLUMNS = {name: name for name in ("id", "image", *TURNS)}
TABLE = {
    "format": "table",
    "columns": ROW_COLUMNS,
    "split": {"column": "split", "words": {"train": "train", "test": "test"}},
}
TALKS = {"format": "conversations", "turns": "by order"}
QUESTIONS = {"format": "questions", "turns": "by suffix"}


def answers(number: int) -> dict[str, str]:
    """What is said of a scene; with characters that each encoding and delimiter must bear."""
    return {turn: f'{turn} {number}: "é", a; b\tc' for turn in TURNS} | {"action": ("Stop", "Move Forward")[number % 2]}


def talk(number: int, first: str = "<image>\n") -> dict[str, Any]:
    messages = []
    for turn, answer in answers(number).items():
        messages += [{"from": "human", "value": f"{first}{WORDINGS[turn]}"}, {"from": "gpt", "value": answer}]
        first = ""
    return {"id": f"s{number}", "image": f"images/{number}.png", "conversations": messages}


def row(number: int) -> dict[str, str]:
    return {"id": f"s{number}", "image": f"images/{number}.png", "split": SPLITS[number], **answers(number)}


def questions(number: int) -> list[dict[str, str]]:
    return [
        {"question_id": f"s{number}_q{k}", "image": f"images/{number}.png", "text": WORDINGS[turn], "answer": answer}
        for k, (turn, answer) in enumerate(answers(number).items(), start=1)
    ]


def as_jsonl(records: list[Any]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def as_json(records: list[Any]) -> bytes:
    return ("[\n" + ",\n".join(json.dumps(record, ensure_ascii=False) for record in records) + "\n]\n").encode()


def as_csv(records: list[dict[str, str]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(records[0]), delimiter=delimiter, lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode()


def colour(number: int) -> Image.Image:
    """A picture of its own for each scene, not near to any other."""
    picture = Image.new("RGB", (64, 64), "white")
    for k in range(64):
        if (number + 1) * 2654435761 * (k + 3) >> 7 & 1:
            picture.paste((0, 0, number), (k % 8 * 8, k // 8 * 8, k % 8 * 8 + 8, k // 8 * 8 + 8))
    return picture


def write_source(folder: Path, files: dict[str, bytes]) -> Path:
    """A download: three pictures and these files."""
    (folder / "images").mkdir(parents=True)
    for number in range(3):
        colour(number).save(folder / "images" / f"{number}.png")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_mapping(path: Path, mapping: dict[str, Any] | str) -> Path:
    path.write_text(mapping if isinstance(mapping, str) else yaml.safe_dump(mapping, sort_keys=False))
    return path


def run_import(
    source: Path,
    mapping: dict[str, Any] | str,
    kind: str | None = None,
    actions: list[str] | None = None,
    dialogue: Dialogue | None = None,
) -> ImportSummary:
    """Import into raw/ beside the source, with the mapping in mapping.yaml beside it."""
    file = write_mapping(source.parent / "mapping.yaml", mapping)
    kind = kind or (
        "muson" if isinstance(mapping, str) or mapping.get("format") != "socialnav-sub" else "socialnav-sub"
    )
    return import_source(kind, source, file, source.parent / "raw", dialogue or usual(actions))


def lines_of(error: GCLError) -> list[str]:
    """The mistakes that an error lists."""
    heading, *lines = str(error).split("\n")
    return [line.strip() for line in lines] if heading.endswith(("problem", "problems")) else [heading, *lines]


def refused(source: Path, mapping: dict[str, Any] | str, **options: Any) -> list[str]:
    """The mistakes for which an import is refused, of which nothing may remain."""
    before = sorted(source.parent.iterdir())
    with pytest.raises(GCLError) as caught:
        run_import(source, mapping, **options)
    after = set(source.parent.iterdir()) - {source.parent / "mapping.yaml"}
    assert after == set(before) - {source.parent / "mapping.yaml"}
    return lines_of(caught.value)


def scenes(source: Path) -> list[dict[str, Any]]:
    """The scenes of the raw folder beside a source."""
    lines = (source.parent / "raw" / "scenarios.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]
