"""From a number in a table to all that it rests on: `gcl trace TABLE:ROW:COLUMN`, here `trace(experiment, cell, results)`.

Works for every table that has <table>.csv and <table>.provenance.json: the number is computed again by the functions that
built the table, then links.py follows each of the row's runs. `rows(experiment, table, results)` says what can be asked.
"""

import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError, DataError, GCLError
from gcl.experiment.schema import Experiment
from gcl.files import read_json
from gcl.reporting.build import build
from gcl.reporting.tables.tables import EXCHANGED, METHODS
from gcl.reporting.trace.links import CHANGED, OK, Link, metrics_link, run_links, shared_links
from gcl.workflow.plan import PLANNING_TABLE, TABLES

FORM = "TABLE, or TABLE:ROW:COLUMN such as headline:learner/full:action_f1"
_VARIANTS = {label: name for name, label in METHODS.items()}
_VARIANTS |= {label: f"{name}-exchanged" for name, label in EXCHANGED.items()}


@dataclass(frozen=True)
class Trace:
    """A number and what it rests on.

    Attributes:
        cell: TABLE:ROW:COLUMN, the row as a number.
        row: what tells this row from others.
        value: as in the table's CSV.
        links: by what they belong to: the table, each run, all runs.
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
class _Table:
    """A table as it was written: its CSV's rows as text, and what provenance.json says of each."""

    path: Path
    rows: Sequence[Mapping[str, str]]
    origins: Sequence[Mapping[str, Any]]


def rows(experiment: Experiment, table: str, results: Path) -> dict[str, Any]:
    """What can be asked of a table: its rows by number, and its columns."""
    found = _read(experiment, table, results)
    known = {"scale", "runs", *(name for origin in found.origins for name in origin["row"])}
    return {
        "table": str(found.path),
        "rows": {number: origin["row"] for number, origin in enumerate(found.origins, start=1)},
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
    table = _read(experiment, name, results)
    number = _number(table, wanted, name)
    row, origin = table.rows[number - 1], table.origins[number - 1]
    if column not in row:
        raise ConfigError(f"{table.path} has no column {column!r}; it has {', '.join(row)}")
    sources = origin["sources"]
    links = {"the table": [_value(experiment, table, name, number, column, results)]}
    contents = []
    for source in sources:
        link, content = metrics_link(results, source)
        links[source["run"]] = [link]
        if content is not None:
            links[source["run"]] += run_links(experiment, results, content)
            contents.append(content)
    links["behind all of them"] = shared_links(experiment, contents)
    rerun = _rerun(experiment.scale, name, [source["file"] for source in sources])
    return Trace(f"{name}:{number}:{column}", origin["row"], row[column], links, rerun)


def _read(experiment: Experiment, name: str, results: Path) -> _Table:
    if name not in TABLES:
        raise ConfigError(f"no table {name!r}; use one of {', '.join(TABLES)}")
    path = results / experiment.scale / "tables" / f"{name}.csv"
    beside = path.with_suffix(".provenance.json")
    again = f"snakemake --cores 2 {path} --config scale={experiment.scale} --force"
    for file in (path, beside):
        if not file.is_file():
            raise DataError(f"{file}: no such file; make it with: {again}")
    found, origins = _csv_rows(path), read_json(beside)["rows"]
    if not found or len(found) != len(origins):
        raise DataError(f"{path} has {len(found)} rows, {beside.name} {len(origins)}; make both again with: {again}")
    return _Table(path, found, origins)


def _csv_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _number(table: _Table, wanted: str, name: str) -> int:
    """The row that a number or words mean, counted from 1."""
    numbers = range(1, len(table.rows) + 1)
    if wanted.isdigit():
        if int(wanted) not in numbers:
            raise ConfigError(f"{table.path} has rows 1 to {len(numbers)}, not {wanted}")
        return int(wanted)
    found = [number for number in numbers if _fits(wanted.split("/"), table.origins[number - 1]["row"])]
    if len(found) == 1:
        return found[0]
    problem = f"{len(found)} rows of {name} are" if found else f"no row of {name} is"
    listed = [f"{number:>3}  {_words(table.origins[number - 1]['row'])}" for number in found or numbers]
    raise ConfigError("\n".join([f"{problem} {wanted!r}; take one of these, by number or by more words:", *listed]))


def _fits(words: Sequence[str], row: Mapping[str, Any]) -> bool:
    """Whether every word is what the row has in some column, each in one of its own."""
    left = [{str(value).casefold(), _VARIANTS.get(value, str(value))} for value in row.values()]
    for word in words:
        names = next((names for names in left if word.casefold() in names), None)
        if names is None:
            return False
        left.remove(names)
    return True


def _value(experiment: Experiment, table: _Table, name: str, number: int, column: str, results: Path) -> Link:
    """Is the number what the table's own functions make of the metrics files now, in the same row?"""
    row, origin = table.rows[number - 1], table.origins[number - 1]
    where = f"{table.path}, row {number}, {column}"
    try:
        with tempfile.TemporaryDirectory() as folder:
            build(experiment, name, results, Path(folder) / name)
            again = _csv_rows(Path(folder) / f"{name}.csv")
    except GCLError as error:
        return Link("value", where, CHANGED, f"cannot be computed again: {' '.join(str(error).split())}")
    now = again[number - 1] if number <= len(again) else {}
    if any(now.get(key) != row[key] for key in (*origin["row"], "runs")):
        return Link("value", where, CHANGED, "this row of the table is now another one")
    if row["runs"].split() != [source["run"] for source in origin["sources"]]:
        return Link("value", where, CHANGED, "the CSV and its provenance.json name different runs")
    if now.get(column) != row[column]:
        return Link("value", where, CHANGED, f"{row[column]} there, {now.get(column)} computed from the metrics files")
    return Link("value", where, OK, "the same when computed again from the metrics files")


def _rerun(scale: str, table: str, files: Sequence[str]) -> list[str]:
    """The targets stand before the options, which would swallow them."""
    rule = "planning_train" if table == PLANNING_TABLE else "train"
    return [
        f"snakemake --cores 2 {' '.join(files)} --config scale={scale} --forcerun {rule}",
        f"snakemake --cores 2 results/{scale}/tables/{table}.csv --config scale={scale}",
    ]


def _words(row: Mapping[str, Any]) -> str:
    return ", ".join(str(value) for value in row.values())


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
