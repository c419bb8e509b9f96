"""Tables as the page shows them: `page_table(table)` gives the cells of one, each with its sources.

The page repeats the table digit by digit, whatever columns it has. `count_marks(table)` counts its marks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gcl.reporting.metrics import RunSource
from gcl.reporting.tables.markup import EMPTY, cell_text, headers, shown_columns
from gcl.reporting.tables.result_table import ResultTable, Score, train_again

_MEANINGS = {
    "better": "better than its control",
    "worse": "worse than its control",
    "open": "not told apart from its control",
}


@dataclass(frozen=True)
class PageCell:
    """One cell.

    Attributes:
        meaning: its mark in words, for people who cannot see it.
        kind: "heading", "text" or "number".
        sources: id of its sources; only results have some.
    """

    text: str
    meaning: str
    kind: str
    sources: str | None


@dataclass(frozen=True)
class CellSources:
    """Sources of a cell.

    Attributes:
        runs: their metrics files.
        command: trains and scores them again.
        trace: checks the whole chain, once the column is added.
    """

    id: str
    title: str
    runs: Sequence[RunSource]
    command: str
    trace: str


@dataclass(frozen=True)
class PageTable:
    """One table, ready to be shown; each header has the kind of its cells."""

    table: ResultTable
    headers: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[PageCell]]
    sources: Sequence[CellSources]


@dataclass(frozen=True)
class MarkCount:
    """Numbers of rows that are better, worse, or not told apart from their controls, in one column."""

    header: str
    better: int
    worse: int
    open: int

    @property
    def rows(self) -> int:
        """All comparisons."""
        return self.better + self.worse + self.open


def page_table(table: ResultTable) -> PageTable:
    """The cells of a table and their sources, each set once."""
    columns = shown_columns(table)
    kinds = ["text" if column.kind == "text" else "number" for column, _ in columns]
    rows, known = [], {}
    for number, row in enumerate(table.rows, start=1):
        cells = []
        for (column, paper), kind in zip(columns, kinds, strict=True):
            cell = row.cells[column.name]
            text = cell_text(column, paper, cell)
            if column.kind in ("text", "tau") or text == EMPTY:  # words, settings, nothing
                cells.append(PageCell(text, "", kind if cells else "heading", None))
                continue
            runs = cell.runs if isinstance(cell, Score) and cell.runs else row.runs
            title = ", ".join(map(str, table.identity(row).values()))
            sources, again = [table.sources[run] for run in runs], train_again(table, runs)
            new = CellSources(
                f"from-{table.name}-{len(known)}", title, sources, again, f"gcl trace {table.name}:{number}:"
            )
            marked = isinstance(cell, Score) and cell.gain and not paper
            id = known.setdefault((number, *runs), new).id
            cells.append(PageCell(text, _MEANINGS[cell.gain.mark] if marked else "", kind, id))
        rows.append(cells)
    return PageTable(table, list(zip(headers(table), kinds, strict=True)), rows, list(known.values()))


def count_marks(table: ResultTable) -> list[MarkCount]:
    """Count the marks of a table, column by column; rows with exchanged pictures are no attempt to be better."""
    found = []
    for column in table.columns:
        cells = [row.cells[column.name] for row in table.rows if not row.exchanged]
        marks = [cell.gain.mark for cell in cells if isinstance(cell, Score) and cell.gain]
        if marks:
            found.append(MarkCount(column.header, *(marks.count(mark) for mark in _MEANINGS)))
    return found
