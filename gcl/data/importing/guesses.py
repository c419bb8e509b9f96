"""Guesses about the fields of a download: `roles(look)`, `format_of(look)`, `split_column(...)`, `action_words(...)`.

Names and contents of fields decide. gcl/data/importing/trial.py tries whether a guess can be read at all.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gcl.data.annotations import KEY, shown
from gcl.data.importing import socialnav
from gcl.data.importing.look import Column, Look
from gcl.data.importing.mapping import CHOOSE
from gcl.data.importing.sources import FILE
from gcl.experiment.actions import label_of, named_actions, normalized

# ESocialNav's code has this wording of the action question. The others are not published.
KNOWN_WORDINGS = {"What should the robot do?": "action"}
_NAMES = {
    "id": ("id", "scene", "scene_id", "sample", "sample_id", "sample_name", "scenario_id", "uid", "index",
           "(key)", "(file)"),
    "image": (
        "image", "img", "image_path", "img_path", "image_file", "file_name", "filename", "picture", "photo", "frame",
        "frame_path", "images", "image_name", "image_id", "path",
    ),
    "label": ("label", "action_label", "class", "action_class", "action"),
    "question": ("question", "text", "query", "prompt", "instruction", "q"),
    "answer": ("answer", "response", "completion", "output", "a", "answers", "gt_answer", "answer_text",
               "ground_truth", "gt", "reference", "label"),
    "turn": ("category", "turn", "type", "question_type", "stage", "level", "task", "step", "aspect"),
}  # fmt: skip
_VALUES = ("label", "name", "text", "value", "class", "answer", "description")  # names of the text in an object
# Other names of turns that data sets of robots often have.
_SYNONYMS = {
    "perception": ("observation", "scene_description", "perceive"),
    "prediction": ("predict",),
    "reasoning": ("chain_of_thought", "cot", "chain_of_thought_reasoning"),
    "action": ("decision", "action_answer", "action_description", "action_text"),
    "explanation": ("justification", "rationale"),
}
_SPLIT_COLUMNS = ("split", "subset", "partition", "fold", "set")
_VALIDATION = ("val", "valid", "validation", "dev")
SPLIT_WORDS = dict.fromkeys(("train", "training", *_VALIDATION), "train") | dict.fromkeys(
    ("test", "testing", "eval"), "test"
)
# Columns of yes or no, and what yes means.
_FLAGS = {"is_test": "test", "test": "test", "is_train": "train", "train": "train", "is_training": "train"}
_YES, _NO = ("true", "1", "yes"), ("false", "0", "no")
_FEW = 20  # different values of a label
_LABEL_WORDS = 5
_CLOSE = 0.85


def format_of(look: Look) -> str | None:
    """The mapping's format that a file looks like; None if it holds no scenes."""
    names = set(look.fields)
    if {socialnav.ANSWERS, socialnav.FRAMES} <= names:
        return "socialnav-sub"
    if is_answers_of_a_model(look):
        return None
    if look.dialogue:
        return "conversations"
    found = roles(look)
    if found["question"] and (found["answer"] or "question_id" in names):
        return "questions"
    if (
        found["image"]
        and not is_by_columns(look)
        and len(spare(look, found)) >= sum(found[turn] is None for turn in look.sought.names)
    ):
        return "table"
    return None


def is_answers_of_a_model(look: Look) -> bool:
    """Whether a file holds answers of a model, as LLaVA's evaluations write them."""
    return {"answer_id", "model_id"} <= set(look.fields)


def roles(look: Look) -> dict[str, str | None]:
    """The field that is called like each part of a scene. Nested fields count by their last name, too."""
    there: dict[str, str] = {}
    for name in look.columns:
        for key in (_plain(name), _plain(name.rpartition(".")[2])):
            there.setdefault(key, name)
    called = _NAMES | {turn: _names_of(turn, n) for n, turn in enumerate(look.sought.names, start=1)}
    found = {role: next((there[name] for name in names if name in there), None) for role, names in called.items()}
    for turn in look.sought.names:
        found[turn] = found[turn] or _inside(look, called[turn])
    if found["answer"] and _plain(found["answer"]) == "label" and any(found[turn] for turn in look.sought.names):
        found["answer"] = None
    pictures = {name: column for name, column in look.columns.items() if column.pictures}
    named = {name: column for name, column in look.columns.items() if column.named}
    if found["image"] not in {*pictures, *named} and (pictures or named):
        rest = pictures or {name: column for name, column in named.items() if column.named == look.records} or named
        # The field that most records have wins. A field that is called like an id, or a key, is the last resort.
        found["image"] = max(
            rest,
            key=lambda name: (rest[name].pictures, not name.startswith("("), name == found["id"], rest[name].named),
        )
    action = look.sought.action
    if action and found["label"] == found[action]:
        others = [there[name] for name in called[action] if name in there and there[name] != found[action]]
        prose = next((name for name in others if _is_prose(look.columns[name])), None)
        if found[action] and prose and is_label(look.columns[found[action]]):
            found[action] = prose
        else:
            found["label"] = None
    if found["label"] and not is_label(look.columns[found["label"]]):
        found["label"] = None
    return found


def _names_of(turn: str, number: int) -> tuple[str, ...]:
    """Names that the column of a turn may have: the turn's name, its number, or another word for it."""
    numbered = (f"a{number}", f"answer{number}", f"answer_{number}")
    return (turn, *numbered, *_SYNONYMS.get(turn, ()), f"q{number}")


def _inside(look: Look, names: Sequence[str]) -> str | None:
    """The text in an object that is called so, such as action: {label: Stop, confidence: 0.9}."""
    for name in look.columns:
        outer, _, inner = name.rpartition(".")
        if inner in _VALUES and _plain(outer.rpartition(".")[2]) in names:
            return name
    return None


def is_by_columns(look: Look) -> bool:
    """Whether a file holds columns instead of records, as data frames are often written."""
    values = list(look.sample.fields.values()) if look.sample and look.records == 1 else []
    values = [value for value in values if isinstance(value, list | dict)]
    alike = {tuple(value) if isinstance(value, dict) else len(value) for value in values}
    return len(values) >= len(look.sought.turns) > 1 and len(alike) == 1


def spare(look: Look, found: Mapping[str, str | None]) -> list[str]:
    """Columns of texts whose names tell nothing, so that they may be turns of a table."""
    known = {name for role, name in found.items() if name and role in ("id", "image", "label", *look.sought.names)}
    return [
        name
        for name, column in look.columns.items()
        if name not in known
        and column.texts
        and not column.pictures
        and _plain(name) not in (*_SPLIT_COLUMNS, *_FLAGS, FILE, KEY)
    ]


def question_of(look: Look, turn: str, answer: str) -> str | None:
    """The column with the question of a table's turn, if it has one beside the answer."""
    there = {_plain(name): name for name in look.columns}
    number = look.sought.names.index(turn) + 1
    names = (f"{turn}_question", f"question{number}", f"question_{number}", f"q{number}")
    return next((there[name] for name in names if name in there and there[name] != answer), None)


def is_label(column: Column) -> bool:
    """Whether a column holds few, short values: names of actions, or their numbers."""
    return 0 < len(column.values) <= _FEW and column.longest <= _LABEL_WORDS and not column.pictures


def _is_prose(column: Column) -> bool:
    return column.texts == column.count > 0 and not is_label(column)


def split_of_name(name: str) -> str | None:
    """The split that words of a path name; None for none or two."""
    words = {SPLIT_WORDS[word] for word in re.split(r"[^a-z]+", name.lower()) if word in SPLIT_WORDS}
    return words.pop() if len(words) == 1 else None


def is_of_validation(name: str) -> bool:
    """Whether a path names a validation split, which is for training as long as there is a test."""
    return any(word in _VALIDATION for word in re.split(r"[^a-z]+", name.lower()))


def split_said(name: str, value: Any) -> str | None:
    """The split that a field says by its name and value; None if it says none."""
    key, word = _plain(name.rpartition(".")[2]), str(value).strip().casefold()
    if key in _SPLIT_COLUMNS:
        return SPLIT_WORDS.get(word)
    if key in _FLAGS and word in (*_YES, *_NO):
        return _FLAGS[key] if word in _YES else {"test": "train", "train": "test"}[_FLAGS[key]]
    return None


def is_called_like_a_split(name: str, column: Column) -> bool:
    """Whether a field could say the split, by its name."""
    key = _plain(name.rpartition(".")[2])
    return bool(column.values) and (key in _SPLIT_COLUMNS or (key in _FLAGS and is_label(column)))


def split_column(look: Look) -> tuple[str, dict[str, str]] | None:
    """The column that says the split, and its words with their splits or CHOOSE; None unless it can name both."""
    for name, column in look.columns.items():
        if is_called_like_a_split(name, column) and 1 < len(column.values) <= _FEW:
            words = {word: split_said(name, word) or CHOOSE for word in sorted(column.values)}
            if "test" not in words.values():
                words = {word: CHOOSE if word.casefold() in _VALIDATION else split for word, split in words.items()}
            open_words = sum(split == CHOOSE for split in words.values())
            if len({"train", "test"} - set(words.values())) <= open_words:
                return name, words
    return None


def turn_column(look: Look, found: Mapping[str, str | None]) -> tuple[str, dict[str, str]] | None:
    """The column that names the turn of a question, and its words; None unless each turn can have a word."""
    name = found["turn"]
    turns = look.sought.names
    if name is None or not len(turns) <= len(look.columns[name].values) <= max(_FEW, len(turns)):
        return None
    meant = {word.replace("_", " "): turn for turn in turns for word in (*_SYNONYMS.get(turn, ()), turn)}
    words = {word: meant.get(" ".join(normalized(word).split()), CHOOSE) for word in look.columns[name].values}
    open_words = sum(turn == CHOOSE for turn in words.values())
    return (name, words) if len(set(turns) - set(words.values())) <= open_words else None


def closed_list(values: Iterable[str], lists: Mapping[str, Sequence[str]]) -> Sequence[str] | None:
    """The closed list of actions that has most of the values (labels or answers); None if they are free text."""
    values = list(values)
    named = {name: sum(len(named_actions(value, actions)) == 1 for value in values) for name, actions in lists.items()}
    best = max(named, key=lambda name: named[name], default=None)
    if best is not None and values and 2 * named[best] >= len(values):
        return lists[best]
    # Numbers name no action, but are no free text either.
    return next(iter(lists.values())) if len(lists) == 1 and values and all(v.isdecimal() for v in values) else None


def action_words(values: Iterable[str], actions: Sequence[str]) -> dict[str, str]:
    """The meaning of each label that is not in the list: the action with nearly its name, or CHOOSE."""
    words = {}
    names = {normalized(action): action for action in actions}
    for value in values:
        if label_of(value, actions) is None and len(named_actions(value, actions)) != 1:
            close = difflib.get_close_matches(normalized(value), names, cutoff=_CLOSE)
            words[value] = names[close[0]] if len(close) == 1 else CHOOSE
    return words


def _plain(name: str) -> str:
    return name.strip().casefold().replace(" ", "_").replace("-", "_")


def out_of_order(turns: Sequence[str], places: Sequence[Mapping[str, int]], known: Mapping[str, str]) -> str | None:
    """The reason why a question's place in its dialogue does not tell its turn; None if it may.

    Args:
        turns: in their order.
        places: the questions at the place of each.
        known: wordings of which the turn is known.
    """
    first: dict[str, int] = {}
    for number, (turn, wordings) in enumerate(zip(turns, places, strict=True), start=1):
        for text in wordings:
            if text in first:
                return f"{shown(text)} is question {first[text]} here and question {number} there"
            first[text] = number
            if known.get(text, turn) != turn:
                return f"{shown(text)}, which is known as the question on {known[text]}, is question {number}"
    return None


def wordings(turns: int, counts: Mapping[str, int], known: Mapping[str, str]) -> dict[str, str | None] | None:
    """A turn, CHOOSE or None for each question; None if fewer than the turns are asked of every scene."""
    often = max(counts.values(), default=0)
    common = [text for text, count in counts.items() if count == often]
    if len(common) < turns or often < 2:
        return None
    return {text: known.get(text, CHOOSE) if text in common else None for text in counts}
