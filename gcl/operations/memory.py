"""Estimate of the memory that a training takes on each GPU, before anything is loaded; behind `gcl plan --memory`.

    configs, notes = model_configs(run, experiment)
    print(memory_plan(run, execution, configs, notes=notes).table())

Parameters are counted exactly, on torch's meta device. All else is arithmetic, by the rules written at each formula, read
from the code of this project, torch and DeepSpeed 0.19. None of it was measured on GPUs: leave some room.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from operator import mul
from typing import Any

from transformers import PretrainedConfig

from gcl.experiment.execution import LIVE, PREFETCH, REDUCE_BUCKET, ExecutionSpec, changed
from gcl.experiment.runs import MemberSpec, RunSpec
from gcl.experiment.types import Lora
from gcl.objective.head import CHUNK_MEMORY, CHUNK_STEP, row_bytes
from gcl.operations.gpu_hours import text_tokens
from gcl.operations.model_sizes import ModelSize, model_size

GIB = 2**30
ASSUMED_GPU = 80 * GIB  # decides the head's chunks, and what is advised
ALLOWANCE = 3 * GIB // 2  # CUDA context, libraries' buffers, holes between tensors
USUAL_GPUS, ROOM = (16, 24, 32, 48, 80, 96, 141), 0.95  # GiB, and how much of it an estimate may take
SUB_GROUP = 10**9  # elements that DeepSpeed updates at a time by default
OUTSIDE = 4  # residuals [B, T, D] outside of layers: embeddings, pictures put in, final norm, its output
MERGER = 16  # bytes per patch and vision width that one merger keeps
BACKWARD = 1.5  # a layer's activations, and gradients that stand beside them
# Bytes that autograd keeps per token of a layer, by family and bytes of a product. Language model: per unit of hidden width
# D, query width A, key width K (a padded batch repeats keys up to A) and MLP width I; vision tower: per D and I. In Qwen2.5
# with 16 bits, 26 D are two residuals and two normed ones (4 x 4), operands of q, k, v, gate and up (5 x 2); 8 A are q,
# repeated k and v, output (4 x 2); 8 I are gate, its activation, up, their product (4 x 2). Attention is fused: no T x T
# scores, only a padded batch's mask.
LANGUAGE = {
    "qwen2_5_vl": {2: (26, 8, 0, 8), 4: (24, 16, 0, 16)},
    "qwen3_vl": {2: (26, 14, 6, 8), 4: (24, 24, 8, 16)},
}
VISION = {"qwen2_5_vl": {2: (32, 8), 4: (52, 16)}, "qwen3_vl": {2: (22, 4), 4: (44, 8)}}
# Settings as for --set, fewest GPUs first, and the rank of adapters that are trained instead of all weights.
PLAIN, ZERO = "engine=plain processes=1 offload=false", "engine=deepspeed zero_stage=3 processes={} offload={}"
ALTERNATIVES: list[tuple[str, int | None]] = [(PLAIN, None)]
ALTERNATIVES += [(ZERO.format(n, "true"), None) for n in (1, 2)] + [
    (ZERO.format(n, "false"), None) for n in (1, 2, 4, 8)
]
ALTERNATIVES += [(PLAIN, 16), (ZERO.format(4, "false"), 16)]


@dataclass(frozen=True)
class MemberPlan:
    """One member.

    Attributes:
        parameters: total (with what training adds), trained, and the backbone's parts.
        keeps: bytes on each GPU that stay: weights; gradients; optimizer (moments, DeepSpeed's copy of weights); exchange
            (buffers between processes, gathered weights); and, from forward to backward, activations and head.
        passing: bytes on each GPU needed at three moments only: losses, backward, update.
        host: bytes in the host's memory per process, for what is offloaded.
    """

    role: str
    model: str
    parameters: dict[str, int]
    keeps: dict[str, int]
    passing: dict[str, int]
    host: int


@dataclass(frozen=True)
class MemoryPlan:
    """The estimate, in bytes; `workspace` is what the neediest moment takes beyond what members keep."""

    run: str
    settings: str
    members: tuple[MemberPlan, ...]
    workspace: int
    notes: tuple[str, ...]
    alternatives: tuple["MemoryPlan", ...] = ()  # these have none of their own

    @property
    def total(self) -> int:
        """Bytes on each GPU at the neediest moment."""
        return sum(sum(member.keeps.values()) for member in self.members) + self.workspace + ALLOWANCE

    @property
    def host(self) -> int:
        """Bytes in the host's memory per process, for what is offloaded."""
        return sum(member.host for member in self.members)

    @property
    def advice(self) -> str:
        """What dominates; and where that is too much, the first alternative that fits the usual large GPU."""
        sums = {part: sum(member.keeps[part] for member in self.members) for part in self.members[0].keeps}
        part, size = max([*sums.items(), ("workspace", self.workspace)], key=lambda item: item[1])
        text = f"Most of it: {part}, {_gib(size)} of {_gib(self.total)} GiB."
        fitting = next((other for other in self.alternatives if other.total <= ROOM * ASSUMED_GPU), None)
        if self.total > ROOM * ASSUMED_GPU and fitting:
            text += f" With {fitting.settings}: {_gib(fitting.total)} GiB, which fits {ASSUMED_GPU // GIB}."
        return text

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON; sizes in bytes."""
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
        host = f"Host memory for what is offloaded: {_gib(self.host)} GiB a process."
        notes = [f"- {note}" for note in self.notes]
        return "\n".join([title, "", *_aligned(rows), "", host, self.advice, *notes, "", *_aligned(others)])


def memory_plan(
    run: RunSpec,
    execution: ExecutionSpec,
    configs: Sequence[PretrainedConfig],
    tokens: int | None = None,
    notes: Sequence[str] = (),
) -> MemoryPlan:
    """Estimate what each GPU must hold, for this execution and for `ALTERNATIVES`.

    Args:
        run: the training.
        execution: how it is carried out.
        configs: one model configuration per member.
        tokens: length of the longest input, image included; None assumes the largest picture and `text_tokens`.
        notes: what else the reader should know, as from `model_configs`.
    """
    sizes, others = [model_size(config) for config in configs], []
    for settings, rank in ALTERNATIVES:
        lora = Lora(rank=rank, alpha=2.0 * rank) if rank else run.training.lora
        other = run.model_copy(update={"training": run.training.model_copy(update={"lora": lora})})
        plan = _plan(other, changed(execution, settings.split()), sizes, tokens)
        others.append(replace(plan, settings=settings + (f", lora rank {rank}" if rank else "")))
    plan = _plan(run, execution, sizes, tokens)
    return replace(plan, notes=(*plan.notes, *notes), alternatives=tuple(others))


def _plan(run: RunSpec, execution: ExecutionSpec, sizes: Sequence[ModelSize], tokens: int | None) -> MemoryPlan:
    """The plan without alternatives."""
    inputs = -(-run.training.micro_batch // execution.processes)
    members, notes, texts = [], [], []
    for member, size in zip(run.members, sizes, strict=True):
        tower = size.config.vision_config
        visual = run.training.pixels[1] // (tower.patch_size * tower.spatial_merge_size) ** 2
        length, patches = tokens or visual + text_tokens(run), visual * tower.spatial_merge_size**2
        texts.append(max(length - visual, 1))
        members.append(_member_plan(member, run, execution, size, inputs, length, patches))
        assumed = f" ({text_tokens(run)} of text are assumed)" if tokens is None else ""
        notes.append(f"{member.model}: inputs at a time: {inputs}, each {patches} patches, {length} tokens{assumed}")
    # The fused head's buffers: a row per supervised token of a chunk. Left to itself it takes a fixed part of the device.
    row = row_bytes([size.config.text_config.vocab_size for size in sizes])
    chosen = max(int(ASSUMED_GPU * CHUNK_MEMORY), row * CHUNK_STEP)
    chunk = min(row * execution.head_chunk if execution.head_chunk else chosen, row * inputs * max(texts))
    # Three moments: losses (all heads at once), backward (one layer of one member), update (one member, when what lived
    # from forward to backward is gone). The neediest counts.
    workspace = max(
        chunk + sum(member.passing["losses"] for member in members),
        max(member.passing["backward"] for member in members),
        max(m.passing["update"] for m in members) - sum(m.keeps["activations"] + m.keeps["head"] for m in members),
    )
    names = ("engine", "processes", *(("zero_stage", "offload") if execution.engine == "deepspeed" else ()))
    settings = " ".join(f"{name}={str(getattr(execution, name)).lower()}" for name in names)
    return MemoryPlan(run.id, settings, tuple(members), workspace, tuple(notes))


def _member_plan(
    member: MemberSpec, run: RunSpec, execution: ExecutionSpec, size: ModelSize, inputs: int, length: int, patches: int
) -> MemberPlan:
    """One member's part; `length` tokens and `patches` for each of the inputs that a process takes at a time."""
    n, stage = execution.processes, execution.zero_stage if execution.engine == "deepspeed" else 0
    offload, low = execution.offload and stage > 0, 4 if run.training.precision == "float32" else 2
    total, learned = _trained(member, run, size)
    learns_head = learned > 0 and not run.training.lora
    # What one process updates: its share with DeepSpeed, everything without.
    share = -(-learned // n) if stage else learned
    # DDP's buckets are the gradients themselves; DeepSpeed has one bucket, before stage 3 two in turn.
    exchange = 0
    if stage and learned:
        exchange += 4 * min(REDUCE_BUCKET // len(run.members), total) * (1 if stage == 3 else 2)
    # Stage 3 holds gathered weights up to a limit, and those fetched ahead. One process gathers nothing.
    gathers = stage == 3 and n > 1
    exchange += gathers * 4 * sum(min(limit // len(run.members), total) for limit in (LIVE, PREFETCH))
    head = size.config.text_config.vocab_size * size.config.text_config.hidden_size
    activations, layer = _activations(member, run, execution, size, inputs, length, patches)
    keeps = {
        # Float32 whatever the precision: 16-bit copies are made where they are multiplied.
        "weights": 4 * (-(-total // n) if stage == 3 else total),
        # Whole without DeepSpeed and in stage 1; divided ones go to the host with the moments.
        "gradients": 0 if offload and stage >= 2 else 4 * (share if stage >= 2 else learned),
        # AdamW's two moments; DeepSpeed updates a copy of the weights, although they are float32 already.
        "optimizer": 0 if offload else (12 if stage else 8) * share,
        "exchange": exchange,
        "activations": activations,
        # A gathered head stays from forward to backward; its gradient is summed up in float32 meanwhile.
        "head": 4 * head * (gathers + learns_head),
    }
    # One layer, with 16-bit weights where they were not kept; one weight's gradient beside the sum of earlier ones.
    copies = 2 * size.layer if low == 2 and (execution.gradient_checkpointing or member.frozen) else 0
    backward = int(layer * (1 if member.frozen else BACKWARD)) + copies + 4 * size.largest * learns_head
    # AdamW is fused and needs nothing; DeepSpeed makes a flat copy of the gradients that it updates from at once.
    at_once = min(share, SUB_GROUP) if stage == 3 else share
    update = 4 * at_once if stage and not offload else 0
    passing = {"losses": 2 * head if low == 2 else 0, "backward": backward, "update": update}
    # Offloaded: a copy of the weights, two moments, gradients, and a buffer for one of them on its way.
    host, parameters = 20 * share * offload, {"total": total, "trained": learned, **size.parts}
    return MemberPlan(member.role, member.model, parameters, keeps, passing, host)


def _trained(member: MemberSpec, run: RunSpec, size: ModelSize) -> tuple[int, int]:
    """Parameters of a member, with what training adds to its model; and how many of them are trained."""
    training, objective, width = run.training, run.objective, size.config.text_config.hidden_size
    # The semantic head: scores without bias, and a projection with one.
    added = width + (width + 1) * objective.semantic_size if objective and objective.gsl_weight else 0
    if training.lora and not member.frozen:
        added += training.lora.rank * size.lora_width
        return size.total + added, added
    trained = 0 if member.frozen else size.total + added - sum(size.parts[part] for part in training.frozen)
    return size.total + added, trained


def _activations(
    member: MemberSpec, run: RunSpec, execution: ExecutionSpec, size: ModelSize, inputs: int, length: int, patches: int
) -> tuple[int, int]:
    """Bytes that live from forward to backward, and those of the largest layer.

    With checkpointing a layer keeps its input, a float32 residual. Without, it keeps what `LANGUAGE` and `VISION` say, and
    with 16 bits copies of all weights that were multiplied. Where nothing learns nothing is kept.
    """
    text, tower, training = size.config.text_config, size.config.vision_config, run.training
    low, family = 4 if training.precision == "float32" else 2, size.config.model_type
    # Qwen3 names the size of its attention heads; Qwen2.5's share the hidden width.
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    attention = (head_size * text.num_attention_heads, head_size * text.num_key_value_heads)
    token = sum(map(mul, LANGUAGE[family][low], (text.hidden_size, *attention, text.intermediate_size)))
    token += low * length  # its row of the mask
    patch = sum(map(mul, VISION[family][low], (tower.hidden_size, tower.intermediate_size)))
    sees = not (training.lora or member.frozen or "vision" in training.frozen)
    projects = sees or not (training.lora or member.frozen or "projector" in training.frozen)
    layer = inputs * max(length * token, patches * patch if sees or member.frozen else 0)
    if member.frozen:
        return 0, layer
    weights = 0
    if execution.gradient_checkpointing:
        token, patch = 4 * text.hidden_size, 4 * tower.hidden_size
    elif low == 2:
        weights = 2 * (size.parts["language"] + sees * size.parts["vision"] + projects * size.parts["projector"])
    mergers = projects * (1 + len(getattr(tower, "deepstack_visual_indexes", ())))
    pixels = low * tower.in_channels * tower.temporal_patch_size * tower.patch_size**2
    tokens = length * (token * text.num_hidden_layers + 4 * text.hidden_size * OUTSIDE)
    seen = patches * (sees * (pixels + patch * tower.depth) + mergers * MERGER * tower.hidden_size)
    return weights + inputs * (tokens + seen), layer


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}" if size < GIB else f"{size / GIB:.1f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, with columns of equal width: names flush left, numbers right."""
    columns = []
    for column in zip(*rows, strict=True):
        width, numbers = max(map(len, column)), any(cell[:1].isdigit() for cell in column)
        columns.append([cell.rjust(width) if numbers else cell.ljust(width) for cell in column])
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
