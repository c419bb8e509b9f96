"""Tables as the page shows them: `read_table(results, scale, name)` gives the cells of one, each with where it comes from.

Everything is in the table's own .provenance.json (see `write_table` in tables.py), so the page repeats what the table
says, digit by digit, whatever columns it has. `outcomes(table)` counts its marks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.errors import DataError
from gcl.files import read_json
from gcl.reporting.tables.markup import EMPTY
from gcl.reporting.tables.tables import EXCHANGED
from gcl.workflow.plan import PLANNING_TABLE

MARKS = {"↑": "better than its control", "↓": "worse than its control", "†": "not told apart from its control"}


@dataclass(frozen=True)
class Cell:
    """What stands in one cell.

    Attributes:
        text: what people see.
        meaning: its mark in words, for who cannot see it; empty without one.
        kind: "heading" for the first cell of a row, "text" or "number".
        sources: the id of its sources in the page; None where a cell is no result.
    """

    text: str
    meaning: str
    kind: str
    sources: str | None


@dataclass(frozen=True)
class Sources:
    """What a cell was made from: one record per run, as `gcl.reporting.metrics.sources` has them, the command
    that trains and scores them again, and one that checks the whole chain (the column is still to be added)."""

    id: str
    title: str
    runs: Sequence[Mapping[str, Any]]
    command: str
    trace: str


@dataclass(frozen=True)
class Table:
    """One table, ready to be shown."""

    name: str
    title: str
    notes: Sequence[str]
    headers: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Cell]]
    sources: Sequence[Sources]


@dataclass(frozen=True)
class Outcome:
    """How often one column of a table is better, worse, or not told apart, each row against its own control."""

    header: str
    better: int
    worse: int
    open: int

    @property
    def rows(self) -> int:
        """All comparisons."""
        return self.better + self.worse + self.open


def table_path(results: Path, scale: str, name: str, suffix: str) -> Path:
    """Where one file of a table is."""
    return results / scale / "tables" / f"{name}{suffix}"


def read_table(results: Path, scale: str, name: str) -> Table | None:
    """Read one table; None if it has not been built.

    Raises:
        DataError: if it was written by a version that did not keep the cells.
    """
    path = table_path(results, scale, name, ".provenance.json")
    if not path.is_file():
        return None
    record = read_json(path)
    if "columns" not in record:
        target = table_path(Path("results"), scale, name, ".md")
        raise DataError(f"{path}: of an earlier version; make it again with: snakemake --cores 2 {target} --force")
    known: dict[tuple[int, tuple[str, ...]], Sources] = {}
    rows = [
        list(_row(name, scale, number, row, record["columns"], known))
        for number, row in enumerate(record["rows"], start=1)
    ]
    headers = [(column["header"], "text" if column["text"] else "number") for column in record["columns"]]
    return Table(name, record["title"], record["notes"], headers, rows, list(known.values()))


def outcomes(table: Table) -> list[Outcome]:
    """Count the marks of a table, column by column; rows with exchanged pictures are no attempt to be better."""
    rows = [row for row in table.rows if not any(cell.text in EXCHANGED.values() for cell in row)]
    found = []
    for place, (header, _) in enumerate(table.headers):
        marks = [row[place].text[-1:] for row in rows if row[place].meaning]
        if marks:
            found.append(Outcome(header, *(marks.count(mark) for mark in MARKS)))
    return found


def _row(
    table: str,
    scale: str,
    number: int,
    row: Mapping[str, Any],
    columns: Sequence[Mapping[str, Any]],
    known: dict[tuple[int, tuple[str, ...]], Sources],
) -> Iterator[Cell]:
    """Cells of one row; their sources are added to `known`, each set once."""
    words = ", ".join(str(value) for value in row["row"].values())
    for place, column in enumerate(columns):
        name = column["name"]
        text = row["cells"][name]
        if column["text"] or name.startswith("tau_") or text == EMPTY:
            yield Cell(text, "", "heading" if place == 0 else "text" if column["text"] else "number", None)
            continue
        sources = _sources(name, row)
        key = (number, tuple(source["run"] for source in sources))
        if key not in known:
            # Targets before options, which would swallow them.
            files = " ".join(source["file"] for source in sources)
            rule = "planning_train" if table == PLANNING_TABLE else "train"
            command = f"snakemake --cores 2 {files} --config scale={scale} --forcerun {rule}"
            known[key] = Sources(f"from-{table}-{len(known)}", words, sources, command, f"gcl trace {table}:{number}:")
        yield Cell(text, MARKS.get(text[-1:], ""), "number", known[key].id)


def _sources(column: str, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs behind one cell: of a baseline's column in a table of groups only those of its own model."""
    role = column.removeprefix("sft_").removesuffix("_paper")
    model = row["row"].get(role)
    if not column.startswith("sft_") or model is None:
        return row["sources"]
    return [source for source in row["sources"] if source["run"].split("/")[1:3] == ["sft", model]]
