"""The runs of the experiment: `all_runs(experiment)` lists each once, the other functions list them by table."""

import math
import re
from collections.abc import Iterable, Iterator

from gcl.experiment.arms_schema import Controls
from gcl.experiment.methods.base_model import base_run
from gcl.experiment.methods.competition import find_group, group_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import PLANNING, kind_of
from gcl.experiment.planning_arms import rows
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment, Sweep
from gcl.experiment.variants import ratio as written_ratio
from gcl.experiment.variants import written


def all_runs(experiment: Experiment) -> dict[str, RunSpec]:
    """Every training of the experiment and those that it starts from, by id, each once."""
    found: dict[str, RunSpec] = {}

    def add(run: RunSpec) -> None:
        if run.id in found:
            return
        for before in run.trained_before:
            add(find_run(experiment, before))
        if run.feed is not None:
            found[run.id] = run

    for run in (*_social_runs(experiment), *planning_runs(experiment), *_compared_runs(experiment)):
        add(run)
    return found


def comparisons(experiment: Experiment) -> dict[str, Controls]:
    """The comparisons of arms at chosen rates, by their places in the configuration."""
    exchange = experiment.exchange
    return {
        "controls": experiment.controls,
        "exchange.scenes": exchange.scenes,
        "exchange.states": exchange.states,
    }


def planning_runs(experiment: Experiment) -> list[RunSpec]:
    """The runs of MGSD's table, base models included."""
    ids = dict.fromkeys(run for row in rows(experiment) for run in row.runs)
    return [find_run(experiment, run) for run in ids]


def component_runs(experiment: Experiment, dataset: str, seed: int) -> list[RunSpec]:
    """Table 2's GCL rows on one data set."""
    components = experiment.components
    return [group_run(experiment, dataset, components.pair.value.models, row, seed) for row in components.rows.value]


def base_runs(experiment: Experiment, dataset: str, models: Iterable[str]) -> list[RunSpec]:
    """Models before any training, each once."""
    return [base_run(experiment, dataset, model) for model in dict.fromkeys(models)]


def group_models(experiment: Experiment, dataset: str) -> list[str]:
    """The models of all groups of Table 1 or 3, each once, in the order of the configuration."""
    grouped = {model for group in experiment.groups[dataset].value for model in group.models}
    return [model for model in experiment.models if model in grouped]


def reported_models(runs: Iterable[RunSpec]) -> list[str]:
    """The first members' models, by which arms are reported, each once."""
    return list(dict.fromkeys(run.members[0].model for run in runs))


def exchanged_runs(experiment: Experiment, dataset: str) -> list[RunSpec]:
    """Runs whose members also see the pictures of other scenes: SFT and the whole objective, of the first seed."""
    pair, seed = experiment.components.pair.value, experiment.seeds.value[0]
    alone = [sft_run(experiment, dataset, model, seed) for model in pair.models]
    return [*alone, group_run(experiment, dataset, pair.models, "full", seed)]


def sweep_runs(experiment: Experiment, name: str) -> list[RunSpec]:
    """The runs behind one figure, with all its seeds."""
    sweep = experiment.sweeps[name]
    points, models = sweep_points(experiment, sweep), sweep.pair.value.models
    return [
        group_run(experiment, "snei", models, variant, seed)
        for seed in sweep_seeds(experiment, sweep)
        for _, variant in points
    ]


def sweep_seeds(experiment: Experiment, sweep: Sweep) -> list[int]:
    """A figure's own seeds, or those of the tables."""
    return (sweep.seeds or experiment.seeds).value


def sweep_points(experiment: Experiment, sweep: Sweep) -> list[tuple[dict[str, float], str]]:
    """The sweep's points in order: their coordinates and the name of the variant that has them."""
    objective = experiment.objective
    group = find_group(experiment, "snei", sweep.pair.value.models)
    if sweep.vary == "tau":
        taus = group.tau if group else None
        values = sweep.values.value
        return [
            ({"tau_learner": a, "tau_guide": b}, "full" if [a, b] == taus else f"full-tau{written(a)}-{written(b)}")
            for a in values
            for b in values
        ]
    default, prefix = {
        "gsl_weight": (objective.gsl_weight.value, "gsl"),
        "drl_weight": (objective.drl_weight.value, "drl"),
        "lr_ratio": (experiment.training.lr_ratio.value, "ratio"),
    }[sweep.vary]
    names = {"gco-gsl0": "drl", "gco-drl0": "gsl"}
    points = []
    for value in sweep.values.value:
        name = sweep.base if value == default else f"{sweep.base}-{prefix}{written(value)}"
        points.append(({sweep.vary: value}, names.get(name, name)))
    return points


def scaling_runs(experiment: Experiment) -> dict[int, dict[str, list[RunSpec]]]:
    """By number of training scenes: the runs of "learner" and "guide" alone and of both ("full"), with every seed."""
    dataset, pair, seeds = experiment.scaling.dataset.value, experiment.scaling.pair.value, experiment.seeds.value
    if dataset is None:
        return {}
    whole = experiment.datasets[dataset].scenarios.value.train
    found = {}
    for scenes in experiment.scaling.scenes.value:
        alone, both = ("default", "full") if scenes == whole else (f"scenes{scenes}", f"full-scenes{scenes}")
        found[scenes] = {
            "learner": [sft_run(experiment, dataset, pair.learner, seed, alone) for seed in seeds],
            "guide": [sft_run(experiment, dataset, pair.guide, seed, alone) for seed in seeds],
            "full": [group_run(experiment, dataset, pair.models, both, seed) for seed in seeds],
        }
    return found


def family_runs(experiment: Experiment) -> dict[tuple[str, ...], list[RunSpec]]:
    """The runs of table `families`, with every seed, by the models of a run: those alone first."""
    dataset, groups, seeds = experiment.families.dataset.value, experiment.families.groups.value, experiment.seeds.value
    alone = dict.fromkeys(model for group in groups for model in group.models)
    found = {(model,): [sft_run(experiment, dataset, model, seed) for seed in seeds] for model in alone}
    together = {tuple(group.models): group.models for group in groups}
    return found | {
        key: [group_run(experiment, dataset, models, "full", seed) for seed in seeds]
        for key, models in together.items()
    }


def arm_runs(experiment: Experiment, controls: Controls, arm: str) -> list[RunSpec]:
    """One arm of a comparison, "<method>/<members>/<variant>", with every seed."""
    return [find_run(experiment, f"{controls.dataset.value}/{arm}/seed{seed}") for seed in controls.seeds.value]


def tuned_arms(experiment: Experiment, controls: Controls) -> dict[str, str]:
    """Arms by name whose rate is chosen: all but those that are another arm at another rate."""
    arms, seen = {}, set()
    for arm in controls.arms.value:
        run = _arm_run(experiment, controls, arm.run)
        first = run.members[0].model_copy(update={"lr": 0.0})
        content = _unnamed(run.model_copy(update={"members": [first, *run.members[1:]]})).json
        if content not in seen:
            arms[arm.name] = arm.run
        seen.add(content)
    return arms


def at_rate(experiment: Experiment, controls: Controls, arm: str, ratio: float) -> str:
    """The same arm with another rate of its first member. If the result is a listed arm, it has that arm's name.

    Args:
        controls: the comparison that lists arms.
        arm: "<method>/<members>/<variant>".
        ratio: the rate in units of SFT's.
    """
    training, run = experiment.training, _arm_run(experiment, controls, arm)
    rate = ratio * sft_rate(experiment, run)
    if math.isclose(run.members[0].lr, rate):
        return arm
    path, _, variant = arm.rpartition("/")
    variant = re.sub(r"(^|-)ratio[0-9.]+$", "", variant) or "default"
    grouped = run.method != "sft" and kind_of(run.dataset) != PLANNING
    unit = training.lr_guide.value if grouped else sft_rate(experiment, run)
    base = "" if variant == "default" else f"{variant}-"
    plain, renamed = f"{path}/{variant}", f"{path}/{base}ratio{written_ratio(rate, unit)}"
    if math.isclose(_arm_run(experiment, controls, plain).members[0].lr, rate):
        renamed = plain
    content = _unnamed(_arm_run(experiment, controls, renamed))
    others = (other.run for other in controls.arms.value if other.run.startswith(f"{path}/"))  # of these members
    return next((other for other in others if _unnamed(_arm_run(experiment, controls, other)) == content), renamed)


def sft_rate(experiment: Experiment, run: RunSpec) -> float:
    """The rate of SFT on a run's data: that of `training`, on planning tasks that of `exchange.planning`."""
    return (experiment.exchange.planning.lr if kind_of(run.dataset) == PLANNING else experiment.training.lr_sft).value


def _arm_run(experiment: Experiment, controls: Controls, arm: str) -> RunSpec:
    return find_run(experiment, f"{controls.dataset.value}/{arm}/seed0")


def _unnamed(run: RunSpec) -> RunSpec:
    """A run without its variant's name."""
    return run.model_copy(update={"variant": ""})


def rate_runs(experiment: Experiment, controls: Controls) -> dict[str, dict[float, RunSpec]]:
    """The trainings for the choice of rates, by arm and rate (in units of SFT's), on data for this alone."""
    return {
        name: {
            ratio: find_run(experiment, f"{controls.tuning.value}/{at_rate(experiment, controls, arm, ratio)}/seed0")
            for ratio in controls.rates.value
        }
        for name, arm in tuned_arms(experiment, controls).items()
    }


def best_runs(experiment: Experiment, controls: Controls) -> dict[str, list[RunSpec]]:
    """By arm: its runs at the rate in `best`, with every seed. A table of rates shows which one is best."""
    best = controls.best.value
    return {
        name: arm_runs(experiment, controls, at_rate(experiment, controls, arm, best[name]))
        for name, arm in tuned_arms(experiment, controls).items()
        if name in best
    }


def _social_runs(experiment: Experiment) -> Iterator[RunSpec]:
    for seed in experiment.seeds.value:
        for dataset in experiment.groups:
            for model in group_models(experiment, dataset):
                yield sft_run(experiment, dataset, model, seed)
            for group in experiment.groups[dataset].value:
                yield group_run(experiment, dataset, group.models, "full", seed)
            yield from component_runs(experiment, dataset, seed)
    for name in experiment.sweeps:
        yield from sweep_runs(experiment, name)
    for kinds in scaling_runs(experiment).values():
        for runs in kinds.values():
            yield from runs
    for runs in family_runs(experiment).values():
        yield from runs


def _compared_runs(experiment: Experiment) -> Iterator[RunSpec]:
    for arm in experiment.controls.arms.value:
        yield from arm_runs(experiment, experiment.controls, arm.run)
    for controls in comparisons(experiment).values():
        if controls.tuning.value is not None:
            for points in rate_runs(experiment, controls).values():
                yield from points.values()
        for runs in best_runs(experiment, controls).values():
            yield from runs
