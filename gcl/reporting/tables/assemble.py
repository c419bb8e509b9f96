"""Parts of tables of results: `score_cell()` and `row()` make cells and rows, `result_table()` adds title and notes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean

from gcl.evaluation.metric_registry import header, turn_of
from gcl.experiment.schema import SCALES, Experiment
from gcl.reporting.estimates import PooledScore
from gcl.reporting.metrics import Metrics, check_consistent
from gcl.reporting.tables.result_table import Cell, Difference, ResultColumn, ResultRow, ResultTable, Score
from gcl.workflow.targets import TARGETS

HIDDEN = "The paper's values are hidden (set report.paper_values to show them)."
SHOWN = "The paper's values are shown only because report.paper_values asks for them."
MARKS_NOTE = (
    "↑ better, ↓ worse than {control}: the 95 % bootstrap interval of the paired differences excludes "
    "zero. † it does not. With this many cells some marks are accidents."
)
POWER_NOTE = (
    "Power: a row's gain in {header} would be marked in 80 % of repetitions if it were "
    "{least:.3f}{most} (1.43 times half its interval)."
)
ONE_SEED_NOTE = "Intervals are over scenarios, not over trainings: a mark can be an accident of the one training."
# A mean of normal estimates is beyond this many half intervals with probability .8: (z(.975) + z(.8)) / z(.975).
_DETECTED = (1.960 + 0.842) / 1.960
_HELD_OUT_HEADERS = {
    "held_out_accuracy": "Held-out accuracy",
    "held_out_cross_entropy": "Held-out cross-entropy",
}
_HELD_OUT_NOTE = (
    "Held-out: accuracy and cross-entropy of the next token, in reference answers to questions that no training had. The "
    "base model's row is the state before; all other rows show how much is left. Of cross-entropy less is better."
)
_ODD_ANSWERS = {
    "empty": "are empty and score 0",
    "unfinished": "did not end before the longest length",
    "unscorable": "cannot be read by the metric's encoder and score 0",
}
# Columns that tell rows from one another; those of arms are numbers in part.
_IDENTITY = {
    "group": "Group",
    "dataset": "Data set",
    "encoder": "Encoder",
    "scenes": "Scenes",
    "regime": "Regime",
    "method": "Method",
    "model": "Model",
    "role": "Role",
    "learner": "Learner",
    "guide": "Guide",
    "arm": "Arm",
}


def identity(*names: str) -> list[ResultColumn]:
    """Columns of words that tell rows from one another."""
    return [ResultColumn(name=name, header=_IDENTITY[name], kind="text", identity=True) for name in names]


def score_column(name: str, header: str, *, compared: bool = True, paper: bool = False) -> ResultColumn:
    """A column of scores."""
    return ResultColumn(name=name, header=header, kind="score", compared=compared, paper=paper)


def held_out_columns(experiment: Experiment) -> list[ResultColumn]:
    """The columns that show how much was forgotten, if the experiment asks for it."""
    if experiment.evaluation.forgetting.value is None:
        return []
    return [score_column(name, words) for name, words in _HELD_OUT_HEADERS.items()]


def held_out_notes(experiment: Experiment) -> list[str]:
    """Their explanation."""
    return [_HELD_OUT_NOTE] if experiment.evaluation.forgetting.value else []


def score_cell(
    ours: PooledScore | None,
    control: PooledScore | None,
    resamples: int,
    paper: float | None = None,
    runs: Sequence[str] | None = None,
) -> Score | None:
    """A score with interval, and with paired difference where there is a control; None where nothing is scored."""
    if ours is None:
        return None
    gain = ours.gain_over(control, resamples) if control else None
    own = None if runs is None else list(runs)
    seeds = [fmean(scores) for scores in ours.scores]
    return Score(mean=ours.mean, low=ours.low, high=ours.high, seeds=seeds, gain=gain, paper=paper, runs=own)


def row(
    cells: Mapping[str, Cell], behind: Iterable[PooledScore | None], seeds: int, exchanged: bool = False
) -> ResultRow:
    """A row; `behind` are all scores that it was made from."""
    known = [score for score in behind if score]
    runs = list(dict.fromkeys(run for score in known for run in score.runs))
    return ResultRow(cells=dict(cells), seeds=seeds, scenarios=known[0].scenarios, runs=runs, exchanged=exchanged)


def result_table(
    experiment: Experiment,
    name: str,
    columns: Sequence[ResultColumn],
    rows: Sequence[ResultRow],
    metrics: Metrics,
    notes: Sequence[str] = (),
    control: str = "",
) -> ResultTable:
    """The table of a target, without its sources.

    Args:
        metrics: all that the table is made from.
        notes: printed after those that every table has.
        control: in words, the other side of the comparisons that are marked; by default the same model's SFT control, or the
            arm that a column names.

    Raises:
        DataError: if the runs behind it are not comparable.
    """
    check_consistent({run: metrics[run] for row in rows for run in row.runs})
    warning = SCALES[experiment.scale] or ""
    if warning:
        warning += f" {SHOWN if any(column.paper for column in columns) else HIDDEN}"
    return ResultTable(
        name=name,
        title=TARGETS[name].title,
        scale=experiment.scale,
        warning=warning,
        notes=[*_interval_notes(columns, rows, control), *_floor_notes(metrics), *_answer_notes(metrics), *notes],
        columns=list(columns),
        rows=list(rows),
    )


def _interval_notes(columns: Sequence[ResultColumn], rows: Sequence[ResultRow], control: str) -> Iterator[str]:
    sizes = ", ".join(f"{dataset}: {n}" for dataset, n in {r.cells["dataset"]: r.scenarios for r in rows}.items())
    seeds = max(row.seeds for row in rows)
    pooled = (
        "one seed"
        if seeds == 1
        else f"{seeds} seeds, both trainings and scenarios drawn again, Student's t over trainings at least"
    )
    yield f"[low, high]: 95 % percentile bootstrap interval over test scenarios ({sizes}); {pooled}."
    if any(isinstance(cell, Score) and cell.gain for row in rows for cell in row.cells.values()):
        named = any(column.name == "against" for column in columns)
        usual = "what the row is compared with" if named else "the same model's SFT control"
        yield MARKS_NOTE.format(control=control or usual)
        if seeds == 1:
            yield ONE_SEED_NOTE
    yield from power_notes(columns, rows)


def power_notes(columns: Sequence[ResultColumn], rows: Sequence[ResultRow]) -> Iterator[str]:
    """How large a gain must be to be seen, of the first column that has gains. Equal trainings have none, and no power."""
    for column in columns:
        cells = [row.cells.get(column.name) for row in rows if not row.exchanged]
        gains = [cell.gain if isinstance(cell, Score) else cell for cell in cells]
        known = [gain for gain in gains if isinstance(gain, Difference) and gain.high > gain.low]
        sizes = [_DETECTED * (gain.high - gain.low) / 2 for gain in known]
        if sizes:
            least, most = min(sizes), max(sizes)
            words = "" if f"{least:.3f}" == f"{most:.3f}" else f" (the surest row) to {most:.3f} (the least sure)"
            yield POWER_NOTE.format(header=column.header, least=least, most=words)
            return


def _floor_notes(metrics: Metrics) -> list[str]:
    """The score of a constant answer: the floor that a score has to be read against."""
    floors = {run.split("/")[0]: file.constant_answer for run, file in metrics.items() if file.constant_answer}
    return [
        f"The most frequent {turn_of(name)}, {floor.text!r}, given to all scenes has {header(name)} {value:.3f} "
        f"on {dataset}."
        for dataset, floor in floors.items()
        for name, value in (floor.score,)
    ]


def _answer_notes(metrics: Metrics) -> list[str]:
    """The numbers of odd answers; no note if there is none."""
    members = [member for file in metrics.values() for member in file.members]
    counts = {kind: sum(sum(getattr(member, kind).values()) for member in members) for kind in _ODD_ANSWERS}
    if not any(counts.values()):
        return []
    words = ", ".join(f"{counts[kind]} {what}" for kind, what in _ODD_ANSWERS.items())
    asked = sum(len(member.items) * len(member.empty) for member in members)
    return [f"Of the {asked} answers behind this table: {words}. Metrics files count them by member."]
