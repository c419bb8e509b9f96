"""The mapping that `gcl data inspect` proposes: `propose(source, looks, index, known, name, dialogue)`.

Guesses come from names and contents, and each is tried before it is proposed (gcl/data/importing/trial.py): a mapping that
its import would refuse is none. Where nothing can be told, CHOOSE stands, which `gcl data import` refuses: a guess must not
pass for knowledge.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product, zip_longest
from pathlib import Path
from typing import Any

from gcl.data.annotations import shown
from gcl.data.importing import guesses
from gcl.data.importing.chat import LISTS, is_prompt_completion
from gcl.data.importing.choices import file_keys, files_of, named_pictures, picture_columns, split_of
from gcl.data.importing.layout import BESIDE
from gcl.data.importing.look import SAMPLE, Look
from gcl.data.importing.mapping import CHOOSE
from gcl.data.importing.paths import Index, rivals, suggested
from gcl.data.importing.readers import PICTURES
from gcl.data.importing.reasons import no_data, reason
from gcl.data.importing.split_guesses import called_like_splits, contradictory, test_lists
from gcl.data.importing.trial import Outcome, outcome
from gcl.experiment.dialogue import Dialogue

_COMMON = 60  # wordings that a mapping may list
_PATHS = 300


@dataclass(frozen=True)
class Known:
    """What config.yaml says of a data set: its closed list of actions, and how many scenes each split should have."""

    actions: Sequence[str] | None = None
    scenes: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Proposal:
    """A mapping that was tried, or why there is none.

    Attributes:
        content: the mapping, as YAML holds it; None if there is none.
        look: the file that it was made for.
        remarks: what a person should know besides.
        outcome: of the trial.
        reason: why there is no mapping.
        actions: closed list that it was tried with.
        comments: what a person should know of `images`, and of the column of the pictures (`image`).
        named: fields and files that are called like a split.
    """

    content: Mapping[str, Any] | None = None
    look: Look | None = None
    remarks: Sequence[str] = ()
    outcome: Outcome | None = None
    reason: str | None = None
    actions: Sequence[str] | None = None
    comments: Mapping[str, str] = field(default_factory=dict)
    named: Sequence[str] = ()


@dataclass
class _Draft:
    """What is said of a download while guesses are tried; of what is open only one choice is."""

    source: Path
    looks: Sequence[Look]
    format: str
    roles: Mapping[str, str | None]
    images: Any
    dialogue: Dialogue
    wordings: Mapping[str, str]
    base: dict[str, Any] = field(default_factory=dict)
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
) -> Proposal:
    """A mapping for the files that together are a data set.

    Args:
        source: folder of the download.
        looks: its annotation files.
        index: its pictures.
        known: the data sets of config.yaml.
        name: of the data set that it is to be, if somebody said it.
        dialogue: the turns that scenes should have; in the words of its questions a question is known.
    """
    usual = {text: turn for text, turn in guesses.KNOWN_WORDINGS.items() if turn in dialogue.names}
    wordings = {text: turn for turn, text in dialogue.questions.items()} | usual
    format, chosen, others = files_of(source, looks, index)
    if not chosen:
        return Proposal(reason=no_data(looks))
    first: Proposal | None = None
    for files in (chosen, chosen[:1]) if len(chosen) > 1 and not split_of(chosen) else (chosen,):
        draft = _drafted(source, files, format, index, known, name, dialogue, wordings)
        for content in _candidates(draft, looks):
            spare = guesses.spare(draft.look, draft.roles)
            tried = outcome(source, _readable(content, draft), draft.dialogue, spare)
            more = [*others, *(look for look in chosen if look not in files)]
            if tried.works:
                content = _opened(content, draft)
                remarks = [*_remarks(more, draft), *_in_no_order(draft), *contradictory(files)]
                named = called_like_splits(source, format, draft.look, looks)
                proposal = Proposal(
                    content, draft.look, remarks, tried, None, draft.dialogue.actions, draft.comments, named
                )
                return _with_sizes(proposal, known, name)
            first = first or Proposal(
                None, draft.look, (), tried, reason(draft.look, draft.roles["image"], draft.wordings, tried)
            )
    return first or Proposal(None, chosen[0], (), None, reason(draft.look, draft.roles["image"], draft.wordings, None))


def _drafted(
    source: Path,
    looks: Sequence[Look],
    format: str,
    index: Index,
    known: Mapping[str, Known],
    name: str | None,
    dialogue: Dialogue,
    wordings: Mapping[str, str],
) -> _Draft:
    look = looks[0]
    roles = guesses.roles(look)
    naming = roles["label"] or roles.get(dialogue.action or "")
    lists = {key: value.actions for key, value in known.items() if value.actions}
    column = look.columns.get(naming or "")
    values = _values(looks, naming)
    actions = known[name].actions if name in known else guesses.closed_list(values, lists) if column else None
    comments, open = {}, set()
    if roles["image"]:
        columns, same = picture_columns(source, looks, roles["image"], index)
        roles["image"] = columns[0]
        if len(columns) > 1:
            comments["image"], open = " or ".join(columns), {"image"}
        elif same:
            comments["image"] = f"the same pictures are in {', '.join(same)}"
    column = look.columns.get(roles["image"] or "")
    named = [one for look in looks for one in named_pictures([look], roles["image"] or "")[:_PATHS]]
    images = suggested(source, named, index) if named else "."
    if images not in (None, ".", BESIDE) and (rival := rivals(named, index)):
        comments["images"], open = f"{shown(rival[0])[1:-1]} is in {', '.join(rival[1])}", open | {"images"}
    base: dict[str, Any] = {"format": format, **file_keys(looks)}
    if format != "socialnav-sub":
        base["images"] = "." if images is None else images
        if column and column.several:
            base["picture"] = CHOOSE
    dialogue = dialogue.model_copy(update={"actions": actions})
    return _Draft(source, looks, format, roles, images, dialogue, wordings, base, comments, open)


def _opened(content: Mapping[str, Any], draft: _Draft) -> dict[str, Any]:
    """A mapping that was tried, with CHOOSE for what only a person can tell."""
    result = dict(content)
    if "images" in draft.open:
        result["images"] = CHOOSE
    if "image" in draft.open:
        result["columns"] = {**content.get("columns", {}), "image": CHOOSE}
    return result


def _candidates(draft: _Draft, looks: Sequence[Look]) -> Iterator[dict[str, Any]]:
    """Mappings that might fit, the most likely first."""
    splits = list(_splits(draft, looks))
    readers = {"table": _tables, "questions": _questions, "conversations": _dialogues, "socialnav-sub": lambda _: [{}]}
    for part, split in product(readers[draft.format](draft), splits):
        yield {**draft.base, **part, **({"split": split} if split else {})}


def _splits(draft: _Draft, looks: Sequence[Look]) -> Iterator[Any]:
    if isinstance(draft.base["files"], dict) or isinstance(draft.base.get("records"), dict):
        yield None
        return
    if column := guesses.split_column(draft.look):
        yield {"column": column[0], "words": column[1]}
    for look in looks:
        if guesses.format_of(look) == "questions" and not guesses.roles(look)["answer"]:
            yield {"file": look.names[0]}
    for name in test_lists(draft.source, draft.format):
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
    tail = {"label": roles["label"]}
    translated = _actions(draft, roles["label"] or roles.get(draft.dialogue.action or ""))
    for ids, id in _ids(draft):
        yield {"ids": ids, "columns": {"id": id, "image": roles["image"], **columns, **tail}, **translated}


def _ids(draft: _Draft) -> Iterator[tuple[str, str | None]]:
    id = draft.roles["id"]
    if id is not None:
        yield "field", id
    yield "picture", None
    yield "row", None


def _questions(draft: _Draft) -> Iterator[dict[str, Any]]:
    look, roles = draft.look, draft.roles
    own = {
        "image": ("image", roles["image"]),
        "question": ("text", roles["question"]),
        "answer": ("answer", roles["answer"]),
    }
    columns = {role: name for role, (usual, name) in own.items() if name != usual}
    if roles["label"] and roles["label"] != roles["answer"]:
        columns["label"] = roles["label"]
    numbered = "question_id" in look.fields
    keys = [("field", {})] if numbered else []
    keys += [("field", {"id": roles["id"]})] if roles["id"] else []
    for turns, (ids, id) in product(_turns(draft), [*keys, ("picture", {}), ("row", {})]):
        if turns != "by suffix" or numbered or id:
            own_columns = {**id, **columns}
            yield {"ids": ids, **({"columns": own_columns} if own_columns else {}), "turns": turns}


def _dialogues(draft: _Draft) -> Iterator[dict[str, Any]]:
    look, roles = draft.look, draft.roles
    columns: dict[str, Any] = {}
    if roles["image"] and roles["image"] not in PICTURES and not look.pictured:
        columns["image"] = roles["image"]
    if look.dialogue not in LISTS and not is_prompt_completion(look.sample.fields) and "history" not in look.fields:
        columns["dialogue"] = look.dialogue
    if roles["label"]:
        columns["label"] = roles["label"]
    translated = _actions(draft, roles["label"])
    alone = set(look.rounds) == {len(draft.dialogue.turns)}
    for join in (False,) if alone else (False, True):
        for turns, (ids, id) in product(_turns(draft) if not alone else (_of_whole(draft),), _ids(draft)):
            own = {**({"id": id} if id not in (None, "id") else {}), **columns}
            extra = {"join": True} if join else {}
            if join or not (turns == "by suffix" or (isinstance(turns, dict) and set(turns) == {"column", "words"})):
                yield {"ids": ids, **extra, **({"columns": own} if own else {}), "turns": turns, **translated}


def _places(draft: _Draft) -> list[Counter[str]]:
    """The questions at each place of the dialogues in all files."""
    return [sum(place, Counter()) for place in zip_longest(*(k.wordings for k in draft.looks), fillvalue=Counter())]


def _disorder(draft: _Draft) -> str | None:
    """Why dialogues with a round for each turn cannot be told by their order; None if they can, or have other rounds."""
    turns = draft.dialogue.names
    alone = draft.format == "conversations" and all(set(look.rounds) == {len(turns)} for look in draft.looks)
    return guesses.out_of_order(turns, _places(draft), draft.wordings) if alone else None


def _of_whole(draft: _Draft) -> Any:
    """How to tell the turns of dialogues with a round for each."""
    if _disorder(draft) is None:
        return "by order"
    texts = dict.fromkeys(text for place in _places(draft) for text in place)
    return {text: draft.wordings.get(text, CHOOSE) for text in texts} if len(texts) <= _COMMON else CHOOSE


def _readable(content: dict[str, Any], draft: _Draft) -> dict[str, Any]:
    """What a trial reads: where a person has to say the wordings' turns, rounds in any order show the same."""
    return {**content, "turns": "by order"} if _disorder(draft) else content


def _turns(draft: _Draft) -> Iterator[Any]:
    """Ways to tell questions apart, the surest first."""
    looks = draft.looks
    if draft.format == "questions" or set(draft.look.rounds) == {1}:
        yield "by suffix"
        if column := guesses.turn_column(draft.look, draft.roles):
            yield {"column": column[0], "words": column[1]}
    if draft.format == "questions":
        wordings = {text: n for look in looks for text, n in look.columns[draft.roles["question"]].values.items()}
    else:
        wordings = {text: n for look in looks for place in look.wordings for text, n in place.items()}
    known = guesses.wordings(len(draft.dialogue.turns), wordings, draft.wordings)
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


def _with_sizes(proposal: Proposal, known: Mapping[str, Known], name: str | None) -> Proposal:
    """The sizes of a drawn split, where all scenes are just as many as a data set should have."""
    content, count = dict(proposal.content), proposal.outcome.scenes
    if (content.get("split") or {}).get("train") != CHOOSE or count >= SAMPLE:
        return proposal
    same = [
        plan for key, plan in known.items() if name in (None, key) and plan.actions == proposal.actions and plan.scenes
    ]
    fitting = [plan.scenes for plan in same if sum(plan.scenes.values()) == count]
    if len(fitting) != 1:
        return proposal
    return replace(proposal, content={**content, "split": {**fitting[0], "seed": 0}})


def _remarks(others: Sequence[Look], draft: _Draft) -> list[str]:
    # While folders are to choose, the same names may be other pictures.
    open = "images" in draft.open
    why = (
        "it names pictures as the files above do; add it if these are others"
        if open
        else "it has scenes of the files above"
    )
    return [f"not used, as {why}: {look.names[0]}" for look in others]


def _in_no_order(draft: _Draft) -> list[str]:
    reason = _disorder(draft)
    return [f"not turns: by order, as {reason}; say the turn of each wording"] if reason else []
