"""The mapping that `gcl data inspect` proposes: `propose(source, looks, index, known, name, dialogue)`.

Guesses come from names and contents. Each is tried before it is proposed (gcl/data/importing/trial.py), so the import can
read a proposed mapping. Where nothing can be told, CHOOSE stands, which `gcl data import` refuses. So no guess passes for
knowledge.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, product, zip_longest
from pathlib import Path
from typing import Any

from gcl.data.annotations import shown
from gcl.data.importing import choices, guesses
from gcl.data.importing.formats import PICTURES
from gcl.data.importing.layout import BESIDE
from gcl.data.importing.look import SAMPLE, Look
from gcl.data.importing.mapping import CHOOSE
from gcl.data.importing.missing import PUT
from gcl.data.importing.paths import Index, rivals, suggested
from gcl.data.importing.trial import Trial, outcome
from gcl.data.problem import GeneralProblem
from gcl.experiment.dialogue import Dialogue

_COMMON = 60  # wordings that a mapping may list
_PATHS = 300


@dataclass(frozen=True)
class Known:
    """Facts from config.yaml about a data set: its closed list of actions, and the number of scenes of each split."""

    actions: Sequence[str] | None = None
    scenes: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Proposal:
    """A mapping that was tried."""

    content: Mapping[str, Any]  # as YAML holds it
    look: Look  # the file that it was made for
    remarks: Sequence[str]  # notes for a person
    outcome: Trial  # of the trial
    actions: Sequence[str] | None  # closed list that it was tried with
    comments: Mapping[str, str]  # for a person, on `images` and the column of the pictures (`image`)
    named: Sequence[str]  # fields and files that are called like a split


@dataclass
class _Draft:
    """The state of one guess about files. Of open choices it holds one."""

    looks: Sequence[Look]
    format: str
    dialogue: Dialogue
    wordings: Mapping[str, str]  # whose turns are known
    roles: dict[str, str | None]
    base: dict[str, Any]  # the part that all its mappings share
    comments: dict[str, str] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    @property
    def look(self) -> Look:
        return self.looks[0]


def propose(
    source: Path,
    looks: Sequence[Look],
    index: Index,
    known: Mapping[str, Known],
    name: str | None,
    dialogue: Dialogue,
) -> Proposal | str:
    """A mapping for the files that together are a data set, or one line that says why there is none.

    Args:
        source, looks, index: the download, its annotation files, its pictures.
        known: the data sets of config.yaml.
        name: of the data set that it is to be, if somebody said it.
        dialogue: the turns that scenes should have. Its questions are known wordings.
    """
    format, chosen, others = choices.files_of(source, looks, index)
    if not chosen:
        return choices.no_data(looks)
    reason = None
    for files in (chosen, chosen[:1]) if len(chosen) > 1 and not choices.split_of(chosen) else (chosen,):
        draft = _drafted(files, format, known, name, dialogue)
        _find_pictures(draft, source, index)
        disorder = _disorder(draft)
        for part, split in product(_READERS[format](draft), list(_splits(draft, source, looks))):
            content = {**draft.base, **part, **({"split": split} if split else {})}
            # A person will say the turns of the wordings, so for the trial any order of rounds does.
            readable = {**content, "turns": "by order"} if disorder else content
            tried = outcome(source, readable, draft.dialogue, guesses.spare(draft.look, draft.roles))
            if tried.works:
                remarks = [
                    *_unused([*others, *(look for look in chosen if look not in files)], draft),
                    *([f"not turns: by order, as {disorder}; say the turn of each wording"] if disorder else []),
                    *choices.contradictory(files),
                ]
                named = choices.called_like_splits(source, format, draft.look, looks)
                plans = [plan for key, plan in known.items() if name in (None, key)]
                final, actions = _final(content, draft, tried.scenes, plans), draft.dialogue.actions
                return Proposal(final, draft.look, remarks, tried, actions, draft.comments, named)
            empty = GeneralProblem(draft.look.names[0], "", "no scenes")
            reason = reason or next(iter([*tried.problems, *draft.look.problems, empty]))
    # There is no mapping that a person could correct.
    return str(replace(reason, remedy=PUT) if reason.remedy.startswith(f"{PUT}, or ") else reason)


def _drafted(
    looks: Sequence[Look], format: str, known: Mapping[str, Known], name: str | None, dialogue: Dialogue
) -> _Draft:
    """A guess before it is tried: the known wordings, and the closed list of actions."""
    roles = guesses.roles(looks[0])
    usual = {text: turn for text, turn in guesses.KNOWN_WORDINGS.items() if turn in dialogue.names}
    wordings = {text: turn for turn, text in dialogue.questions.items()} | usual
    naming = roles["label"] or roles.get(dialogue.action or "")
    lists = {key: value.actions for key, value in known.items() if value.actions}
    actions = guesses.closed_list(_values(looks, naming), lists) if naming else None
    dialogue = dialogue.model_copy(update={"actions": known[name].actions if name in known else actions})
    return _Draft(looks, format, dialogue, wordings, roles, {"format": format, **choices.file_keys(looks)})


def _find_pictures(draft: _Draft, source: Path, index: Index) -> None:
    """Find the column of the pictures, and the place its paths lead to."""
    look, roles = draft.look, draft.roles
    if roles["image"]:
        columns, same = choices.picture_columns(source, look, roles["image"], index)
        roles["image"] = columns[0]
        if len(columns) > 1:
            all_of_them = "or all, without this line: pictures: {columns: {NAME: COLUMN, ...}}"
            draft.comments["image"], draft.open = f"{' or '.join(columns)}; {all_of_them}", {"image"}
        elif same:
            draft.comments["image"] = f"the same pictures are in {', '.join(same)}"
    named = [one for look in draft.looks for one in choices.named_pictures(look, roles["image"])[:_PATHS]]
    images = suggested(source, named, index) if named else "."
    if images not in (None, ".", BESIDE) and (rival := rivals(named, index)):
        draft.comments["images"] = f"{shown(rival[0])[1:-1]} is in {', '.join(rival[1])}"
        draft.open.add("images")
    if draft.format != "socialnav-sub":
        draft.base["images"] = "." if images is None else images
        if roles["image"] in look.columns and look.columns[roles["image"]].several:
            draft.base["picture"] = CHOOSE


def _final(content: Mapping[str, Any], draft: _Draft, count: int, known: Sequence[Known]) -> dict[str, Any]:
    """A mapping that was tried, with CHOOSE where only a person can tell.

    The sizes of a drawn split are known where there are as many scenes as planned.
    """
    result = dict(content)
    if "images" in draft.open:
        result["images"] = CHOOSE
    if "image" in draft.open:
        result["columns"] = {**content.get("columns", {}), "image": CHOOSE}
    if (content.get("split") or {}).get("train") == CHOOSE and count < SAMPLE:
        same = [plan.scenes for plan in known if plan.scenes and plan.actions == draft.dialogue.actions]
        fitting = [scenes for scenes in same if sum(scenes.values()) == count]
        if len(fitting) == 1:
            result["split"] = {**fitting[0], "seed": 0}
    return result


def _splits(draft: _Draft, source: Path, looks: Sequence[Look]) -> Iterator[Any]:
    if isinstance(draft.base["files"], dict) or isinstance(draft.base.get("records"), dict):
        yield None
        return
    if column := guesses.split_column(draft.look):
        yield {"column": column[0], "words": column[1]}
    for look in looks:
        if guesses.format_of(look) == "questions" and not guesses.roles(look)["answer"]:
            yield {"file": look.names[0]}
    for name in choices.test_lists(source, draft.format):
        yield {"file": name}
    yield {"train": CHOOSE, "test": CHOOSE, "seed": 0}


def _tables(draft: _Draft) -> Iterator[dict[str, Any]]:
    look, roles = draft.look, draft.roles
    columns: dict[str, Any] = {}
    for turn in draft.dialogue.names:
        answer = roles[turn]
        asked = answer and guesses.question_of(look, turn, answer)
        columns[turn] = {"question": asked, "answer": answer} if asked else answer or CHOOSE
    if any(isinstance(column, dict) for column in columns.values()):
        columns = {turn: c if isinstance(c, dict) else {"question": CHOOSE, "answer": c} for turn, c in columns.items()}
    translated = _actions(draft, roles["label"] or roles.get(draft.dialogue.action or ""))
    for ids, id in _ids(draft):
        whole = {"id": id, "image": roles["image"], **columns, "label": roles["label"]}
        yield {"ids": ids, "columns": whole, **translated}


def _ids(draft: _Draft) -> list[tuple[str, str | None]]:
    id = draft.roles["id"]
    return [*([("field", id)] if id is not None else []), ("picture", None), ("row", None)]


def _questions(draft: _Draft) -> Iterator[dict[str, Any]]:
    roles = draft.roles
    own = {"image": ("image", "image"), "question": ("text", "question"), "answer": ("answer", "answer")}
    columns = {role: roles[name] for role, (usual, name) in own.items() if roles[name] != usual}
    if roles["label"] and roles["label"] != roles["answer"]:
        columns["label"] = roles["label"]
    numbered = "question_id" in draft.look.fields
    keys = [("field", {})] if numbered else []
    keys += [(ids, {"id": id} if id else {}) for ids, id in _ids(draft)]
    for turns, (ids, id) in product(_turns(draft), keys):
        if turns != "by suffix" or numbered or id:
            yield {"ids": ids, **({"columns": {**id, **columns}} if id or columns else {}), "turns": turns}


def _dialogues(draft: _Draft) -> Iterator[dict[str, Any]]:
    look, roles = draft.look, draft.roles
    columns: dict[str, Any] = {}
    if roles["image"] and roles["image"] not in PICTURES and not look.pictured:
        columns["image"] = roles["image"]
    if look.dialogue_name and "history" not in look.fields:
        columns["dialogue"] = look.dialogue_name
    if roles["label"]:
        columns["label"] = roles["label"]
    translated = _actions(draft, roles["label"])
    alone = set(look.rounds) == {len(draft.dialogue.turns)}
    for join in (False,) if alone else (False, True):
        for turns, (ids, id) in product([_of_whole(draft)] if alone else list(_turns(draft)), _ids(draft)):
            own = {**({"id": id} if id not in (None, "id") else {}), **columns}
            extra = {"join": True} if join else {}
            if join or not (turns == "by suffix" or (isinstance(turns, dict) and set(turns) == {"column", "words"})):
                yield {"ids": ids, **extra, **({"columns": own} if own else {}), "turns": turns, **translated}


_READERS = {"table": _tables, "questions": _questions, "conversations": _dialogues, "socialnav-sub": lambda _: [{}]}


def _places(draft: _Draft) -> list[Counter[str]]:
    """The questions at each place of the dialogues in all files."""
    return [sum(place, Counter()) for place in zip_longest(*(k.wordings for k in draft.looks), fillvalue=Counter())]


def _disorder(draft: _Draft) -> str | None:
    """The reason why the order of rounds does not tell turns; None if it does, or their number differs."""
    turns = draft.dialogue.names
    alone = draft.format == "conversations" and all(set(look.rounds) == {len(turns)} for look in draft.looks)
    return guesses.out_of_order(turns, _places(draft), draft.wordings) if alone else None


def _of_whole(draft: _Draft) -> Any:
    """The way to tell the turns of dialogues with a round for each."""
    if _disorder(draft) is None:
        return "by order"
    texts = dict.fromkeys(text for place in _places(draft) for text in place)
    return {text: draft.wordings.get(text, CHOOSE) for text in texts} if len(texts) <= _COMMON else CHOOSE


def _turns(draft: _Draft) -> Iterator[Any]:
    """Ways to tell questions apart, the surest first."""
    single = draft.format == "questions"
    if single or set(draft.look.rounds) == {1}:
        yield "by suffix"
        if column := guesses.turn_column(draft.look, draft.roles):
            yield {"column": column[0], "words": column[1]}
    asked = [[look.columns[draft.roles["question"]].values] if single else look.wordings for look in draft.looks]
    counts = sum(chain.from_iterable(asked), Counter())
    known = guesses.wordings(len(draft.dialogue.turns), counts, draft.wordings)
    if known is not None and len(known) <= _COMMON:
        yield known
    yield "by order"


def _actions(draft: _Draft, name: str | None) -> dict[str, Any]:
    """The mapping's `actions`, where labels are none of the closed list."""
    actions = draft.dialogue.actions
    if not actions or name is None or not guesses.is_label(draft.look.columns[name]):
        return {}
    words = guesses.action_words(_values(draft.looks, name), actions)
    return {"actions": words} if words else {}


def _values(looks: Sequence[Look], name: str | None) -> list[str]:
    return list(dict.fromkeys(value for look in looks if name in look.columns for value in look.columns[name].values))


def _unused(others: Sequence[Look], draft: _Draft) -> Iterator[str]:
    # While the folder is to be chosen, the same names may be other pictures.
    why = "it has scenes of the files above"
    if "images" in draft.open:
        why = "it names pictures as the files above do; add it if these are others"
    yield from (f"not used, as {why}: {look.names[0]}" for look in others)
