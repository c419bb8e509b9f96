"""How a training is carried out: engine, processes, memory, resume.

It is not part of a run: it changes results by rounding only. MGSD's second stage is an exception: `rollouts` decides which
random numbers draw the student's answers.

`execution_spec(experiment.execution)` takes it from the configuration, `changed(spec, ["processes=2"])` from a command line.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, get_type_hints

import yaml
from pydantic import Field, ValidationError, create_model, model_validator

from gcl.errors import ConfigError
from gcl.experiment.types import Count, Setting, Strict

# Elements that DeepSpeed may hold beside its share, for all members together: a bucket of gradients, gathered weights,
# prefetched weights.
REDUCE_BUCKET, LIVE, PREFETCH = 10**8, 10**9, 5 * 10**7


class ExecutionSpec(Strict):
    """Settings of `execution` in config.yaml.

    Attributes:
        engine: `plain` (one process, or DDP) or `deepspeed` (ZeRO).
        nodes: machines that the processes are on, as many on each.
        processes: how many in all, one per GPU.
        zero_stage: DeepSpeed divides among processes: 1 optimizer states, 2 also gradients, 3 also weights.
        offload: keep optimizer states in the host's memory; with the plain engine also the layers of teachers.
        teachers: `live`, or `cached`. Each is then asked once before the training, and its hidden states are read.
            Where members write the answers, and with GSL, teachers are live.
        gradient_checkpointing: compute activations again in the backward pass instead of keeping them.
        attention: the implementation: `sdpa` (torch's), `flash_attention_2` (the library flash-attn, 16-bit precision
            on GPUs) or `eager`.
        head_chunk: supervised tokens whose logits exist at once; None chooses from the device's memory.
        workers: processes that prepare batches, for each training process.
        save_every: optimizer steps between checkpoints.
        keep: newest checkpoints that are kept.
        gradient_shares_every: optimizer steps between two measurements of how strongly each loss pulls at each member. The
            last step has one, too. None: none is made. Each takes a step's time once more for every loss.
        rollouts: the engine that draws the answers of MGSD's second stage: `plain` (the training engine), `vllm`, or `auto`.
            `auto` is vLLM where it is installed and there is a GPU.
        retain: the weights that stay once a training is scored: `none`, LoRA `adapters`, or `final` (all).
        loggers: who gets the losses beside losses.jsonl (gcl/training/trackers.py).
    """

    engine: Literal["plain", "deepspeed"] = "plain"
    nodes: Count = 1
    processes: Count = 1
    zero_stage: Literal[1, 2, 3] = 3
    offload: bool = False
    teachers: Literal["live", "cached"] = "live"
    gradient_checkpointing: bool = False
    attention: Literal["sdpa", "flash_attention_2", "eager"] = "sdpa"
    head_chunk: Count | None = None
    workers: Annotated[int, Field(ge=0, le=64)] = 0
    save_every: Count = 50
    keep: Count = 2
    gradient_shares_every: Count | None = None
    rollouts: Literal["auto", "plain", "vllm"] = "plain"
    retain: Literal["none", "adapters", "final"] = "final"
    loggers: list[Literal["tensorboard", "wandb", "mlflow", "trackio", "dvclive"]] = Field(["tensorboard"])

    @model_validator(mode="after")
    def _possible(self) -> "ExecutionSpec":
        if self.processes % self.nodes:
            raise ValueError(f"{self.processes} processes cannot be divided among {self.nodes} nodes")
        return self


# The section of config.yaml: the same settings, each with its origin.
Execution = create_model(
    "Execution",
    __base__=Strict,
    __doc__="How trainings are carried out. It changes results by rounding only; `rollouts` also changes random numbers.",
    **{name: Setting[get_type_hints(ExecutionSpec, include_extras=True)[name]] for name in ExecutionSpec.model_fields},
)


def execution_spec(execution: Execution) -> ExecutionSpec:
    """The experiment's own choice."""
    return ExecutionSpec(**{name: getattr(execution, name).value for name in ExecutionSpec.model_fields})


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
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(
                f"--set {change}: {value!r} is no value; write a number, a word, true, false or null"
            ) from None
        if isinstance(values[name], bool) and not isinstance(getattr(spec, name), bool):
            raise ConfigError(f"--set {change}: {name} is not true or false; see execution in config.yaml")
    try:
        return ExecutionSpec(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        where = f"--set {problem['loc'][0]}={values[problem['loc'][0]]}: " if problem["loc"] else "--set: "
        message = problem["msg"].removeprefix("Value error, ")
        raise ConfigError(f"{where}{message[:1].lower()}{message[1:]}; see execution in config.yaml") from None
