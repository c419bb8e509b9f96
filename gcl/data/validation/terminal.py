"""A validation as text for the terminal: `terminal(name, summary, errors, warnings)`."""

from collections.abc import Iterator, Mapping, Sequence

from gcl.data.annotations import shown
from gcl.data.scenario import SPLITS
from gcl.data.validation.overview import Summary
from gcl.data.validation.problem import Problem, by_kind

SHOWN = 20  # problems of a kind; the rest is counted
_SIZES, _BAR, _NAME = 5, 20, 48


def terminal(
    name: str, summary: Summary, errors: Sequence[Problem], warnings: Sequence[Problem], uncounted: Sequence[str]
) -> str:
    """Numbers, class balance, and the first problems of each kind."""
    counts = ", ".join(f"{count} {split}" for split, count in summary.scenes.items())
    return "\n".join(
        [
            f"{name}: {sum(summary.scenes.values())} scenes ({counts}), {summary.pictures} pictures",
            "",
            *(_actions(summary) if summary.actions else ()),
            f"{'words of an answer':<28}{'median':>8}{'longest':>9}",
            *(f"  {turn:<26}{row['median']:>8g}{row['longest']:>9}" for turn, row in summary.words.items()),
            "",
            "picture sizes: " + (_sizes(summary.sizes) or "none"),
            "",
            *_problems("error", errors),
            *_problems("warning", warnings),
            *(f"note: {line}" for line in uncounted),
        ]
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
