"""Products with low-precision operands, through the split that CUDA takes, and gradients at the size of a real head."""

import numpy as np
import pytest
import torch
from objective_cases import nearly_agreeing_case, relative_error

from gcl.objective import products
from gcl.objective.head import competitive_head

LOW = [torch.bfloat16, torch.float16]
REAL = 151936  # rows of Qwen's output heads


@pytest.fixture
def low_operands(monkeypatch) -> None:
    """Operands as CUDA holds them, so that the CPU takes the same path; `multiply` then casts them up, which is exact."""
    monkeypatch.setattr(products, "operand", lambda tensor, precision: tensor.detach().to(precision))


@pytest.mark.parametrize("dtype", LOW)
@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e-6, 1.0, 1e5, 1e30])
def test_the_two_halves_carry_the_value(dtype, size):
    values = size * torch.randn(40, 60, generator=torch.Generator().manual_seed(0))
    high, low, unscale = products.split(values, dtype)
    assert high.dtype == low.dtype == dtype
    restored = (high.double() + low.double()) * unscale
    assert relative_error(restored, values.double().numpy()) <= 2**-17


@pytest.mark.parametrize("dtype", LOW)
def test_a_gradient_of_zeros_stays_zero(dtype):
    high, low, unscale = products.split(torch.zeros(3, 4), dtype)
    assert not ((high.float() + low.float()) * unscale).any()


@pytest.mark.parametrize("size", [1e-12, 1e-7, 1.0])
@pytest.mark.parametrize("dtype", [*LOW, torch.float32])
def test_gradient_products_are_those_of_float64(dtype, size):
    generator = torch.Generator().manual_seed(1)
    # Gradients as a softmax leaves them: over many orders of magnitude. Two whole blocks and a part.
    gradient = size * torch.randn(24, 40000, generator=generator).mul(3).exp()
    head, hidden = (torch.randn(n, 16, generator=generator).to(dtype) for n in (40000, 24))
    by_hidden = products.hidden_gradient(gradient, head)
    by_head = torch.ones(40000, 16)
    products.add_head_gradient(by_head, gradient, hidden)
    wide, ones = gradient.double().numpy(), np.ones((40000, 16))
    assert by_hidden.dtype == torch.float32
    assert relative_error(by_hidden, wide @ head.double().numpy()) <= 1e-5
    assert relative_error(by_head, ones + wide.T @ hidden.double().numpy()) <= 1e-5


@pytest.mark.parametrize("dtype", LOW)
def test_logits_of_low_precision_operands_are_float32(dtype):
    left, right = (torch.randn(5, 64, generator=torch.Generator().manual_seed(k)).to(dtype) for k in (0, 1))
    logits = products.multiply(left, right.T)
    assert logits.dtype == torch.float32
    assert relative_error(logits, left.double().numpy() @ right.double().numpy().T) <= 1e-6


def test_operands_are_rounded_once_and_float64_is_left_alone():
    tensor = torch.randn(4, 4)
    rounded = products.operand(tensor, torch.bfloat16)
    assert torch.equal(rounded, tensor.bfloat16().float())
    assert products.operand(tensor.double(), torch.bfloat16).dtype == torch.float64
    assert products.operand(tensor, torch.float32).data_ptr() == tensor.data_ptr()


def check_at_real_size(taus, noise, std, dtype, *, rows: int = 16) -> None:
    case = nearly_agreeing_case(taus, vocabulary=REAL, rows=rows, width=64, std=std, noise=noise, dtype=dtype)
    expected, by_tensor = case.reference()
    leaves = case.leaves(torch.float32)
    total, components = competitive_head(
        leaves.hidden, leaves.heads, leaves.all_labels, taus, **case.options(), precision=dtype, chunk=rows
    )
    total.backward()
    assert all(value.item() >= 0 for value in components.values())
    assert total.item() == pytest.approx(expected, rel=2e-6)
    for leaf, gradient in zip(leaves.hidden + leaves.heads, by_tensor, strict=True):
        assert relative_error(leaf.grad, gradient) <= 1e-5


@pytest.mark.parametrize("tau, noise, std", [(1.0, 0.05, 3.0), (2.0, 0.3, 6.0), (3.0, 0.05, 6.0)])
def test_gradients_at_the_size_of_a_real_head(tau, noise, std):
    check_at_real_size([tau, tau], noise, std, torch.bfloat16, rows=8)


@pytest.mark.parametrize("dtype", LOW)
def test_gradients_at_the_size_of_a_real_head_through_the_split(low_operands, dtype):
    check_at_real_size([3.0, 2.0], 0.3, 6.0, dtype, rows=8)


@pytest.mark.slow
@pytest.mark.parametrize("taus", [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0], [3.0, 2.0], [1.0, 2.0, 3.0]])
@pytest.mark.parametrize("noise", [0.05, 0.3])
@pytest.mark.parametrize("std", [3.0, 6.0])
@pytest.mark.parametrize("path, dtype", [("cast", torch.bfloat16), ("split", torch.float16)])
def test_gradients_at_the_size_of_a_real_head_in_every_combination(request, taus, noise, std, path, dtype):
    if path == "split":
        request.getfixturevalue("low_operands")
    check_at_real_size(taus, noise, std, dtype, rows=16)
