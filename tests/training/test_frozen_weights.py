"""Frozen weights in 16 bits: the same losses and the same files to the byte, and half of the memory."""

import pytest
import torch
from group_case import losses, make_run, train_scenes

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.frozen import hold
from gcl.models.preprocessor import load_preprocessor
from gcl.training import member

CASES = {
    "adapters": {"lora": {"rank": 4, "alpha": 8.0}},
    "a teacher": {"lr": (2e-3, 0.0), "gsl": 0.0},
    "a frozen vision tower": {"frozen": ("vision",)},
}


@pytest.fixture(scope="module")
def published(backbones, tmp_path_factory):
    """The same models with weights of 16 bits, as hubs have them."""
    found = {}
    for family, folder in backbones.items():
        model = load_backbone(Weights(path=str(folder)))
        for parameter in model.parameters():
            parameter.data = parameter.data.bfloat16().float()
        found[family] = tmp_path_factory.mktemp(family)
        model.save_pretrained(found[family])
        load_preprocessor(Weights(path=str(folder))).save(found[family])
    return found


@pytest.fixture
def trained(tmp_path, scenarios, monkeypatch):
    """Losses, files and dtypes of a training, with frozen weights held in 16 bits or not."""

    def run(spec, held: bool):
        dtypes = set()

        def watched(model, precision, quantization):
            if held:
                hold(model, precision)
            dtypes.update(p.dtype for p in model.parameters() if not p.requires_grad and p.ndim > 1)

        monkeypatch.setattr(member, "hold", watched)
        output = tmp_path / str(held)
        train_scenes(spec, scenarios[:8], "data", ExecutionSpec(), output, tmp_path / "scratch" / str(held))
        files = {path.relative_to(output): path.read_bytes() for path in output.rglob("*.safetensors")}
        return losses(output), files, dtypes

    return run


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("case", CASES)
def test_holding_changes_no_bit(published, trained, case, precision):
    spec = make_run(published, precision=precision, **CASES[case])
    plainly, whole, before = trained(spec, held=False)
    held, same, after = trained(spec, held=True)
    assert plainly == held and whole == same and whole
    assert before == {torch.float32} and getattr(torch, precision) in after


@pytest.mark.parametrize("case", ["adapters", "a teacher"])
def test_embeddings_that_would_lose_digits_stay_as_they_are(backbones, trained, case):
    spec = make_run(backbones, precision="bfloat16", **CASES[case])
    plainly, whole, _ = trained(spec, held=False)
    held, same, after = trained(spec, held=True)
    assert plainly == held and whole == same and after == {torch.float32, torch.bfloat16}


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
def test_a_frozen_model_takes_half_of_the_memory(published, family):
    model = load_backbone(Weights(path=str(published[family]))).requires_grad_(False)
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    hold(model, torch.bfloat16)
    assert sum(p.numel() * p.element_size() for p in model.parameters()) < 0.56 * size


def test_float32_changes_nothing(published):
    model = load_backbone(Weights(path=str(published["qwen3_vl"]))).requires_grad_(False)
    hold(model, torch.float32)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
