"""The streamlined vision tower equals the original in values and gradients; other devices than CPUs run the original."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText

from gcl.errors import CheckpointError
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.vision import PatchProjection, streamline


def around(convolution: nn.Module) -> SimpleNamespace:
    """The part of a Qwen-VL model that leads to its patch embedding."""
    tower = SimpleNamespace(patch_embed=SimpleNamespace(proj=convolution), blocks=[])
    return SimpleNamespace(model=SimpleNamespace(visual=tower))


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
    model = around(convolution)
    streamline(model)
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
        streamline(around(other))


def seen(tower: nn.Module, grids: list[list[int]]) -> list[Tensor]:
    """Features of pictures of some sizes in patches, and the gradients of all weights."""
    torch.manual_seed(0)
    patches = sum(t * h * w for t, h, w in grids)
    weight = tower.patch_embed.proj.weight
    pixels = torch.randn(patches, weight[0].numel(), dtype=weight.dtype)
    features = tower(pixels, grid_thw=torch.tensor(grids)).pooler_output
    learned = [parameter for parameter in tower.parameters() if parameter.requires_grad]
    return [features, *torch.autograd.grad(features.square().sum(), learned, materialize_grads=True)]


@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
@pytest.mark.parametrize(
    "grids", [[[1, 4, 4]] * 3, [[1, 4, 6], [1, 8, 8], [1, 4, 6], [1, 2, 2]]], ids=["equal", "mixed"]
)
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_pictures_seen_together_are_seen_as_one_by_one(backbones, family, grids, implementation):
    plain = AutoModelForImageTextToText.from_pretrained(
        backbones[family], dtype=torch.float64, attn_implementation=implementation
    )
    model = load_backbone(Weights(path=str(backbones[family]), revision=None), torch.float64)
    model.set_attn_implementation(implementation)
    assert type(plain.model.visual.blocks[0].attn) is not type(model.model.visual.blocks[0].attn)
    found, expected = seen(model.model.visual, grids), seen(plain.model.visual, grids)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_other_devices_run_the_code_of_transformers(backbones, family, monkeypatch):
    tower = load_backbone(Weights(path=str(backbones[family]))).model.visual
    attention, convolution = tower.blocks[0].attn, tower.patch_embed.proj
    for original in (type(attention).__bases__[-1], nn.Conv3d):
        monkeypatch.setattr(original, "forward", lambda *_, **__: "original")
    elsewhere = torch.empty(4, 4, device="meta")
    assert attention(elsewhere, None) == convolution(elsewhere) == "original"
    assert isinstance(convolution(torch.zeros(1, *convolution.weight.shape[1:])), Tensor)  # on a CPU
