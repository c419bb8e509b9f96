"""The mapping that `gcl data inspect` proposes, as commented YAML: `proposed_mapping(root, looks)`.

Names decide: columns by what they are usually called, splits by words in file names. Where no name helps, CHOOSE stands,
which `gcl data import` refuses: a guess must not pass for knowledge.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from gcl.data.importing import conversations, socialnav
from gcl.data.importing.mapping import CHOOSE
from gcl.data.scenario import TURNS
from gcl.yaml_files import parse_document

if TYPE_CHECKING:
    from gcl.data.importing.inspect import Look

# ESocialNav's code has this wording of the action question; the others are not published.
KNOWN_WORDINGS = {"What should the robot do?": "action"}
_NAMES = {
    "id": ("id", "scene", "scene_id", "sample", "sample_id", "sample_name", "uid", "index"),
    "image": ("image", "img", "image_path", "img_path", "image_file", "file_name", "filename", "picture", "frame"),
    "perception": ("perception", "q1", "a1", "answer1", "observation", "scene_description"),
    "prediction": ("prediction", "q2", "a2", "answer2"),
    "reasoning": ("reasoning", "q3", "a3", "answer3", "chain_of_thought", "cot"),
    "action": ("action", "q4", "a4", "answer4", "decision"),
    "explanation": ("explanation", "q5", "a5", "answer5", "justification"),
    "label": ("label", "action_label", "class"),
}
_SPLIT_COLUMNS = ("split", "subset", "partition", "fold", "set")
_WORDS = {
    "train": "train", "training": "train", "val": "train", "valid": "train", "validation": "train", "dev": "train",
    "test": "test", "testing": "test", "eval": "test",
}  # fmt: skip
_SHARD = re.compile(r"\d+-of-\d+")


def proposed_mapping(root: Path, looks: Sequence["Look"]) -> str:
    """A mapping for the files that look alike, as YAML.

    Args:
        root: folder of the download.
        looks: its annotation files, as `gcl data inspect` saw them.
    """
    return "\n".join(_lines(root, looks)) + "\n"


def _lines(root: Path, looks: Sequence["Look"]) -> Iterator[str]:
    chosen = _chosen(looks)
    first = chosen[0]
    yield "# Proposed by `gcl data inspect`. Check every line: what people call things was guessed from names."
    yield f"format: {first.format or CHOOSE}  # conversations, questions, table or socialnav-sub"
    by_split = _by_split(chosen)
    if by_split:
        yield "files:  # the split from words in the names"
        yield from (f"  {split}: {_yaml(_patterns(part))}" for split, part in by_split.items())
    else:
        yield f"files: {_yaml(_patterns(chosen))}"
    names = _column_names(first)
    yield from _images(root, first, names)
    if first.format == "socialnav-sub" or names["id"] is not None or first.format == "questions":
        yield "ids: field  # field, picture (the name of its file) or row (the number of the record)"
    else:
        yield "ids: picture  # no field is called like an id: the name of the picture's file; or row"
    if first.format == "table":
        yield from _columns(first, names)
    if first.format in ("conversations", "questions"):
        yield from _turns(chosen)
    if not by_split:
        yield from _split(first, looks)


def _chosen(looks: Sequence["Look"]) -> list["Look"]:
    """The files that together are the data set: those of the most telling format."""
    for format in ("socialnav-sub", "conversations", "questions", "table", None):
        found = [look for look in looks if look.format == format]
        with_answers = [look for look in found if format != "questions" or "answer" in look.fields]
        if with_answers:
            return with_answers
    return list(looks)


def _by_split(looks: Sequence["Look"]) -> dict[str, list["Look"]] | None:
    parts: dict[str, list[Look]] = {"train": [], "test": []}
    for look in looks:
        words = {_WORDS[word] for word in re.split(r"[^a-z]+", look.file.name.lower()) if word in _WORDS}
        if len(words) != 1:
            return None
        parts[words.pop()].append(look)
    return parts if all(parts.values()) else None


def _patterns(looks: Sequence["Look"]) -> list[str]:
    return list(dict.fromkeys(_SHARD.sub("*", look.file.name) for look in looks))


def _column_names(look: "Look") -> dict[str, str | None]:
    """The field that is called like each of the columns."""
    there = {name.strip().casefold().replace(" ", "_"): name for name in look.fields}
    return {role: next((there[name] for name in names if name in there), None) for role, names in _NAMES.items()}


def _images(root: Path, look: "Look", names: dict[str, str | None]) -> Iterator[str]:
    field = {"socialnav-sub": socialnav.FRAMES, "table": names["image"]}.get(look.format)
    fields = [field] if field else [*conversations.PICTURES, names["image"]]
    value: Any = next(
        (look.sample.fields[name] for name in fields if look.sample and look.sample.fields.get(name)), None
    )
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, str) or look.format == "socialnav-sub":
        yield "images: .  # embedded, or relative to the download"
        return
    folders = chain([root], sorted(path for path in root.rglob("*") if path.is_dir()))
    base = next(
        (folder for folder in folders if "\0" not in value and len(value) < 1000 and (folder / value).is_file()), None
    )
    if base is None:
        yield f"images: {CHOOSE}  # the folder that paths like {_yaml(value)} start from; no such file was found"
    else:
        yield f"images: {_yaml(PurePosixPath(base.relative_to(root)).as_posix())}  # {_yaml(value)} is in this folder"


def _columns(look: "Look", names: dict[str, str | None]) -> Iterator[str]:
    yield f"columns:  # there are: {', '.join(_yaml(name) for name in look.fields)}"
    yield f"  id: {_yaml(names['id'])}"
    for role in ("image", *TURNS):
        yield f"  {role}: {_yaml(names[role] or CHOOSE)}"
    yield f"  label: {_yaml(names['label'])}  # of a closed list of actions, if it is not the answer to the action question"


def _turns(looks: Sequence["Look"]) -> Iterator[str]:
    numbered = looks[0].format == "questions"
    if numbered:
        yield "turns: by suffix  # _q1 to _q5 of question_id: " + ", ".join(TURNS)
        return
    if all(set(look.rounds) == {len(TURNS)} for look in looks):
        yield "turns: by order  # every dialogue has five rounds: " + ", ".join(TURNS)
        for turn, wordings in zip(TURNS, looks[0].wordings, strict=True):
            yield f"  # {turn}: {_yaml(wordings.most_common(1)[0][0])}"
        return
    yield f"turns:  # not all dialogues have five rounds; one of {', '.join(TURNS)}, or null for a question not used"
    wordings = dict.fromkeys(text for look in looks for place in look.wordings for text, _ in place.most_common(20))
    for text in list(wordings)[:60]:
        # YAML wants keys of more than 1024 characters announced.
        key = _yaml(text) if len(_yaml(text)) < 1000 else f"? {_yaml(text)}\n  "
        yield f"  {key}: {KNOWN_WORDINGS.get(text, CHOOSE)}"


def _split(look: "Look", looks: Sequence["Look"]) -> Iterator[str]:
    column = next((name for name in look.fields if name.casefold() in _SPLIT_COLUMNS and name in look.values), None)
    listed = [other for other in looks if other.format == "questions" and "answer" not in other.fields]
    if column is not None:
        words = {word: _WORDS.get(word.casefold(), CHOOSE) for word in sorted(look.values[column])}
        yield "split:  # train, test, or null to leave such scenes out"
        yield f"  column: {_yaml(column)}"
        yield f"  words: {_yaml(words)}"
    elif listed:
        yield f"split: {{file: {_yaml(listed[0].file.name)}}}  # its questions have no answers: they name the test scenes"
    else:
        yield "split:  # nothing says it: a split is drawn, of exactly these sizes; or {file: ...} with ids of test scenes"
        yield f"  {{train: {CHOOSE}, test: {CHOOSE}, seed: 0}}"


def _yaml(value: str | list[str] | dict[str, str] | None) -> str:
    """A value on one line."""
    texts = [value] if isinstance(value, str) else [*(value or [])]
    plain = all(text.isprintable() for text in texts)

    def dump(style: str | None) -> str:
        options = {"default_flow_style": True, "default_style": style, "width": float("inf"), "sort_keys": False}
        text = yaml.safe_dump(value, allow_unicode=plain, **options)
        return text.removesuffix("\n").removesuffix("\n...")

    # In quotes, line breaks and the like are escaped, and 1e5 is no number, as which YAML 1.2 would read it.
    text = dump(None)
    return text if plain and parse_document(text, "").value == value else dump('"')
