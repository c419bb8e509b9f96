"""Reference answers that somebody cannot take in: `length_warnings(drafts, readers)`.

A member writes no answer longer than `evaluation.max_new_tokens`. A metric's encoder reads no more than its limit, so later
differences of two texts do not count. It sees nothing of words that its vocabulary lacks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gcl.data.problem import Problem
from gcl.data.raw import FILE, Draft

_NAMED = 5  # scenes of a finding that are named


@dataclass(frozen=True)
class Reader:
    """A member or an encoder: it writes or reads reference answers."""

    name: str  # in messages, such as "the encoder of Action-F1"
    turns: Sequence[str]  # whose answers it has to do with
    limit: int  # the largest number of pieces
    remedy: str  # what to do about a longer answer
    pieces: Callable[[str], int]  # how many an answer has, signs around it included
    readable: Callable[[str], bool]  # whether anything of an answer is seen at all


def length_warnings(drafts: Sequence[Draft], readers: Sequence[Reader]) -> Iterator[Problem]:
    """One finding for each turn and reader that cuts answers, or cannot read some."""
    for reader in readers:
        for turn in reader.turns:
            answered = [draft for draft in drafts if turn in draft.turns]
            pieces = {draft.where: reader.pieces(draft.turns[turn].answer) for draft in answered}
            field = f"turns.{turn}: answer"
            if cut := [where for where, count in pieces.items() if count > reader.limit]:
                longest = max(pieces[where] for where in cut)
                what = (
                    f"longer than the {reader.limit} tokens of {reader.name}: {_scenes(cut)}; the longest has {longest}"
                )
                yield Problem(FILE, field, what, reader.remedy, "long")
            unread = [draft.where for draft in answered if not reader.readable(draft.turns[turn].answer)]
            if unread:
                what = f"no word that {reader.name} knows: {_scenes(unread)}"
                remedy = "translate them; whatever a member answers scores 0 against them"
                yield Problem(FILE, field, what, remedy, "unreadable")


def _scenes(places: Sequence[str]) -> str:
    rest = len(places) - _NAMED
    lines = ", ".join(where.rpartition(":")[2] for where in places[:_NAMED])
    return f"{len(places)} answer{'s' * (len(places) > 1)} (line {lines}{f' and {rest} more' if rest > 0 else ''})"
