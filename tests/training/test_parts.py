"""Which weights learn, and in which precision: frozen parts and members, adapters, bfloat16, float16."""

import math

import pytest
import torch
from group_case import losses, make_run, train_scenes
from safetensors.torch import load_file

from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.training import precision as precision_module
from gcl.training.precision import LossScale


@pytest.fixture
def train(tmp_path, scenarios):
    def run(spec, name="out", **execution):
        settings = ExecutionSpec(**execution)
        train_scenes(spec, scenarios[:8], "data", settings, tmp_path / name, tmp_path / "scratch" / name)
        return tmp_path / name

    return run


def changed_weights(folder, source) -> set[str]:
    after, before = load_file(folder / "model.safetensors"), load_file(f"{source}/model.safetensors")
    return {name for name in before if not torch.equal(after[name], before[name])}


def part(name: str) -> str:
    if "visual" not in name:
        return "language"
    return "projector" if "merger" in name else "vision"


@pytest.mark.parametrize(
    "frozen, learning",
    [
        (("vision",), {"projector", "language"}),
        (("projector",), {"vision", "language"}),
        (("vision", "projector"), {"language"}),
    ],
)
def test_frozen_parts_stay_what_they_are_in_both_families(backbones, train, frozen, learning):
    spec = make_run(backbones, frozen=frozen)
    output = train(spec)
    for member in spec.members:
        changed = changed_weights(output / member.role, member.start.path)
        assert {part(name) for name in changed} == learning
        everything = load_file(f"{member.start.path}/model.safetensors")
        assert changed == {name for name in everything if part(name) in learning}


def test_a_member_with_rate_zero_teaches_and_stays(backbones, train):
    spec = make_run(backbones, lr=(2e-3, 0.0), gsl=0.0)
    output = train(spec)
    assert not changed_weights(output / "guide", spec.members[1].start.path)
    assert changed_weights(output / "learner", spec.members[0].start.path)
    steps = losses(output)
    assert "norm_guide" not in steps[0] and "norm_learner" in steps[0]
    assert steps[0]["sft_guide"] > 0 and steps[-1]["drl"] != steps[0]["drl"]


def test_the_learner_of_a_frozen_guide_is_not_the_learner_of_a_learning_one(backbones, train):
    with_teacher, with_peer = (train(make_run(backbones, lr=(2e-3, lr), gsl=0.0), f"lr{lr}") for lr in (0.0, 1e-3))
    assert (with_teacher / "learner/model.safetensors").read_bytes() != (
        with_peer / "learner/model.safetensors"
    ).read_bytes()


def test_adapters_alone_learn_with_lora(backbones, train):
    spec = make_run(backbones, lora={"rank": 4, "alpha": 8.0}, epochs=4)
    output = train(spec)
    for member in spec.members:
        names = changed_weights(output / member.role, member.start.path)
        assert names and all("proj" in name and part(name) == "language" for name in names), names
    steps = losses(output)
    assert steps[-1]["loss"] < steps[0]["loss"]


def test_gradient_checkpointing_changes_nothing(backbones, train):
    kept, recomputed = (losses(train(make_run(backbones), f"g{g}", gradient_checkpointing=g)) for g in (False, True))
    assert [pytest.approx(step, rel=1e-6) for step in kept] == recomputed


def test_the_size_of_a_chunk_and_workers_change_nothing(backbones, train):
    whole, chunked = (
        losses(train(make_run(backbones), name, **e)) for name, e in (("a", {}), ("b", {"head_chunk": 7, "workers": 1}))
    )
    assert [pytest.approx(step, rel=1e-5) for step in whole] == chunked


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bits_follow_thirty_two(backbones, train, precision, monkeypatch):
    monkeypatch.setattr(precision_module, "INITIAL", 2.0**10)  # one that these gradients do not overflow
    reference = losses(train(make_run(backbones), "float32"))
    steps = losses(train(make_run(backbones, precision=precision), precision))
    assert steps[0]["loss"] == pytest.approx(reference[0]["loss"], rel=5e-3)
    assert not any("skipped" in step for step in steps)
    assert steps[-1]["loss"] == pytest.approx(reference[-1]["loss"], rel=2e-2)


def test_an_overflow_in_one_member_skips_the_step_of_all(backbones, train, monkeypatch):
    """A scale that float16 cannot carry: halved until it can; until then nobody moves."""
    monkeypatch.setattr(precision_module, "INITIAL", 2.0**40)
    spec = make_run(backbones, precision="float16", epochs=1)
    output = train(spec)
    steps = losses(output)
    assert all("skipped" in step for step in steps), "five steps halve the scale five times; 2^35 still overflows"
    for member in spec.members:
        after = load_file(output / member.role / "model.safetensors")
        before = load_file(f"{member.start.path}/model.safetensors")
        assert all(torch.equal(after[name], before[name].half()) for name in before)


def test_the_loss_scale_recovers_and_is_shared(backbones, train, monkeypatch):
    monkeypatch.setattr(precision_module, "INITIAL", 2.0**26)
    steps = losses(train(make_run(backbones, precision="float16", epochs=6)))
    skipped = ["skipped" in step for step in steps]
    assert skipped[0] and not skipped[-1]
    assert steps[-1]["loss"] < steps[0]["loss"] and all(math.isfinite(step["loss"]) for step in steps)


def test_the_loss_scale_grows_slowly_falls_fast_and_gives_up(monkeypatch):
    monkeypatch.setattr(precision_module, "GROWTH_INTERVAL", 3)
    scale = LossScale(torch.float16)
    first = scale.value
    for _ in range(3):
        scale.update(overflow=False)
    assert scale.value == 2 * first
    scale.update(overflow=True)
    assert scale.value == first
    restored = LossScale(torch.float16)
    restored.restore(scale.state())
    assert (restored.value, restored.good_steps) == (scale.value, scale.good_steps)
    with pytest.raises(TrainingError, match="overflow whatever the loss scale"):
        for _ in range(40):
            scale.update(overflow=True)


def test_other_precisions_have_no_scale():
    scale = LossScale(torch.bfloat16)
    scale.update(overflow=False)
    assert scale.value == 1.0 and not scale.dynamic
