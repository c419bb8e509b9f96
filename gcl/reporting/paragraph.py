"""The headline in words for a paper: `paragraph(table)` gives sentences, `write_paragraph()` writes them as text and LaTeX.

Every number comes from the table. No sentence says more: a method that does not beat its control is said not to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.experiment.schema import Experiment
from gcl.files import write_text
from gcl.reporting.estimates import METHODS, ROLES
from gcl.reporting.tables.arms import holm
from gcl.reporting.tables.escape import tex
from gcl.reporting.tables.markup import signed
from gcl.reporting.tables.result_table import Difference, ResultRow, ResultTable, Score, read_table

TABLE = "headline"
_LEVEL = 0.05


@dataclass(frozen=True)
class _Compared:
    """One score of the full method and of its control; `p` is corrected over all comparisons of the paragraph."""

    header: str
    control: Score
    full: Score
    gain: Difference
    p: float


def write_paragraph(experiment: Experiment, results: Path, stem: Path) -> None:
    """Write `stem`.txt, a sentence a line, and `stem`.tex, from table headline as it is.

    Raises:
        DataError: if the table is not built, or compares nothing.
    """
    table = read_table(results, experiment.scale, TABLE)
    if table is None:
        path = results_at(experiment.scale, results).table(TABLE, ".md")
        raise DataError(f"{path}: no such table; make it with: snakemake --cores 2 {path}")
    sentences = paragraph(table)
    write_text(f"{stem}.txt", "\n".join(sentences) + "\n")
    write_text(f"{stem}.tex", f"% from table {table.name}\n" + "\n".join(map(tex, sentences)) + "\n")


def paragraph(table: ResultTable) -> list[str]:
    """Sentences about SFT and the full method, of every data set and role of a table of components.

    Raises:
        DataError: if it has no row of the full method beside one of SFT.
    """
    rows = {tuple(row.cells.get(name) for name in ("dataset", "role", "method")): row for row in table.rows}
    pairs = []
    for dataset, role in dict.fromkeys((key[0], role) for key in rows for role in ROLES):
        sft, full = (rows.get((dataset, role, METHODS[name])) for name in ("sft", "full"))
        if sft and full:
            pairs.append((sft, full))
    gains = [gain for _, full in pairs for gain in _gains(table, full).values()]
    if not gains:
        raise DataError(
            f"table {table.name} has no row of {METHODS['full']} that is compared with SFT; use table {TABLE}"
        )
    corrected = iter(holm([gain.p for gain in gains]))
    sentences = []
    for sft, full in pairs:
        found = [
            _Compared(header, sft.cells[name], full.cells[name], gain, next(corrected))
            for (name, header), gain in _gains(table, full).items()
        ]
        sentences += _of_member(table, full, found)
    sentences.append(
        "Differences are paired by test scene and seed. Their p values are two-sided bootstrap values, corrected by Holm "
        f"for the {_count(len(gains), 'comparison')} here; the other numbers in brackets are 95 % intervals."
    )
    if table.warning:
        sentences.append(f"{table.warning.split('. ')[0].rstrip('.')}.")
    return sentences


def _gains(table: ResultTable, full: ResultRow) -> dict[tuple[str, str], Difference]:
    """The differences to the control, by name and header of the score."""
    cells = {(column.name, column.header): full.cells[column.name] for column in table.columns}
    return {key: cell.gain for key, cell in cells.items() if isinstance(cell, Score) and cell.gain}


def _of_member(table: ResultTable, full: ResultRow, found: list[_Compared]) -> Iterator[str]:
    """The first score in full, the others in short."""
    first, *others = found
    miniature = f" at {table.scale} scale" if table.warning else ""
    member = f"the {full.cells['role']} ({full.cells['model']})"
    yield (
        f"On {full.cells['dataset']}{miniature}, SFT of {member} reaches {first.header} {_mean(first.control)} over "
        f"{_count(full.seeds, 'training')} and {_count(full.scenarios, 'test scene')}."
    )
    yield (
        f"The full method ({full.cells['method']}) reaches {_mean(first.full)} (difference {signed(first.gain.mean)}, 95 % "
        f"interval {_interval(first.gain)}, {_count(full.seeds, 'seed')}, Holm {_p(first.p)})."
    )
    yield f"{_verdict(first)}."
    if full.seeds == 1:
        yield "With one training each, the intervals are over test scenes alone, and another training may differ."
    for other in others:
        yield (
            f"In {other.header} it has {_mean(other.full)} against {_mean(other.control)} (difference "
            f"{signed(other.gain.mean)}, {_interval(other.gain)}, Holm {_p(other.p)}): {_short(other)}."
        )


def _verdict(found: _Compared) -> str:
    if found.gain.mark == "open":
        return "It does not beat SFT: the interval contains zero, so the difference may be chance"
    sure = "" if found.p < _LEVEL else ", but this does not survive the correction for the number of comparisons"
    if found.gain.mark == "better":
        return f"It {'beats SFT' if not sure else 'is above SFT'}{sure}"
    return f"It does not beat SFT: it is worse{sure}"


def _short(found: _Compared) -> str:
    if found.gain.mark == "open":
        return "not told apart"
    return found.gain.mark if found.p < _LEVEL else f"{found.gain.mark}, though not after the correction"


def _mean(score: Score) -> str:
    return f"{score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _interval(gain: Difference) -> str:
    return f"[{signed(gain.low)}, {signed(gain.high)}]"


def _p(value: float) -> str:
    return f"p = {value:.3f}" if value >= 0.0005 else "p < 0.001"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"
