"""The one reader of actions in texts, by a closed list. Import, validation, scoring, gallery and `predict` share it.

`label_of(text, actions)` reads a label, which is the name of an action and nothing else. `named_action(text, actions)` reads
a sentence, such as a model's answer.

Both compare normalised texts: case, width and kind of white space, hyphens, underscores and full stops do not matter.

A sentence names an action by whole words, the longest name first. So "move forward-left" is not Move Forward. Commas,
slashes, brackets, "and", "to", "the" may stand between the words. So "move forward to the left" is Move Forward Left.

A name does not count directly after a negation ("do not turn left"). A few small words, or an aside between commas, may
stand between the two ("no need to stop"). "Or" and "nor" join further names to a negated one ("do not stop or turn left").

Only the English negations below are known. The reader understands nothing else: "stopping would block her" names nothing.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

# Ends of sentences in the scripts that data sets of robots come in; NFKC makes most wide forms plain before.
_STOPS = ".。।॥۔։።᙮။…"
_LOOSE = re.compile(r"[\s_]+")
_ENDS = re.compile(rf"^[\s\"'`“”‘’«»()\[\]*]+|[\s\"'`“”‘’«»()\[\]*!{_STOPS}]+$")
# Between the words of a name: "move forward (left)" and "move forward and left" are Move Forward Left.
_GAP = r"(?:[\s,/()&+]|\b(?:and|to|the|towards?)\b)+"
_VERBS = "ca|wo|sha|do|does|did|should|would|could|must|might|need|is|are|was|were|has|have|had"
_NEGATION = (
    rf"(?:(?:{_VERBS})n['’]?t|not|no|never|neither|nor|cannot|avoid|without|instead of|rather than|no need to|no reason to)"
    r"(?:,[^,.;:!?]{1,60},)?"
)
_SMALL = r"(?:a|an|the|any|be|to|have|need|needed|try|attempt|start|begin|just|yet|now|ever|simply|suddenly|abruptly)"
_NEGATED = re.compile(rf"\b{_NEGATION}(?:\s+{_SMALL})*\s+$")
_JOINED = re.compile(rf"^(?:\s*,)?\s+(?:or|nor)(?:\s+{_SMALL})*\s+$")


def normalized(text: str) -> str:
    """Lower case, hyphens and underscores as blanks, one blank between words, none around."""
    if text.isascii():  # nearly all texts; the faster way
        text = text.casefold().replace("-", " ")
    else:
        text = unicodedata.normalize("NFKC", text).casefold()
        text = "".join(" " if unicodedata.category(sign) in ("Pd", "Cf") else sign for sign in text)
    return _LOOSE.sub(" ", text).strip()


def label_of(text: str, actions: Sequence[str]) -> str | None:
    """The action of that name, quotes and a final full stop aside; None if there is none."""
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
        found.append(names[_words(match[0])])
    return list(dict.fromkeys(found))


def _key(name: str) -> str:
    """The form of a name that is compared."""
    return _words(_ENDS.sub("", normalized(name)))


def _words(name: str) -> str:
    """The words of a name alone, without commas and the like."""
    return " ".join(filter(None, re.split(_GAP, name))) or name


@lru_cache(maxsize=32)
def _names(keys: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the names as whole words; of two that begin at the same place the longer one."""
    longest_first = sorted(filter(None, keys), key=len, reverse=True)
    names = "|".join(_GAP.join(map(re.escape, key.split())) for key in longest_first)
    return re.compile(rf"(?<!\w)(?:{names or '(?!)'})(?!\w)")
