"""The findings in a data set, `Validation`: numbers, and reports for the terminal, as JSON and as one HTML page."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from gcl.data.annotations import shown
from gcl.data.html import fill, picture_uri
from gcl.data.images import PictureError, load_picture
from gcl.data.problem import Problem
from gcl.data.raw import Draft
from gcl.data.scenario import SPLITS
from gcl.data.validation.decoded_pictures import DecodedPicture
from gcl.data.validation.problem_kinds import KINDS, by_kind
from gcl.experiment.dialogue import Dialogue

SHOWN = 20  # problems of a kind in the terminal; the rest is counted
SAMPLE = 24  # scenes on the page
LISTED = 100  # warnings of a kind on the page; the rest is counted. Errors are all listed.
_SIZES, _BAR, _NAME = 5, 20, 48
_PIXELS, _QUALITY = 240, 70
FREQUENT = 10  # free action texts that are shown


@dataclass(frozen=True)
class Summary:
    """Numbers of a data set."""

    scenes: Mapping[str, int]  # by split
    pictures: int  # how many files the scenes name
    # By action and split: the labels of a closed list in its order, or else the most frequent free texts.
    actions: Mapping[str, Mapping[str, int]]
    other_actions: Mapping[str, int]  # free texts beyond those, by split
    words: Mapping[str, Mapping[str, float]]  # median and largest number of words of the answers, by turn
    sizes: Mapping[str, int]  # pictures by "width x height", most frequent first


def summarize(drafts: Sequence[Draft], pictures: Mapping[Path, DecodedPicture], dialogue: Dialogue) -> Summary:
    """Count the scenes as far as they could be read."""
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


@dataclass(frozen=True)
class Validation:
    """The findings in a data set."""

    name: str  # of the data set
    root: Path  # its raw folder
    drafts: Sequence[Draft]  # its scenes as far as they could be read
    summary: Summary  # its numbers
    errors: list[Problem]  # to be mended before training
    warnings: list[Problem]  # for people to look at
    uncounted: Sequence[str] = ()  # lines on checks that could not be made here

    def text(self) -> str:
        """For the terminal: numbers, class balance, and the first problems of each kind."""
        summary = self.summary
        counts = ", ".join(f"{count} {split}" for split, count in summary.scenes.items())
        return "\n".join(
            [
                f"{self.name}: {sum(summary.scenes.values())} scenes ({counts}), {summary.pictures} pictures",
                "",
                *(_actions(summary) if summary.actions else ()),
                f"{'words of an answer':<28}{'median':>8}{'longest':>9}",
                *(f"  {turn:<26}{row['median']:>8g}{row['longest']:>9}" for turn, row in summary.words.items()),
                "",
                "picture sizes: " + (_sizes(summary.sizes) or "none"),
                "",
                *_problems("error", self.errors),
                *_problems("warning", self.warnings),
                *(f"note: {line}" for line in self.uncounted),
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON: numbers, and all problems."""
        return {
            "name": self.name,
            "summary": asdict(self.summary),
            "errors": [asdict(problem) for problem in self.errors],
            "warnings": [asdict(problem) for problem in self.warnings],
            "uncounted": list(self.uncounted),
        }

    def html(self) -> str:
        """One page without outside resources: numbers, some scenes with their pictures, and the problems.

        The same data gives the same sample of scenes.
        """
        flags: dict[str, list[str]] = defaultdict(list)
        for problem in (*self.errors, *self.warnings):
            if KINDS[problem.kind] not in flags[problem.place]:
                flags[problem.place].append(KINDS[problem.kind])
        drafts = self.drafts
        sample = sorted(random.Random(self.name).sample(range(len(drafts)), min(SAMPLE, len(drafts))))
        errors = [(heading, group, len(group)) for heading, group in by_kind(self.errors)]
        warnings = [(heading, group[:LISTED], len(group)) for heading, group in by_kind(self.warnings)]
        return fill(
            Path(__file__).with_name("validation_page.html.j2"),
            name=self.name,
            summary=self.summary,
            splits=SPLITS,
            uncounted=self.uncounted,
            scenes=[(drafts[k], _thumbnails(self.root, drafts[k]), flags.get(drafts[k].where, [])) for k in sample],
            problems=[("errors", len(self.errors), errors), ("warnings", len(self.warnings), warnings)],
        )


def _actions(summary: Summary) -> Iterator[str]:
    rows = {shown(action)[1:-1]: counts for action, counts in summary.actions.items()}
    if any(summary.other_actions.values()):
        rows["(other texts)"] = summary.other_actions
    width = min(max(map(len, rows), default=0), _NAME)
    yield f"{'action':<{width + 5}}" + "".join(f"{split:<{_BAR + 16}}" for split in SPLITS).rstrip()
    for action, counts in rows.items():
        cells = ""
        for split in SPLITS:
            share = counts[split] / max(summary.scenes[split], 1)
            cells += f"{counts[split]:>6}{share:>6.1%}  {'#' * round(_BAR * share):<{_BAR + 2}}"
        name = action if len(action) <= width else f"{action[: width - 3]}..."
        yield f"  {name:<{width}}{cells}".rstrip()
    yield ""


def _sizes(sizes: Mapping[str, int]) -> str:
    named = ", ".join(f"{size} ({count})" for size, count in list(sizes.items())[:_SIZES])
    rest = len(sizes) - _SIZES
    return named + (f" and {rest} other sizes" if rest > 0 else "")


def _problems(word: str, problems: Sequence[Problem]) -> Iterator[str]:
    yield f"{len(problems)} {word}{'' if len(problems) == 1 else 's'}" + (":" if problems else "")
    for heading, group in by_kind(problems):
        yield f"  {heading} ({len(group)})"
        yield from (f"    {problem}" for problem in group[:SHOWN])
        if len(group) > SHOWN:
            yield f"    ... and {len(group) - SHOWN} more"


def _thumbnails(root: Path, draft: Draft) -> Iterator[tuple[str, str]]:
    """Name or path of each picture, and a small JPEG as a data URI. Pictures that cannot be used are left out."""
    for shot in draft.pictures:
        try:
            picture, _ = load_picture(root / shot.path)
        except PictureError:
            continue
        picture.thumbnail((_PIXELS, _PIXELS))
        yield shot.name or str(shot.path), picture_uri(picture, _QUALITY)
