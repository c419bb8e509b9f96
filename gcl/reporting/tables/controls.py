"""Where does the gain come from? Tables about the arms of `controls`, each arm by its first member:

    controls_table        as they are: against SFT, and against SFT at the arm's own rate
    rates_table           every arm at a few rates, on data for this choice alone
    best_controls_table   every arm at its best rate, against SFT at its best rate
    exchange_table        the same for the arms of `exchange.scenes`, or of `exchange.states`, with their costs

Each takes the metrics of all its runs and raises DataError if these are not comparable. The paper's learner has up to twice
the rate of its SFT control. So the rate alone could help.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

from gcl.errors import ConfigError
from gcl.evaluation.metric_registry import header, scores_of
from gcl.experiment.arms_schema import Controls
from gcl.experiment.grid import arm_runs, base_runs, best_runs, comparisons, rate_runs, reported_models, sft_rate
from gcl.experiment.places import PLANNING, kind_of, results_at
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.reporting.estimates import BASE, PooledScore, pooled
from gcl.reporting.metrics import Metrics
from gcl.reporting.tables.arms import ArmRow, arms_table, tested_columns
from gcl.reporting.tables.assemble import held_out_columns, held_out_notes, identity, score_column
from gcl.reporting.tables.markup import EMPTY
from gcl.reporting.tables.planning_table import COMPARED
from gcl.reporting.tables.result_table import Cell, ResultColumn, ResultTable
from gcl.reporting.tables.training_costs import COST_COLUMNS, training_costs

# By table of rates: the comparison, and the table that shows arms at the best ones.
RATES = {
    "rates": ("controls", "controls_best"),
    "exchange_rates": ("exchange.scenes", "exchange"),
    "exchange_planning_rates": ("exchange.states", "exchange_planning"),
}
# By table of an exchange: the comparison, and the table of rates.
EXCHANGES = {shown: (place, rates) for rates, (place, shown) in RATES.items() if place != "controls"}
_PLANS = {f"image_{name}": spelled for name, spelled in COMPARED.items()}
_MACRO = "Macro means over the tasks, of plans from pictures."
_RATE_NOTE = "Rate: peak learning rate of the arm's first member, in that of SFT."
_RATE = ResultColumn(name="lr_ratio", header="Rate", kind="rate", identity=True)
_AGAINST_SFT = tested_columns("sft", "Gain over SFT", "p")
_AT_ITS_RATE = tested_columns("rate", "Gain over SFT at its rate", "p ")


def controls_table(experiment: Experiment, metrics: Metrics) -> ResultTable:
    """One row per arm of `controls`, with its gains over the first arm and over SFT at the same rate."""
    controls = experiment.controls
    runs = {arm.name: arm_runs(experiment, controls, arm.run) for arm in controls.arms.value}
    alone = {_ratio(experiment, own[0]): arm for arm, own in runs.items() if _plain(own[0])}
    same_rate = {arm: alone.get(_ratio(experiment, own[0])) for arm, own in runs.items() if not _plain(own[0])}
    against, tested = {"rate": same_rate}, [*_AGAINST_SFT, *_AT_ITS_RATE]
    return _compared(experiment, "controls", controls, metrics, runs, against, tested)


def best_controls_table(experiment: Experiment, metrics: Metrics) -> ResultTable:
    """The same with every arm at the rate that `controls.best` gives it, against the first arm at its own.

    Raises:
        ConfigError: if it gives none.
    """
    controls = experiment.controls
    runs = best_runs(experiment, controls)
    if not runs:
        raise ConfigError("controls.best is empty; build table rates, then say there at which rate each arm is best")
    return _compared(experiment, "controls_best", controls, metrics, runs, {}, _AGAINST_SFT)


def exchange_table(experiment: Experiment, table: str, metrics: Metrics, results: Path) -> ResultTable:
    """Table `exchange`, or `exchange_planning`: arms at their best rates, against the first one, and what each costs.

    Raises:
        ConfigError: if the configuration gives no best rates.
    """
    place, rates = EXCHANGES[table]
    controls = comparisons(experiment)[place]
    runs = best_runs(experiment, controls)
    if not runs:
        raise ConfigError(f"{place}.best is empty; build table {rates}, then say there which rates are best")
    costs = {arm: training_costs(results_at(experiment.scale, results), own) for arm, own in runs.items()}
    return _compared(experiment, table, controls, metrics, runs, {}, [*_AGAINST_SFT, *COST_COLUMNS], costs)


def rates_table(experiment: Experiment, table: str, metrics: Metrics) -> ResultTable:
    """One row per arm and rate, one seed: a table of `RATES`.

    `choice` is `best` for the arm's largest ranking score, of equal ones at the smaller rate. It is `taken` for the rate in
    the configuration.
    """
    place, shown = RATES[table]
    controls = comparisons(experiment)[place]
    taken, others, tried = controls.best.value, [], rate_runs(experiment, controls)
    dataset = str(controls.tuning.value)
    first, spelled = next(iter(_scores(experiment, dataset).items()))
    runs = [run for points in tried.values() for run in points.values()]
    arms = _base_arms(experiment, metrics, dataset, runs, [first], choice=EMPTY)
    for name, points in tried.items():
        scores = {ratio: arm_score(experiment, metrics, [run], first) for ratio, run in points.items()}
        best = max(sorted(scores), key=lambda ratio: scores[ratio].mean)
        for ratio, score in scores.items():
            words = [word for word, which in (("best", best), ("taken", taken.get(name))) if which == ratio]
            cells = {"dataset": dataset, "arm": name, "lr_ratio": ratio}
            cells["choice"] = ", ".join(words) or EMPTY
            arms[name, ratio] = ArmRow(cells, {first: score}, seeds=1)
            if words == ["best"]:
                others.append(name)
    notes = [
        _RATE_NOTE,
        f"best: the arm's largest {spelled}; taken: what `{place}.best` says, and table {shown} shows.",
        *([f"Not as taken: {', '.join(others)}."] if others else []),
    ]
    choice = ResultColumn(name="choice", header="Choice", kind="text")
    columns = [*identity("dataset", "arm"), _RATE, score_column(first, spelled), choice]
    return arms_table(experiment, table, columns, arms, metrics, notes)


def _base_arms(
    experiment: Experiment, metrics: Metrics, dataset: str, runs: Iterable[RunSpec], names: Sequence[str], **words: Cell
) -> dict[Hashable, ArmRow]:
    """Rows of the models that arms are reported by, before any training, compared with nothing; `words` are more cells."""
    arms: dict[Hashable, ArmRow] = {}
    models = reported_models(runs)
    for run in base_runs(experiment, dataset, models):
        model = run.members[0].model
        arm = BASE["base"] if len(models) == 1 else f"{BASE['base']} {model}"
        scores = {name: arm_score(experiment, metrics, [run], name) for name in names}
        arms["base", model] = ArmRow({"dataset": dataset, "arm": arm, "lr_ratio": None} | words, scores, seeds=1)
    return arms


def arm_score(experiment: Experiment, metrics: Metrics, runs: Sequence[RunSpec], metric: str) -> PooledScore:
    """One score of an arm's first member, over its runs."""
    names, role = [run.id for run in runs], runs[0].members[0].role
    return pooled(metrics, names, role, metric, experiment.evaluation.bootstrap.value)


def _compared(
    experiment: Experiment,
    name: str,
    controls: Controls,
    metrics: Metrics,
    runs: Mapping[str, Sequence[RunSpec]],
    against: Mapping[str, Mapping[str, str | None]],
    tested: Sequence[ResultColumn],
    costs: Mapping[str, Mapping[str, Cell]] | None = None,
) -> ResultTable:
    """A row for each arm, with one run a seed, compared with the first one, and by `against` with others."""
    first, *others = runs
    against = {"sft": dict.fromkeys(others, first), **against}
    dataset = controls.dataset.value
    names, scenes = _scores(experiment, dataset), kind_of(dataset) != PLANNING
    kept = held_out_columns(experiment) if scenes else []
    scored = [*names, *(column.name for column in kept)]
    costless = {column.name: None for column in COST_COLUMNS} if costs else {}
    arms = _base_arms(experiment, metrics, dataset, [own[0] for own in runs.values()], scored, **costless)
    arms |= {
        arm: ArmRow(
            {"dataset": dataset, "arm": arm, "lr_ratio": _ratio(experiment, own[0])} | (costs or {}).get(arm, {}),
            {metric: arm_score(experiment, metrics, own, metric) for metric in scored},
            seeds=len(own),
            against={label: by_arm.get(arm) for label, by_arm in against.items()},
        )
        for arm, own in runs.items()
    }
    columns = [*identity("dataset", "arm"), _RATE, *(score_column(*score) for score in names.items()), *kept, *tested]
    first, spelled = next(iter(names.items()))
    note = (
        f"{_RATE_NOTE} Gains in {spelled} are paired by {'scenario' if scenes else 'state'} and seed; p: two-sided "
        "bootstrap, corrected by Holm over the arms of its column."
    )
    notes = [note, *held_out_notes(experiment)] if scenes else [_MACRO, note]
    return arms_table(experiment, name, columns, arms, metrics, notes, tested=first)


def _scores(experiment: Experiment, dataset: str) -> dict[str, str]:
    """The scores of a data set with their headers. The first one ranks."""
    if kind_of(dataset) == PLANNING:
        return _PLANS
    return {name: str(header(name)) for name in scores_of(experiment, dataset)}


def _plain(run: RunSpec) -> bool:
    """Whether a run is SFT with nothing changed but its rate."""
    return run.method == "sft" and not run.variant.startswith("epochs")


def _ratio(experiment: Experiment, run: RunSpec) -> float:
    return float(f"{run.members[0].lr / sft_rate(experiment, run):g}")
