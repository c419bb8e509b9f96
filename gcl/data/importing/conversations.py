"""Dialogues in the style of LLaVA: `scenes(records, reading)`.

    {"id": ..., "image": ..., "conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}, ...]}

Lists called messages, roles called user and assistant, and fields called role and content are the same thing. So are
ESocialNav's records for preference training, {"turns": [{"human": ..., "chosen": ..., "rejected": ...}]}, of which the
chosen answers count.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from gcl.data.importing.scene import Reading, Scene, Words, picture_of, scene_id, split_of
from gcl.data.records import Record, kind, shown, text_field
from gcl.data.scenario import TURNS

IMAGE_TAG = "<image>"
LISTS = ("conversations", "messages", "turns")
PICTURES = ("image", "images")
_ROLES = {"human": "human", "user": "human", "gpt": "gpt", "assistant": "gpt"}


def scenes(records: Iterable[Record], reading: Reading) -> Iterator[Scene]:
    """The scene of each record."""
    for record in records:
        picture = picture_of(record, PICTURES, reading.problems)
        id = scene_id(record, "id", picture, reading)
        turns = _turns(record, reading)
        yield Scene(record.where, id, picture, turns, split=split_of(record, reading))


def rounds(record: Record, problems: list[str]) -> list[tuple[int, str, str]] | None:
    """Place of the question in its list, question and answer of each round; None if the list itself is at fault."""
    names = [name for name in LISTS if record.fields.get(name) is not None]
    if len(names) != 1:
        what = f"{' and '.join(names)}: only one of them may be there" if names else f"{LISTS[0]}: missing"
        problems.append(f"{record.where}: {what}; write one list of messages")
        return None
    value, where = record.fields[names[0]], f"{record.where}: {names[0]}"
    if not isinstance(value, list):
        problems.append(f"{where}: {kind(value)} instead of a list; write the list of messages")
        return None
    for number, message in enumerate(value, start=1):
        if not isinstance(message, dict):
            problems.append(f"{where}: message {number}: {kind(message)} instead of an object; write role and text")
            return None
    if any("chosen" in message for message in value):
        return _preferred(value, where, problems)
    return _answered(value, where, problems)


def without_tag(text: str) -> str:
    """A question without the mark that says where the picture goes."""
    return text.replace(IMAGE_TAG, "").strip()


def _turns(record: Record, reading: Reading) -> dict[str, Words]:
    before, where = len(reading.problems), record.where
    found = rounds(record, reading.problems)
    if found is None or len(reading.problems) > before:
        return {}
    if found:
        _count_dropped(record, reading)
    if reading.mapping.turns == "by order":
        if len(found) == len(TURNS):
            return {turn: (question, answer) for turn, (_, question, answer) in zip(TURNS, found, strict=True)}
        what = f"{len(found)} rounds instead of {len(TURNS)}"
        reading.problems.append(f"{where}: {what}; correct the record, or name the turns by their wording")
        return {}
    turns: dict[str, Words] = {}
    for number, question, answer in found:
        turn = reading.turn_of(question, f"{where}: message {number}")
        if turn:
            reading.add_turn(turns, turn, (question, answer), f"{where}: message {number}")
    if not any(reading.is_unknown(question) for _, question, _ in found):
        reading.check_complete(turns, where)
    return turns


def _count_dropped(record: Record, reading: Reading) -> None:
    """Note what `rounds` leaves out of a sound record."""
    messages = next(record.fields[name] for name in LISTS if record.fields.get(name) is not None)
    reading.notes["leading system messages left out"] += messages[0].get("from", messages[0].get("role")) == "system"
    reading.notes["rejected answers left out"] += sum("rejected" in message for message in messages)


def _joined(message: dict[str, Any], field: str) -> dict[str, Any]:
    """A message whose text came in parts, as chat data has it, with the text in one piece and pictures left out."""
    parts = message.get(field)
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return message
    texts = [part["text"] for part in parts if part.get("type") == "text" and isinstance(part.get("text"), str)]
    return message | {field: "\n".join(texts)}


def _answered(messages: list[dict[str, Any]], where: str, problems: list[str]) -> list[tuple[int, str, str]] | None:
    """Rounds of messages by turns; a leading system message is none of them."""
    result, question, number = [], None, 0
    for number, message in enumerate(messages, start=1):
        place = f"{where}: message {number}"
        field = "role" if "role" in message and "from" not in message else "from"
        role = text_field(message, field, place, problems)
        if number == 1 and role == "system":
            continue
        if role is not None and role not in _ROLES:
            problems.append(f"{place}: {field}: unknown role {shown(role)}; use human and gpt, or user and assistant")
        due = "human" if question is None else "gpt"
        if role not in _ROLES:
            return None
        if _ROLES[role] != due:
            what = f"{role!r} where the {'question' if due == 'human' else 'answer'} is due"
            problems.append(f"{place}: {field}: {what}; let question and answer alternate")
            return None
        content = "content" if "content" in message and "value" not in message else "value"
        text = text_field(_joined(message, content), content, place, problems)
        if due == "human":
            question = _question(text, not result, f"{place}: {content}", problems)
        else:
            result.append((number - 1, question, text or ""))
            question = None
    if question is not None:
        problems.append(f"{where}: message {number}: a question without an answer; add the answer")
    return result


def _preferred(messages: list[dict[str, Any]], where: str, problems: list[str]) -> list[tuple[int, str, str]]:
    """Rounds of preference records, which hold question and both answers in one object."""
    result = []
    for number, message in enumerate(messages, start=1):
        place = f"{where}: message {number}"
        question = _question(text_field(message, "human", place, problems), number == 1, f"{place}: human", problems)
        result.append((number, question, text_field(message, "chosen", place, problems) or ""))
    return result


def _question(text: str | None, first: bool, where: str, problems: list[str]) -> str:
    if text is None or not first:
        return text or ""
    if not without_tag(text):
        problems.append(f"{where}: empty but for {IMAGE_TAG}; write the question")
    return without_tag(text)
