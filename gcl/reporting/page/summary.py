"""The first words of the page: `summary(experiment, tables)` tells the findings, with the tables' own numbers.

Nothing here is written in advance: a sentence says "no row" only if no row does it.
"""

from collections.abc import Iterator, Sequence

from gcl.evaluation.metric_registry import header
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import METHODS, ROLES
from gcl.reporting.page.page_tables import MarkCount, count_marks
from gcl.reporting.tables.looks import PictureUse, looks
from gcl.reporting.tables.markup import signed
from gcl.reporting.tables.result_table import Difference, ResultTable
from gcl.workflow.targets import PLANNING_TABLE

_LEVEL = 0.05


def summary(experiment: Experiment, tables: Sequence[ResultTable]) -> list[str]:
    """Sentences for the top of the page about the tables that were built, the most important first."""
    built = {table.name: table for table in tables}
    sentences = []
    if "headline" in built:
        sentences += _headline(experiment, built["headline"])
    sentences += [_counted(table, count_marks(table)) for name, table in built.items() if name != "headline"]
    if "controls" in built:
        sentences += _controls(built["controls"])
    if PLANNING_TABLE in built:
        sentences += _planning(experiment, built[PLANNING_TABLE])
    return [sentence for sentence in [*sentences, *_limits(experiment)] if sentence]


def _headline(experiment: Experiment, table: ResultTable) -> Iterator[str]:
    pair, trained = experiment.components.pair.value, max(table.rows, key=lambda row: row.seeds)
    yield (
        f"The paper's Table 2 was run on {trained.cells['dataset']}: learner {pair.learner} and guide {pair.guide}, "
        f"{_count(trained.seeds, 'seed')}, {_count(trained.scenarios, 'test scene')}."
    )
    for counted in count_marks(table):
        yield _against_control(counted)
    score = next(column.name for column in table.columns if column.kind == "score")
    scores = {(row.cells["method"], row.cells["role"]): row.cells[score] for row in table.rows}
    for role in ROLES:
        sft, full = (scores.get((METHODS[name], role)) for name in ("sft", "full"))
        if sft and full and full.gain:
            yield (
                f"With the whole objective (GSL + DRL + AGO) the {role} has {header(score)} {full.mean:.3f}, with SFT "
                f"alone {sft.mean:.3f}: {_gain(full.gain)}."
            )
    yield from _looking(looks(table.rows))


def _looking(found: Sequence[PictureUse]) -> Iterator[str]:
    """The models that do not look at their pictures."""
    blind = [look for look in found if not look.looks]
    yield from (str(look) for look in blind)
    if found and not blind:
        yield (
            f"All {len(found)} models that were also asked about the picture of another scene get worse by it: they look "
            "at their pictures."
        )


def _against_control(outcome: MarkCount) -> str:
    """One column in a sentence; "no row" and "every row" where it is so."""
    n, better = outcome.rows, outcome.better
    who = "No GCL row beats" if not better else f"{better} of {n} GCL rows {'beats' if better == 1 else 'beat'}"
    if better == n:
        who = f"All {n} GCL rows beat"
    rest = f"{outcome.worse} of {n} {'is' if outcome.worse == 1 else 'are'} worse" if outcome.worse else "none is worse"
    unsure = f", {outcome.open} cannot be told apart from it" if outcome.open else ""
    control = "its SFT control" if better < 2 else "their SFT controls"
    return f"{who} {control} in {outcome.header}; {rest}{unsure}."


def _counted(table: ResultTable, found: Sequence[MarkCount]) -> str:
    if not found:
        return ""
    parts = [
        f"{outcome.header}: {outcome.better} of {outcome.rows} better than the control, {outcome.worse} worse, "
        f"{outcome.open} not told apart"
        for outcome in found
    ]
    return f"{table.title.removesuffix('?')}: {'; '.join(parts)}."


def _controls(table: ResultTable) -> Iterator[str]:
    """The arms that differ from SFT at the same learning rate: a comparison without the rate's effect."""
    compared = [row.cells for row in table.rows if row.cells["p_rate"] is not None]
    sure = [cells for cells in compared if cells["p_rate"] < _LEVEL]
    score = next(column.name for column in table.columns if column.kind == "score")
    arms = "; ".join(f"{c['arm']} {signed(c['gain_rate'].mean)} (p = {c['p_rate']:.3f})" for c in sure)
    yield (
        f"Against SFT at the same learning rate, over {_count(max(row.seeds for row in table.rows), 'seed')}, "
        f"{len(sure) or 'none'} of {len(compared)} arms "
        f"{'differs' if len(sure) < 2 else 'differ'} in {header(score)} at a level of {_LEVEL}, corrected for their number"
        f"{': ' + arms if arms else ''}."
    )


def _planning(experiment: Experiment, table: ResultTable) -> Iterator[str]:
    """The effect of each stage of MGSD on each model."""
    for cells in (row.cells for row in table.rows if row.cells["arm"] in experiment.planning.main.value):
        if gain := cells["success"].gain:
            read = (
                f"; {cells['reading'].mean:.3f} of the pictures are read without a mistake" if cells["reading"] else ""
            )
            yield (
                f"MGSD, {cells['model']}, {cells['arm']}: {cells['success'].mean:.3f} of the plans reach the goal (macro "
                f"mean of the tasks), against {cells['against']} {_gain(gain)}{read}."
            )


def _gain(gain: Difference) -> str:
    verdict = {"better": "better", "worse": "worse", "open": "a difference that may be chance"}[gain.mark]
    return f"{signed(gain.mean)} [{signed(gain.low)}, {signed(gain.high)}], {verdict}"


def _limits(experiment: Experiment) -> Iterator[str]:
    """The limits of these numbers."""
    if experiment.drawing is not None:
        small = experiment.base_models.models.value
        widths = sorted({model.hidden_size for model in small.values()})
        scenes = ", ".join(
            f"{name} {(counts := experiment.datasets[name].scenarios.value).train} training and {counts.test} test scenes"
            for name in experiment.groups
        )
        what = "drawn by the project itself" if experiment.drawing.datasets.value else "real"
        yield (
            f"This scale is miniature: the scenes are {what} ({scenes}). The {len(small)} models have the names and "
            f"architectures of the real ones, and hidden sizes of {widths[0]} to {widths[-1]}. They are trained for "
            f"{_count(experiment.training.epochs.value, 'epoch')}."
        )
    yield (
        "Intervals are 95 % bootstrap intervals. Where a row is one training they are over test scenes alone. They say "
        "nothing about other trainings, so a difference can be an accident of that one. Where a row is several trainings, "
        "trainings and scenes are both drawn again. The notes of each table say which."
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"
