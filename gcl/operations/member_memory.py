"""Memory of one member on one GPU, moment by moment: `MemberMemory(...).plan()`; `memory.py` adds up a group.

Parameters are counted exactly, on torch's meta device. All other rules come from reading the code of this project, torch
and DeepSpeed 0.19. No GPU has measured them, so leave some room.
"""

from dataclasses import dataclass
from operator import mul

from transformers import PretrainedConfig

from gcl.experiment.execution import LIVE, PREFETCH, REDUCE_BUCKET, ExecutionSpec
from gcl.experiment.runs import MemberSpec, RunSpec
from gcl.models.family import Tower, get_family
from gcl.operations.model_sizes import ModelSize

SUB_GROUP = 10**9  # elements that DeepSpeed updates at a time by default
OUTSIDE = 4  # residuals [B, T, D] outside of layers: embeddings, pictures put in, final norm, its output
NF4 = 1 / 2 + 1 / 64 + 4 / (64 * 256)  # bytes of a weight: itself; a scale for 64; a scale for 256 scales
MOMENTS = {"AdamW": 8, "AdamW8bit": 2 + 2 * 4 / 256}  # bytes of a weight's two moments; in 8 bits 256 share a scale
MERGER = 16  # bytes per patch and vision width that one merger keeps
BACKWARD = 1.5  # a layer's activations, and gradients that stand beside them


@dataclass(frozen=True)
class MemberPlan:
    """The estimate for one member.

    Attributes:
        parameters: total (with those that training adds), trained, and the backbone's parts.
        keeps: bytes on each GPU that stay. Activations and head stay from forward to backward, the rest all the time.
        passing: bytes on each GPU at one of three moments: losses, backward, update.
        host: bytes of offloaded states in the host's memory, per process.
    """

    role: str
    model: str
    parameters: dict[str, int]
    keeps: dict[str, int]
    passing: dict[str, int]
    host: int


@dataclass(frozen=True)
class MemberMemory:
    """One member of a run as one process trains it: `inputs` at a time, each of `length` tokens and `patches`."""

    member: MemberSpec
    run: RunSpec
    execution: ExecutionSpec
    size: ModelSize
    inputs: int
    length: int
    patches: int

    def plan(self) -> MemberPlan:
        """The estimate, in bytes."""
        total, trained = self._counts()
        stage = self.execution.zero_stage if self.execution.engine == "deepspeed" else 0
        offloads = self.execution.offload
        # With DeepSpeed a process updates its share only.
        updated = -(-trained // self.execution.processes) if stage else trained
        at_hand, away = self._frozen_bytes(total - trained)
        held = 4 * trained + at_hand
        moments = int(MOMENTS[self.run.training.optimizer] * updated)
        gathers = stage == 3 and self.execution.processes > 1
        learns_head = trained > 0 and not self.run.training.lora
        head = self._text.vocab_size * self._text.hidden_size
        if self.member.frozen and self.execution.teachers == "cached" and self.run.fixed_teachers:
            return self._cached(total, head)
        keeps = {
            # Weights that learn are float32 at any precision: products make 16-bit copies. The rest is held in fewer bits.
            "weights": -(-held // self.execution.processes) if stage == 3 else held,
            # Whole without DeepSpeed and in stage 1. Divided ones are offloaded with the moments.
            "gradients": 4 * trained if stage < 2 else 0 if offloads else 4 * updated,
            # AdamW's two moments. DeepSpeed adds a copy of the weights, although they are float32 already.
            "optimizer": 0 if offloads else moments + 4 * updated * (stage > 0),
            "exchange": self._exchange(stage, gathers, total, trained),
            "activations": self._activations(),
            # A gathered head, and the float32 sum of its gradient.
            "head": 4 * head * [gathers, learns_head].count(True),
        }
        passing = {
            # All heads at once, as 16-bit copies.
            "losses": 2 * head if self._product == 2 else 0,
            # One layer of one member; and one weight's gradient beside its earlier sum.
            "backward": self._backward() + (4 * self.size.largest if learns_head else 0),
            "update": self._update(stage, updated, moments),
        }
        # Of DeepSpeed: a copy of the weights, two moments, gradients, and a buffer for one of them on its way.
        host = (moments + (12 * updated if stage else away)) if offloads else 0
        parameters = {"total": total, "trained": trained, **self.size.parts}
        return MemberPlan(self.member.role, self.member.model, parameters, keeps, passing, host)

    def _cached(self, total: int, head: int) -> MemberPlan:
        """Of a teacher whose hidden states come from the disk, the head alone is there."""
        keeps = dict.fromkeys(("weights", "gradients", "optimizer", "exchange", "activations", "head"), 0)
        keeps["weights"] = self._product * head
        passing = {"losses": 0, "backward": 0, "update": 0}
        parameters = {"total": total, "trained": 0, **self.size.parts}
        return MemberPlan(self.member.role, self.member.model, parameters, keeps, passing, 0)

    def _update(self, stage: int, updated: int, moments: int) -> int:
        """Bytes while weights are updated."""
        if self.execution.offload:
            return 0 if stage else moments  # which the plain engine fetches
        # DeepSpeed's flat copy of the gradients that it updates at a time. Fused AdamW needs nothing.
        return 4 * (min(updated, SUB_GROUP) if stage == 3 else updated) if stage else 0

    def _frozen_bytes(self, count: int) -> tuple[int, int]:
        """Bytes of so many weights that do not learn: at hand, and in the host's memory between passes."""
        training, size = self.run.training, self.size
        quantized = training.quantization is not None and (self.member.frozen or training.lora is not None)
        if quantized:
            return int(NF4 * size.linear + self._product * (count - size.linear)), 0
        away = size.layers if self.member.frozen and self.execution.offload and self.execution.engine == "plain" else 0
        return self._product * (count - away), self._product * away

    @property
    def _text(self) -> PretrainedConfig:
        return self.size.config.get_text_config()

    @property
    def _tower(self) -> Tower:
        return get_family(self.size.config.model_type).tower(self.size.config)

    @property
    def _product(self) -> int:
        """Bytes of a number in a matrix product."""
        return 4 if self.run.training.precision == "float32" else 2

    def _learns(self, part: str) -> bool:
        return not (self.member.frozen or self.run.training.lora or part in self.run.training.frozen)

    def _counts(self) -> tuple[int, int]:
        """Parameters with those that training adds, and how many of them learn."""
        training, objective, width = self.run.training, self.run.objective, self._text.hidden_size
        # The semantic head: scores without bias, and a projection with one.
        added = width + (width + 1) * objective.semantic_size if objective and objective.gsl_weight else 0
        if training.lora and not self.member.frozen:
            widths = self.size.lora_width
            added += training.lora.rank * (widths["language"] + widths["vision"] * training.lora.vision)
            return self.size.total + added, added
        total = self.size.total + added
        return total, 0 if self.member.frozen else total - sum(self.size.parts[part] for part in training.frozen)

    def _exchange(self, stage: int, gathers: bool, total: int, trained: int) -> int:
        """Buffers between processes; DDP's are the gradients themselves."""
        limits = []
        if stage and trained:
            limits += [REDUCE_BUCKET] if stage == 3 else [REDUCE_BUCKET, REDUCE_BUCKET]  # before stage 3 two in turn
        if gathers:
            limits += [LIVE, PREFETCH]  # gathered weights, and those fetched ahead
        return 4 * sum(min(limit // len(self.run.members), total) for limit in limits)

    def _per_layer(self) -> tuple[int, int]:
        """Bytes that a layer keeps per token of the language model, and per patch of the vision tower."""
        text, tower, keeps = self._text, self._tower, get_family(self.size.config.model_type).activations
        # Qwen3 names the size of its attention heads; Qwen2.5's share the hidden width.
        head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
        attention = (head_size * text.num_attention_heads, head_size * text.num_key_value_heads)
        token = sum(map(mul, keeps.language[self._product], (text.hidden_size, *attention, text.intermediate_size)))
        patch = sum(map(mul, keeps.vision[self._product], (tower.width, tower.mlp)))
        return token + self._product * self.length, patch  # each token has a row of the mask

    def _activations(self) -> int:
        """Bytes that live from forward to backward."""
        if self.member.frozen:
            return 0
        text, tower = self._text, self._tower
        (token, patch), weights = self._per_layer(), 0
        sees = self._learns("vision")
        projects = sees or self._learns("projector")
        if self.execution.gradient_checkpointing:  # a layer keeps its input, a float32 residual
            token, patch = 4 * text.hidden_size, 4 * tower.width
        elif self._product == 2 and not self.run.training.lora:  # copies of all multiplied weights that learn
            parts = ["language", *(["vision"] if sees else []), *(["projector"] if projects else [])]
            weights = 2 * sum(self.size.parts[part] for part in parts)
        per_token, per_patch = token * text.num_hidden_layers + 4 * text.hidden_size * OUTSIDE, 0
        if sees:
            per_patch += self._product * tower.numbers + patch * tower.layers
        if projects:
            per_patch += tower.projectors * MERGER * tower.width
        return weights + self.inputs * (self.length * per_token + self.patches * per_patch)

    def _backward(self) -> int:
        """The largest layer, with 16-bit copies of its weights if they were not kept."""
        token, patch = self._per_layer()
        runs_tower = self._learns("vision") or self.member.frozen
        layer = self.inputs * max(self.length * token, self.patches * patch if runs_tower else 0)
        copied = self._product == 2 and (self.execution.gradient_checkpointing or self.member.frozen)
        return (layer if self.member.frozen else int(layer * BACKWARD)) + (2 * self.size.layer if copied else 0)
