"""The vocabulary of miniature base models: `vocabulary(questions, texts, system, size)`. Imports no torch.

It covers scenes and planning tasks, so one model serves both.
"""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from gcl.models.bpe import SPELLINGS, train_vocabulary
from gcl.planning.plans import TAGS

_CELL = re.compile(r"\(\d+,\d+\)")
_CAPITALS = re.compile(r"\b(?!PICK\b|DROP\b)[A-Z]{2,}\b")
_ROW = re.compile(r"[A-Z.]{2,}")  # of a map
_CHAT = ("system\n", "user\n", "assistant\n")  # words of the chat template
# A line of so many words in so many questions only names a task, such as its rules. It becomes one token.
_WORDS, _OFTEN = 9, 50


def vocabulary(questions: Iterable[str], texts: Iterable[str], system: str, size: int) -> dict[str, Any]:
    """Train it in every spelling: see `gcl.models.bpe.train_vocabulary`.

    Letters of maps and plans stay single tokens, so a cell and an action have one token each. So do words in capitals, and
    ends of lines. "phrases" lists longer texts of one token: cells, tags of plans, the system message, long lines that many
    questions share.

    Args:
        questions: instructions.
        texts: all else that models read and write.
        system: system message.
        size: number of entries without phrases and special tokens.
    """
    questions = list(questions)
    texts = [*questions, *texts]
    found = {cell for text in texts for cell in _CELL.findall(text)}
    cells = found | {f" {cell}" for cell in found}
    counts = Counter(line for question in questions for line in question.split("\n"))
    shared = {line for line, count in counts.items() if count >= _OFTEN and len(line.split()) >= _WORDS}
    phrases = sorted({system, *TAGS} | cells | shared)
    apart = re.compile("|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True)))
    known = [line for text in texts for line in apart.sub("\n", text).split("\n") if not _ROW.fullmatch(line)]
    lines = [*(_CAPITALS.sub(_spaced, line) for line in known), *_CHAT]
    return {spelling: train_vocabulary(lines, size, spelling) | {"phrases": phrases} for spelling in SPELLINGS}


def _spaced(letters: re.Match[str]) -> str:
    return " ".join(letters[0])
