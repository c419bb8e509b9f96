"""How a training is carried out: engine, processes, memory, resume. Not part of a run, since no result depends on it.

`execution_spec(experiment)` takes it from the configuration, `changed(spec, ["processes=2"])` from a command line.
"""

from collections.abc import Sequence
from typing import Literal

import yaml
from pydantic import ValidationError

from gcl.errors import ConfigError
from gcl.schema import Count, Experiment, Strict


class ExecutionSpec(Strict):
    """Settings of `execution` in config.yaml.

    Attributes:
        engine: `plain` (one process, or DDP) or `deepspeed` (ZeRO).
        processes: how many, one per GPU.
        zero_stage: what DeepSpeed divides among processes: 1 optimizer states, 2 also gradients, 3 also weights.
        offload: keep DeepSpeed's optimizer states in the host's memory.
        gradient_checkpointing: compute activations again in the backward pass instead of keeping them.
        head_chunk: supervised tokens whose logits exist at once; None chooses from the device's memory.
        workers: processes that prepare batches, for each training process.
        save_every: optimizer steps between checkpoints.
        keep: newest checkpoints that are kept.
    """

    engine: Literal["plain", "deepspeed"] = "plain"
    processes: Count = 1
    zero_stage: Literal[1, 2, 3] = 3
    offload: bool = False
    gradient_checkpointing: bool = False
    head_chunk: Count | None = None
    workers: int = 0
    save_every: Count = 50
    keep: Count = 2


def execution_spec(experiment: Experiment) -> ExecutionSpec:
    """The experiment's own choice."""
    return ExecutionSpec(**{name: getattr(experiment.execution, name).value for name in ExecutionSpec.model_fields})


def changed(spec: ExecutionSpec, changes: Sequence[str]) -> ExecutionSpec:
    """Apply `name=value` changes.

    Raises:
        ConfigError: if a change names no setting, or its value is not possible.
    """
    values = spec.model_dump()
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in values:
            raise ConfigError(f"--set {change}: use NAME=VALUE with one of {', '.join(values)}")
        values[name] = yaml.safe_load(value)
    try:
        return ExecutionSpec(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"--set {problem['loc'][0]}={values[problem['loc'][0]]}: {problem['msg'].lower()}; "
            "see execution in config.yaml"
        ) from None
