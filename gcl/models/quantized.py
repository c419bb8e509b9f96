"""Frozen weights in 4 bits: `quantize(model, precision)`. NF4 with double quantisation, as QLoRA has it (arXiv 2305.14314).

A weight takes half a byte, and an eighth of a bit more for its scales. Products multiply it back first. Only this module
imports bitsandbytes. Import it inside functions: few trainings need it.
"""

import torch
from bitsandbytes.nn import Linear4bit, Params4bit
from torch import nn
from transformers import PreTrainedModel


def quantize(model: PreTrainedModel, precision: torch.dtype) -> None:
    """Put 4-bit layers in the place of all linear layers that do not learn, the output head excepted.

    The head stays, because the fused objective multiplies with its weight. Embeddings, norms and convolutions stay as well.

    Args:
        model: whose parameters know whether they learn; whole, as ZeRO-3 has none.
        precision: of products.
    """
    head = model.get_output_embeddings()
    found = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Linear and layer is not head and not layer.weight.requires_grad
    ]
    for parent, name, layer in found:
        setattr(parent, name, _four_bits(layer, precision))


def _four_bits(layer: nn.Linear, precision: torch.dtype) -> Linear4bit:
    """The layer in 4 bits, on the same device. Scales of 64 weights each are quantised in turn."""
    small = Linear4bit(
        layer.in_features,
        layer.out_features,
        bias=layer.bias is not None,
        compute_dtype=precision,
        compress_statistics=True,
        quant_type="nf4",
        device="meta",
    )
    small.weight = Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4", module=small)
    small.bias = layer.bias
    # On some CPUs it would change the weight's form at its first answer, and then not be able to pass gradients.
    small.support_avx512bf16_for_cpu = False
    return small.to(layer.weight.device)  # quantised on its way
