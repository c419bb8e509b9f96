"""Do tables here agree with a reference? `reproduce(experiment, names, results)` judges every score; see agreement.py.

The reference of a table is results/reference/<scale>. Without one it is the published values, if the table has them.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.experiment.schema import Experiment
from gcl.reporting.agreement import WORDS, Compared, Verdict, judge
from gcl.reporting.tables.markup import signed
from gcl.reporting.tables.result_table import (
    ResultColumn,
    ResultRow,
    ResultTable,
    Score,
    read_table,
    read_table_file,
)

PUBLISHED = "published values"


@dataclass(frozen=True)
class Judged:
    """One score: its row and column in words, both values, and the verdict."""

    row: str
    column: str
    here: float
    reference: float
    verdict: Verdict

    def __str__(self) -> str:
        found = self.verdict
        interval = "" if found.low != found.low else f" [{signed(found.low)}, {signed(found.high)}]"
        more = f"; {found.seeds or 'more than 1000'} trainings a cell would tell" if found.word == "cannot tell" else ""
        values = f"{self.here:.3f} here, {self.reference:.3f} there, {signed(found.difference)}{interval}"
        return f"  {found.word:11}  {self.row}, {self.column}: {values}{more}"


@dataclass(frozen=True)
class Reproduction:
    """The verdicts on one table.

    Attributes:
        reference: file, or "published values".
        notes: differences of the two tables that are no scores.
    """

    table: str
    reference: str
    margin: float
    cells: Sequence[Judged]
    notes: Sequence[str]

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells by verdict."""
        found = Counter(cell.verdict.word for cell in self.cells)
        return {word: found[word] for word in WORDS}

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"counts": self.counts}

    def __str__(self) -> str:
        counts = ", ".join(f"{word}: {count}" for word, count in self.counts.items())
        line = f"{self.table}: {len(self.cells)} scores against {self.reference}, margin {self.margin:g}: {counts}"
        odd = [str(cell) for cell in self.cells if cell.verdict.word in ("differs", "cannot tell")]
        return "\n".join([line, *odd, *(f"  note: {note}" for note in self.notes)])


def reproduce(experiment: Experiment, names: Sequence[str], results: Path) -> list[Reproduction]:
    """Judge tables.

    Args:
        names: of tables; none stands for all that are here and have a reference.
        results: folder of all results.

    Raises:
        DataError: if a named table or its reference is missing or of an earlier version, or nothing can be compared.
    """
    place, margin = results_at(experiment.scale, results), experiment.report.margin.value
    known = names or sorted(path.name.removesuffix(".csv") for path in place.tables.glob("*.csv"))
    found = []
    for name in known:
        here = read_table(results, experiment.scale, name)
        if here is None:
            file = results_at(experiment.scale, Path("results")).table(name, ".md")
            raise DataError(f"{name}: no such table here; make it with: snakemake --cores 2 {file}")
        path = place.reference / f"{name}.provenance.json"
        if path.is_file():
            try:
                found.append(_against(here, read_table_file(path, experiment.scale, name), str(path), margin))
            except DataError as error:
                if names:
                    raise
                found.append(Reproduction(name, str(path), margin, [], [str(error)]))
        elif cells := list(_published(here, margin)):
            found.append(Reproduction(name, PUBLISHED, margin, cells, []))
        elif names:
            raise DataError(f"{name}: neither {path} nor published values are there to compare with")
    if not found:
        raise DataError(f"{place.tables}: no table that has a reference in {place.reference}")
    return found


def with_verdicts(table: ResultTable, margin: float) -> ResultTable:
    """The table with a verdict on every score that has a published value."""
    verdicts = {(number, column.name): verdict for number, column, verdict in _judged_published(table, margin)}
    rows = []
    for number, row in enumerate(table.rows):
        cells = {
            name: cell.model_copy(update={"verdict": found.word}) if (found := verdicts.get((number, name))) else cell
            for name, cell in row.cells.items()
        }
        rows.append(row.model_copy(update={"cells": cells}))
    return table.model_copy(update={"rows": rows})


def _published(table: ResultTable, margin: float) -> Iterator[Judged]:
    for number, column, verdict in _judged_published(table, margin):
        row = table.rows[number]
        cell = row.cells[column.name]
        yield Judged(_words(table, row), column.header, cell.mean, cell.paper, verdict)


def _judged_published(table: ResultTable, margin: float) -> Iterator[tuple[int, ResultColumn, Verdict]]:
    """Number of the row, column and verdict of every score that has a published value."""
    for column in table.columns:
        scores = {k: row.cells[column.name] for k, row in enumerate(table.rows) if _is_score(row, column.name)}
        scores = {number: score for number, score in scores.items() if score.paper is not None}
        compared = [Compared(score.seeds, [score.paper], published=True) for score in scores.values()]
        for number, verdict in zip(scores, judge(compared, margin), strict=True):
            yield number, column, verdict


def _against(here: ResultTable, reference: ResultTable, path: str, margin: float) -> Reproduction:
    there = {_words(reference, row): row for row in reference.rows}
    ours = {_words(here, row): row for row in here.rows}
    both = [words for words in ours if words in there]
    cells = []
    for column in (column for column in here.columns if column.kind == "score"):
        named = [w for w in both if _is_score(ours[w], column.name) and _is_score(there[w], column.name)]
        pairs = [(ours[words].cells[column.name], there[words].cells[column.name]) for words in named]
        compared = [
            Compared(a.seeds, b.seeds, paired=ours[words].runs == there[words].runs, same=_same(a, b))
            for words, (a, b) in zip(named, pairs, strict=True)
        ]
        for words, (a, b), verdict in zip(named, pairs, judge(compared, margin), strict=True):
            cells.append(Judged(words, column.header, a.mean, b.mean, verdict))
    return Reproduction(here.name, path, margin, cells, list(_notes(here, reference, [*ours], [*there])))


def _notes(here: ResultTable, reference: ResultTable, ours: Sequence[str], there: Sequence[str]) -> Iterator[str]:
    if missing := [words for words in there if words not in ours]:
        yield f"{len(missing)} rows are only in the reference: {'; '.join(missing)}"
    if new := [words for words in ours if words not in there]:
        yield f"{len(new)} rows are only here: {'; '.join(new)}"
    shared = [run for run in here.sources if run in reference.sources]
    for what, property in (("other settings", "spec"), ("other code", "code")):
        odd = [r for r in shared if getattr(here.sources[r], property) != getattr(reference.sources[r], property)]
        if odd:
            yield f"{len(odd)} of {len(shared)} trainings were made with {what} than the reference's"


def _same(a: Score, b: Score) -> bool:
    """Whether two scores print alike in the CSV."""

    def digits(score: Score) -> list[float]:
        gain = [score.gain.mean, score.gain.low, score.gain.high] if score.gain else []
        return [round(value, 4) for value in (score.mean, score.low, score.high, *gain)]

    return digits(a) == digits(b)


def _is_score(row: ResultRow, name: str) -> bool:
    return isinstance(row.cells.get(name), Score)


def _words(table: ResultTable, row: ResultRow) -> str:
    return ", ".join(str(value) for value in table.identity(row).values())
