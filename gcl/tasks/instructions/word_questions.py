"""Questions about words alone: `about_words(rng, count)`. They teach to follow an instruction to the letter."""

import random
from collections.abc import Callable

from gcl.planning.perception import DIRECTIONS
from gcl.planning.state import MOVES, Cell, cell_text
from gcl.tasks.instructions.instruction import Asked, Instruction, draw_different, worded, yes_no

SCENE_WORDS = (
    *("left", "right", "middle", "near", "far", "open", "closed", "wall", "walls", "door", "crossing", "path"),
    *("someone", "nobody", "people", "leaves", "stands", "waits", "walks", "crosses", "leftwards", "rightwards"),
)
STATE_WORDS = (
    *DIRECTIONS.values(),
    *("player", "goal", "holes", "ice", "agent", "printer", "table", "map", "route", "plan", "start", "target"),
)
OPPOSITES = {"left": "right", "up": "down", "near": "far", "open": "closed", "first": "last", "yes": "no"}
BOTH_WAYS = OPPOSITES | {value: key for key, value in OPPOSITES.items()}
SHORTEST, LONGEST = 3, 8  # words of a text
LONGEST_COPY = 16
# Kinds that are drawn more often. Plans from words begin with a copy of the state.
COPYING = (*["copy"] * 9, *["reversed"] * 3)
LARGEST = 8  # rows of a grid


def about_words(rng: random.Random, count: int) -> list[Instruction]:
    """Different questions about words, with their answers.

    Raises:
        DataError: if there are too few different questions.
    """

    def draw() -> Instruction | None:
        kind = rng.choice([*KINDS, *COPYING])
        asked = KINDS[kind](rng)
        return asked and Instruction(f"text/{kind}", *asked, sees=False)

    return draw_different(draw, count)


def _words(rng: random.Random, longest: int = LONGEST) -> list[str]:
    """Different words of a scene, or words and cells of a state."""
    count = rng.randint(SHORTEST, longest)
    if rng.random() < 0.5:
        return rng.sample(SCENE_WORDS, count)
    cells = [cell_text(_cell(rng)) for _ in range(count)]
    return rng.sample([*STATE_WORDS, *dict.fromkeys(cells)], count)


def _cell(rng: random.Random) -> Cell:
    return rng.randrange(LARGEST), rng.randrange(LARGEST)


def _copy(rng: random.Random) -> Asked:
    moves = "".join(rng.choice([*MOVES]) for _ in range(rng.randint(SHORTEST, LONGEST)))
    text = rng.choice((" ".join(_words(rng, LONGEST_COPY)), ", ".join(_words(rng, LONGEST_COPY)), moves))
    return worded(rng, ("Repeat: {}", "Write the same again: {}", "Copy: {}"), text), text


def _capitals(rng: random.Random) -> Asked:
    text = " ".join(rng.sample((*SCENE_WORDS, *STATE_WORDS), rng.randint(1, SHORTEST)))
    return worded(rng, ("Write in capitals: {}", "Say in capitals: {}"), text), text.upper()


def _first(rng: random.Random) -> Asked:
    words = _words(rng)
    return worded(rng, ("Which word is first: {}?", "Say the first of these: {}."), ", ".join(words)), words[0]


def _last(rng: random.Random) -> Asked:
    words = _words(rng)
    return worded(rng, ("Which word is last: {}?", "Say the last of these: {}."), ", ".join(words)), words[-1]


def _how_many(rng: random.Random) -> Asked:
    words = _words(rng)
    return worded(rng, ("How many words are these: {}?", "Count the words: {}."), ", ".join(words)), str(len(words))


def _contains(rng: random.Random) -> Asked:
    words, yes = _words(rng), rng.random() < 0.5
    known = words if yes else [word for word in (*SCENE_WORDS, *STATE_WORDS) if word not in words]
    wordings = ("Is '{}' in the list: {}?", "Does the list have '{}': {}?")
    return worded(rng, wordings, rng.choice(known), ", ".join(words)), yes_no(yes)


def _reversed(rng: random.Random) -> Asked:
    words = _words(rng, 5)
    wordings = ("Write from last to first: {}", "Write in the other order: {}")
    return worded(rng, wordings, ", ".join(words)), ", ".join(reversed(words))


def _say(rng: random.Random) -> Asked:
    word = rng.choice((*SCENE_WORDS, *STATE_WORDS, "yes", "no"))
    wordings = ("Say {}.", "Answer with one word: {}", "Write nothing but {}.")
    return worded(rng, wordings, word), f"{word.capitalize()}."


def _opposite(rng: random.Random) -> Asked:
    word = rng.choice([*BOTH_WAYS])
    wordings = ("Answer with one word: not {} but", "Say the other word: {} or")
    return worded(rng, wordings, word), f"{BOTH_WAYS[word].capitalize()}."


def _row_of(rng: random.Random) -> Asked:
    cell, name = _cell(rng), rng.choice(("row", "column"))
    number = cell[("row", "column").index(name)]
    return worded(rng, ("Which {} has the cell {}?", "Say the {} of {}."), name, cell_text(cell)), str(number)


KINDS: dict[str, Callable[[random.Random], Asked]] = {
    "copy": _copy,
    "capitals": _capitals,
    "first": _first,
    "last": _last,
    "how many": _how_many,
    "contains": _contains,
    "reversed": _reversed,
    "say": _say,
    "opposite": _opposite,
    "row": _row_of,
}
