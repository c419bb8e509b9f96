"""A data set by the name that somebody types."""

from gcl.errors import ConfigError
from gcl.experiment.runs import DataSpec, data_spec
from gcl.experiment.schema import Experiment


def known_data(experiment: Experiment, name: str) -> DataSpec:
    """How a data set of config.yaml is read.

    Raises:
        ConfigError: if there is none of this name.
    """
    if name not in experiment.datasets:
        raise ConfigError(f"unknown data set {name!r}; use one of {', '.join(experiment.datasets)} (see config.yaml)")
    return data_spec(experiment, name)
