"""A proposed mapping as commented YAML, for a person to check: `as_text(proposal)`."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from gcl.data.annotations import KEY
from gcl.data.importing.guesses import roles
from gcl.data.importing.layout import BESIDE
from gcl.data.importing.look import Look
from gcl.data.importing.mapping import CHOOSE
from gcl.data.importing.proposal import Proposal
from gcl.experiment.yaml_files import parse_document

_IDS = {
    "field": "field, picture (the name of its file) or row (the number of the record)",
    "picture": "no field is called like an id, or it repeats: the name of the picture's file; or row",
    "row": "nothing else tells scenes apart: their numbers",
}
_LONG_KEY = 1000  # YAML wants keys of more than 1024 characters announced


def as_text(proposal: Proposal) -> str:
    """The lines of a mapping's file."""
    return "\n".join(_lines(proposal)) + "\n"


def _lines(proposal: Proposal) -> Iterator[str]:
    content, look = proposal.content, proposal.look
    yield "# Proposed by `gcl data inspect`. Check every line: what people call things was guessed from names."
    yield from (f"# {remark}" for remark in proposal.remarks)
    yield f"format: {content['format']}  # conversations, questions, table or socialnav-sub"
    yield from _files(content)
    if "images" in content:
        yield f"images: {in_yaml(content['images'])}{_where(proposal)}"
    if "picture" in content:
        yield f"picture: {in_yaml(content['picture'])}  # some records have several: last, first or a number"
    if "ids" in content:
        joined = " of all records that make a scene" if content.get("join") or content["format"] == "questions" else ""
        yield f"ids: {content['ids']}  # {_IDS[content['ids']]}{joined if content['ids'] == 'field' else ''}"
    if content.get("join"):
        yield "join: true  # several dialogues are one scene"
    if "columns" in content:
        there = ", ".join(in_yaml(name) for name in look.columns if not name.startswith("(file"))
        yield f"columns:  # there are: {there}"
        for role, name in content["columns"].items():
            yield f"  {role}: {in_yaml(name)}{_of_column(role, name, proposal.comments)}"
    yield from _turns(content.get("turns"), look)
    if "actions" in content:
        yield f"actions:  # to the closed list: {', '.join(proposal.actions)}"
        yield from (f"  {in_yaml(word)}: {in_yaml(action)}" for word, action in content["actions"].items())
    yield from _split(content, proposal)
    if proposal.outcome.wrong:
        what, wrong = proposal.outcome.problems[0], proposal.outcome.wrong
        yield f"# Records with mistakes: {wrong} of {proposal.outcome.scenes} that were tried. The first: {in_yaml(what)}"
        joined = content.get("join") or content["format"] == "questions"
        how = "leave out their whole scenes by id: skip: [ID, ...]" if joined else "leave them out by their places"
        yield f"# Correct them, or {how}{'' if joined else ': skip: [FILE:LINE, ...]'}"


def in_yaml(value: Any) -> str:
    """A value on one line."""
    texts = (
        [value] if isinstance(value, str) else [str(part) for part in value] if isinstance(value, list | dict) else []
    )
    plain = all(text.isprintable() for text in texts)

    def dump(style: str | None) -> str:
        options = {"default_flow_style": True, "default_style": style, "width": float("inf"), "sort_keys": False}
        text = yaml.safe_dump(value, allow_unicode=plain, **options)
        return text.removesuffix("\n").removesuffix("\n...")

    # In quotes, line breaks and the like are escaped, and 1e5 is no number, as which YAML 1.2 would read it.
    text = dump(None)
    return text if plain and parse_document(text, "").value == value else dump('"')


def _files(content: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(content["files"], dict):
        chosen = "; none of them says test: name it" if content["files"]["test"] == CHOOSE else ""
        yield f"files:  # the split from words in the names{chosen}"
        yield from (f"  {split}: {in_yaml(part)}" for split, part in content["files"].items())
    else:
        yield f"files: {in_yaml(content['files'])}"
    if "records" in content:
        what = "; a record's name is its field " + KEY if content["records"] == "." else ""
        yield f"records: {in_yaml(content['records'])}  # where they are inside the file{what}"


def _where(proposal: Proposal) -> str:
    images, look = proposal.content["images"], proposal.look
    if images == CHOOSE:
        return (
            f"  # {proposal.comments['images']}; if each scene has its own folder, write it into the paths of the data"
        )
    name = (proposal.content.get("columns") or {}).get("image", CHOOSE)
    column = look.columns.get((roles(look)["image"] if name == CHOOSE else name) or "")
    paths = column.paths if column else []
    if not paths:
        return "  # embedded, or relative to the download"
    if images == BESIDE:
        return f"  # {in_yaml(paths[0])} is beside the file that names it"
    if isinstance(images, dict):
        return f"  # {in_yaml(paths[0])} is there without what `strip` says"
    return f"  # {in_yaml(paths[0])} is in this folder"


def _of_column(role: str, name: Any, comments: Mapping[str, str]) -> str:
    if role in comments:
        return f"  # {comments[role]}"
    if role == "label":
        return "  # of a closed list of actions, if it is not the answer that names one"
    return "  # no name told it" if name == CHOOSE else ""


def _turns(turns: Any, look: Look) -> Iterator[str]:
    names = look.sought.names
    if turns is None:
        return
    if isinstance(turns, str):
        ways = {
            "by order": f"the questions of a scene in their order: {', '.join(names)}",
            "by suffix": f"_q1 to _q{len(names)} of the id: {', '.join(names)}",
        }
        yield f"turns: {turns}  # {ways.get(turns, 'by order, or each wording with its turn')}"
        if turns == "by order" and len(look.wordings) == len(names):
            for turn, wordings in zip(names, look.wordings, strict=True):
                yield f"  # {turn}: {in_yaml(wordings.most_common(1)[0][0])}"
        return
    what = f"# one of {', '.join(names)}, or null for a question not used"
    if set(turns) == {"column", "words"}:
        yield f"turns:  {what}"
        yield f"  column: {in_yaml(turns['column'])}"
        yield f"  words: {in_yaml(turns['words'])}"
        return
    yield f"turns:  {what}"
    for text, turn in turns.items():
        key = in_yaml(text)
        yield f"  {key if len(key) < _LONG_KEY else f'? {key}{chr(10)}  '}: {in_yaml(turn)}"


def _split(content: Mapping[str, Any], proposal: Proposal) -> Iterator[str]:
    split = content.get("split")
    if split is None:
        return
    named = ", ".join(proposal.named)
    why = f"called like a split, but train and test cannot be told by it: {named}" if named else "nothing says it"
    if "column" in split:
        yield "split:  # train, test, or null to leave such scenes out"
        yield f"  column: {in_yaml(split['column'])}"
        yield f"  words: {in_yaml(split['words'])}"
    elif "file" in split:
        rest = [name for name in proposal.named if name != split["file"]]
        besides = f"; not used: {', '.join(rest)}" if rest else ""
        yield f"split: {{file: {in_yaml(split['file'])}}}  # it lists the test scenes; all others are for training{besides}"
    elif split["train"] == CHOOSE:
        yield f"split:  # {why}: a split is drawn, of exactly these sizes; or {{file: ...}} with ids of test scenes"
        yield f"  {{train: {CHOOSE}, test: {CHOOSE}, seed: 0}}"
    else:
        yield f"split:  # {why}: a split is drawn, of the sizes that config.yaml plans; or {{file: ...}}"
        yield f"  {in_yaml(split)}"
