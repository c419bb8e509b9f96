"""Names of variants: a base, then the changes to it, each number written as short as possible.

    full, full-ratio3, full-tau1-2, full-scenes66, gco-gsl0.25, teacher_forward-ratio2        of a group; bases: config.yaml
    default, ratio2, epochs2, epochs2-ratio0.5, scenes66                                    of SFT

So two tables that need the same training name the same run. Names of runs that no table has can be typed, too.
"""

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from gcl.errors import ConfigError

_NUMBER = r"([0-9.]+)"
_CHANGES = re.compile(
    rf"(?:-gsl{_NUMBER})?(?:-drl{_NUMBER})?(?:-tau{_NUMBER}-{_NUMBER})?(?:-epochs{_NUMBER})?"
    rf"(?:-scenes([1-9][0-9]*))?(?:-ratio{_NUMBER})?"
)


@dataclass(frozen=True)
class Changes:
    """The changes that a name stands for; None where it says nothing.

    Attributes:
        gsl, drl: weights of the two losses.
        taus: temperatures of learner and guide.
        epochs: times as many epochs.
        scenes: so many training scenes, spread evenly over the split.
        ratio: the learner's rate in units of `lr_guide` (of SFT: the model's, of `lr_sft`).
    """

    gsl: float | None = None
    drl: float | None = None
    taus: tuple[float, float] | None = None
    epochs: float | None = None
    scenes: int | None = None
    ratio: float | None = None


def written(number: float) -> str:
    """A number as it stands in a name: all its digits, no exponent, as short as possible.

    Raises:
        ConfigError: if that takes more than 20 characters; no file name could hold some of them.
    """
    text = format(Decimal(repr(number)).normalize(), "f")
    if not math.isfinite(number) or len(text) > 20:
        raise ConfigError(f"{number!r} is too long for the name of a run; use a number of at most 20 characters")
    return text


def ratio(rate: float, unit: float) -> str:
    """A rate in units of another one, for a name: the shortest number that gives the rate back.

    Raises:
        ConfigError: if the two are too far apart.
    """
    exact = Decimal(repr(rate)) / Decimal(repr(unit))
    numbers = (float(f"{exact:.{digits}g}") for digits in range(1, 18))
    number = next((number for number in numbers if math.isclose(number * unit, rate, rel_tol=1e-12)), 0.0)
    text = _written(number)
    if text is None or number == 0:
        raise ConfigError(f"a rate of {rate!r} cannot be named in units of {unit!r}; use rates that are closer")
    return text


def read_group_variant(name: str, bases: Collection[str]) -> tuple[str, Changes]:
    """The base of a group's variant, and its changes.

    Raises:
        ConfigError: if the name is not known, or a change cannot be read.
    """
    base, dash, rest = name.partition("-")
    if base not in bases:
        raise ConfigError(
            f"unknown variant {name!r}; use one of {', '.join(bases)}, or gco-gsl0.25, full-ratio3, full-tau1-2, ..."
        )
    changes = _read(dash + rest)
    if changes is None or changes.epochs is not None:
        raise ConfigError(
            f"variant {name!r}: cannot read {rest!r}; use gsl<x>, drl<x>, tau<x>-<y>, scenes<n>, ratio<x>, in this "
            "order, positive numbers written as short as possible (weights may be 0)"
        )
    return base, changes


def read_sft_variant(name: str) -> Changes:
    """The changes of a variant of SFT.

    Raises:
        ConfigError: if it cannot be read.
    """
    changes = _read("" if name == "default" else f"-{name}")
    if name == "" or changes is None or (changes.gsl, changes.drl, changes.taus) != (None, None, None):
        raise ConfigError(
            f"unknown variant {name!r} of SFT; use default, or epochs<x>, scenes<n>, ratio<y> joined by '-' in this "
            "order, positive numbers written as short as possible, none of them epochs1 or ratio1"
        )
    if 1 in (changes.epochs, changes.ratio):
        raise ConfigError(f"variant {name!r} of SFT: leave out what is 1")
    return changes


def _written(number: float) -> str | None:
    try:
        return written(number)
    except ConfigError:
        return None


def _read(text: str) -> Changes | None:
    """None if the text is not well formed, not written as short as possible, or out of bounds."""
    match = _CHANGES.fullmatch(text)
    if match is None:
        return None
    try:
        numbers = [None if number is None else float(number) for number in match.groups()]
    except ValueError:
        return None
    gsl, drl, tau, other, epochs, scenes, ratio = numbers
    if any(_written(number) != text for number, text in zip(numbers, match.groups(), strict=True) if text):
        return None
    if any(number == 0 for number in (tau, other, epochs, scenes, ratio)):
        return None
    return Changes(gsl, drl, None if tau is None else (tau, other), epochs, scenes and int(scenes), ratio)
