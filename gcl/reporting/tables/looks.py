"""Does a model look? `looks(rows)` reads it from the rows with exchanged pictures of table headline.

A member gets the same questions about the picture of another scene. If none of its scores gets worse, it answers from the
question alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gcl.evaluation.metric_registry import header
from gcl.reporting.estimates import EXCHANGED, METHODS
from gcl.reporting.tables.markup import signed
from gcl.reporting.tables.result_table import Difference, ResultRow, Score

_METHODS = {label: METHODS[variant] for variant, label in EXCHANGED.items()}
_EXPLAINED = (
    "Pictures exchanged: the same member is asked about the picture of another test scene, and compared with "
    "itself on the right pictures. Nothing was trained for it."
)


@dataclass(frozen=True)
class PictureUse:
    """One member with exchanged pictures.

    Attributes:
        who: its method, role and model.
        differences: exchanged - own, by metric.
    """

    who: str
    differences: Mapping[str, Difference]

    @property
    def looks(self) -> bool:
        """Whether some score is worse with the picture of another scene, by the 95 % interval."""
        return any(difference.mark == "worse" for difference in self.differences.values())

    def __str__(self) -> str:
        numbers = "; ".join(
            f"{header(name)} {signed(d.mean)} [{signed(d.low)}, {signed(d.high)}]"
            for name, d in self.differences.items()
        )
        verdict = (
            "looks at its pictures"
            if self.looks
            else "does not look: no score is worse with the picture of another scene"
        )
        return f"{self.who} {verdict} ({numbers})."


def looks(rows: Sequence[ResultRow]) -> list[PictureUse]:
    """One entry for each row with exchanged pictures, in their order."""
    found = []
    for row in rows:
        if row.exchanged:
            scores = {name: cell for name, cell in row.cells.items() if isinstance(cell, Score)}
            who = f"{_METHODS[row.cells['method']]}, {row.cells['role']} ({row.cells['model']})"
            found.append(PictureUse(who, {name: cell.gain for name, cell in scores.items() if cell.gain}))
    return found


def looking_notes(rows: Sequence[ResultRow]) -> list[str]:
    """How much each member loses with the picture of another scene, with the interval of the paired differences."""
    found = looks(rows)
    return [_EXPLAINED, *map(str, found)] if found else []
