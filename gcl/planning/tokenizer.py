"""Words of the miniature models for planning tasks: `vocabulary(records, system, size)`. Imports no torch.

The vocabulary of social scenes has other words. It would spell the words of these tasks letter by letter.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from gcl.experiment.planning_schema import FORMS, VIEWS
from gcl.models.bpe import train_vocabulary
from gcl.planning import perception
from gcl.planning.plans import TAGS
from gcl.planning.states_file import StateRecord
from gcl.planning.views import perception_prompt, prompt, response

_CELL = re.compile(r" \(\d+,\d+\)")
_ROLES = ("system", "user", "assistant")  # words of the chat template
_LETTERS = re.compile(r"\b(?!PICK\b|DROP\b)[A-Z]{2,}\b")


def vocabulary(records: Iterable[StateRecord], system: str, size: int) -> dict[str, Any]:
    """A vocabulary of all texts that members read and write: see `gcl.models.bpe.train_vocabulary`.

    Letters of maps and plans stay single tokens, so a plan has one token an action. "phrases" lists longer texts of one
    token, which the family's tokenizers would cut. These are cells, tags of plans, the system message, and lines in all
    prompts of a task. Such lines are most of a prompt, but only name the task.
    """
    records = list(records)
    texts = [*_ROLES, *_texts(records)]
    cells = {cell for text in texts for cell in _CELL.findall(text)}
    phrases = sorted({system, *TAGS} | cells | _fixed_lines(records))
    apart = re.compile("|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True)))
    words = (_LETTERS.sub(_apart, apart.sub("\n", text)) for text in texts)
    return train_vocabulary(words, size) | {"phrases": phrases}


def _apart(letters: re.Match[str]) -> str:
    return " ".join(letters[0])


def _fixed_lines(records: Iterable[StateRecord]) -> set[str]:
    """Lines of prompts that are the same for all states of a task, without lines of states."""
    fixed: dict[str, set[str]] = {}
    own: set[str] = set()
    for record in records:
        lines = {line for text in _prompts(record) for line in text.split("\n")}
        fixed[record.state.task] = fixed.get(record.state.task, lines) & lines
        own |= set(record.state.text().split("\n"))
    return set().union(*fixed.values()) - own


def _prompts(record: StateRecord) -> list[str]:
    return [perception_prompt(record).text, *(prompt(record, view, form).text for view in VIEWS for form in FORMS)]


def _texts(records: Iterable[StateRecord]) -> Iterator[str]:
    for record in records:
        yield from _prompts(record)
        yield perception.answer(record.state)
        yield from (response(record, form) for form in FORMS)
