"""A table for people and programs: `csv_text()`, `markdown()` and `latex()` of a `ResultTable`; `write_table()` writes all.

The CSV has several columns for a score:

- `x`, `x_low`, `x_high`
- `x_gain`, `x_gain_low`, `x_gain_high`: the paired difference to the row's control
- `x_paper`, `x_difference` (ours - paper), `x_verdict`, where published values are shown

`runs` names all runs behind a row.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gcl.files import write_json, write_text
from gcl.reporting.estimates import LESS_IS_BETTER
from gcl.reporting.tables.escape import tex
from gcl.reporting.tables.result_table import Cell, Difference, Measure, ResultColumn, ResultRow, ResultTable, Score

EMPTY = "–"  # in a cell that has no value
MARKS = {"better": "↑", "worse": "↓", "open": "†"}
PAPER_HEADER = "{}, paper (ours − paper)"
_NAN = float("nan")
_MANY = 30  # rows; more of them fill a page
_BOLD_NOTE = (
    "Bold: the best mean of its column among rows of the same kind. It says nothing about chance; the marks do."
)


def write_table(table: ResultTable, stem: Path) -> None:
    """Write `stem`.csv for programs, .md for people, .tex for a paper, and .provenance.json, the table itself."""
    write_text(f"{stem}.csv", csv_text(table))
    write_text(f"{stem}.md", markdown(table))
    write_text(f"{stem}.tex", latex(table))
    write_json(f"{stem}.provenance.json", table.model_dump())


def csv_text(table: ResultTable) -> str:
    """The table as CSV, rounded to four decimals."""
    return pd.DataFrame(records(table)).round(4).to_csv(index=False, lineterminator="\n")


def records(table: ResultTable) -> list[dict[str, Any]]:
    """Rows as flat records with the CSV's columns, not rounded; empty numbers are NaN."""
    found = []
    for row in table.rows:
        cells = {name: x for column in table.columns for name, x in _flat(column, row.cells[column.name]).items()}
        counts = {"seeds": row.seeds, "scenarios": row.scenarios, "runs": " ".join(row.runs)}
        found.append({"scale": table.scale, **cells, **counts})
    return found


def markdown(table: ResultTable) -> str:
    """The table as Markdown."""
    lines = [f"# {table.title}", ""]
    if table.warning:
        lines += [f"**{table.warning}**", ""]
    lines += [_line(headers(table)), _line(":--" if c.kind == "text" else "--:" for c, _ in shown_columns(table))]
    lines += [_line(texts) for texts in _texts(table)]
    lines += ["", *(f"- {note}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def latex(table: ResultTable) -> str:
    """The table as LaTeX's `table`, with caption and label; needs the packages booktabs and graphicx.

    A table that is wider than the text is made smaller as a whole.
    """
    best, shown = _best(table), shown_columns(table)
    warning = rf"\textbf{{{tex(table.warning)}}}" if table.warning else ""
    title = table.title if table.title.endswith("?") else f"{table.title}."
    about = [tex(title), warning, *map(tex, table.notes[:1]), _BOLD_NOTE if best else ""]
    lines = [
        "% needs \\usepackage{booktabs,graphicx}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{' '.join(filter(None, about))}}}",
        rf"\label{{tab:{table.name}}}",
        r"\scriptsize" if len(table.rows) > _MANY else r"\footnotesize",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{''.join('l' if column.kind == 'text' else 'r' for column, _ in shown)}}}",
        r"\toprule",
        _tex_line(map(tex, headers(table))),
        r"\midrule",
    ]
    section = None
    for number, (row, texts) in enumerate(zip(table.rows, _texts(table), strict=True)):
        # A rule between data sets (Table 2) or regimes (Tables 1 and 3), as in the paper.
        if section not in (None, new := _section(row)):
            lines.append(r"\midrule")
        section = new
        bold = [(number, column.name) in best and not paper for column, paper in shown]
        lines.append(_tex_line(map(_tex_cell, texts, bold)))
    lines += [r"\bottomrule", r"\end{tabular}}", r"\par\smallskip\raggedright"]
    lines += [rf"{tex(note)}\par" for note in table.notes[1:]]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def shown_columns(table: ResultTable) -> list[tuple[ResultColumn, bool]]:
    """The columns in print: each one with False, then that of its published values, if shown, with True."""
    return [(column, paper) for column in table.columns for paper in (False, True)[: 1 + column.paper]]


def headers(table: ResultTable) -> list[str]:
    """Headers of the shown columns."""
    return [PAPER_HEADER.format(column.header) if paper else column.header for column, paper in shown_columns(table)]


def cell_text(column: ResultColumn, paper: bool, cell: Cell) -> str:
    """The print of a cell, or of its published value."""
    if isinstance(cell, Score):
        if paper:
            found = f", {cell.verdict}" if cell.verdict else ""
            return EMPTY if cell.paper is None else f"{cell.paper:.3f} ({signed(cell.mean - cell.paper)}{found})"
        mark = f" {MARKS[cell.gain.mark]}" if cell.gain else ""
        return f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]{mark}"
    if isinstance(cell, Difference):
        return f"{signed(cell.mean)} [{signed(cell.low)}, {signed(cell.high)}]"
    if isinstance(cell, Measure):
        return f"{cell.mean:.3g} [{cell.low:.3g}, {cell.high:.3g}]"
    if isinstance(cell, float):
        texts = {"rate": f"× {cell:g}", "tau": f"{cell:.1f}", "p": f"{cell:.3f}", "cost": f"{cell:,.0f}"}
        return (texts | {"difference": signed(cell), "size": f"{cell:.3g}"})[column.kind]
    return EMPTY if cell is None else cell


def signed(value: float) -> str:
    """A difference with its sign, to three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def _texts(table: ResultTable) -> list[list[str]]:
    return [[cell_text(c, paper, row.cells[c.name]) for c, paper in shown_columns(table)] for row in table.rows]


def _flat(column: ResultColumn, cell: Cell) -> dict[str, Any]:
    """The CSV's columns of a cell."""
    name = column.name
    if column.kind not in ("score", "gain", "measure"):
        return {name: _NAN if cell is None else cell}
    found = _span(name, cell)
    if column.kind == "measure":
        return found
    gain = cell.gain if isinstance(cell, Score) else None
    if column.compared:
        found |= _span(f"{name}_gain", gain)
    if column.paper:
        published = _NAN if cell is None or cell.paper is None else cell.paper
        found |= {
            f"{name}_paper": published,
            f"{name}_difference": (cell.mean if cell else _NAN) - published,
            f"{name}_verdict": cell.verdict if cell else None,
        }
    return found


def _span(name: str, value: Score | Difference | Measure | None) -> dict[str, float]:
    values = (value.mean, value.low, value.high) if value else (_NAN,) * 3
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _section(row: ResultRow) -> tuple[Cell, Cell]:
    return row.cells["dataset"], row.cells.get("regime")


def _best(table: ResultTable) -> set[tuple[int, str]]:
    """Row numbers and columns of the best means, as printed, of every section and role; none where all are equal."""
    found = set()
    kinds = {(_section(row), row.cells.get("role")) for row in table.rows}
    for column in table.columns:
        if column.kind != "score" or not column.compared:  # more of the others is not better
            continue
        choose = min if column.name in LESS_IS_BETTER else max
        for kind in kinds:
            means = {
                number: round(cell.mean, 3)
                for number, row in enumerate(table.rows)
                if (_section(row), row.cells.get("role")) == kind and not row.exchanged
                if isinstance(cell := row.cells[column.name], Score)
            }
            if len({*means.values()}) > 1:
                best = choose(means.values())
                found |= {(number, column.name) for number, mean in means.items() if mean == best}
    return found


def _tex_cell(text: str, bold: bool) -> str:
    mean, space, rest = tex(text).partition(" ")
    return rf"\textbf{{{mean}}}{space}{rest}" if bold else f"{mean}{space}{rest}"


def _tex_line(cells: Iterable[str]) -> str:
    """A row. The sign of an option at its start would belong to the row before."""
    line = " & ".join(cells)
    return ("{}" if line.startswith(("[", "*")) else "") + line + r" \\"
