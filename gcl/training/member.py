"""A member of a competitive group: one vision-language model with everything that is its own.

`Member.load(spec, start, training, ...)` loads the starting weights and decides which of them learn. It can be all, all but
the vision tower or the projector, or low-rank adapters only (LoRA). Of a teacher, whose learning rate is 0, it is none.
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from gcl.data.encoding import IGNORED, Encoder
from gcl.errors import ConfigError
from gcl.experiment.runs import MemberSpec, TrainingSpec
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_model
from gcl.models.family import get_family
from gcl.models.frozen import hold
from gcl.models.preprocessor import load_preprocessor
from gcl.objective.gsl import SemanticHead
from gcl.training.offload import offload_layers

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Member(nn.Module):
    """Backbone and, where GSL is on, semantic head: all parameters that follow this member's learning rate.

    Weights that learn are float32. With a 16-bit precision the backbone runs under autocast. The semantic head does not: it
    is small, and its softmax is not. Engines hold weights that do not learn in fewer bits (gcl/models/frozen.py).
    """

    cache = None  # unlike teachers of teacher_cache.py

    def __init__(
        self,
        spec: MemberSpec,
        training: TrainingSpec,
        backbone: PreTrainedModel,
        encoder: Encoder,
        *,
        semantic_size: int | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.spec, self.encoder, self.backbone = spec, encoder, backbone
        self.precision = PRECISIONS[training.precision]
        # Where some of a model's own weights learn, its frozen parts stay in 16 bits.
        self.quantization = training.quantization if spec.frozen or training.lora else None
        hidden_size = backbone.config.get_text_config().hidden_size
        # A generator state of its own: the numbers that loading consumed must not matter, nor the number of processes.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if training.lora and not spec.frozen:
                from gcl.models import adapters

                adapters.inject(backbone, training.lora)
            self.semantic_head = None if semantic_size is None else SemanticHead(hidden_size, semantic_size)
        family = get_family(backbone.config.model_type)
        for name, parameter in backbone.named_parameters():
            if family.part(name) in training.frozen:
                parameter.requires_grad_(False)
        if spec.frozen:
            self.requires_grad_(False)

    @classmethod
    def load(
        cls, spec: MemberSpec, start: Weights, training: TrainingSpec, *, semantic_size: int | None, seed: int
    ) -> "Member":
        """Load a member's starting weights; its semantic head and adapters are drawn from `seed`."""
        preprocessor = load_preprocessor(start, (training.pixels[0], training.pixels[1]))
        encoder = Encoder(preprocessor, training.system)
        return cls(spec, training, load_model(start), encoder, semantic_size=semantic_size, seed=seed)

    @property
    def head(self) -> nn.Parameter:
        """Weight [V, D] of the output head; the embedding itself where the two are tied."""
        return self.backbone.get_output_embeddings().weight

    @property
    def head_rows(self) -> int:
        """Rows of the output head, padding included."""
        return self.backbone.config.get_text_config().vocab_size

    @property
    def mixed(self) -> dict[str, Any]:
        """Arguments of autocast under which the backbone runs."""
        # Casts are not cached: a cache would keep a 16-bit copy of every weight through the whole forward pass.
        return {"dtype": self.precision, "enabled": self.precision != torch.float32, "cache_enabled": False}

    @property
    def config(self) -> PretrainedConfig:
        """The model's configuration."""
        return self.backbone.config

    def attend(self, attention: str) -> None:
        """Choose transformers' implementation of attention, in the vision tower, too.

        Raises:
            ConfigError: if it is not installed, or not for this device.
        """
        try:
            self.backbone.set_attn_implementation(attention)
        except (ImportError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(f"execution.attention: {attention} is not possible here ({reason}); use sdpa") from error

    def hold(self) -> None:
        """Keep weights that do not learn in fewer bits."""
        hold(self.backbone, self.precision, self.quantization)

    def place(self, device: torch.device, *, offload: bool) -> None:
        """Hold frozen weights in fewer bits, and put all on the device; with `offload` a teacher's layers stay away.

        Weights in 4 bits are few enough to stay.
        """
        self.hold()
        if offload and self.spec.frozen and self.quantization is None:
            offload_layers(self, device)
        else:
            self.to(device)

    def trainable(self) -> dict[str, nn.Parameter]:
        """Parameters that learn, by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor | None]:
        """Run one right-padded batch, without applying the head: its product belongs to the fused objective.

        Returns:
            Hidden states [N, D] of the positions that predict an answer token, and the head's weight [V, D]. Third, pooled
            unit vectors [B, E], or None without GSL. The weight leaves as an output, so that its gradient comes back through
            this call. Engines that divide weights need that.
        """
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        with torch.autocast(batch["input_ids"].device.type, **self.mixed):
            hidden_BTD = self.backbone.model(**inputs, use_cache=False).last_hidden_state
        supervised_BT = batch["labels"][:, 1:] != IGNORED
        semantic_BE = None
        if self.semantic_head is not None:
            semantic_BE = self.semantic_head(hidden_BTD.float(), batch["attention_mask"])
        return hidden_BTD[:, :-1][supervised_BT], self.head.view_as(self.head), semantic_BE


def answers(batch: dict[str, Any]) -> Tensor:
    """The answer tokens [N] that the rows of `Member.forward` predict."""
    labels_BT = batch["labels"][:, 1:]
    return labels_BT[labels_BT != IGNORED]
