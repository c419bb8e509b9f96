"""Tables as pandas frames: `read_frame("headline")` has a row for each score of a built table."""

from pathlib import Path
from typing import Any

import pandas as pd

from gcl.errors import DataError
from gcl.experiment.places import RESULTS, results_at
from gcl.reporting.tables.result_table import Difference, ResultTable, Score, read_table

NUMBERS = ("mean", "low", "high", "gain", "gain_low", "gain_high", "p", "paper")
# In this order after the table's own columns.
COLUMNS = ("measure", "kind", *NUMBERS, "mark", "verdict", "seeds", "scenarios", "exchanged", "runs")


def read_frame(name: str, scale: str = "miniature", results: str | Path = RESULTS) -> pd.DataFrame:
    """A built table in tidy form: one row for each score, not rounded.

    Args:
        name: of the table, such as "headline" or "controls".
        scale: of the experiment.
        results: folder of all results; the table lies in <results>/<scale>/tables.

    Returns:
        First `table`, `scale` and `row`, the number in the printed table, from 1. Then the table's own columns that are no
        scores, such as dataset, method, model, role. Then `COLUMNS`:

        - measure: the score, such as "action_f1"; kind: "score", or "gain" where the table shows a difference alone
        - mean, low, high: with its 95 % interval
        - gain, gain_low, gain_high: the paired difference to the row's control
        - p, mark: of the difference; the mark is "better", "worse" or "open"
        - paper, verdict: the published value, and whether this mean agrees with it
        - seeds, scenarios: trainings and test scenes behind it; exchanged: whether pictures were those of other scenes
        - runs: those behind it, with blanks between

        Absent numbers and words are NaN. Scores without a value have no row.

    Raises:
        DataError: if the table has not been built, or an earlier version wrote it.
    """
    table = read_table(Path(results), scale, name)
    if table is None:
        path = results_at(scale, results).table(name, ".provenance.json")
        target = results_at(scale, results).table(name, ".md")
        raise DataError(f"{path}: no such table here; make it with: snakemake --cores 2 {target}")
    return table_frame(table)


def table_frame(table: ResultTable) -> pd.DataFrame:
    """The same of a table in memory."""
    scored = [column for column in table.columns if column.kind in ("score", "gain")]
    plain = [column.name for column in table.columns if column not in scored]
    records = [
        {"table": table.name, "scale": table.scale, "row": number}
        | {own: row.cells.get(own) for own in plain}
        | {"measure": column.name, "kind": column.kind, **_numbers(cell)}
        | {"seeds": row.seeds, "scenarios": row.scenarios, "exchanged": row.exchanged}
        | {"runs": " ".join(cell.runs if isinstance(cell, Score) and cell.runs is not None else row.runs)}
        for number, row in enumerate(table.rows, start=1)
        for column in scored
        if isinstance(cell := row.cells.get(column.name), Score | Difference)
    ]
    frame = pd.DataFrame(records, columns=["table", "scale", "row", *plain, *COLUMNS])
    return frame.astype(dict.fromkeys(NUMBERS, float))


def _numbers(cell: Score | Difference) -> dict[str, Any]:
    """A cell's numbers, and words about them."""
    if isinstance(cell, Difference):
        return {"mean": cell.mean, "low": cell.low, "high": cell.high, "p": cell.p, "mark": cell.mark}
    found = {"mean": cell.mean, "low": cell.low, "high": cell.high, "paper": cell.paper, "verdict": cell.verdict}
    if cell.gain:
        gain = cell.gain
        found |= {"gain": gain.mean, "gain_low": gain.low, "gain_high": gain.high, "p": gain.p, "mark": gain.mark}
    return found
