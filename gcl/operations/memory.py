"""Estimate of the memory that a training takes on each GPU, before anything is loaded; behind `gcl plan --memory`.

    configs, notes = model_configs(run, experiment)
    print(memory_plan(run, execution, configs, notes=notes).table())

`member_memory.py` has the rules for one member. This module adds up the group, and compares other ways to run it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from transformers import PretrainedConfig

from gcl.experiment.execution import ExecutionSpec, changed
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Lora
from gcl.models.family import get_family
from gcl.objective.head import CHUNK_MEMORY, CHUNK_STEP, row_bytes
from gcl.operations.gpu_hours import text_tokens
from gcl.operations.member_memory import MemberMemory, MemberPlan
from gcl.operations.model_sizes import ModelSize, model_size

GIB = 2**30
ASSUMED_GPU = 80 * GIB  # decides the head's chunks and the advice
ALLOWANCE = 3 * GIB // 2  # CUDA context, libraries' buffers, holes between tensors
USUAL_GPUS, ROOM = (16, 24, 32, 48, 80, 96, 141), 0.95  # GiB, and the share of it that an estimate may take
# Settings as for --set, and changes of the training. Fewest GPUs come first.
PLAIN, ZERO = "engine=plain processes=1 offload={}", "engine=deepspeed zero_stage=3 processes={} offload={}"
LORA = {"lora": Lora(rank=16, alpha=32.0)}
ALTERNATIVES: list[tuple[str, dict[str, Any]]] = [
    (PLAIN.format("false"), {}),
    (PLAIN.format("false"), {"optimizer": "AdamW8bit"}),
    (PLAIN.format("true"), {"optimizer": "AdamW8bit"}),
    *((ZERO.format(processes, "true"), {}) for processes in (1, 2)),
    *((ZERO.format(processes, "false"), {}) for processes in (1, 2, 4, 8)),
    (PLAIN.format("false"), LORA),
    (PLAIN.format("false"), LORA | {"quantization": "nf4"}),
    (ZERO.format(4, "false"), LORA),
]


@dataclass(frozen=True)
class MemoryPlan:
    """The estimate, in bytes; `workspace` is the need of the largest moment beyond what members keep."""

    run: str
    settings: str
    members: tuple[MemberPlan, ...]
    workspace: int
    notes: tuple[str, ...]
    alternatives: tuple["MemoryPlan", ...] = ()  # these have none of their own

    @property
    def total(self) -> int:
        """Bytes on each GPU at the largest moment."""
        return sum(sum(member.keeps.values()) for member in self.members) + self.workspace + ALLOWANCE

    @property
    def host(self) -> int:
        """Bytes of offloaded states in the host's memory, per process."""
        return sum(member.host for member in self.members)

    @property
    def advice(self) -> str:
        """The largest part; if the total is too much, also the first alternative that fits the usual large GPU."""
        sums = {part: sum(member.keeps[part] for member in self.members) for part in self.members[0].keeps}
        part, size = max([*sums.items(), ("workspace", self.workspace)], key=lambda item: item[1])
        text = f"Most of it: {part}, {_gib(size)} of {_gib(self.total)} GiB."
        fitting = next((other for other in self.alternatives if other.total <= ROOM * ASSUMED_GPU), None)
        if self.total > ROOM * ASSUMED_GPU and fitting:
            text += f" With {fitting.settings}: {_gib(fitting.total)} GiB, which fits {ASSUMED_GPU // GIB}."
        return text

    def to_dict(self) -> dict[str, Any]:
        """All fields for JSON, sizes in bytes."""
        others = [{"settings": o.settings, "total": o.total, "host": o.host} for o in self.alternatives]
        sums = {"allowance": ALLOWANCE, "total": self.total, "host": self.host, "advice": self.advice}
        return asdict(replace(self, alternatives=())) | sums | {"alternatives": others}

    def table(self) -> str:
        """The plan as text, in GiB."""
        rows = [["role", "model", "parameters", "trained", *self.members[0].keeps, "total"]]
        for member in self.members:
            counts = [f"{member.parameters[name] / 1e6:,.1f} M" for name in ("total", "trained")]
            rows.append([member.role, member.model, *counts, *map(_gib, [*(k := member.keeps.values()), sum(k)])])
        for name, size in {"workspace": self.workspace, "allowance": ALLOWANCE, "total": self.total}.items():
            rows.append([name, *[""] * (len(rows[0]) - 2), _gib(size)])
        others = [["alternative", "GPU", "host", "fits"]]
        for other in self.alternatives:
            card = next((f"{size} GiB" for size in USUAL_GPUS if other.total <= ROOM * size * GIB), "none")
            others.append([other.settings, _gib(other.total), _gib(other.host), card])
        title = f"{self.run}: estimated GiB on each GPU, with {self.settings}"
        host = f"Host memory for offloaded states: {_gib(self.host)} GiB a process."
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([title, "", *_aligned(rows), "", host, self.advice, *notes, "", *_aligned(others)])


def memory_plan(
    run: RunSpec,
    execution: ExecutionSpec,
    configs: Sequence[PretrainedConfig],
    tokens: int | None = None,
    notes: Sequence[str] = (),
    pictures: int = 1,
) -> MemoryPlan:
    """Estimate the memory of each GPU, for this execution and for `ALTERNATIVES`.

    Args:
        run: the training.
        execution: its execution settings.
        configs: one model configuration per member.
        tokens: length of the longest input, images included; None assumes the largest pictures and `text_tokens`.
        notes: further notes for the reader, as from `model_configs`.
        pictures: how many an input has.
    """
    sizes, others = [model_size(config) for config in configs], []
    for settings, changes in ALTERNATIVES:
        other = run.model_copy(update={"training": run.training.model_copy(update=changes)})
        plan = _plan(other, changed(execution, settings.split()), sizes, tokens, pictures)
        named = [f"lora rank {value.rank}" if name == "lora" else value for name, value in changes.items()]
        others.append(replace(plan, settings=", ".join([settings, *named])))
    plan = _plan(run, execution, sizes, tokens, pictures)
    return replace(plan, notes=(*plan.notes, *notes), alternatives=tuple(others))


def _plan(
    run: RunSpec, execution: ExecutionSpec, sizes: Sequence[ModelSize], tokens: int | None, pictures: int
) -> MemoryPlan:
    """The plan without alternatives."""
    inputs = -(-run.training.micro_batch // execution.processes)
    members, notes, texts = [], [], []
    for member, size in zip(run.members, sizes, strict=True):
        family = get_family(size.config.model_type)
        visual, patches = (pictures * count for count in family.picture(size.config, run.training.pixels[1]))
        length = tokens or visual + text_tokens(run)
        texts.append(max(length - visual, 1))
        members.append(MemberMemory(member, run, execution, size, inputs, length, patches).plan())
        several = "" if pictures == 1 else f" of {pictures} pictures"
        assumed = f" ({text_tokens(run)} of text are assumed)" if tokens is None else ""
        if not family.tested:
            notes.append(f"{member.model}: nobody has measured family {family.name}, so take its numbers as a guess")
        notes.append(
            f"{member.model}: inputs at a time: {inputs}, each {patches} patches{several}, {length} tokens{assumed}"
        )
    # The fused head has buffers for each row of a chunk. By default a chunk takes a fixed share of the device.
    row = row_bytes([size.config.get_text_config().vocab_size for size in sizes])
    by_default = max(int(ASSUMED_GPU * CHUNK_MEMORY), row * CHUNK_STEP)
    chunk = min(row * execution.head_chunk if execution.head_chunk else by_default, row * inputs * max(texts))
    # The largest of three moments counts: losses (all heads at once), backward (one layer of one member), update (one
    # member). At the update activations and heads are gone.
    workspace = max(
        chunk + sum(member.passing["losses"] for member in members),
        max(member.passing["backward"] for member in members),
        max(m.passing["update"] for m in members) - sum(m.keeps["activations"] + m.keeps["head"] for m in members),
    )
    names = ("engine", "processes", *(("zero_stage",) if execution.engine == "deepspeed" else ()), "offload")
    settings = " ".join(f"{name}={str(getattr(execution, name)).lower()}" for name in names)
    return MemoryPlan(run.id, settings, tuple(members), workspace, tuple(notes))


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}" if size < GIB else f"{size / GIB:.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, with columns of equal width: names to the left, numbers to the right."""
    columns = []
    for column in zip(*rows, strict=True):
        width, numbers = max(map(len, column)), any(cell[:1].isdigit() for cell in column)
        columns.append([cell.rjust(width) if numbers else cell.ljust(width) for cell in column])
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
