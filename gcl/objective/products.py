"""Matrix products of the fused head: operands in low precision, results in float32 (float64 stays float64).

`head.py` prepares hidden states and weights once with `operand` and multiplies them with `multiply`. `hidden_gradient` and
`add_head_gradient` form gradients. Only this file knows the differences between devices:

- CUDA from compute capability 8.0: tensor cores multiply low-precision operands into a float32 result. A gradient by the
  logits is float32, so it is split into two halves. Together they carry 16 (bfloat16) or 22 (float16) bits.
- elsewhere: operands are rounded to the precision and multiplied in float32, which is exact per product.

The float32 products follow `torch.backends.cuda.matmul.fp32_precision`. With TF32 allowed they lose these digits.
"""

import torch
from torch import Tensor

# Columns of the vocabulary split at a time. It bounds the copies made by splitting.
BLOCK = 16384


def operand(tensor: Tensor, precision: torch.dtype) -> Tensor:
    """Round a tensor to the precision and hold it in the dtype that its device multiplies. float64 stays."""
    if tensor.dtype == torch.float64:
        return tensor
    rounded = tensor.detach().to(precision)
    return rounded if _mixed(tensor.device) else rounded.to(torch.float32)


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """left @ right of equal dtypes, with a float32 result for low-precision operands on any device."""
    if left.dtype in (torch.float32, torch.float64):
        return left @ right
    if _mixed(left.device):
        return torch.mm(left, right, out_dtype=torch.float32)
    return left.float() @ right.float()


def hidden_gradient(gradient_NV: Tensor, head_VD: Tensor) -> Tensor:
    """Gradient by the hidden states [N, D], from that by the logits and the head in operand form."""
    if gradient_NV.dtype == head_VD.dtype:
        return gradient_NV @ head_VD
    out_ND = gradient_NV.new_zeros(len(gradient_NV), head_VD.shape[1])
    for start in range(0, len(head_VD), BLOCK):
        block = slice(start, start + BLOCK)
        high, low, unscale = split(gradient_NV[:, block], head_VD.dtype)
        out_ND.add_(multiply(high, head_VD[block]).add_(multiply(low, head_VD[block])).mul_(unscale))
    return out_ND


def add_head_gradient(out_VD: Tensor, gradient_NV: Tensor, hidden_ND: Tensor) -> None:
    """Add the gradient by the head, gradient_NV^T hidden_ND, to `out_VD`; hidden states in operand form."""
    if gradient_NV.dtype == hidden_ND.dtype:
        out_VD.addmm_(gradient_NV.T, hidden_ND)
        return
    for start in range(0, len(out_VD), BLOCK):
        block = slice(start, start + BLOCK)
        high, low, unscale = split(gradient_NV[:, block], hidden_ND.dtype)
        out_VD[block].add_(multiply(high.T, hidden_ND).add_(multiply(low.T, hidden_ND)).mul_(unscale))


def split(values: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor | float]:
    """Split float32 values into (high, low, unscale) with (high + low) * unscale = values, to 2^-17 or better.

    float16 ends at 6e-8, and gradients of confident tokens are that small. So a power of two first scales the largest value
    to about 2^14. The device computes it without a synchronisation.
    """
    unscale: Tensor | float = 1.0
    if dtype == torch.float16:
        exponent = torch.frexp(torch.linalg.vector_norm(values, ord=float("inf"))).exponent
        power = (14 - exponent).clamp_(max=126)  # 2^126 and 2^-126 are both normal float32 numbers
        values = torch.ldexp(values, power)
        unscale = torch.ldexp(torch.ones_like(values[0, 0]), -power)
    high = values.to(dtype)
    return high, (values - high).to(dtype), unscale


def _mixed(device: torch.device) -> bool:
    """Whether the device multiplies low-precision operands into a float32 result."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)
