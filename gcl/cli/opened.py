"""What a verb is about: `opened(file, scale)` gives the experiment, `known_data` a data set by the name that was typed."""

from pathlib import Path

from gcl.errors import ConfigError
from gcl.experiment.data_spec import DataSpec, data_spec
from gcl.experiment.load import experiment_here, load_resolved
from gcl.experiment.schema import Experiment


def opened(file: Path | None, scale: str | None = None) -> Experiment:
    """The experiment that the workflow wrote into a file; without one, that of config.yaml here.

    Raises:
        ConfigError: if it cannot be read, or a scale is named beside a file, which has one.
    """
    if file is None:
        return experiment_here(scale)
    if scale is not None:
        raise ConfigError(f"--scale does not go with --experiment: {file} has a scale; leave out one of the two")
    return load_resolved(file)


def known_data(experiment: Experiment, name: str) -> DataSpec:
    """How a data set of config.yaml is read.

    Raises:
        ConfigError: if there is none of this name.
    """
    if name not in experiment.datasets:
        raise ConfigError(f"unknown data set {name!r}; use one of {', '.join(experiment.datasets)} (see config.yaml)")
    return data_spec(experiment, name)


def known_model(experiment: Experiment, name: str) -> str:
    """The name of a model, if config.yaml has it.

    Raises:
        ConfigError: if it has not.
    """
    if name not in experiment.models:
        raise ConfigError(f"unknown model {name!r}; use one of {', '.join(experiment.models)} (see config.yaml)")
    return name
