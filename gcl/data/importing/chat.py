"""Dialogues in the spellings of the usual programs: `read_dialogue(record, name, problems)` gives rounds and pictures.

    LLaVA, Qwen, LLaMA-Factory (sharegpt)  conversations: [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]
    OpenAI, TRL, ms-swift, Qwen            messages: [{"role": "user", "content": text, or parts of text and pictures}, ...]
    TRL                                    prompt and completion (or chosen, rejected), each a list of messages
    ms-swift, LLaMA-Factory (alpaca)       query, response, history: [[question, answer], ...]; or instruction, output
    ESocialNav                             turns: [{"human": ..., "chosen": ..., "rejected": ...}]
    others                                 qa_pairs: [{"question": ..., "answer": ...}], or vqa: {question: answer}

A list may stand in a cell as text.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcl.data.annotations import Record, kind, shown, text_field
from gcl.data.importing.fields import decoded, field_of, joined
from gcl.data.problem import Problem
from gcl.experiment.marks import PICTURE_MARK, marks, without_picture_mark

LISTS = ("conversations", "messages", "turns", "conversation", "dialogue", "dialog", "qa_pairs", "qas", "qa", "vqa")
PAIRS = (
    ("human", "chosen"), ("human", "gpt"), ("human", "assistant"), ("user", "assistant"), ("user", "bot"),
    ("question", "answer"), ("query", "response"), ("prompt", "response"), ("instruction", "output"),
    ("prompt", "completion"), ("q", "a"),
)  # fmt: skip
_ROLES = {
    "human": "human", "user": "human", "question": "human",
    "gpt": "gpt", "assistant": "gpt", "bot": "gpt", "model": "gpt", "chatgpt": "gpt", "answer": "gpt",
}  # fmt: skip
_ROLE_FIELDS, _TEXT_FIELDS = ("from", "role", "speaker"), ("value", "content", "text")
_TEXT_PARTS = ("text", "input_text", "output_text")
_PICTURE_FIELDS = ("image", "image_url", "url", "path")
# The first Qwen-VL writes its pictures so.
_NAMED = re.compile(r"\s*(?:Picture \d+:\s*)?<img>(.+?)</img>\s*")


@dataclass
class ChatDialogue:
    """The content of a record."""

    # place of the question in its list, question and answer of each round
    rounds: list[tuple[int, str, str]] = field(default_factory=list)
    pictures: list[Any] = field(default_factory=list)  # those that stand inside messages
    names: tuple[str, ...] = ()  # fields of the record that were read
    notes: Counter[str] = field(default_factory=Counter)  # of parts that were left out


def read_dialogue(record: Record, name: str | None, problems: list[Problem]) -> ChatDialogue | None:
    """The dialogue of a record, or None and problems if it is at fault. The mapping may name its list."""
    found = _messages(record, name, problems)
    if found is None:
        return None
    messages, names = found
    before, result = len(problems), ChatDialogue(names=names)
    for number, message in enumerate(messages, start=1):
        if isinstance(message, list | tuple) and len(message) == 2:
            messages[number - 1] = {"question": message[0], "answer": message[1]}
        elif not isinstance(message, dict):
            what = f"{kind(message)} instead of an object"
            problems.append(Problem(record.where, f"{names[0]}: message {number}", what, "write role and text"))
            return None
    if messages and _pair_of(_lower(messages[0])):
        _read_pairs(messages, record.where, problems, result)
    elif not _read_messages(messages, record.where, problems, result):
        return None
    return result if len(problems) == before else None


def dialogue_in(fields: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """The field that holds a dialogue, and its name for a mapping: None for a usual field. None if there is no dialogue."""
    if _is_prompt_completion(fields):
        return "prompt", None
    if (name := _dialogue_field(fields)) is not None:
        return name, None if name in LISTS else name
    pair = _pair_of(fields)
    return (pair[0], None) if pair and decoded(fields.get("history")) else None


def _dialogue_field(fields: Mapping[str, Any]) -> str | None:
    """The field that looks like a dialogue, by its name or else by its content. Dots lead into objects."""
    for name in LISTS:
        if isinstance(decoded(fields.get(name)), list) or _is_questions(decoded(fields.get(name))):
            return name
    for name, value in fields.items():
        if _is_dialogue(decoded(value)) or _is_questions(decoded(value)):
            return name
        if isinstance(value, dict) and (inner := _dialogue_field(value)):
            return f"{name}.{inner}"
    return None


def has_dialogue(fields: Mapping[str, Any]) -> bool:
    """Whether a record has something under one of the usual names of dialogues."""
    return any(name in fields for name in (*LISTS, "prompt")) or _pair_of(fields) is not None


def _is_prompt_completion(fields: Mapping[str, Any]) -> bool:
    """Whether a record is of TRL's kind, which keeps the last answers apart."""
    answers = (fields.get("completion"), fields.get("chosen"))
    return isinstance(fields.get("prompt"), list) and any(isinstance(answer, list) for answer in answers)


def _is_questions(value: Any) -> bool:
    """Whether an object has answers under their questions."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and key.strip().endswith("?") for key in value)
        and all(isinstance(answer, str) for answer in value.values())
    )


def _is_dialogue(value: Any) -> bool:
    if not isinstance(value, list) or not value or not all(isinstance(message, dict) for message in value):
        return False
    lower = _lower(value[0])
    return bool(_pair_of(lower)) or bool(set(_ROLE_FIELDS) & set(lower) and set(_TEXT_FIELDS) & set(lower))


def _messages(record: Record, name: str | None, problems: list[Problem]) -> tuple[list[Any], tuple[str, ...]] | None:
    """The list of messages, and the fields that it is from."""
    fields = record.fields
    names = [name] if name else [name for name in LISTS if fields.get(name) is not None]
    if not names and _is_prompt_completion(fields):
        answer = "completion" if isinstance(fields.get("completion"), list) else "chosen"
        return [*fields["prompt"], *fields[answer]], ("prompt", answer, "rejected")
    pair = _pair_of(fields)
    if not names and pair:
        history = decoded(fields.get("history"))
        last = {"question": _with_input(fields, pair[0]), "answer": fields[pair[1]]}
        return [*(history if isinstance(history, list) else []), last], (*pair, "history", "input")
    if len(names) != 1:
        field = " and ".join(names) or LISTS[0]
        what = "only one of them may be there" if names else "missing"
        problems.append(Problem(record.where, field, what, "write one list of messages"))
        return None
    value = decoded(field_of(fields, names[0]).get(names[0]))
    if _is_questions(value):
        value = [{"question": question, "answer": answer} for question, answer in value.items()]
    if not isinstance(value, list):
        what = f"{kind(value)} instead of a list"
        problems.append(Problem(record.where, names[0], what, "write the list of messages"))
        return None
    if isinstance(fields.get("chosen"), dict):  # LLaMA-Factory keeps the preferred answer apart
        return [*value, fields["chosen"]], (names[0], "chosen", "rejected")
    return list(value), (names[0],)


def _with_input(fields: Mapping[str, Any], name: str) -> Any:
    more = fields.get("input")
    question = fields[name]
    return f"{question}\n{more}" if isinstance(more, str) and more.strip() and isinstance(question, str) else question


def _lower(message: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name).casefold(): value for name, value in message.items()}


def _pair_of(message: Mapping[str, Any]) -> tuple[str, str] | None:
    """The names of question and answer in an object that has both."""
    return next((pair for pair in PAIRS if set(pair) <= set(message)), None)


def _read_pairs(
    messages: Sequence[Mapping[str, Any]], where: str, problems: list[Problem], result: ChatDialogue
) -> None:
    """Rounds of objects that hold question and answer, maybe with a rejected answer."""
    asked, answered = _pair_of(_lower(messages[0]))
    for number, message in enumerate(messages, start=1):
        within, message = f"{result.names[0]}: message {number}", _lower(message)
        text = text_field(message, asked, where, problems, within)
        question = _question(text, where, f"{within}: {asked}", problems, result)
        answer = text_field({k: joined(v) for k, v in message.items()}, answered, where, problems, within)
        result.rounds.append((number, question, answer or ""))
        result.notes["rejected answers left out"] += "rejected" in message
        _count_rest(message, (asked, answered, "rejected"), result)


def _read_messages(
    messages: Sequence[Mapping[str, Any]], where: str, problems: list[Problem], result: ChatDialogue
) -> bool:
    """Rounds of messages by turns, without a leading system message. False where the order is wrong."""
    question, number = None, 0
    for number, message in enumerate(messages, start=1):
        within, message = f"{result.names[0]}: message {number}", _lower(message)
        name = next((name for name in _ROLE_FIELDS if name in message), _ROLE_FIELDS[0])
        role = text_field(message, name, where, problems, within)
        if number == 1 and role == "system":
            result.notes["leading system messages left out"] += 1
            continue
        known = None if role is None else _ROLES.get(role.casefold())
        if known is None:
            if role is not None:
                remedy = "use human and gpt, or user and assistant"
                problems.append(Problem(where, f"{within}: {name}", f"unknown role {shown(role)}", remedy))
            return False
        if known != ("human" if question is None else "gpt"):
            what = f"{role!r} where the {'question' if question is None else 'answer'} is due"
            problems.append(Problem(where, f"{within}: {name}", what, "let question and answer alternate"))
            return False
        content = next((name for name in _TEXT_FIELDS if message.get(name) is not None), None)
        content = content or next((name for name in _TEXT_FIELDS if name in message), _TEXT_FIELDS[0])
        text = text_field(_in_one_piece(message, content, result), content, where, problems, within)
        _count_rest(message, (name, content), result)
        if known == "human":
            question = _question(text, where, f"{within}: {content}", problems, result)
        else:
            result.rounds.append((number - 1, question, text or ""))
            question = None
    if question is not None:
        place = f"{result.names[0]}: message {number}"
        problems.append(Problem(where, place, "a question without an answer", "add the answer"))
    return True


def _in_one_piece(message: Mapping[str, Any], name: str, result: ChatDialogue) -> dict[str, Any]:
    """A message whose text came in parts, with the text in one piece and its pictures set apart."""
    parts, texts = message.get(name), []
    if not isinstance(parts, list):
        return dict(message)
    for part in parts:
        if isinstance(part, str):
            texts.append(part)
            continue
        if not isinstance(part, dict):
            return dict(message)
        sort = part.get("type")
        picture = next((part[key] for key in _PICTURE_FIELDS if part.get(key) is not None), None)
        if picture is not None and sort not in _TEXT_PARTS:
            result.pictures.append(picture)
        elif isinstance(part.get("text"), str) and sort in (*_TEXT_PARTS, None):
            texts.append(part["text"])
        elif sort not in ("image", "image_url", "input_image", *_TEXT_PARTS):
            result.notes[f"parts of messages that are not read, being of type {shown(str(sort))[1:-1]}"] += 1
    return {**message, name: "\n".join(texts)}


def _question(text: str | None, where: str, field: str, problems: list[Problem], result: ChatDialogue) -> str:
    if text is None:
        return ""
    first = not result.rounds
    if first and (match := _NAMED.match(text)):
        result.pictures.append(match[1])
        text = text[match.end() :]
    rest = without_picture_mark(text)
    if not rest:
        problems.append(Problem(where, field, f"empty but for {PICTURE_MARK}", "write the question"))
    # Only the first question usually has a mark.
    result.notes["picture marks taken off later questions"] += not first and marks(text) != marks(rest)
    return rest


def _count_rest(message: Mapping[str, Any], names: Sequence[str], result: ChatDialogue) -> None:
    for name, value in message.items():
        if name not in names and value not in (None, "", [], {}):
            result.notes[f"messages whose {shown(name)[1:-1]} is not read"] += 1
