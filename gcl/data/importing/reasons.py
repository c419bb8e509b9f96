"""Why `gcl data inspect` proposes nothing, in one line: `no_data(looks)` and `reason(look, image, known, tried)`."""

from collections.abc import Mapping, Sequence

from gcl.data.annotations import shown
from gcl.data.importing import guesses
from gcl.data.importing.chat import read_dialogue
from gcl.data.importing.look import Look
from gcl.data.importing.missing import PUT
from gcl.data.importing.paths import is_address, written
from gcl.data.importing.trial import Outcome


def no_data(looks: Sequence[Look]) -> str:
    """Why no file of a download can be scenes."""
    for look in looks:
        if guesses.is_answers_of_a_model(look):
            return (
                f"{look.names[0]}: answers of a model (answer_id, model_id), no data; name the folder of the data set"
            )
    for look in looks:
        roles = guesses.roles(look)
        if roles["question"] and not roles["answer"] and "question_id" in look.fields:
            return f"{look.names[0]}: questions without answers, which can only say which scenes are for the test"
    for look in looks:
        if guesses.is_by_columns(look):
            return f"{look.names[0]}: columns instead of records; write a record for each scene (orient='records')"
    unread = next((look.problems[0] for look in looks if not look.records and look.problems), None)
    if unread:
        return unread
    look = max(looks, key=lambda look: look.records)
    turns = look.sought.names
    there = ", ".join(shown(name)[1:-1] for name in look.columns if not name.startswith("(")) or "nothing"
    if not any(column.pictures or column.named for column in look.columns.values()):
        remedy = f"scenes need a picture and {len(turns)} turns"
        return f"{look.names[0]}: no field names a picture (there are: {there}); {remedy}"
    remedy = f"scenes need {', '.join(turns)}"
    return f"{look.names[0]}: no {len(turns)} texts to a picture (there are: {there}); {remedy}"


def reason(look: Look, image: str | None, known: Mapping[str, str], tried: Outcome | None) -> str:
    """Why a download that looks like data cannot be imported.

    Args:
        look: its first file.
        image: the column that was taken for the pictures'.
        known: turns of wordings that are known.
        tried: what came of the first mapping that was tried, if one was.
    """
    column = look.columns.get(image or "")
    if (column and column.addresses) or _has_addresses_inside(look):
        return f"{look.names[0]}: pictures are addresses, and nothing is fetched; download them and write their paths"
    turns = look.sought.names
    if look.rounds and len(look.rounds) == 1 and set(look.rounds) != {len(turns)}:
        number = next(iter(look.rounds))
        what = f"dialogues of {number} round{'' if number == 1 else 's'}"
        if (
            number < len(turns)
            or guesses.wordings(len(turns), {text: n for place in look.wordings for text, n in place.items()}, known)
            is None
        ):
            why = f"a scene here has {len(turns)} turns ({', '.join(turns)})"
            return f"{look.names[0]}: {what}; {why}, so this is no data yet"
    if tried is None or not tried.problems:
        return f"{look.names[0]}: {look.problems[0] if look.problems else 'nothing that could be scenes'}"
    problem = tried.problems[0]
    # No mapping is written that could be corrected.
    return f"{problem.partition(PUT)[0]}{PUT}" if f"; {PUT}, or " in problem else problem


def _has_addresses_inside(look: Look) -> bool:
    """Whether the first dialogue has pictures of other computers inside its messages."""
    dialogue = read_dialogue(look.sample, None, []) if look.pictured else None
    texts = [written(picture)[1] for picture in dialogue.pictures] if dialogue else []
    return any(isinstance(text, str) and is_address(text) for text in texts)
