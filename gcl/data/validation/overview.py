"""What a data set holds, in numbers: `summarize(drafts, pictures, dialogue)`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import median

from gcl.data.raw import Draft
from gcl.data.scenario import SPLITS
from gcl.data.validation.decoded_pictures import Picture
from gcl.experiment.dialogue import Dialogue

FREQUENT = 10  # free action texts that are shown


@dataclass(frozen=True)
class Summary:
    """Numbers of a data set."""

    scenes: Mapping[str, int]  # by split
    pictures: int  # how many files the scenes name
    # By action and split: all labels of a closed list in its order, or the most frequent free texts, if there are actions.
    actions: Mapping[str, Mapping[str, int]]
    other_actions: Mapping[str, int]  # free texts beyond those, by split
    words: Mapping[str, Mapping[str, float]]  # median and largest number of words of the answers, by turn
    sizes: Mapping[str, int]  # pictures by "width x height", most frequent first


def summarize(drafts: Sequence[Draft], pictures: Mapping[PurePosixPath, Picture], dialogue: Dialogue) -> Summary:
    """Count what could be read."""
    frequent = Counter(draft.action for draft in drafts if draft.action is not None)
    names = list(dialogue.actions) if dialogue.actions else [action for action, _ in frequent.most_common(FREQUENT)]
    counts = {action: _by_split([draft for draft in drafts if draft.action == action]) for action in names}
    others = [draft for draft in drafts if draft.action is not None and draft.action not in counts]
    sizes = Counter(f"{p.size[0]} x {p.size[1]}" for p in pictures.values() if p.problem is None)
    return Summary(
        scenes=_by_split(drafts),
        pictures=len(pictures),
        actions=counts,
        other_actions=_by_split(others),
        words={turn: _lengths(drafts, turn) for turn in dialogue.names},
        sizes=dict(sizes.most_common()),
    )


def _by_split(drafts: Sequence[Draft]) -> dict[str, int]:
    return {split: sum(draft.split == split for draft in drafts) for split in SPLITS}


def _lengths(drafts: Sequence[Draft], turn: str) -> dict[str, float]:
    counts = [len(draft.turns[turn].answer.split()) for draft in drafts if turn in draft.turns]
    return {"median": median(counts) if counts else 0, "longest": max(counts, default=0)}
