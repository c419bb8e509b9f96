"""A table of results as objects: `ResultTable` with columns, rows and cells; markup.py makes CSV, Markdown and LaTeX of it.

<table>.provenance.json is the table itself: `read_table(results, scale, name)` gives it back. Nothing reads rendered text.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.files import read_json
from gcl.reporting.metrics import RunSource

Mark = Literal["better", "worse", "open"]
# Verdicts on a score that is compared with another one, see gcl/reporting/agreement.py.
Word = Literal["same digits", "agrees", "differs", "cannot tell"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Difference(_Strict):
    """A mean of paired differences, its 95 % interval and its two-sided bootstrap p.

    Of a cross-entropy less is better. Other differences have no trace of this.
    """

    mean: float
    low: float
    high: float
    p: float
    less_is_better: bool = Field(False, exclude_if=lambda value: not value)

    @property
    def mark(self) -> Mark:
        """Whether the interval lies on the better side of zero, on the worse one, or has it inside."""
        low, high = (-self.high, -self.low) if self.less_is_better else (self.low, self.high)
        return "better" if low > 0 else "worse" if high < 0 else "open"


class Score(_Strict):
    """A mean with its 95 % interval.

    Attributes:
        seeds: mean of each training.
        gain: paired difference to the row's control; None for a control.
        paper: the published value; None where there is none, or it is not to be shown.
        verdict: whether this mean agrees with the published one; None where there is none.
        runs: those behind this cell; None where these are all runs of the row.
    """

    mean: float
    low: float
    high: float
    seeds: list[float]
    gain: Difference | None
    paper: float | None
    verdict: Word | None = None
    runs: list[str] | None


class Measure(_Strict):
    """A measured number with its 95 % interval."""

    mean: float
    low: float
    high: float


Cell = Score | Difference | Measure | float | str | None


class ResultColumn(_Strict):
    """A column.

    Attributes:
        kind: of its cells. "score", "gain" and "measure" have `Score`, `Difference` and `Measure`, "text" words, the others
            plain numbers.
        identity: whether it tells rows from one another.
        compared: of scores, whether some table row could have a control.
        paper: of scores, whether published values are shown.
    """

    name: str
    header: str
    kind: Literal["text", "score", "gain", "measure", "difference", "p", "rate", "tau", "size", "cost"]
    identity: bool = False
    compared: bool = False
    paper: bool = False


class ResultRow(_Strict):
    """Cells by column, and their runs.

    In an `exchanged` row members saw the pictures of other scenes: it is no attempt to be better.
    """

    cells: dict[str, Cell]
    seeds: int
    scenarios: int
    runs: list[str]
    exchanged: bool = False


class ResultTable(_Strict):
    """A whole table; `warning` is empty at paper scale, `sources` go by run."""

    name: str
    title: str
    scale: str
    warning: str
    notes: list[str]
    columns: list[ResultColumn]
    rows: list[ResultRow]
    sources: dict[str, RunSource] = {}

    def identity(self, row: ResultRow) -> dict[str, Any]:
        """The cells that tell a row from others."""
        return {column.name: row.cells[column.name] for column in self.columns if column.identity}


def train_again(table: ResultTable, runs: Iterable[str]) -> str:
    """The command that trains and scores some of a table's runs again."""
    # Targets before options, which would swallow them.
    files = " ".join(table.sources[run].file for run in runs)
    return f"snakemake --cores 2 {files} --config scale={table.scale} --forcerun train"


def read_table(results: Path, scale: str, name: str) -> ResultTable | None:
    """Read one table; None if it has not been built.

    Raises:
        DataError: if an earlier version wrote it.
    """
    path = results_at(scale, results).table(name, ".provenance.json")
    return read_table_file(path, scale, name) if path.is_file() else None


def read_table_file(path: Path, scale: str, name: str) -> ResultTable:
    """Read a table from its provenance.json.

    Raises:
        DataError: if it is missing, or an earlier version wrote it.
    """
    try:
        return ResultTable.model_validate(read_json(path))
    except ValidationError:
        target = results_at(scale, Path("results")).table(name, ".md")
        raise DataError(
            f"{path}: of an earlier version; make it again with: snakemake --cores 2 {target} --force"
        ) from None
