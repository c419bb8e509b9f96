"""4-bit frozen weights, 8-bit AdamW, offloading: exact products of the rounded weights, and losses nearly the same."""

import copy

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from bitsandbytes.nn import Linear4bit
from bitsandbytes.optim import AdamW8bit
from group_case import losses, make_run, train_scenes
from safetensors.torch import load_file
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from gcl.data.encoding import collate
from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.frozen import hold
from gcl.training import trainer
from gcl.training.engines import make_engine
from gcl.training.member import Member, answers

LORA = {"rank": 4, "alpha": 8.0, "vision": True}
# Largest difference of a loss at any step from that of a float32 training, relative to it.
BOUNDS = {
    "16 bits, adapters": ({"precision": "bfloat16", "lora": LORA}, {"lora": LORA}, 0.02),
    "4 bits, adapters": ({"precision": "bfloat16", "lora": LORA, "quantization": "nf4"}, {"lora": LORA}, 0.05),
    "4 bits, a teacher": (
        {"quantization": "nf4", "lr": (2e-3, 0.0), "gsl": 0.0},
        {"lr": (2e-3, 0.0), "gsl": 0.0},
        0.05,
    ),
    "8-bit AdamW": ({"optimizer": "AdamW8bit"}, {}, 0.05),
}


@pytest.fixture
def train(tmp_path, scenarios):
    def run(spec, name):
        train_scenes(spec, scenarios[:8], "data", ExecutionSpec(), tmp_path / name, tmp_path / "scratch" / name)
        return losses(tmp_path / name)

    return run


def members(spec, offload=False):
    loaded = [
        Member.load(m, m.start, spec.training, semantic_size=None, seed=k).train(not m.frozen)
        for k, m in enumerate(spec.members)
    ]
    return loaded, make_engine(loaded, spec.training, ExecutionSpec(offload=offload), 4)


def multiplied_back(model: nn.Module) -> nn.Module:
    """The same model with ordinary layers, whose weights are those that 4 bits stand for."""
    model = copy.deepcopy(model)
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, Linear4bit):
                plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
                plain.weight = nn.Parameter(dequantize_4bit(layer.weight.data, layer.weight.quant_state), False)
                plain.bias = layer.bias
                setattr(parent, name, plain)
    return model


@pytest.mark.parametrize("family", [0, 1])
def test_products_and_gradients_are_those_of_the_weights_multiplied_back(backbones, scenarios, family):
    spec = make_run(backbones, lora=LORA, quantization="nf4")
    spec = spec.model_copy(update={"members": [spec.members[family]]})
    [member], _ = members(spec)
    reference = multiplied_back(member)
    assert not any(isinstance(layer, Linear4bit) for layer in reference.modules())
    exchanges = [scene.exchange(turn) for scene in scenarios[:3] for turn in scene.turns]
    samples = [member.encoder.sample(exchange) for exchange in exchanges]
    batch = collate(samples, member.encoder, left_padded=False)
    found = []
    for model in (member, reference):
        torch.manual_seed(0)
        for name, parameter in model.trainable().items():
            if "lora_B" in name:  # zero at the start, where adapters change nothing
                parameter.data.normal_(0, 0.02)
        hidden, head, _ = model(batch)
        loss = nn.functional.cross_entropy(hidden @ head.T, answers(batch))
        loss.backward()
        found.append((loss.item(), {name: p.grad for name, p in model.trainable().items()}))
    (loss, gradients), (expected, exact) = found
    assert loss == pytest.approx(expected, rel=1e-5)
    assert gradients.keys() == exact.keys() and any("visual" in name for name in exact)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, exact[name], rtol=1e-3, atol=1e-6 * float(exact[name].abs().max() + 1))


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_every_linear_layer_but_the_head_takes_about_half_a_byte_a_weight(backbones, family, precision):
    model = load_backbone(Weights(path=str(backbones[family]))).requires_grad_(False)
    head = model.get_output_embeddings()
    before = {name: layer.weight.numel() for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}
    hold(model, precision, "nf4")
    small = {name: layer for name, layer in model.named_modules() if isinstance(layer, Linear4bit)}
    assert set(before) - set(small) == {"lm_head"} and model.get_output_embeddings() is head
    assert all(layer.weight.dtype == torch.uint8 for layer in small.values())
    assert sum(layer.weight.numel() for layer in small.values()) == pytest.approx(
        sum(before[name] for name in small) / 2, rel=0.02
    )


@pytest.mark.parametrize("case", BOUNDS)
def test_losses_stay_near_those_of_more_bits(backbones, train, case):
    changes, plain, bound = BOUNDS[case]
    few, many = (train(make_run(backbones, epochs=3, **c), str(k)) for k, c in enumerate((changes, plain)))
    assert [row["step"] for row in few] == [row["step"] for row in many]
    differences = [abs(a["loss"] / b["loss"] - 1) for a, b in zip(few, many, strict=True)]
    assert 0 < max(differences) < bound, f"{max(differences):.4f}"


@pytest.mark.parametrize("changes", [{}, {"optimizer": "AdamW8bit"}, {"lr": (2e-3, 0.0), "gsl": 0.0}], ids=str)
def test_offloading_changes_no_bit(backbones, scenarios, tmp_path, changes):
    spec, away = make_run(backbones, epochs=2, precision="bfloat16", **changes), []
    for offload in (False, True):
        output = tmp_path / str(offload)
        execution = ExecutionSpec(offload=offload)
        train_scenes(spec, scenarios[:8], "data", execution, output, tmp_path / f"scratch-{offload}")
        away.append([path.read_bytes() for path in sorted(output.rglob("*.safetensors"))])
    assert losses(tmp_path / "True") == losses(tmp_path / "False")
    assert away[0] == away[1] and away[0]


def test_layers_of_an_offloaded_teacher_are_away_between_passes(backbones, scenarios):
    spec = make_run(backbones, lr=(2e-3, 0.0), gsl=0.0)
    loaded, engine = members(spec, offload=True)
    exchange = scenarios[0].exchange("action")
    batches = [collate([m.encoder.sample(exchange)], m.encoder, left_padded=False) for m in loaded]
    engine.forward(batches, last=True)
    for member, frozen in zip(loaded, (False, True), strict=True):
        layers = [layer for layer in member.modules() if isinstance(layer, GradientCheckpointingLayer)]
        assert layers and {p.is_meta for layer in layers for p in layer.parameters()} == {frozen}
        assert not member.head.is_meta


def test_a_teacher_in_4_bits_is_written_as_it_came(backbones, train, tmp_path):
    train(make_run(backbones, quantization="nf4", lr=(2e-3, 0.0), gsl=0.0), "out")
    written, started = (
        load_file(path / "model.safetensors") for path in (tmp_path / "out/guide", backbones["qwen3_vl"])
    )
    assert written.keys() == started.keys()
    assert all(torch.equal(written[name], started[name]) for name in started)


def test_weights_that_learn_are_never_in_4_bits(backbones):
    loaded, _ = members(make_run(backbones, quantization="nf4", frozen=("vision",)))
    assert not any(isinstance(layer, Linear4bit) for member in loaded for layer in member.modules())


def test_moments_of_large_weights_take_a_byte_each(backbones, scenarios):
    spec = make_run(backbones, optimizer="AdamW8bit", gsl=0.0)
    loaded, engine = members(spec)
    for optimizer, member in zip(engine.optimizers, loaded, strict=True):
        assert isinstance(optimizer, AdamW8bit)
        for parameter in member.trainable().values():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        for parameter in member.trainable().values():
            moments = optimizer.state[parameter]
            expected = torch.uint8 if parameter.numel() >= 4096 else torch.float32  # bitsandbytes keeps small ones
            assert moments["state1"].dtype == moments["state2"].dtype == expected


@pytest.mark.parametrize("changes", [{"quantization": "nf4"}, {"optimizer": "AdamW8bit"}])
def test_the_missing_library_is_named_before_anything_is_loaded(backbones, train, monkeypatch, changes):
    monkeypatch.setattr(trainer, "find_spec", lambda name: None)
    monkeypatch.setattr(Member, "load", lambda *_, **__: pytest.fail("a model was loaded"))
    with pytest.raises(TrainingError, match=r"library bitsandbytes; pip install 'gcl\[quantization\]'"):
        train(make_run(backbones, **changes), "out")
