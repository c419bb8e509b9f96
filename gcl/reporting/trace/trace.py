"""From a number in a table to its causes: `gcl trace TABLE:ROW:COLUMN`, here `trace(experiment, cell, results)`.

The functions that built the table compute the number again. Then links.py follows each of the row's runs.
`rows(experiment, table, results)` lists rows and columns.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError, DataError, GCLError
from gcl.experiment.places import results_at
from gcl.experiment.schema import Experiment
from gcl.reporting.build import table_of
from gcl.reporting.estimates import EXCHANGED, METHODS
from gcl.reporting.tables.markup import csv_text
from gcl.reporting.tables.result_table import ResultTable, read_table, train_again
from gcl.reporting.trace.links import CHANGED, OK, Link, metrics_link, run_links, shared_links
from gcl.workflow.targets import TABLES

FORM = "TABLE, or TABLE:ROW:COLUMN such as headline:learner/full:action_f1"
_VARIANTS = {label: name for name, label in METHODS.items()}
_VARIANTS |= {label: f"{name}-exchanged" for name, label in EXCHANGED.items()}


@dataclass(frozen=True)
class Trace:
    """A number and its causes.

    Attributes:
        cell: TABLE:ROW:COLUMN, the row as a number.
        row: the cells that tell this row from others.
        value: as in the table's CSV.
        links: those of the table, of each run, of all runs.
        rerun: commands that make everything anew.
    """

    cell: str
    row: Mapping[str, Any]
    value: str
    links: Mapping[str, Sequence[Link]]
    rerun: Sequence[str]

    @property
    def broken(self) -> list[Link]:
        """The links that do not hold."""
        return [link for links in self.links.values() for link in links if link.broken]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"ok": not self.broken}

    def __str__(self) -> str:
        lines = [f"{self.cell} = {self.value or 'empty'}  ({_words(self.row)})"]
        for part, links in self.links.items():
            lines += ["", part, *(f"  {link}" for link in links)]
        return "\n".join(
            [*lines, "", "to train and score anew, and to build the table from that:", *_indented(self.rerun)]
        )


@dataclass(frozen=True)
class _Written:
    """A table as it was written: its CSV's rows as text, and the table itself."""

    path: Path
    rows: Sequence[Mapping[str, str]]
    table: ResultTable

    def identity(self, number: int) -> dict[str, Any]:
        """The words and numbers that tell a row from others; rows are counted from 1."""
        return self.table.identity(self.table.rows[number - 1])


def rows(experiment: Experiment, table: str, results: Path) -> dict[str, Any]:
    """The rows of a table by number, and its columns."""
    found = _read(experiment, table, results)
    known = {"scale", "runs", *(column.name for column in found.table.columns if column.identity)}
    return {
        "table": str(found.path),
        "rows": {number: found.identity(number) for number in range(1, len(found.rows) + 1)},
        "columns": [name for name in found.rows[0] if name not in known],
    }


def show_rows(found: Mapping[str, Any]) -> str:
    """The same for people."""
    lines = [f"{number:>3}  {_words(row)}" for number, row in found["rows"].items()]
    return "\n".join([found["table"], *lines, "columns:", *_indented(found["columns"])])


def trace(experiment: Experiment, cell: str, results: Path) -> Trace:
    """Follow one number.

    Args:
        experiment: the present configuration.
        cell: TABLE:ROW:COLUMN; the row is its number, or words joined by "/" that no other row has all of.
        results: folder of all results.

    Raises:
        ConfigError: if there is no such cell, or several rows fit.
        DataError: if the table is not there, or its files do not belong together.
    """
    name, _, rest = cell.partition(":")
    wanted, _, column = rest.rpartition(":")
    if not (name and wanted and column):
        raise ConfigError(f"{cell!r} names no number; write {FORM}")
    written = _read(experiment, name, results)
    number = _number(written, wanted)
    row, runs = written.rows[number - 1], written.table.rows[number - 1].runs
    if column not in row:
        raise ConfigError(f"{written.path} has no column {column!r}; it has {', '.join(row)}")
    links = {"the table": [_value(experiment, written, number, column, results)]}
    files = []
    for run in runs:
        link, file = metrics_link(results, written.table.sources[run])
        links[run] = [link]
        if file is not None:
            links[run] += run_links(experiment, results, file)
            files.append(file)
    links["behind all of them"] = shared_links(experiment, files)
    build_again = f"snakemake --cores 2 {results_at(experiment.scale, Path('results')).table(name, '.csv')}"
    rerun = [train_again(written.table, runs), f"{build_again} --config scale={experiment.scale}"]
    return Trace(f"{name}:{number}:{column}", written.identity(number), row[column], links, rerun)


def _read(experiment: Experiment, name: str, results: Path) -> _Written:
    if name not in TABLES:
        raise ConfigError(f"no table {name!r}; use one of {', '.join(TABLES)}")
    path = results_at(experiment.scale, results).table(name, ".csv")
    again = f"snakemake --cores 2 {path} --config scale={experiment.scale} --force"
    table = read_table(results, experiment.scale, name)
    for file in (path, path.with_suffix(".provenance.json")):
        if not file.is_file():
            raise DataError(f"{file}: no such file; make it with: {again}")
    found = _csv_rows(path.read_text(encoding="utf-8"))
    if not found or len(found) != len(table.rows):
        raise DataError(
            f"{path} has {len(found)} rows, {name}.provenance.json {len(table.rows)}; make both again with: {again}"
        )
    return _Written(path, found, table)


def _csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _number(written: _Written, wanted: str) -> int:
    """The row that a number or words mean, counted from 1."""
    numbers, name = range(1, len(written.rows) + 1), written.table.name
    if wanted.isdigit():
        if int(wanted) not in numbers:
            raise ConfigError(f"{written.path} has rows 1 to {len(numbers)}, not {wanted}")
        return int(wanted)
    found = [number for number in numbers if _fits(wanted.split("/"), written.identity(number))]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} rows of {name} are" if found else f"no row of {name} is"
    listed = [f"{number:>3}  {_words(written.identity(number))}" for number in found or numbers]
    raise ConfigError("\n".join([f"{problem} {wanted!r}; take one of these, by number or by more words:", *listed]))


def _fits(words: Sequence[str], row: Mapping[str, Any]) -> bool:
    """Whether every word is in the row, each in a column of its own."""
    left = [{str(value).casefold(), _VARIANTS.get(value, str(value))} for value in row.values()]
    for word in words:
        names = next((names for names in left if word.casefold() in names), None)
        if names is None:
            return False
        left.remove(names)
    return True


def _value(experiment: Experiment, written: _Written, number: int, column: str, results: Path) -> Link:
    """Do the table's own functions make the number again from the metrics files, in the same row?"""
    row, there = written.rows[number - 1], written.table.rows[number - 1]
    where = f"{written.path}, row {number}, {column}"
    try:
        again = _csv_rows(csv_text(table_of(experiment, written.table.name, results)))
    except GCLError as error:
        return Link("value", where, CHANGED, f"cannot be computed again: {' '.join(str(error).split())}")
    now = again[number - 1] if number <= len(again) else {}
    if any(now.get(key) != row[key] for key in (*written.identity(number), "runs")):
        return Link("value", where, CHANGED, "this row of the table is now another one")
    if row["runs"] != " ".join(there.runs):
        return Link("value", where, CHANGED, "the CSV and its provenance.json name different runs")
    if now.get(column) != row[column]:
        return Link("value", where, CHANGED, f"{row[column]} there, {now.get(column)} computed from the metrics files")
    return Link("value", where, OK, "the same when computed again from the metrics files")


def _words(row: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in row.values())


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
