"""A proposed mapping as commented YAML, for a person to check: `as_text(proposal)`."""

from collections.abc import Iterator
from typing import Any

import yaml

from gcl.data.annotations import KEY
from gcl.data.importing.guesses import roles
from gcl.data.importing.layout import BESIDE
from gcl.data.importing.mapping import CHOOSE
from gcl.data.importing.proposal import Proposal
from gcl.experiment.yaml_files import parse_document

_IDS = {
    "field": "field, picture (the name of its file) or row (the number of the record)",
    "picture": "no field is called like an id, or it repeats: the name of the picture's file; or row",
    "row": "nothing else tells scenes apart: their numbers",
}
_LONG_KEY = 1000  # YAML wants keys of more than 1024 characters announced
_BLOCKS = ("columns", "turns", "actions", "files")  # written one entry a line, as splits by words are


def as_text(proposal: Proposal) -> str:
    """The lines of a mapping's file."""
    lines = ["# Proposed by `gcl data inspect`. Check every line: what people call things was guessed from names."]
    lines += [f"# {remark}" for remark in proposal.remarks]
    for key, value in proposal.content.items():
        if key == "split" and set(value) == {"file"}:
            lines.append(f"split: {{file: {in_yaml(value['file'])}}}{_comment(key, proposal)}")
        elif key == "split" and "column" not in value:
            lines += [f"split:{_comment(key, proposal)}", f"  {in_yaml(value)}"]
        elif isinstance(value, dict) and key in (*_BLOCKS, "split"):
            lines.append(f"{key}:{_comment(key, proposal)}")
            lines += [f"  {_key(k)}: {in_yaml(v)}{_of_column(k, v, key, proposal)}" for k, v in value.items()]
        else:
            lines.append(f"{key}: {in_yaml(value)}{_comment(key, proposal)}")
        if key == "turns" and value == "by order":
            lines += _wordings(proposal)
    return "\n".join([*lines, *_mistakes(proposal)]) + "\n"


def in_yaml(value: Any) -> str:
    """A value on one line."""
    texts = [value] if isinstance(value, str) else map(str, value) if isinstance(value, list | dict) else []
    plain = all(text.isprintable() for text in texts)

    def dump(style: str | None) -> str:
        options = {"default_flow_style": True, "default_style": style, "width": float("inf"), "sort_keys": False}
        text = yaml.safe_dump(value, allow_unicode=plain, **options)
        return text.removesuffix("\n").removesuffix("\n...")

    # Quotes escape line breaks and the like. Without them, YAML 1.2 would read 1e5 as a number.
    text = dump(None)
    return text if plain and parse_document(text, "").value == value else dump('"')


def _key(name: str) -> str:
    key = in_yaml(name)
    return key if len(key) < _LONG_KEY else f"? {key}\n  "


def _comment(key: str, proposal: Proposal) -> str:
    """The comment for a person on a key, as the end of its line."""
    content, names = proposal.content, proposal.look.sought.names
    value, joins = content[key], content.get("join") or content["format"] == "questions"
    comment = ""
    match key:
        case "format":
            comment = "conversations, questions, table or socialnav-sub"
        case "files" if isinstance(value, dict):
            chosen = "; none of them says test: name it" if value["test"] == CHOOSE else ""
            comment = f"the split from words in the names{chosen}"
        case "records":
            comment = "where they are inside the file"
            comment += f"; a record's name is its field {KEY}" if value == "." else ""
        case "images":
            comment = _where(proposal)
        case "picture":
            comment = "some records have several: last, first or a number; or pictures: all instead"
        case "ids":
            comment = _IDS[value] + (" of all records that make a scene" if joins and value == "field" else "")
        case "join":
            comment = "several dialogues are one scene"
        case "columns":
            there = (in_yaml(name) for name in proposal.look.columns if not name.startswith("(file"))
            comment = f"there are: {', '.join(there)}"
        case "turns" if isinstance(value, dict):
            comment = f"one of {', '.join(names)}, or null for a question not used"
        case "turns":
            ways = {
                "by order": f"the questions of a scene in their order: {', '.join(names)}",
                "by suffix": f"_q1 to _q{len(names)} of the id: {', '.join(names)}",
            }
            comment = ways.get(value, "by order, or each wording with its turn")
        case "actions":
            comment = f"to the closed list: {', '.join(proposal.actions)}"
        case "split":
            comment = _of_split(value, proposal)
    return f"  # {comment}" if comment else ""


def _where(proposal: Proposal) -> str:
    """The way from one of the paths to its picture."""
    images, look = proposal.content["images"], proposal.look
    if images == CHOOSE:
        return f"{proposal.comments['images']}; if each scene has its own folder, write it into the paths of the data"
    name = (proposal.content.get("columns") or {}).get("image", CHOOSE)
    column = look.columns.get((roles(look)["image"] if name == CHOOSE else name) or "")
    if not column or not column.paths:
        return "embedded, or relative to the download"
    if images == BESIDE:
        return f"{in_yaml(column.paths[0])} is beside the file that names it"
    how = "there without what `strip` says" if isinstance(images, dict) else "in this folder"
    return f"{in_yaml(column.paths[0])} is {how}"


def _of_column(role: str, name: Any, key: str, proposal: Proposal) -> str:
    if key != "columns":
        return ""
    if role in proposal.comments:
        return f"  # {proposal.comments[role]}"
    if role == "label":
        return "  # of a closed list of actions, if it is not the answer that names one"
    return "  # no name told it" if name == CHOOSE else ""


def _wordings(proposal: Proposal) -> Iterator[str]:
    names, places = proposal.look.sought.names, proposal.look.wordings
    if len(places) == len(names):
        for turn, wordings in zip(names, places, strict=True):
            yield f"  # {turn}: {in_yaml(wordings.most_common(1)[0][0])}"


def _of_split(split: dict[str, Any], proposal: Proposal) -> str:
    if "column" in split:
        return "train, test, or null to leave such scenes out"
    if "file" in split:
        rest = [name for name in proposal.named if name != split["file"]]
        besides = f"; not used: {', '.join(rest)}" if rest else ""
        return f"it lists the test scenes; all others are for training{besides}"
    named = ", ".join(proposal.named)
    why = f"called like a split, but train and test cannot be told by it: {named}" if named else "nothing says it"
    if split["train"] == CHOOSE:
        return f"{why}: a split is drawn, of exactly these sizes; or {{file: ...}} with ids of test scenes"
    return f"{why}: a split is drawn, of the sizes that config.yaml plans; or {{file: ...}}"


def _mistakes(proposal: Proposal) -> Iterator[str]:
    tried = proposal.outcome
    if tried.wrong:
        yield (
            f"# Records with mistakes: {tried.wrong} of {tried.scenes} that were tried. "
            f"The first: {in_yaml(str(tried.problems[0]))}"
        )
        joins = proposal.content.get("join") or proposal.content["format"] == "questions"
        how = "whole scenes by id: skip: [ID, ...]" if joins else "by their places: skip: [FILE:LINE, ...]"
        yield f"# Correct them, or leave out their {how}" if joins else f"# Correct them, or leave them out {how}"
