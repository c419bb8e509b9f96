"""Frozen weights in 16 bits, or 4: `hold(model, precision)`. With 16, the plain engine's results stay the same to the bit.

Autocast rounds the operands of every product, at every step. A weight that does not learn can be rounded once. Embeddings of
tokens are used unrounded, so they are held only where nothing is lost. Published checkpoints have 16 bits, so that is the
case there.
"""

import torch
from torch import Tensor, distributed, nn
from transformers import PreTrainedModel

PRODUCTS = (nn.Linear, nn.Conv2d, nn.Conv3d)


def hold(model: PreTrainedModel, precision: torch.dtype, quantization: str | None = None) -> None:
    """Keep weights of products that do not learn in the precision of autocast; float32 changes nothing.

    Norms and positions stay in float32. They are small, and no product rounds them.

    Args:
        model: whose parameters know whether they learn. ZeRO-3 may have divided it; then all processes call.
        precision: of autocast.
        quantization: "nf4" keeps linear layers in 4 bits instead; then a model is whole.
    """
    if quantization:
        from gcl.models.quantized import quantize

        quantize(model, precision)
    if precision == torch.float32:
        return
    words = model.get_input_embeddings()
    kept = set() if _exact(words.weight, precision) else {id(words.weight)}
    for module in model.modules():
        if isinstance(module, PRODUCTS) or module is words:
            for parameter in module.parameters(recurse=False):
                learns, packed = parameter.requires_grad, not parameter.is_floating_point()
                if not (learns or packed or id(parameter) in kept):
                    _round(parameter, precision)
    if words.weight.dtype == precision:
        words.register_forward_hook(_unrounded)


def _round(parameter: nn.Parameter, precision: torch.dtype) -> None:
    parameter.data = parameter.data.to(precision)
    if hasattr(parameter, "ds_tensor"):  # this process's share; the weight itself is empty
        parameter.ds_tensor.data = parameter.ds_tensor.data.to(precision)


def _exact(weight: nn.Parameter, precision: torch.dtype) -> bool:
    """Whether rounding loses nothing, in no process's share."""
    divided = hasattr(weight, "ds_tensor")
    own = (weight.ds_tensor if divided else weight).detach()
    lost = torch.tensor(float(not all(torch.equal(x, x.to(precision).to(x.dtype)) for x in own.split(4096))))
    if divided and distributed.is_initialized():
        lost = lost.to(own.device)
        distributed.all_reduce(lost)
    return not lost.item()


def _unrounded(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output.float()
