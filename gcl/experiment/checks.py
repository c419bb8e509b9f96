"""Settings that are fine alone but not together. `contradictions(experiment)` must be mended.

`warnings(experiment)` may be meant.
"""

from collections.abc import Callable, Iterator

from gcl.errors import ConfigError
from gcl.experiment.actions import label_of
from gcl.experiment.arms_schema import Controls
from gcl.experiment.deployed import deployment_problems
from gcl.experiment.grid import (
    arm_runs,
    at_rate,
    comparisons,
    component_runs,
    family_runs,
    planning_runs,
    scaling_runs,
    sweep_runs,
    tuned_arms,
)
from gcl.experiment.marks import marks
from gcl.experiment.methods.competition import group_run
from gcl.experiment.places import PLANNING, PLANNING_TUNING
from gcl.experiment.schema import Experiment, Pair
from gcl.experiment.turn_checks import turn_problems

_SHOWN = ("snei", "muson")  # by tables of the paper


def contradictions(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Yield (path, message) for values that are fine alone but not together."""
    problems = list(_contradictions(experiment))
    yield from problems or _run_problems(experiment)


def _run_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Runs that cannot be made. Without this check they would fail in the middle of the workflow."""
    seed = experiment.seeds.value[0]

    def attempt(path: list[str], make: Callable[..., object], *arguments: object) -> Iterator[tuple[list[str], str]]:
        try:
            make(experiment, *arguments)
        except ConfigError as error:
            yield path, str(error)

    for dataset, groups in experiment.groups.items():
        yield from attempt(["components", "pair", "value"], component_runs, dataset, seed)
        for k, group in enumerate(groups.value):
            path = ["groups", dataset, "value", str(k)]
            yield from attempt(path, group_run, dataset, group.models, "full", seed)
    for name in experiment.sweeps:
        yield from attempt(["sweeps", name, "values", "value"], sweep_runs, name)
    yield from attempt(["scaling", "pair", "value"], scaling_runs)
    yield from attempt(["families", "groups", "value"], family_runs)
    for place, controls in comparisons(experiment).items():
        if controls.tuning.value is not None:
            arms = tuned_arms(experiment, controls).values()
            for ratio in controls.rates.value:
                for arm in arms:
                    yield from attempt([*place.split("."), "rates", "value"], at_rate, controls, arm, ratio)
    yield from attempt(["planning", "arms", "value"], planning_runs)
    yield from deployment_problems(experiment)


def _contradictions(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    models, known = experiment.models, ", ".join(experiment.models)

    def check_pair(path: list[str], pair: Pair) -> Iterator[tuple[list[str], str]]:
        for role in ("learner", "guide"):
            if (model := getattr(pair, role)) not in models:
                yield [*path, role], f"unknown model {model!r}; use one of {known}, or add it under models"

    for dataset, groups in experiment.groups.items():
        if dataset not in experiment.datasets:
            yield ["groups", dataset], f"unknown data set; use one of {', '.join(experiment.datasets)}"
            continue
        seen: set[tuple[str, str]] = set()
        for k, group in enumerate(groups.value):
            path = ["groups", dataset, "value", str(k)]
            bad = list(check_pair(path, group))
            yield from bad
            if bad:
                continue
            pair = (group.learner, group.guide)
            if pair in seen:
                yield path, f"duplicate run: {group.learner} / {group.guide} is already listed; remove one"
            seen.add(pair)
            larger = models[group.learner].size.value > models[group.guide].size.value
            if (group.regime == "B") != larger:
                expected = "B" if larger else "A"
                yield [*path, "regime"], f"{group.regime!r} contradicts the sizes; this pair is regime {expected}"
    for name, dataset in experiment.datasets.items():
        if dataset.like and dataset.like.value not in experiment.groups:
            yield ["datasets", name, "like", "value"], f"use one of {', '.join(experiment.groups)}"
        for k, action in enumerate(actions := dataset.actions.value or []):
            if same := label_of(action, actions[:k]):
                path = ["datasets", name, "actions", "value", str(k)]
                yield path, f"{action!r} is read as {same!r}, which stands before it; remove one, or name it otherwise"
        if name in _SHOWN and name not in experiment.groups:
            yield ["groups"], f"no groups for the data set {name!r}, which Tables 1 and 3 show; add groups.{name}"
        for model in dataset.sft_action_f1.value:
            if model not in models:
                yield ["datasets", name, "sft_action_f1", "value", model], f"unknown model; use one of {known}"
    yield from check_pair(["components", "pair", "value"], experiment.components.pair.value)
    for place, controls in comparisons(experiment).items():
        yield from _control_problems(experiment, controls, place.split("."))
    yield from check_pair(["scaling", "pair", "value"], experiment.scaling.pair.value)
    yield from _scaling_problems(experiment)
    yield from _family_problems(experiment)
    for name, sweep in experiment.sweeps.items():
        path = ["sweeps", name]
        yield from check_pair([*path, "pair", "value"], sweep.pair.value)
        values = sweep.values.value
        repeated = [value for value in values if values.count(value) > 1]
        if repeated:
            yield [*path, "values", "value"], f"duplicate run: {repeated[0]} is listed twice; remove one"
        if sweep.vary in ("tau", "lr_ratio") and min(values) <= 0:
            yield [*path, "values", "value"], f"{min(values)} is not possible for {sweep.vary}; use values > 0"
        if sweep.base == "gco" and sweep.vary in ("tau", "lr_ratio"):
            yield [*path, "base"], f"'gco' has no {sweep.vary} per role; use base: full"
    if len(set(experiment.seeds.value)) != len(experiment.seeds.value):
        yield ["seeds", "value"], "duplicate run: a seed is listed twice; remove one"
    yield from turn_problems(experiment)
    yield from _marked_prompts(experiment)
    pixels = experiment.training.pixels.value
    if pixels[0] > pixels[1]:
        yield ["training", "pixels", "value"], f"{pixels}: the first is the smaller limit; swap them"
    if experiment.training.frozen.value and experiment.training.lora.value:
        message = "has no meaning with lora, which freezes all weights; use [] or lora: null"
        yield ["training", "frozen", "value"], message
    execution = experiment.execution
    divided = execution.engine.value == "deepspeed" and execution.zero_stage.value == 3
    if experiment.training.quantization.value and divided:
        message = "ZeRO-3 cannot divide 4-bit weights; use zero_stage: 2, engine: plain, or null"
        yield ["training", "quantization", "value"], message
    processes, nodes = execution.processes.value, execution.nodes.value
    if processes % nodes:
        yield ["execution", "nodes", "value"], f"{processes} processes cannot be divided among {nodes} nodes"
    yield from _planning_problems(experiment)
    if execution.retain.value == "adapters":
        yield from _trainings_without_adapters(experiment)


def _marked_prompts(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Prompts with a word that models read as a picture or as the end of a turn."""
    for section in ("prompt", "planning"):
        for word in marks(getattr(experiment, section).system.value):
            path = [section, "system", "value"]
            yield path, f"{word!r} is a sign that models do not read as text; remove it, pictures are placed anyway"


def _trainings_without_adapters(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Trainings of all weights. Retaining adapters alone would keep nothing of them."""
    planning = experiment.planning
    stages = {f"planning.{name}": getattr(planning, name) for name in ("reading", "plan", "distillation")}
    settings = {"training": experiment.training, **stages, "exchange.planning": experiment.exchange.planning}
    without = [f"{name}.lora" for name, stage in settings.items() if stage.lora.value is None]
    if without:
        yield (
            ["execution", "retain", "value"],
            f"'adapters' would keep nothing of trainings without them ({', '.join(without)}: null); set lora there, or "
            "retain none or final",
        )


def _planning_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Mistakes in `planning`."""
    planning, known = experiment.planning, experiment.models
    for model in planning.models.value:
        if model not in known:
            yield ["planning", "models", "value"], f"unknown model {model!r}; use some of {', '.join(known)}"
    for task in planning.imported.value:
        if task not in planning.levels.value:
            message = f"no such task in planning.levels; it has {', '.join(planning.levels.value)}"
            yield ["planning", "imported", "value", task], message
    runs = ["base", "reading", "plan", *planning.variants]
    names = [arm.name for arm in planning.arms.value]
    for k, arm in enumerate(planning.arms.value):
        path = ["planning", "arms", "value", str(k)]
        if arm.run not in runs:
            yield [*path, "run"], f"{arm.run!r} is not known; use one of {', '.join(runs)}"
        if arm.name in names[:k]:
            yield [*path, "name"], f"{arm.name!r} is already listed; give each a name of its own"
        others = [name for name in names if name != arm.name]
        if arm.against not in (None, *others):
            yield [*path, "against"], f"{arm.against!r} is no other arm; use one of {', '.join(others)}"
    for name in planning.main.value:
        if name not in names:
            yield ["planning", "main", "value"], f"no arm {name!r}; use some of {', '.join(names)}"


def _control_problems(experiment: Experiment, controls: Controls, at: list[str]) -> Iterator[tuple[list[str], str]]:
    """Mistakes in a comparison, where data sets and their groups are right."""
    path, where = [*at, "arms", "value"], ".".join(at)
    planning = at == ["exchange", "states"]
    known = [PLANNING] if planning else list(experiment.groups)
    if controls.dataset.value not in known:
        yield [*at, "dataset", "value"], f"unknown data set; use one of {', '.join(known)}"
        return
    choices = [PLANNING_TUNING] if planning else [name for name in experiment.datasets if name not in experiment.groups]
    if controls.tuning.value not in (None, *choices):
        yield [*at, "tuning", "value"], f"not for choosing settings; use one of {', '.join([*choices, 'null'])}"
    for name in ("seeds", "rates"):
        values = getattr(controls, name).value
        if len(set(values)) != len(values):
            yield [*at, name, "value"], "duplicate run: a value is listed twice; remove one"
    first, broken = None, False
    for k, arm in enumerate(controls.arms.value):
        try:
            run = arm_runs(experiment, controls, arm.run)[0]
        except ConfigError as error:
            yield [*path, str(k), "run"], str(error)
            broken = True
            continue
        first = first or run
        alone = len(first.members) == 1 and first.feed is not None
        if not alone or run.members[0].model != first.members[0].model:
            message = "the first arm is SFT of one model, and the others' first member is that model"
            yield [*path, str(k), "run"], message
        if arm.name in [other.name for other in controls.arms.value[:k]]:
            yield [*path, str(k), "name"], f"{arm.name!r} is already listed; give each arm a name of its own"
    if broken or not controls.best.value:
        return
    tuned = tuned_arms(experiment, controls)
    if set(controls.best.value) - set(tuned):
        yield [*at, "best", "value"], f"use arms whose rate is chosen: {', '.join(tuned)}"
    if (name := controls.arms.value[0].name) not in controls.best.value:
        yield [*at, "best", "value"], f"{name!r} is missing; the others are compared with it"
    if set(controls.best.value.values()) - set(controls.rates.value):
        yield [*at, "best", "value"], f"use rates of {where}.rates: {', '.join(map(str, controls.rates.value))}"


def _family_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Mistakes in `families`."""
    dataset, groups = experiment.families.dataset.value, experiment.families.groups.value
    if dataset not in experiment.datasets:
        yield (
            ["families", "dataset", "value"],
            f"unknown data set {dataset!r}; use one of {', '.join(experiment.datasets)}",
        )
    for number, group in enumerate(groups):
        path = ["families", "groups", "value", str(number), "models"]
        unknown = [model for model in group.models if model not in experiment.models]
        if unknown:
            known = ", ".join(experiment.models)
            yield path, f"unknown model {unknown[0]!r}; use one of {known}, or add it under models"
        if group.models in [other.models for other in groups[:number]]:
            yield path, f"duplicate run: {' / '.join(group.models)} is already listed; remove one"


def _scaling_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Mistakes in `scaling`."""
    dataset, scenes = experiment.scaling.dataset.value, experiment.scaling.scenes.value
    if dataset is None:
        return
    if dataset not in experiment.datasets:
        known = ", ".join([*experiment.datasets, "null"])
        yield ["scaling", "dataset", "value"], f"unknown data set {dataset!r}; use one of {known}"
        return
    if sorted(set(scenes)) != scenes:
        yield ["scaling", "scenes", "value"], f"{scenes} do not rise; list each number once, the smallest first"
    most = experiment.datasets[dataset].scenarios.value.train
    if max(scenes) > most:
        message = f"{max(scenes)} is more than the {most} training scenes of {dataset}; use at most {most}"
        yield ["scaling", "scenes", "value"], message


def warnings(experiment: Experiment) -> Iterator[str]:
    """Yield one line for each setting that may not be meant: idle processes, groups that break AGO's two rules."""
    processes, inputs = experiment.execution.processes.value, experiment.training.micro_batch.value
    if inputs < processes:
        yield (
            f"config.yaml: training.micro_batch: a pass of {inputs} inputs leaves {processes - inputs} of "
            f"{processes} processes idle; raise it, or lower execution.processes"
        )
    for name, groups in experiment.groups.items():
        scores = experiment.datasets[name].sft_action_f1.value
        for k, group in enumerate(groups.value):
            where = f"config.yaml: groups.{name}.value.{k}: {group.learner} / {group.guide}"
            learner, guide = scores.get(group.learner), scores.get(group.guide)
            if learner is not None and guide is not None and learner > guide:
                yield (
                    f"{where}: the learner has the better SFT score on {name} ({learner} > {guide}). "
                    "AGO makes the worse model the learner; swap them, or keep it as a deliberate control"
                )
            sizes = [experiment.models[model].size.value for model in (group.learner, group.guide)]
            if (group.tau[0] > group.tau[1]) != (sizes[0] <= sizes[1]):
                yield (
                    f"{where}: tau {group.tau} of sizes {sizes}. AGO gives the smaller model the larger tau "
                    "(equal sizes: the learner); swap them, or keep it as a deliberate control"
                )
