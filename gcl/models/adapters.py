"""Low-rank adapters (LoRA) in a backbone's language model, and perhaps its vision tower: `inject`, `save`, `base`, `merged`.

Only this module imports peft. Import it inside functions: peft loads slowly, and few trainings need it.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from peft import LoraConfig, PeftModel, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils.save_and_load import get_peft_model_state_dict
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.models.family import get_family


def inject(backbone: PreTrainedModel, lora: Lora) -> None:
    """Put adapters into the model and freeze everything else; torch's generator draws them."""
    inject_adapter_in_model(_config(lora, backbone), backbone)


def save(backbone: PreTrainedModel, lora: Lora, base: Weights, weights: dict[str, Tensor], folder: Path) -> None:
    """Write the files of peft's `save_pretrained`, which cannot gather a model divided among processes.

    Args:
        backbone: the model with its adapters.
        lora: their settings.
        base: the model that training started from.
        weights: all its weights by name, gathered.
        folder: where to write.
    """
    adapters = get_peft_model_state_dict(backbone, state_dict=weights)
    config = _config(lora, backbone)
    config.base_model_name_or_path, config.revision = base.path, base.revision
    config.inference_mode = True
    config.save_pretrained(folder)
    save_file(
        {f"base_model.model.{name}": weight.contiguous() for name, weight in adapters.items()},
        folder / "adapter_model.safetensors",
    )


def base(folder: Path) -> Weights:
    """The model that the adapters of a folder were trained on."""
    config = LoraConfig.from_pretrained(folder)
    return Weights(path=config.base_model_name_or_path, revision=config.revision)


def merged(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with the adapters of a folder merged into its weights."""
    adapted = PeftModel.from_pretrained(model, folder)
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            with _whole(layer.get_base_layer().weight):
                layer.merge()
    return adapted.unload().requires_grad_(True)  # peft froze it; the next training may be of all weights


def _whole(weight: nn.Parameter) -> AbstractContextManager[object]:
    """Context in which a weight that DeepSpeed divided among processes is whole."""
    if not hasattr(weight, "ds_id"):
        return nullcontext()
    import deepspeed

    return deepspeed.zero.GatheredParameters([weight], modifier_rank=0)


def _config(lora: Lora, backbone: PreTrainedModel) -> LoraConfig:
    adapted = get_family(backbone.config.model_type).adapted
    targets = f"({adapted['language']})|({adapted['vision']})" if lora.vision else adapted["language"]
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, target_modules=targets)
