"""Every table and figure that can be built: `TARGETS` by name, in the order of the page of all results.

Each has a title, the runs behind it, and the settings that it shows. gcl/reporting/build.py has a builder for each. Lists of
runs are imported late, since `gcl --help` reads the names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from gcl.errors import ConfigError

if TYPE_CHECKING:
    from gcl.experiment.runs import RunSpec
    from gcl.experiment.schema import Experiment

PLANNING_TABLE, PLANNING_FIGURE = "planning", "plans"
T = TypeVar("T")


@dataclass(frozen=True)
class Target:
    """A table or a figure.

    Attributes:
        name, title: for command lines, and for people.
        kind: "table" or "figure".
        runs: the runs behind it.
        exchanged: runs whose answers to exchanged pictures it shows as well.
        settings: those that it shows; a change rebuilds it without running anything.
        possible: whether the configuration has its inputs.
        needs: the setting that gives them, where some configurations have none.
        apart: a table. `all` leaves this target out at miniature scale until that table is built.
    """

    name: str
    title: str
    kind: Literal["table", "figure"]
    runs: Callable[["Experiment"], list["RunSpec"]] = lambda experiment: []
    exchanged: Callable[["Experiment"], list["RunSpec"]] = lambda experiment: []
    settings: Callable[["Experiment"], list[Any]] = lambda experiment: []
    possible: Callable[["Experiment"], bool] = lambda experiment: True
    needs: str = ""
    apart: str | None = None

    def check(self, experiment: "Experiment") -> None:
        """Refuse an experiment that gives no inputs.

        Raises:
            ConfigError: which setting gives them.
        """
        if not self.possible(experiment):
            raise ConfigError(
                f"{self.name}: the configuration of scale {experiment.scale} has no {self.needs}; set it first"
            )

    def metrics(self, experiment: "Experiment") -> dict[str, "RunSpec"]:
        """The run behind each of its metrics files, by the file's path below metrics/, without suffix."""
        own = {run.id: run for run in self.runs(experiment)}
        own |= {run.evaluation("exchanged"): run for run in self.exchanged(experiment)}
        return own


def _with_grid(runs: Callable[[Any, "Experiment"], T]) -> Callable[["Experiment"], T]:
    """Give a function the module gcl.experiment.grid when it is called."""

    def call(experiment: "Experiment") -> T:
        from gcl.experiment import grid

        return runs(grid, experiment)

    return call


def _components(grid: Any, experiment: "Experiment", *datasets: str) -> list["RunSpec"]:
    pair, seeds, found = experiment.components.pair.value, experiment.seeds.value, []
    for dataset in datasets:
        found += _baselines(experiment, dataset, (pair.learner, pair.guide))
        found += [run for seed in seeds for run in grid.component_runs(experiment, dataset, seed)]
    return found


def _with_bases(grid: Any, experiment: "Experiment", *datasets: str) -> list["RunSpec"]:
    """Table 2's runs, and its models before any training."""
    models = experiment.components.pair.value.models
    bases = [run for dataset in datasets for run in grid.base_runs(experiment, dataset, models)]
    return bases + _components(grid, experiment, *datasets)


def _arms(grid: Any, experiment: "Experiment", dataset: str, runs: list["RunSpec"]) -> list["RunSpec"]:
    """Runs of arms, and their models before any training."""
    return grid.base_runs(experiment, dataset, grid.reported_models(runs)) + runs


def _scaling_with_bases(grid: Any, experiment: "Experiment") -> list["RunSpec"]:
    dataset, models = experiment.scaling.dataset.value, experiment.scaling.pair.value.models
    return (grid.base_runs(experiment, dataset, models) if _scaled(experiment) else []) + _SCALING(experiment)


def _families_with_bases(grid: Any, experiment: "Experiment") -> list["RunSpec"]:
    runs = [run for listed in grid.family_runs(experiment).values() for run in listed]
    return _arms(grid, experiment, experiment.families.dataset.value, runs)


def _rates(place: str) -> dict[str, Any]:
    """A table of rates: the runs of a comparison's arms at each of them, on data for choosing."""

    def runs(grid: Any, experiment: "Experiment") -> list["RunSpec"]:
        controls = grid.comparisons(experiment)[place]
        tried = [run for points in grid.rate_runs(experiment, controls).values() for run in points.values()]
        return _arms(grid, experiment, controls.tuning.value, tried)

    return {"runs": _with_grid(runs), **_needing(place, "tuning")}


def _at_best_rates(place: str) -> dict[str, Any]:
    """A table of a comparison's arms, each at its best rate."""

    def runs(grid: Any, experiment: "Experiment") -> list["RunSpec"]:
        controls = grid.comparisons(experiment)[place]
        best = [run for arm in grid.best_runs(experiment, controls).values() for run in arm]
        return _arms(grid, experiment, controls.dataset.value, best)

    return {"runs": _with_grid(runs), **_needing(place, "best")}


def _needing(place: str, setting: str) -> dict[str, Any]:
    """A comparison can be shown where this setting of it is not empty."""
    possible = _with_grid(lambda grid, e: bool(getattr(grid.comparisons(e)[place], setting).value))
    return {"needs": f"{place}.{setting}", "possible": possible}


def _before_after(grid: Any, experiment: "Experiment") -> list["RunSpec"]:
    found = []
    for dataset in experiment.groups:
        models = grid.group_models(experiment, dataset)
        found += grid.base_runs(experiment, dataset, models) + _baselines(experiment, dataset, models)
    return found


def _scaled(experiment: "Experiment") -> bool:
    return experiment.scaling.dataset.value is not None


def _groups(dataset: str) -> Callable[["Experiment"], list["RunSpec"]]:
    def runs(experiment: "Experiment") -> list["RunSpec"]:
        from gcl.experiment.methods.competition import group_run

        groups, seeds = experiment.groups[dataset].value, experiment.seeds.value
        full = [group_run(experiment, dataset, group.models, "full", seed) for seed in seeds for group in groups]
        return _baselines(experiment, dataset, list(dict.fromkeys(m for g in groups for m in g.models))) + full

    return runs


def _groups_with_bases(dataset: str) -> Callable[["Experiment"], list["RunSpec"]]:
    return _with_grid(lambda grid, e: grid.base_runs(e, dataset, grid.group_models(e, dataset)) + _groups(dataset)(e))


def _baselines(experiment: "Experiment", dataset: str, models: Sequence[str]) -> list["RunSpec"]:
    from gcl.experiment.methods.fine_tuning import sft_run

    return [sft_run(experiment, dataset, model, seed) for seed in experiment.seeds.value for model in models]


def _sweeps(*names: str) -> Callable[["Experiment"], list["RunSpec"]]:
    return _with_grid(lambda grid, e: [run for name in names for run in grid.sweep_runs(e, name)])


_ON_SNEI = _with_grid(lambda grid, e: _components(grid, e, "snei"))
_ON_SNEI_WITH_BASES = _with_grid(lambda grid, e: _with_bases(grid, e, "snei"))
_SCALING = _with_grid(lambda g, e: [r for kinds in g.scaling_runs(e).values() for runs in kinds.values() for r in runs])
_CONTROLS = {"settings": lambda e: [e.controls.model_dump()]}
_CONTROL_ARMS = _with_grid(
    lambda grid, e: [r for arm in e.controls.arms.value for r in grid.arm_runs(e, e.controls, arm.run)]
)
_BEST_ARMS = _with_grid(lambda g, e: [r for runs in g.best_runs(e, e.controls).values() for r in runs])
_EXCHANGE = {"settings": lambda e: [e.exchange.model_dump()], "apart": "exchange"}
_MGSD = {
    "runs": _with_grid(lambda grid, e: grid.planning_runs(e)),
    "settings": lambda e: [e.planning.model_dump()],
    "apart": PLANNING_TABLE,
}
TARGETS = {
    target.name: target
    for target in (
        Target(
            "headline", "What each part of GCL adds on SNEI (Table 2)", "table",
            _ON_SNEI_WITH_BASES,
            exchanged=_with_grid(lambda grid, e: grid.exchanged_runs(e, "snei")),
        ),
        Target("before_after", "Every model before and after SFT", "table", _with_grid(_before_after)),
        Target("table1", "GCL groups on SNEI (Table 1)", "table", _groups_with_bases("snei")),
        Target(
            "table2", "What each part of GCL adds (Table 2)", "table",
            _with_grid(lambda grid, e: _with_bases(grid, e, *e.groups)),
        ),
        Target("table3", "GCL groups on MUSON (Table 3)", "table", _groups_with_bases("muson")),
        Target(
            "controls", "Where does the gain come from?", "table", **_CONTROLS,
            runs=_with_grid(lambda grid, e: _arms(grid, e, e.controls.dataset.value, _CONTROL_ARMS(e))),
        ),
        Target(
            "rates", "Action-F1 of every arm at a few rates, on data that is for choosing them alone", "table",
            **_CONTROLS, **_rates("controls"), apart="rates",
        ),
        Target(
            "controls_best", "Where does the gain come from? Every arm at its own best rate", "table",
            **_CONTROLS, **_at_best_rates("controls"),
        ),
        Target(
            "scaling", "How the gain depends on the number of training scenes", "table",
            _with_grid(_scaling_with_bases),
            possible=_scaled, needs="scaling.dataset", apart="scaling",
        ),
        Target(
            "families", "Groups of several families", "table", _with_grid(_families_with_bases),
            possible=lambda e: bool(e.families.groups.value), needs="families.groups", apart="families",
        ),
        Target(
            "exchange_rates", "Action-F1 of every arm of the exchange at a few rates, on data for choosing them", "table",
            **_EXCHANGE, **_rates("exchange.scenes"),
        ),
        Target(
            "exchange_planning_rates", "Success of every arm of the exchange at a few rates, on states for choosing them",
            "table", **_EXCHANGE, **_rates("exchange.states"),
        ),
        Target(
            "exchange", "Members that learn from each other's own answers", "table",
            **_EXCHANGE, **_at_best_rates("exchange.scenes"),
        ),
        Target(
            "exchange_planning", "Members that learn from each other's own plans", "table",
            **_EXCHANGE, **_at_best_rates("exchange.states"),
        ),
        Target(
            "encoders", "How much Action-F1 depends on its encoder (Table 2 on SNEI)", "table", _ON_SNEI_WITH_BASES,
            settings=lambda e: [encoder.model_dump() for encoder in e.evaluation.encoders.value],
        ),
        Target(PLANNING_TABLE, "MGSD: planning from pixels, taught by the symbolic state", "table", **_MGSD),
        Target("components", "What each part of the objective adds (Table 2 as a figure)", "figure", _ON_SNEI),
        Target(
            "control_gains", "Where does the gain come from? Both tables as a figure", "figure",
            lambda e: [*_CONTROL_ARMS(e), *_BEST_ARMS(e)], **_CONTROLS,
        ),
        Target(
            "gains", "How the gain depends on training scenes and on the guide's lead", "figure",
            lambda e: [*_SCALING(e), *_groups("snei")(e)],
            possible=_scaled, needs="scaling.dataset", apart="scaling",
        ),
        Target("fig2", "Weights of GSL and DRL (Fig. 2)", "figure", _sweeps("fig2a", "fig2b")),
        Target("fig3", "Ratio of the learning rates (Fig. 3)", "figure", _sweeps("fig3a", "fig3b")),
        Target("fig4", "Temperatures of a large gap (Fig. 4)", "figure", _sweeps("fig4")),
        Target("fig7", "Temperatures of a small gap (Fig. 7)", "figure", _sweeps("fig7")),
        Target(PLANNING_FIGURE, "MGSD: plans and readings of planning tasks", "figure", **_MGSD),
    )
}  # fmt: skip
TABLES = tuple(target.name for target in TARGETS.values() if target.kind == "table")
FIGURES = tuple(target.name for target in TARGETS.values() if target.kind == "figure")
