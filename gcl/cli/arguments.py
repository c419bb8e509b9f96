"""Arguments that several verbs of `gcl` share, and their objects: `opened(file, scale)` gives the experiment."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from gcl.errors import ConfigError

if TYPE_CHECKING:  # `gcl --help` does without
    from gcl.experiment.data_spec import DataSpec
    from gcl.experiment.schema import Experiment


def _finite(kind: Any, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise ValueError("Must be a positive number.")


Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
CountOrNone = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Positive = Annotated[float, Parameter(validator=_finite)]
Json = Annotated[bool, Parameter(name="--json", help="Machine-readable.")]
Scale = Annotated[
    str | None, Parameter(help="Instead of the scale in config.yaml: miniature, rehearsal, paper or one-gpu.")
]
File = Annotated[
    Path | None,
    Parameter(
        name="--experiment",
        help="The experiment as Snakemake wrote it, `results/<scale>/experiment.json`. By default config.yaml here.",
    ),
]
Results = Annotated[Path, Parameter(help="Folder of all results.")]
Scratch = Annotated[
    Path, Parameter(help="Log and checkpoints of unfinished trainings; the same command continues from them.")
]
Changes = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set", help="NAME=VALUE: change a setting of `execution`, such as --set processes=2; can be repeated."
    ),
]


def opened(file: Path | None = None, scale: str | None = None) -> "Experiment":
    """The experiment that the workflow wrote into a file; without one, that of config.yaml here.

    Raises:
        ConfigError: if it cannot be read, or a scale is named beside a file, which has one.
    """
    from gcl.experiment.load import experiment_here, load_resolved

    if file is None:
        return experiment_here(scale)
    if scale is not None:
        raise ConfigError(f"--scale does not go with --experiment: {file} has a scale; leave out one of the two")
    return load_resolved(file)


def known_data(experiment: "Experiment", name: str) -> "DataSpec":
    """How a data set of config.yaml is read.

    Raises:
        ConfigError: if there is none of this name.
    """
    if name not in experiment.datasets:
        raise ConfigError(f"unknown data set {name!r}; use one of {', '.join(experiment.datasets)} (see config.yaml)")
    from gcl.experiment.data_spec import data_spec

    return data_spec(experiment, name)


def known_model(experiment: "Experiment", name: str) -> str:
    """The name of a model, if config.yaml has it.

    Raises:
        ConfigError: if it has not.
    """
    if name not in experiment.models:
        raise ConfigError(f"unknown model {name!r}; use one of {', '.join(experiment.models)} (see config.yaml)")
    return name
