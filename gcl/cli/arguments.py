"""Arguments of the `gcl` command that several verbs have, kinds of numbers among them."""

import math
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators


def _finite(kind: Any, value: float | None) -> None:
    if value is not None and not 0 < value < math.inf:
        raise ValueError("Must be a positive number.")


Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
CountOrNone = Annotated[int, Parameter(validator=validators.Number(gte=0))]
Positive = Annotated[float, Parameter(validator=_finite)]
Json = Annotated[bool, Parameter(name="--json", help="Machine-readable.")]
Scale = Annotated[str | None, Parameter(help="Instead of the scale in config.yaml: miniature, rehearsal or paper.")]
Results = Annotated[Path, Parameter(help="Folder of all results.")]
Scratch = Annotated[
    Path, Parameter(help="Log and checkpoints of unfinished trainings; the same command continues from them.")
]
Changes = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        help="NAME=VALUE: change a setting of `execution`, such as --set processes=2; can be repeated.",
    ),
]
