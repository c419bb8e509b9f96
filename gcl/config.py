"""Load the experiment: `load_experiment()` reads config.yaml and the scale file, or says what is wrong.

Snakefile, command line and tests all go through it. Every setting carries its origin (see config.yaml). Imports no torch,
so that a dry run of the whole grid takes seconds.
"""

import copy
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from gcl.config_checks import contradictions
from gcl.config_errors import explain, file_of
from gcl.errors import ConfigError
from gcl.schema import Experiment
from gcl.schema_types import Setting

CONFIG_FILE = Path("config.yaml")
SCALES_FOLDER = Path("workflow/scales")
# Every job reads the configuration; libyaml, where it is there, is much faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
        raise ConfigError("\n".join(explain(problem, layers) for problem in error.errors())) from None
    problems = list(contradictions(experiment))
    if problems:
        raise ConfigError("\n".join(f"{file_of(path, layers)}: {'.'.join(path)}: {text}" for path, text in problems))
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


def experiment_anywhere(scale: str | None = None) -> Experiment:
    """The experiment here; where there is no config.yaml, that of the project whose package this is."""
    here = "GCL_CONFIG" in os.environ or CONFIG_FILE.is_file()
    if here:
        return experiment_here(scale)
    root = Path(__file__).parents[1]
    return load_experiment(None if scale is None else read_yaml(root / CONFIG_FILE) | {"scale": scale}, root)


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
