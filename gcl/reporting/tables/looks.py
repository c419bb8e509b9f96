"""Does a model look? `looks(frame)` reads it from the rows "pictures exchanged" of table headline.

A member is asked the same questions about the picture of another scene. If none of its scores gets worse, the picture does
not matter to it: it answers from the question alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from gcl.evaluation.metric_registry import header
from gcl.reporting.tables.tables import EXCHANGED, METHODS


@dataclass(frozen=True)
class Look:
    """One member with exchanged pictures.

    Attributes:
        who: its method, role and model.
        differences: mean, low and high of exchanged - own, by metric.
    """

    who: str
    differences: Mapping[str, tuple[float, float, float]]

    @property
    def looks(self) -> bool:
        """Whether some score is worse with the picture of another scene, by the 95 % interval."""
        return any(high < 0 for _, _, high in self.differences.values())

    def __str__(self) -> str:
        numbers = "; ".join(
            f"{header(name)} {mean:+.3f} [{low:+.3f}, {high:+.3f}]"
            for name, (mean, low, high) in self.differences.items()
        ).replace("-0", "−0")
        verdict = (
            "looks at its pictures"
            if self.looks
            else "does not look: no score is worse with the picture of another scene"
        )
        return f"{self.who} {verdict} ({numbers})."


def looks(frame: pd.DataFrame) -> list[Look]:
    """One entry for each row "pictures exchanged" of the frame, in its order."""
    methods = {label: METHODS[variant] for variant, label in EXCHANGED.items()}
    found = []
    for _, row in frame[frame["method"].isin(methods)].iterrows():
        names = [name for name in row.index if header(name) and pd.notna(row[f"{name}_gain"])]
        differences = {name: tuple(float(row[f"{name}_gain{end}"]) for end in ("", "_low", "_high")) for name in names}
        found.append(Look(f"{methods[row['method']]}, {row['role']} ({row['model']})", differences))
    return found
