"""Which action of a closed list a text means: the one reader that import, validation, scoring, gallery and `predict` share.

`label_of(text, actions)` reads a label, which is the name of an action and nothing else. `named_action(text, actions)` reads
a sentence, such as a model's answer.

Both compare normalised texts: case, width and kind of white space, hyphens, underscores and full stops do not matter. A
sentence names an action by whole words, the longest name first: "move forward-left" is Move Forward Left, not Move Forward.

A name does not count where it is negated: directly after a negation ("do not turn left"), a few small words between them
apart ("no need to stop"), or joined to such a name by "or" ("do not stop or turn left"). Negations are the English ones
below. What else a sentence says is not understood: "stopping would block her" names nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# Ends of sentences in the scripts that data sets of robots come in; NFKC makes most wide forms plain before.
_STOPS = ".。।॥۔։።᙮။…"
_LOOSE = re.compile(r"[\s_]+")
_ENDS = re.compile(rf"^[\s\"'`“”‘’«»()\[\]*]+|[\s\"'`“”‘’«»()\[\]*!{_STOPS}]+$")
# Between the words of a name: "move forward, left" names the same as "Move Forward Left".
_GAP = r"[\s,]+"
_NEGATION = r"(?:\w+n['’]t|not|never|cannot|avoid|without|instead of|rather than|no need to|no reason to)"
_SMALL = r"(?:a|an|the|any|be|to|have|need|needed|try|attempt|start|begin|just|yet|now|ever|simply|suddenly|abruptly)"
_NEGATED = re.compile(rf"\b{_NEGATION}(?:\s+{_SMALL})*\s+$")
_JOINED = re.compile(rf"^(?:\s*,)?\s+(?:or|nor)(?:\s+{_SMALL})*\s+$")


def normalized(text: str) -> str:
    """Lower case, hyphens and underscores as blanks, one blank between words, none around."""
    if text.isascii():  # as nearly all are: a shorter way to the same
        text = text.casefold().replace("-", " ")
    else:
        text = unicodedata.normalize("NFKC", text).casefold()
        text = "".join(" " if unicodedata.category(sign) in ("Pd", "Cf") else sign for sign in text)
    return _LOOSE.sub(" ", text).strip()


def label_of(text: str, actions: Sequence[str]) -> str | None:
    """The action whose name the text is, quotes and a final full stop aside; None if it is not just a name."""
    key = _key(text)
    return next((action for action in actions if _key(action) == key), None)


def named_action(text: str, actions: Sequence[str]) -> str | None:
    """The action that a text names; None where it names none, or two that do not contain each other."""
    found = named_actions(text, actions)
    return found[0] if len(found) == 1 else None


def named_actions(text: str, actions: Sequence[str]) -> list[str]:
    """All actions that a text names, in the order of their first mention; negated ones are left out."""
    text, names = normalized(text), {_key(action): action for action in actions}
    found, negated_until = [], -1
    for match in _names(tuple(names)).finditer(text):
        before = text[: match.start()]
        joined = negated_until >= 0 and _JOINED.search(text[negated_until : match.start()])
        if joined or _NEGATED.search(before):
            negated_until = match.end()
            continue
        negated_until = -1
        found.append(names[" ".join(re.split(_GAP, match[0]))])
    return list(dict.fromkeys(found))


def _key(name: str) -> str:
    """A name as it is compared; commas between its words do not matter either."""
    return " ".join(re.split(_GAP, _ENDS.sub("", normalized(name)))).strip()


@lru_cache(maxsize=32)
def _names(keys: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the names as whole words; of two that begin at the same place the longer one."""
    longest_first = sorted(filter(None, keys), key=len, reverse=True)
    names = "|".join(_GAP.join(map(re.escape, key.split())) for key in longest_first)
    return re.compile(rf"(?<!\w)(?:{names or '(?!)'})(?!\w)")
