"""Load a checkpoint of any family, from a local folder or a pinned hub revision, the same way at every scale.

`load_model(source)` loads any model, and `load_trained(folder, base)` one that a training wrote.
"""

from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText, PreTrainedModel

from gcl.errors import CheckpointError
from gcl.experiment.weights import Weights
from gcl.models.checkpoint_source import check_source, guarded

ADAPTER = "adapter"  # folder of LoRA adapters in a member's folder


def load_model(source: Weights, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a published or a trained model in evaluation mode; a trained one may be adapters alone.

    Raises:
        CheckpointError: as `load_backbone` and `load_trained`.
    """
    folder = Path(source.path)
    if source.revision is None and (folder / ADAPTER).is_dir():
        from gcl.models import adapters

        adapter = Weights(path=str(folder / ADAPTER))
        return load_trained(folder, guarded(adapter, lambda: adapters.base(folder / ADAPTER)), dtype)
    return load_backbone(source, dtype)


def load_backbone(source: Weights, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a model from whole weights in evaluation mode.

    Raises:
        CheckpointError: if a file is missing or unreadable, a weight is missing, or the family is unknown. Also if
            the weights have another hash than `source.sha256`.
    """
    family = check_source(source)
    model, info = guarded(
        source,
        lambda: AutoModelForImageTextToText.from_pretrained(**source.arguments, dtype=dtype, output_loading_info=True),
    )
    # transformers would draw missing weights at random and only warn.
    if info["missing_keys"] or info["mismatched_keys"]:
        absent = sorted(info["missing_keys"])[:3] or sorted(str(key) for key in info["mismatched_keys"])[:3]
        raise CheckpointError(
            f"{source}: the checkpoint lacks weights ({', '.join(absent)}, ...); make or download it again"
        )
    family.streamline(model)
    _plain_head(source, model)
    return model.eval()


def _plain_head(source: Weights, model: PreTrainedModel) -> None:
    """Refuse a model whose logits are more than a product: the objective makes them from hidden states itself."""
    text = model.config.get_text_config()
    for name in ("final_logit_softcapping", "logits_scaling", "logit_scale"):
        if getattr(text, name, None) not in (None, 1, 1.0):
            raise CheckpointError(
                f"{source}: its head changes logits ({name}), which the objective does not; use another model"
            )


def load_trained(folder: Path, base: Weights, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """Load a trained model: whole weights, or adapters, which are merged into their base.

    Args:
        folder: one member's checkpoint folder.
        base: the model that the member started from.
        dtype: of the weights.

    Raises:
        CheckpointError: as `load_backbone`; also if the adapters do not fit the base.
    """
    if any(folder.glob("*.safetensors")):
        return load_backbone(Weights(path=str(folder)), dtype)
    model = load_model(base)
    adapter = folder / ADAPTER
    if adapter.is_dir():
        from gcl.models import adapters

        model = guarded(Weights(path=str(adapter)), lambda: adapters.merged(model, adapter))
    for parameter in model.parameters():  # not buffers: positions need all bits
        parameter.data = parameter.data.to(dtype)
    model.config.dtype = dtype
    return model.eval()
