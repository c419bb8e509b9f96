"""Load the experiment: `load_experiment()` reads config.yaml and the scale file, or says what is wrong.

Snakefile, command line and tests all go through it. Every setting carries its origin (see config.yaml). Imports no torch,
so that a dry run of the whole grid takes seconds.
"""

import copy
import difflib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from gcl.errors import ConfigError
from gcl.grid import arm_runs, tuned_arms
from gcl.runs import trained_before
from gcl.schema import Experiment, MiniatureModel, Pair, Setting

CONFIG_FILE = Path("config.yaml")
SCALES_FOLDER = Path("workflow/scales")
_LOADER = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # every job reads the configuration; libyaml is ten times faster


def load_experiment(config: Mapping[str, Any] | None = None, root: Path | str = ".") -> Experiment:
    """Read and check the experiment.

    Args:
        config: the contents of config.yaml, maybe changed on Snakemake's command line; None reads the file.
        root: folder of config.yaml and workflow/.

    Raises:
        ConfigError: listing every mistake, one a line: file, field, value, remedy.
    """
    root = Path(root)
    file = read_yaml(root / CONFIG_FILE)
    handed = file if config is None else config
    merged = copy.deepcopy(dict(handed))
    scale = merged.get("scale")
    scale_path = SCALES_FOLDER / f"{scale}.yaml"
    if scale not in get_args(Experiment.model_fields["scale"].annotation):
        raise ConfigError(f"{CONFIG_FILE}: scale: {scale!r} is not known; use miniature, rehearsal or paper")
    overrides = _read_scale(root, scale_path)
    _merge(merged, overrides)
    changes = _changes(handed, file)  # what --config changed is meant for any scale
    _merge(merged, changes)
    layers = [("command line (--config)", changes), (str(scale_path), overrides), (str(CONFIG_FILE), file)]
    try:
        experiment = Experiment.model_validate(merged)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(problem, layers) for problem in error.errors())) from None
    problems = list(_contradictions(experiment))
    if problems:
        raise ConfigError("\n".join(f"{_file_of(path, layers)}: {'.'.join(path)}: {text}" for path, text in problems))
    return experiment


def experiment_here(scale: str | None = None) -> Experiment:
    """The experiment of config.yaml here, at another scale if one is named; the workflow hands its own, maybe changed by
    --config, in the environment.
    """
    handed = os.environ.get("GCL_CONFIG")
    config = json.loads(handed) if handed else None
    if scale is not None:
        config = (config or read_yaml(CONFIG_FILE)) | {"scale": scale}
    return load_experiment(config)


def _read_scale(root: Path, path: Path) -> dict[str, Any]:
    """The scale's file, laid over the one that it `extends`, if any."""
    overrides = read_yaml(root / path)
    base = overrides.pop("extends", None)
    if base is None:
        return overrides
    merged = _read_scale(root, path.with_name(f"{base}.yaml"))
    _merge(merged, overrides)
    return merged


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping, or say where it is broken."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run from the folder that holds config.yaml") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, found {type(content).__name__}")
    return content


def settings(experiment: Experiment) -> Iterator[tuple[str, Any, str, str]]:
    """Yield (dotted path, value, kind of origin, explanation) of every setting."""

    def walk(path: str, node: Any) -> Iterator[tuple[str, Any, str, str]]:
        if isinstance(node, Setting):
            value = node.model_dump()["value"]
            yield path, value, *node.origin
        elif isinstance(node, BaseModel):
            for name in type(node).model_fields:
                yield from walk(f"{path}.{name}".lstrip("."), getattr(node, name))
        elif isinstance(node, dict):
            for name, child in node.items():
                yield from walk(f"{path}.{name}", child)

    yield from walk("", experiment)


def warnings(experiment: Experiment) -> Iterator[str]:
    """Yield one line for everything that runs, but maybe not as meant: idle processes, groups that break AGO's two rules."""
    processes, inputs = experiment.execution.processes.value, experiment.training.micro_batch.value
    if inputs < processes:
        yield (
            f"{CONFIG_FILE}: training.micro_batch: a pass of {inputs} inputs leaves {processes - inputs} of "
            f"{processes} processes idle; raise it, or lower execution.processes"
        )
    for name, groups in experiment.groups.items():
        scores = experiment.datasets[name].sft_action_f1.value
        for k, group in enumerate(groups.value):
            where = f"{CONFIG_FILE}: groups.{name}.value.{k}: {group.learner} / {group.guide}"
            learner, guide = scores.get(group.learner), scores.get(group.guide)
            if learner is not None and guide is not None and learner > guide:
                yield (
                    f"{where}: the learner has the better SFT score on {name} ({learner} > {guide}); "
                    "AGO makes the worse model the learner: swap them, or keep it as a deliberate control"
                )
            sizes = [experiment.models[model].size.value for model in (group.learner, group.guide)]
            if (group.tau[0] > group.tau[1]) != (sizes[0] <= sizes[1]):
                yield (
                    f"{where}: tau {group.tau} of sizes {sizes}; AGO gives the smaller model the larger tau "
                    "(equal sizes: the learner): swap them, or keep it as a deliberate control"
                )


def _merge(base: dict[str, Any], override: Mapping[str, Any]) -> None:
    """Lay one tree over another; a setting (a mapping with `value`) is replaced whole, with its origin."""
    for key, new in override.items():
        old = base.get(key)
        if isinstance(old, dict) and isinstance(new, Mapping) and "value" not in old:
            _merge(old, new)
        else:
            base[key] = copy.deepcopy(new)


def _changes(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """The part of one tree that another one has not, or has otherwise."""
    result = {}
    for key, value in new.items():
        if isinstance(value, Mapping) and isinstance(old.get(key), Mapping) and "value" not in value:
            if nested := _changes(value, old[key]):
                result[key] = nested
        elif key not in old or value != old[key]:
            result[key] = value
    return result


def _contradictions(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """Yield (path, message) for values that are fine alone but not together."""
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
        if name not in experiment.groups and not dataset.like:
            yield ["groups"], f"no groups for the data set {name!r}; add groups.{name}, or remove the data set"
        for model in dataset.sft_action_f1.value:
            if model not in models:
                yield ["datasets", name, "sft_action_f1", "value", model], f"unknown model; use one of {known}"
    yield from check_pair(["components", "pair", "value"], experiment.components.pair.value)
    if all(name in experiment.groups for name, dataset in experiment.datasets.items() if not dataset.like):
        yield from _control_problems(experiment)
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
    turns = experiment.prompt.questions.value
    if set(turns) != {"perception", "prediction", "reasoning", "action", "explanation"}:
        yield ["prompt", "questions", "value"], f"needs exactly the five turns as keys; found {', '.join(turns)}"
    if experiment.training.pixels.value[0] > experiment.training.pixels.value[1]:
        yield (
            ["training", "pixels", "value"],
            f"{experiment.training.pixels.value}: the first is the smaller limit; swap them",
        )
    if experiment.training.frozen.value and experiment.training.lora.value:
        yield (
            ["training", "frozen", "value"],
            "has no meaning with lora, which freezes all weights; use [] or lora: null",
        )
    if experiment.execution.offload.value and experiment.execution.engine.value == "plain":
        yield ["execution", "offload", "value"], "the plain engine cannot offload; use engine: deepspeed"
    processes, nodes = experiment.execution.processes.value, experiment.execution.nodes.value
    if processes % nodes:
        yield ["execution", "nodes", "value"], f"{processes} processes cannot be divided among {nodes} nodes"
    if experiment.drawing is None and any(isinstance(m.backbone.value, MiniatureModel) for m in models.values()):
        yield ["drawing"], "missing; miniature models need it (see workflow/scales/miniature.yaml)"
    if experiment.execution.retain.value == "adapters" and experiment.training.lora.value is None:
        yield ["execution", "retain", "value"], "'adapters' needs training.lora; set it, or retain none or final"


def _control_problems(experiment: Experiment) -> Iterator[tuple[list[str], str]]:
    """What is wrong with `controls`; the data sets and their groups are right."""
    controls, path = experiment.controls, ["controls", "arms", "value"]
    if controls.dataset.value not in experiment.groups:
        yield ["controls", "dataset", "value"], f"unknown data set; use one of {', '.join(experiment.groups)}"
        return
    choices = [name for name in experiment.datasets if name not in experiment.groups]
    if controls.tuning.value not in (None, *choices):
        yield ["controls", "tuning", "value"], f"not for choosing settings; use one of {', '.join([*choices, 'null'])}"
    for name in ("seeds", "rates"):
        values = getattr(controls, name).value
        if len(set(values)) != len(values):
            yield ["controls", name, "value"], "duplicate run: a value is listed twice; remove one"
    first, broken = None, False
    for k, arm in enumerate(controls.arms.value):
        try:
            run = arm_runs(experiment, arm.run)[0]
        except ConfigError as error:
            yield [*path, str(k), "run"], str(error)
            broken = True
            continue
        first = first or run
        if first.method != "sft" or run.members[0].model != first.members[0].model:
            yield (
                [*path, str(k), "run"],
                "the first arm is SFT of one model, and the others' first member is that model",
            )
        if trained_before(run) and experiment.execution.retain.value == "adapters":
            message = "its teachers' whole weights are needed; set execution.retain to none or final"
            yield [*path, str(k), "run"], message
        if arm.name in [other.name for other in controls.arms.value[:k]]:
            yield [*path, str(k), "name"], f"{arm.name!r} is already listed; give each arm a name of its own"
    if broken or not controls.best.value:
        return
    tuned = tuned_arms(experiment)
    if set(controls.best.value) - set(tuned):
        yield ["controls", "best", "value"], f"use arms whose rate is chosen: {', '.join(tuned)}"
    if controls.arms.value[0].name not in controls.best.value:
        yield (
            ["controls", "best", "value"],
            f"{controls.arms.value[0].name!r} is missing; the others are compared with it",
        )
    if set(controls.best.value.values()) - set(controls.rates.value):
        yield ["controls", "best", "value"], f"use rates of controls.rates: {', '.join(map(str, controls.rates.value))}"


def _explain(problem: Mapping[str, Any], layers: list[tuple[str, Mapping[str, Any]]]) -> str:
    """One line for one of Pydantic's errors."""
    # Pydantic names the branch of a union in the path; it is no key of the file.
    path = [str(part) for part in problem["loc"] if part not in ("Checkpoint", "MiniatureModel", "list[str]")]
    value, kind = problem["input"], problem["type"]
    field = ".".join(path)
    file = _file_of(path, layers)
    if kind == "extra_forbidden":
        names = _keys_beside(path)
        close = difflib.get_close_matches(path[-1], names, n=1)
        remedy = (
            f"did you mean {close[0]!r}?" if close else f"remove it; known here: {', '.join(names) or 'nothing else'}"
        )
        return f"{file}: {field}: unknown key; {remedy}"
    if kind == "missing":
        return f'{file}: {field}: missing; add it, a setting as {path[-1]}: {{value: ..., assumed: "why"}}'
    if kind in ("float_type", "int_type") and isinstance(value, str):
        try:
            float(value)
            remedy = f"it is text; write {_yaml_number(value)} without quotes"
        except ValueError:
            remedy = "write a number"
        return f"{file}: {field}: {value!r} is not a number; {remedy}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{file}: {field}: {value!r} is not possible; {message[:1].lower()}{message[1:]}"


def _yaml_number(text: str) -> str:
    mantissa, _, exponent = text.lower().partition("e")
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    sign = "" if exponent.startswith(("-", "+")) else "+"
    return f"{mantissa}e{sign}{exponent}" if exponent else mantissa


def _file_of(path: list[str], layers: list[tuple[str, Mapping[str, Any]]]) -> str:
    """The file whose value is in force: the first layer that has the whole path, else the one that has most of it."""

    def depth(tree: Any) -> int:
        for k, part in enumerate(path):
            if isinstance(tree, list) and part.isdigit() and int(part) < len(tree):
                tree = tree[int(part)]
            elif isinstance(tree, Mapping) and part in tree:
                tree = tree[part]
            else:
                return k
        return len(path)

    return max(layers, key=lambda layer: depth(layer[1]))[0]


def _keys_beside(path: list[str]) -> list[str]:
    """Names that the model knows where the last part of `path` stands."""
    node: Any = Experiment
    for part in path[:-1]:
        if isinstance(node, type) and issubclass(node, BaseModel):
            node = node.model_fields[part].annotation if part in node.model_fields else None
        elif get_origin(node) is dict:
            node = get_args(node)[1]
        elif get_origin(node) is list:
            node = get_args(node)[0]
        if get_origin(node) is Annotated:
            node = get_args(node)[0]
    options = [node, *get_args(node)]
    return [
        name
        for option in options
        if isinstance(option, type) and issubclass(option, BaseModel)
        for name in option.model_fields
    ]
