"""The first words of the page: `summary(experiment, results, tables)` says what was found, with the tables' own numbers.

Nothing here is written in advance: a sentence says "no row" only if no row does it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from gcl.evaluation.metric_registry import header
from gcl.experiment.schema import Experiment, MiniatureModel
from gcl.reporting.page.page_tables import Outcome, Table, outcomes, table_path
from gcl.reporting.tables.looks import Look, looks
from gcl.reporting.tables.tables import METHODS
from gcl.workflow.plan import PLANNING_TABLE

_LEVEL = 0.05


def summary(experiment: Experiment, results: Path, tables: Sequence[Table]) -> list[str]:
    """Sentences for the top of the page, the most important first.

    Args:
        tables: those that were built.
    """
    built = {table.name: table for table in tables}
    sentences = []
    if "headline" in built:
        frame = pd.read_csv(table_path(results, experiment.scale, "headline", ".csv"))
        sentences += _headline(experiment, frame, outcomes(built["headline"]))
    sentences += [_counted(table, outcomes(table)) for name, table in built.items() if name != "headline"]
    if "controls" in built:
        sentences += _controls(pd.read_csv(table_path(results, experiment.scale, "controls", ".csv")))
    if PLANNING_TABLE in built:
        sentences += _planning(experiment, pd.read_csv(table_path(results, experiment.scale, PLANNING_TABLE, ".csv")))
    return [sentence for sentence in [*sentences, *_limits(experiment)] if sentence]


def _headline(experiment: Experiment, frame: pd.DataFrame, found: Sequence[Outcome]) -> Iterator[str]:
    pair = experiment.components.pair.value
    seeds, scenes, dataset = (frame[name].iloc[0] for name in ("seeds", "scenarios", "dataset"))
    yield (
        f"The paper's Table 2 was run on {dataset}: learner {pair.learner} and guide {pair.guide}, "
        f"{_count(int(seeds), 'seed')}, {_count(int(scenes), 'test scene')}."
    )
    for outcome in found:
        yield _against_control(outcome)
    score = next(name for name in frame if header(name))
    for role in ("learner", "guide"):
        rows = frame[frame["role"] == role]
        sft, full = (rows[rows["method"] == METHODS[name]] for name in ("sft", "full"))
        if sft.empty or full.empty or pd.isna(full[f"{score}_gain"].iloc[0]):
            continue
        gain, low, high = (full[f"{score}_gain{end}"].iloc[0] for end in ("", "_low", "_high"))
        yield (
            f"With the whole objective (GSL + DRL + AGO) the {role} has {header(score)} {full[score].iloc[0]:.3f}, with SFT "
            f"alone {sft[score].iloc[0]:.3f}: {_signed(gain)} [{_signed(low)}, {_signed(high)}], {_verdict(low, high)}."
        )
    yield from _looking(looks(frame))


def _looking(found: Sequence[Look]) -> Iterator[str]:
    """Which models do not look at their pictures."""
    blind = [look for look in found if not look.looks]
    yield from (str(look) for look in blind)
    if found and not blind:
        yield (
            f"All {len(found)} models that were asked about the picture of another scene, too, get worse by it: they look "
            "at their pictures."
        )


def _against_control(outcome: Outcome) -> str:
    """One column in a sentence; "no row" and "every row" where it is so."""
    n, better = outcome.rows, outcome.better
    who = "No GCL row beats" if not better else f"{better} of {n} GCL rows {'beats' if better == 1 else 'beat'}"
    if better == n:
        who = f"All {n} GCL rows beat"
    rest = f"{outcome.worse} of {n} {'is' if outcome.worse == 1 else 'are'} worse" if outcome.worse else "none is worse"
    unsure = f", {outcome.open} cannot be told apart from it" if outcome.open else ""
    return f"{who} its SFT control in {outcome.header}; {rest}{unsure}." if better < 2 else (
        f"{who} their SFT controls in {outcome.header}; {rest}{unsure}."
    )  # fmt: skip


def _counted(table: Table, found: Sequence[Outcome]) -> str:
    if not found:
        return ""
    parts = [
        f"{outcome.header}: {outcome.better} of {outcome.rows} better than the control, {outcome.worse} worse, "
        f"{outcome.open} not told apart"
        for outcome in found
    ]
    return f"{table.title.removesuffix('?')}: {'; '.join(parts)}."


def _controls(frame: pd.DataFrame) -> Iterator[str]:
    """Which arms differ from SFT at the same learning rate, the comparison that takes the rate out."""
    compared = frame[frame["p_rate"].notna()]
    score = next(name for name in frame if header(name))
    sure = compared[compared["p_rate"] < _LEVEL]
    arms = "; ".join(f"{row.arm} {_signed(row.gain_rate)} (p = {row.p_rate:.3f})" for row in sure.itertuples())
    yield (
        f"Against SFT at the same learning rate, over {_count(int(frame['seeds'].iloc[0]), 'seed')}, "
        f"{len(sure) or 'none'} of {len(compared)} arms "
        f"{'differs' if len(sure) < 2 else 'differ'} in {header(score)} at a level of {_LEVEL}, corrected for their number"
        f"{': ' + arms if arms else ''}."
    )


def _planning(experiment: Experiment, frame: pd.DataFrame) -> Iterator[str]:
    """What each stage of MGSD does to each model."""
    for row in frame[frame["arm"].isin(experiment.planning.main.value) & frame["success_gain"].notna()].itertuples():
        low, high = row.success_gain_low, row.success_gain_high
        yield (
            f"MGSD, {row.model}, {row.arm}: {row.success:.3f} of the plans reach the goal (macro mean of the tasks), "
            f"against {row.against} {_signed(row.success_gain)} [{_signed(low)}, {_signed(high)}], {_verdict(low, high)}; "
            f"{row.reading:.3f} of the pictures are read without a mistake."
        )


def _verdict(low: float, high: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else "a difference that may be chance"


def _limits(experiment: Experiment) -> Iterator[str]:
    """What these numbers can and cannot say."""
    if experiment.drawing is not None:
        small = [m.backbone.value for m in experiment.models.values() if isinstance(m.backbone.value, MiniatureModel)]
        widths = sorted({model.hidden_size for model in small})
        scenes = ", ".join(
            f"{name} {(counts := experiment.datasets[name].scenarios.value).train} training and {counts.test} test scenes"
            for name in experiment.groups
        )
        what = "drawn by the project itself" if experiment.drawing.datasets.value else "real"
        yield (
            f"What is miniature about it: the scenes are {what} ({scenes}); the {len(small)} models have the architectures "
            f"of the real ones with hidden sizes of {widths[0]} to {widths[-1]}, named after the models that they stand "
            f"for; they are trained for {_count(experiment.training.epochs.value, 'epoch')}."
        )
    yield (
        "Intervals are 95 % bootstrap intervals. Where a row is one training they are over test scenes alone and say "
        "nothing about other trainings, so a difference can be an accident of that one; where it is several, trainings and "
        "scenes are both drawn again. The notes of each table say which."
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")
