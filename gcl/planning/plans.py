"""Plans in words: `spell(plan)` writes one as an answer block, `read_plan(text, task)` finds it in a model's text.

    <answer>RRDD</answer>                    FrozenLake and Maze
    <answer>R, D, PICK, L, DROP</answer>     MiniBehaviour

Models vary the form. So long words, other separators, lists and gymnasium's digits are read as well. A text must be a plan
from beginning to end. Actions are never picked out of sentences.
"""

import re

from gcl.planning.state import DROP, MOVES, PICK, Plan
from gcl.planning.states_file import TASKS

TAGS = ("<answer>", "</answer>")
_BLOCK = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)
_OPENING = re.compile(r"<answer>", re.IGNORECASE)
_LABEL = re.compile(r"\s*(?:(?:final )?(?:answer|plan|actions?|moves)\s*[:=])", re.IGNORECASE)
_NUMBERING = re.compile(r"^\s*(?:step\s*)?\d+\s*[.):](?!\d)\s*", re.IGNORECASE | re.MULTILINE)
_WORDS = {
    "left": "L", "down": "D", "right": "R", "up": "U", "pick": PICK, "drop": DROP,
    "pickup": PICK, "pick_up": PICK, "pick-up": PICK, "drop_off": DROP, "drop-off": DROP,
}  # fmt: skip
_PREFIXES = ("move_", "move-", "go_", "go-")
_DIGITS = dict(zip("0123", MOVES, strict=True))
_ARROWS = dict(zip("←↓→↑", MOVES, strict=True))
_PHRASES = {r"\bpick\s+up\b": "pick", r"\bdrop\s+off\b": "drop", r"\b(?:move|go|step)\s+(?=left|down|right|up)": ""}


def spell(plan: Plan) -> str:
    """The plan as an answer block: letters without spaces, or with commas if it has PICK or DROP."""
    separator = ", " if PICK in plan or DROP in plan else ""
    return separator.join(plan).join(TAGS)


def read_plan(text: str, task: str) -> Plan | None:
    """The plan in a model's text; None if it has none or several readings.

    The last complete answer block counts, as in the released evaluation. Without a block the whole text must be a plan. An
    opened block without an end was cut off, and gives None.

    Args:
        text: a model's answer.
        task: decides the known actions; only MiniBehaviour has PICK and DROP.

    Returns:
        The actions, at least one.
    """
    blocks = list(_BLOCK.finditer(text))
    if blocks and not _OPENING.search(text, blocks[-1].end()):
        content = blocks[-1][1]
    elif _OPENING.search(text):
        return None
    else:
        content = text
    plan = _actions(_NUMBERING.sub(" ", _LABEL.sub("", content, count=1)))
    return plan if plan and set(plan) <= set(TASKS[task].actions) else None


def _actions(content: str) -> Plan | None:
    """The whole text as actions in one of three alphabets; None if it is something else."""
    bare = re.sub(r"[\s,;]", "", content)
    if bare and set(bare) <= set(_ARROWS):
        return tuple(_ARROWS[sign] for sign in bare)
    content = content.lower()
    for phrase, word in _PHRASES.items():
        content = re.sub(phrase, word, content)
    if "..." in content or "…" in content:  # something was left out
        return None
    words = re.sub(r"->|=>|→|\.(?=\s|$)|[\s,;|/\[\](){}\"'`*]", " ", content).split()
    if words and all(set(word) <= set(_DIGITS) for word in words):
        return tuple(_DIGITS[digit] for word in words for digit in word)
    plan: list[str] = []
    for word in words:
        for prefix in _PREFIXES:
            word = word.removeprefix(prefix)
        if word in _WORDS:
            plan.append(_WORDS[word])
        elif set(word.upper()) <= set(MOVES):
            plan.extend(word.upper())
        else:
            return None
    return tuple(plan)
