"""Low-rank adapters (LoRA) in a backbone's language model: `inject`, `save`, `base`, `merged`.

All that touches peft is here. Import it where adapters are used, not at the top of a module: peft takes a while to import,
and few trainings need it.
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

# Every linear layer of the language model, attention and MLP, in both families.
TARGETS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"


def inject(backbone: PreTrainedModel, lora: Lora) -> None:
    """Put adapters into the model, which are then all that learns; they are drawn from torch's generator."""
    inject_adapter_in_model(_config(lora), backbone)


def save(backbone: PreTrainedModel, lora: Lora, base: Weights, weights: dict[str, Tensor], folder: Path) -> None:
    """As peft's own `save_pretrained` would, which cannot be asked: the trained model may still be divided.

    Args:
        backbone: the model with its adapters.
        lora: their settings.
        base: what the model started from.
        weights: all its weights by name, put together.
        folder: where to write.
    """
    adapters = get_peft_model_state_dict(backbone, state_dict=weights)
    config = _config(lora)
    config.base_model_name_or_path, config.revision = base.path, base.revision
    config.inference_mode = True
    config.save_pretrained(folder)
    save_file(
        {f"base_model.model.{name}": weight.contiguous() for name, weight in adapters.items()},
        folder / "adapter_model.safetensors",
    )


def base(folder: Path) -> Weights:
    """What the adapters of a folder were trained on."""
    config = LoraConfig.from_pretrained(folder)
    return Weights(path=config.base_model_name_or_path, revision=config.revision)


def merged(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The model with the adapters of a folder merged into its weights."""
    adapted = PeftModel.from_pretrained(model, folder)
    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            with _whole(layer.get_base_layer().weight):
                layer.merge()
    return adapted.unload().requires_grad_(True)  # peft has frozen it, and the next training may be of all weights


def _whole(weight: nn.Parameter) -> AbstractContextManager[object]:
    """Inside, a weight that DeepSpeed has divided among processes is whole, one at a time."""
    if not hasattr(weight, "ds_id"):
        return nullcontext()
    import deepspeed

    return deepspeed.zero.GatheredParameters([weight], modifier_rank=0)


def _config(lora: Lora) -> LoraConfig:
    return LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=0.0, target_modules=TARGETS)
