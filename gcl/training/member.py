"""A member of a competitive group: one vision-language model with everything that is its own."""

import errno
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import PreTrainedModel

from gcl.backbones.load import Source, load_backbone, load_preprocessor
from gcl.data.encoding import IGNORED, Encoder
from gcl.objective.group import MemberOutput
from gcl.objective.semantic import SemanticHead
from gcl.runs import MemberSpec


class Member(nn.Module):
    """Backbone and, where GSL is on, semantic head: all parameters that follow this member's learning rate.

    The semantic head serves training only; `save` writes the backbone.
    """

    def __init__(
        self, spec: MemberSpec, backbone: PreTrainedModel, encoder: Encoder, semantic_size: int | None
    ) -> None:
        super().__init__()
        self.spec, self.encoder, self.backbone = spec, encoder, backbone
        hidden_size = backbone.config.text_config.hidden_size
        self.semantic_head = None if semantic_size is None else SemanticHead(hidden_size, semantic_size)

    @classmethod
    def load(cls, spec: MemberSpec, *, system: str, pixels: list[int], semantic_size: int | None) -> "Member":
        """Load the member's starting weights; a new semantic head is drawn from torch's global generator."""
        source = Source(spec.source, spec.revision)
        preprocessor = load_preprocessor(source, (pixels[0], pixels[1]))
        return cls(spec, load_backbone(source), Encoder(preprocessor, system), semantic_size)

    @property
    def head_rows(self) -> int:
        """Rows of the output head, padding included."""
        return self.backbone.get_output_embeddings().weight.shape[0]

    def forward(self, batch: dict[str, Tensor]) -> MemberOutput:
        """Run one right-padded batch; the head is applied to the supervised rows only, never to the whole sequence."""
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        hidden_BTD = self.backbone.model(**inputs, use_cache=False).last_hidden_state
        labels_BT = batch["labels"][:, 1:]
        supervised_BT = labels_BT != IGNORED
        logits_NV = self.backbone.get_output_embeddings()(hidden_BTD[:, :-1][supervised_BT])
        semantic_BE = None if self.semantic_head is None else self.semantic_head(hidden_BTD, batch["attention_mask"])
        return MemberOutput(logits_NV, labels_BT[supervised_BT], semantic_BE)

    def save(self, folder: Path) -> None:
        """Write an ordinary checkpoint folder: safetensors weights, configuration, processor.

        Raises:
            OSError: if the disk is full; safetensors would hide that in an error of its own.
        """
        try:
            self.backbone.save_pretrained(folder)
        except SafetensorError as error:
            if "StorageFull" in str(error) or "No space left" in str(error):
                raise OSError(errno.ENOSPC, "no space left on device", str(folder)) from error
            raise
        self.encoder.preprocessor.save(folder)
