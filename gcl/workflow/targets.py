"""Every table and figure that can be built: `TARGETS` by name, in the order of the page of all results.

Each says its title, the runs behind it, and the settings that it shows. gcl/reporting/build.py has a builder for each.
Functions import what they need themselves, since `gcl --help` lists the names.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from gcl.experiment.runs import RunSpec
    from gcl.experiment.schema import Experiment

PLANNING_TABLE, PLANNING_FIGURE = "planning", "plans"


def _nothing(experiment: "Experiment") -> list[Any]:
    return []


@dataclass(frozen=True)
class Target:
    """A table or a figure.

    Attributes:
        name, title: what it is called, on command lines and by people.
        kind: "table" or "figure".
        runs: the trainings behind it, but those of MGSD.
        exchanged: runs whose answers to exchanged pictures it shows as well.
        asked: the trainings of MGSD behind it by metrics file; None for a published model.
        settings: what it shows besides metrics; a change rebuilds it without running anything.
        possible: whether the configuration has all that it needs.
        apart: a table. `all` leaves this target out at miniature scale until that table is built.
    """

    name: str
    title: str
    kind: Literal["table", "figure"]
    runs: Callable[["Experiment"], list["RunSpec"]] = _nothing
    exchanged: Callable[["Experiment"], list["RunSpec"]] = _nothing
    asked: Callable[["Experiment"], dict[str, "RunSpec | None"]] = lambda experiment: {}
    settings: Callable[["Experiment"], list[Any]] = _nothing
    possible: Callable[["Experiment"], bool] = lambda experiment: True
    apart: str | None = None

    def metrics(self, experiment: "Experiment") -> dict[str, "RunSpec | None"]:
        """The training behind each of its metrics files, by the file's path below metrics/, without suffix."""
        own = {run.id: run for run in self.runs(experiment)}
        own |= {run.evaluation("exchanged"): run for run in self.exchanged(experiment)}
        return own | self.asked(experiment)


def _components(*datasets: str) -> Callable[["Experiment"], list["RunSpec"]]:
    """Table 2 on some data sets; on all of them where none is named."""

    def runs(experiment: "Experiment") -> list["RunSpec"]:
        from gcl.experiment.grid import component_runs

        pair, seeds = experiment.components.pair.value, experiment.seeds.value
        found = []
        for dataset in datasets or experiment.groups:
            found += _baselines(experiment, dataset, (pair.learner, pair.guide))
            found += [run for seed in seeds for run in component_runs(experiment, dataset, seed)]
        return found

    return runs


def _groups(dataset: str) -> Callable[["Experiment"], list["RunSpec"]]:
    def runs(experiment: "Experiment") -> list["RunSpec"]:
        from gcl.experiment.runs import group_run

        groups, seeds = experiment.groups[dataset].value, experiment.seeds.value
        full = [group_run(experiment, dataset, group.models, "full", seed) for seed in seeds for group in groups]
        return _baselines(experiment, dataset, list(experiment.models)) + full

    return runs


def _sweeps(*names: str) -> Callable[["Experiment"], list["RunSpec"]]:
    def runs(experiment: "Experiment") -> list["RunSpec"]:
        from gcl.experiment.grid import sweep_runs

        return [run for seed in experiment.seeds.value for name in names for run in sweep_runs(experiment, name, seed)]

    return runs


def _baselines(experiment: "Experiment", dataset: str, models: Sequence[str]) -> list["RunSpec"]:
    from gcl.experiment.runs import sft_run

    return [sft_run(experiment, dataset, model, seed) for seed in experiment.seeds.value for model in models]


def _exchanged(experiment: "Experiment") -> list["RunSpec"]:
    from gcl.experiment.grid import exchanged_runs

    return exchanged_runs(experiment, "snei")


def _arms(experiment: "Experiment") -> list["RunSpec"]:
    from gcl.experiment.grid import arm_runs

    return [run for arm in experiment.controls.arms.value for run in arm_runs(experiment, arm.run)]


def _rates(experiment: "Experiment") -> list["RunSpec"]:
    from gcl.experiment.grid import rate_runs

    return [run for points in rate_runs(experiment).values() for run in points.values()]


def _best(experiment: "Experiment") -> list["RunSpec"]:
    from gcl.experiment.grid import best_runs

    return [run for runs in best_runs(experiment).values() for run in runs]


def _asked(experiment: "Experiment") -> dict[str, "RunSpec | None"]:
    from gcl.experiment.mgsd_grid import all_asked, trained
    from gcl.experiment.mgsd_runs import planning_run

    found = {asked.path: trained(experiment, asked.run) for asked in all_asked(experiment)}
    return {path: planning_run(experiment, training) if training else None for path, training in found.items()}


def _controls(experiment: "Experiment") -> list[Any]:
    return [experiment.controls.model_dump()]


_MGSD = {
    "asked": _asked,
    "settings": lambda e: [e.planning.model_dump()],
    "apart": PLANNING_TABLE,
}
TARGETS = {
    target.name: target
    for target in (
        Target(
            "headline", "What each part of GCL adds on SNEI (Table 2)", "table",
            runs=_components("snei"), exchanged=_exchanged,
        ),
        Target("table1", "GCL groups on SNEI (Table 1)", "table", runs=_groups("snei")),
        Target("table2", "What each part of GCL adds (Table 2)", "table", runs=_components()),
        Target("table3", "GCL groups on MUSON (Table 3)", "table", runs=_groups("muson")),
        Target(
            "controls", "Where does the gain come from?", "table", settings=_controls,
            runs=_arms,
        ),
        Target(
            "rates", "Action-F1 of every arm at a few rates, on data that is for choosing them alone", "table",
            runs=_rates, settings=_controls,
            possible=lambda e: bool(e.controls.tuning.value), apart="rates",
        ),
        Target(
            "controls_best", "Where does the gain come from? Every arm at its own best rate", "table",
            runs=_best, settings=_controls,
            possible=lambda e: bool(e.controls.best.value),
        ),
        Target(
            "encoders", "How much Action-F1 depends on its encoder (Table 2 on SNEI)", "table",
            runs=_components("snei"),
            settings=lambda e: [encoder.model_dump() for encoder in e.evaluation.encoders.value],
        ),
        Target(PLANNING_TABLE, "MGSD: planning from pixels, taught by the symbolic state", "table", **_MGSD),
        Target(
            "components", "What each part of the objective adds (Table 2 as a figure)", "figure",
            runs=_components("snei"),
        ),
        Target("fig2", "Weights of GSL and DRL (Fig. 2)", "figure", runs=_sweeps("fig2a", "fig2b")),
        Target("fig3", "Ratio of the learning rates (Fig. 3)", "figure", runs=_sweeps("fig3a", "fig3b")),
        Target("fig4", "Temperatures of a large gap (Fig. 4)", "figure", runs=_sweeps("fig4")),
        Target("fig7", "Temperatures of a small gap (Fig. 7)", "figure", runs=_sweeps("fig7")),
        Target(PLANNING_FIGURE, "MGSD: plans and readings of planning tasks", "figure", **_MGSD),
    )
}  # fmt: skip
TABLES = tuple(target.name for target in TARGETS.values() if target.kind == "table")
FIGURES = tuple(target.name for target in TARGETS.values() if target.kind == "figure")
