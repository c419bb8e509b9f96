"""The section `deployment` of config.yaml: who is deployed, in which formats, and how this is measured."""

from typing import Annotated, Literal

from pydantic import Field

from gcl.experiment.types import Count, Seed, Setting, Strict

# Those of gcl/deployment/format.py. Answers in the others are compared with those in the first one.
FormatName = Literal["float32", "bf16", "int8", "nf4", "openvino", "openvino-int8", "openvino-int4"]


class DeployedMember(Strict):
    """A member of the table: its name there, its run as <method>/<members>/<variant>, and its role in this run."""

    name: str
    run: str
    role: str


class Deployment(Strict):
    """Members in formats for robots.

    Attributes:
        dataset, seed: of the members' runs, and of the test scenes.
        members: rows of the table.
        formats: of each member, float32 first.
        scenes: so many test scenes are asked; null: all.
        repetitions: processes for each member and format.
        measured_scenes: pictures in each of them.
        picture: width and height that a robot sends.
        threads: that a runtime may use.
    """

    dataset: Setting[str]
    seed: Setting[Seed]
    members: Setting[Annotated[list[DeployedMember], Field(min_length=1)]]
    formats: Setting[Annotated[list[FormatName], Field(min_length=1)]]
    scenes: Setting[Count | None]
    repetitions: Setting[Annotated[int, Field(ge=2)]]
    measured_scenes: Setting[Count]
    picture: Setting[Annotated[list[Count], Field(min_length=2, max_length=2)]]
    threads: Setting[Count]
