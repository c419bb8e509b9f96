"""Comparisons of arms that no paper made: sections `controls` and `exchange` of config.yaml."""

from typing import Annotated

from pydantic import Field

from gcl.experiment.types import Positive, Seed, Setting, Strict


class Arm(Strict):
    """A row of a table of arms: its name there, and <method>/<members>/<variant>."""

    name: str
    run: str


class Controls(Strict):
    """Arms on one data set. All are compared with the first one.

    Attributes:
        dataset: of scenes, or planning tasks.
        tuning: a data set to choose rates on; None: they are not chosen.
        rates: that are tried, of the first member, in units of SFT's: `training.lr_sft`, or `exchange.planning.lr`.
        best: the rate of each arm.
    """

    dataset: Setting[str]
    seeds: Setting[Annotated[list[Seed], Field(min_length=1)]]
    arms: Setting[Annotated[list[Arm], Field(min_length=2)]]
    tuning: Setting[str | None]
    rates: Setting[Annotated[list[Positive], Field(min_length=1)]]
    best: Setting[dict[str, Positive]]
