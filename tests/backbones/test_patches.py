"""The patch embedding as a matrix product equals the convolution that it replaces, in values and gradients."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gcl.backbones.patches import PatchProjection, as_product
from gcl.errors import CheckpointError


def around(convolution: nn.Module) -> SimpleNamespace:
    """As much of a Qwen-VL model as leads to its patch embedding."""
    patch_embed = SimpleNamespace(proj=convolution)
    return SimpleNamespace(model=SimpleNamespace(visual=SimpleNamespace(patch_embed=patch_embed)))


@pytest.mark.parametrize("bias", [False, True])
def test_product_equals_convolution(bias):
    torch.manual_seed(0)
    convolution = nn.Conv3d(3, 7, (2, 5, 5), stride=(2, 5, 5), bias=bias).double()
    patches = torch.randn(11, 3, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    weighting = torch.randn(11, 7, 1, 1, 1, dtype=torch.float64)
    learned = [patches, *convolution.parameters()]
    expected = convolution(patches)
    expected_gradients = torch.autograd.grad((expected * weighting).sum(), learned)

    names = list(convolution.state_dict())
    model = as_product(around(convolution))
    product = model.model.visual.patch_embed.proj
    assert isinstance(product, PatchProjection) and list(product.state_dict()) == names
    found = product(patches)
    gradients = torch.autograd.grad((found * weighting).sum(), learned)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients, expected_gradients, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "other", [nn.Linear(4, 4), nn.Conv3d(3, 7, 4, stride=2), nn.Conv3d(3, 7, 4, stride=4, padding=1)]
)
def test_another_patch_embedding_is_refused(other):
    with pytest.raises(CheckpointError, match="not a convolution over whole patches"):
        as_product(around(other))
