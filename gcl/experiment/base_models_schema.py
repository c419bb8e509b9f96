"""The section `base_models` of a scale with miniature models: how they are made. `Experiment` includes it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gcl.experiment.planning_schema import Stage
from gcl.experiment.types import Count, Seed, Setting, Strict


class MiniatureModel(Strict):
    """Architecture of a small instance of a real model class."""

    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    kv_heads: Count
    vision_hidden_size: Count
    vision_layers: Count
    tied_head: bool
    head_padding: Annotated[int, Field(ge=0)]


class InstructionSet(Strict):
    """The size of the instruction set.

    Attributes:
        scenes: drawn scenes.
        states: planning states of each level, by task.
        texts: questions about words alone.
        held_out: share of scenes, states and texts that base models are tested on.
    """

    scenes: Count
    states: dict[Literal["frozenlake", "maze", "minibehaviour"], Count]
    texts: Count
    held_out: Annotated[float, Field(gt=0, lt=1)]


class BaseModels(Strict):
    """Miniature models that follow instructions before an experiment fine-tunes them.

    Attributes:
        models: their architectures by name.
        seed: of the instructions and of the weights.
        vocabulary: tokens, apart from special ones, cells and tags.
        instructions: number of scenes, states and texts.
        levels: cells along a side of the states, by task.
        text_epochs: on questions about words alone, before all others. They teach to copy.
        training: on the instructions.
    """

    models: Setting[Annotated[dict[str, MiniatureModel], Field(min_length=1)]]
    seed: Setting[Seed]
    vocabulary: Setting[Count]
    instructions: Setting[InstructionSet]
    levels: Setting[dict[Literal["frozenlake", "maze", "minibehaviour"], Annotated[list[Count], Field(min_length=1)]]]
    text_epochs: Setting[Count]
    training: Stage

    @model_validator(mode="after")
    def _same_tasks(self) -> Self:
        if set(self.levels.value) != set(self.instructions.value.states):
            raise ValueError("instructions.states and levels name different tasks; name the same in both")
        return self
