"""Two processes against one: the same updates, whatever divides the work and the weights.

One torchrun trains all cases, since starting processes is what costs; each case is then compared with one plain process.
"""

import json

import pytest
import torch
from group_case import losses, make_run, train_scenes, write_cases
from process_cases import EPS, run_worker, update_of
from safetensors.torch import load_file

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec
from gcl.experiment.weights import Weights
from gcl.training import precision
from gcl.training.precision import LossScale

pytestmark = pytest.mark.distributed

ZERO3 = {"engine": "deepspeed", "processes": 2}


def cases(folders) -> dict[str, tuple[RunSpec, dict]]:
    def run(**changes) -> RunSpec:
        spec = make_run(folders, **{"micro": 8} | changes)
        return spec.model_copy(update={"training": spec.training.model_copy(update={"eps": EPS})})

    swapped = {"qwen2_5_vl": folders["qwen3_vl"], "qwen3_vl": folders["qwen2_5_vl"]}
    tied = make_run(swapped, members=1)
    return {
        "one-untied": (run(members=1), ZERO3),
        "one-tied-accumulated": (
            tied.model_copy(update={"training": tied.training.model_copy(update={"eps": EPS, "micro_batch": 2})}),
            ZERO3 | {"gradient_checkpointing": True},
        ),
        "pair": (run(), ZERO3),
        "pair-accumulated": (run(micro=2), ZERO3),
        "pair-accumulated-checkpointing": (run(micro=2), ZERO3 | {"gradient_checkpointing": True}),
        "pair-idle-process": (run(micro=1), ZERO3),
        "three-one-frozen": (run(members=3, micro=2, lr=(2e-3, 1e-3, 0.0)), ZERO3 | {"gradient_checkpointing": True}),
        "three": (run(members=3, lr=(2e-3, 1e-3, 5e-4)), ZERO3),
        "pair-stage-1": (run(micro=2), ZERO3 | {"zero_stage": 1}),
        "pair-stage-2": (run(micro=2), ZERO3 | {"zero_stage": 2}),
        "pair-stage-2-frozen": (run(micro=2, lr=(2e-3, 0.0)), ZERO3 | {"zero_stage": 2}),
        "pair-offload": (run(micro=2), ZERO3 | {"offload": True}),
        "pair-parts": (run(micro=2, frozen=("vision",)), ZERO3),
        "pair-lora": (run(micro=2, lora={"rank": 4, "alpha": 8.0}), ZERO3),
        "pair-bfloat16": (run(micro=2, precision="bfloat16"), ZERO3),
        "pair-bfloat16-stage-1-lora": (
            run(micro=2, precision="bfloat16", lora={"rank": 4, "alpha": 8.0}),
            ZERO3 | {"zero_stage": 1},
        ),
        "pair-bfloat16-lora": (run(micro=2, precision="bfloat16", lora={"rank": 4, "alpha": 8.0}), ZERO3),
        "pair-bfloat16-frozen": (run(micro=2, precision="bfloat16", lr=(2e-3, 0.0), gsl=0.0), ZERO3),
        "pair-bfloat16-stage-2-frozen": (
            run(micro=2, precision="bfloat16", lr=(2e-3, 0.0), gsl=0.0),
            ZERO3 | {"zero_stage": 2},
        ),
        "pair-cached-teacher": (run(micro=2, lr=(2e-3, 0.0), gsl=0.0), ZERO3 | {"teachers": "cached"}),
        "pair-cached-teacher-idle-process": (
            run(micro=1, lr=(2e-3, 0.0), gsl=0.0),
            {"processes": 2, "teachers": "cached"},
        ),
        "pair-float16": (run(micro=2, precision="float16", epochs=4), ZERO3),
        "pair-float16-never": (run(micro=2, precision="float16"), ZERO3),
        "pair-float16-offload-never": (run(micro=2, precision="float16"), ZERO3 | {"offload": True}),
        "pair-float16-stage-2-offload-never": (
            run(micro=2, precision="float16"),
            ZERO3 | {"zero_stage": 2, "offload": True},
        ),
        "pair-float16-offload": (run(micro=2, precision="float16", epochs=4), ZERO3 | {"offload": True}),
        "pair-float16-stage-2-never": (run(micro=2, precision="float16"), ZERO3 | {"zero_stage": 2}),
        "pair-float16-stage-2": (run(micro=2, precision="float16", epochs=4), ZERO3 | {"zero_stage": 2}),
        "pair-copies": (run(micro=2), {"processes": 2}),
        "pair-copies-idle-process": (run(micro=1, lr=(2e-3, 0.0)), {"processes": 2}),
    }


@pytest.fixture(scope="module")
def trained(backbones, scenarios, tmp_path_factory):
    """All cases, trained by two processes."""
    folder = tmp_path_factory.mktemp("distributed")
    chosen = cases(backbones)
    few = scenarios[:4]
    runs = {n: {"run": r.model_dump(), "execution": e, "initial_scale": INITIAL_SCALE} for n, (r, e) in chosen.items()}
    write_cases(folder, few, runs)
    run_worker(folder)
    return folder, chosen, few


INITIAL_SCALE = 2.0**24  # too large: some steps are skipped before it fits
NAMES = list(cases({"qwen2_5_vl": "", "qwen3_vl": ""}))


@pytest.mark.parametrize("name", [name for name in NAMES if "float16" not in name])
def test_two_processes_make_the_updates_of_one(trained, name):
    folder, chosen, scenarios = trained
    spec, _ = chosen[name]
    alone = folder / "one" / name
    train_scenes(spec, scenarios, "data", ExecutionSpec(), alone, folder / "scratch-one" / name)
    ours, theirs = losses(alone), losses(folder / "two" / name)
    assert len(ours) == len(theirs) == 3
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=2e-6), name
    for member in spec.members:
        one, two = (update_of(path, member) for path in (alone, folder / "two" / name))
        if member.frozen:
            assert not one.any() and not two.any()
            continue
        assert one.norm() > 0
        largest, error = float((one - two).abs().max()), float((one - two).norm() / one.norm())
        print(
            f"{name} {member.role}: no weight differs by more than {largest:.1e}, updates by {error:.1e} of their norm"
        )
        # Weights of size 1 are float32 numbers 1e-7 apart, and updates are a thousandth of that size.
        assert largest <= 1e-6
        assert error <= 1e-5


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("pair-bfloat16-")])
def test_frozen_weights_are_held_in_sixteen_bits(trained, name):
    folder, _, _ = trained
    for process in (0, 1):
        assert "torch.bfloat16" in json.loads((folder / f"{name}.{process}.dtypes").read_text())["frozen"]


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_products_are_sent_in_the_precision_of_products(trained, name):
    """Autocast would round them at any rate. Embeddings and norms keep their digits."""
    folder, chosen, _ = trained
    spec, execution = chosen[name]
    sent = json.loads((folder / f"{name}.0.dtypes").read_text())["sent"]
    divided = execution.get("engine") == "deepspeed" and execution.get("zero_stage", 3) == 3
    assert set(sent) == ({f"torch.{spec.training.precision}", "torch.float32"} if divided else set())


def test_sending_fewer_bits_changes_no_digit(backbones, scenarios, tmp_path):
    spec, execution = cases(backbones)["pair-bfloat16"]
    write_cases(tmp_path, scenarios[:4], {name: {"run": spec.model_dump(), "execution": execution} for name in "ab"})
    run_worker(tmp_path, {"GCL_SENT_WHOLE": "b"})
    assert losses(tmp_path / "two" / "a") == losses(tmp_path / "two" / "b")


@pytest.mark.parametrize("name", [name for name in NAMES if "float16" in name])
def test_two_processes_follow_one_in_sixteen_bits(trained, name, monkeypatch):
    """Sums in another order are rounded to other 16-bit numbers, and overflow at other steps."""
    folder, chosen, scenarios = trained
    spec, _ = chosen[name]
    alone = folder / "one" / name
    monkeypatch.setattr(precision, "INITIAL", INITIAL_SCALE)
    train_scenes(spec, scenarios, "data", ExecutionSpec(), alone, folder / "scratch-one" / name)
    ours, theirs = losses(alone), losses(folder / "two" / name)
    skips = [sum("skipped" in step for step in steps) for steps in (ours, theirs)]
    if "-float16" in name:
        # Not as many: two inputs on one device can cancel in a 16-bit sum that overflows for each alone.
        assert "skipped" in theirs[0] and min(skips) >= 3, skips
    else:
        assert skips == [0, 0]
    same = [(a, b) for a, b in zip(ours, theirs, strict=True) if a["step"] <= min(skips) + 1]
    for a, b in same:
        assert a["loss"] == pytest.approx(b["loss"], rel=5e-3), name
    if spec.training.epochs > 1:
        assert "skipped" not in theirs[-1] and theirs[-1]["loss"] < theirs[0]["loss"]
    elif "-float16" in name:
        assert len(theirs) == skips[1], "as many halvings as steps, and the scale is still too large"
        for member in spec.members:
            after, before = (load_file(path) for path in (
                folder / "two" / name / member.role / "model.safetensors", f"{member.start.path}/model.safetensors",
            ))  # fmt: skip
            assert all(torch.equal(after[key], before[key].half()) for key in before), "no step, no change"


@pytest.mark.parametrize("stage", [2, 3])
@pytest.mark.parametrize("offload", [False, True])
def test_a_forced_skip_moves_no_weight_wherever_gradients_are(
    alone, backbones, scenarios, tmp_path, monkeypatch, stage, offload
):
    """One process is enough. The gradients of this step are finite: only the other members' overflow forbids it."""
    monkeypatch.setattr(LossScale, "overflow", property(lambda self: True))
    spec = make_run(backbones, precision="float16", micro=4)
    execution = ExecutionSpec(engine="deepspeed", zero_stage=stage, offload=offload)
    train_scenes(spec, scenarios[:4], "data", execution, tmp_path / "out", tmp_path / "scratch")
    for member in spec.members:
        after, before = (load_file(path) for path in (
            tmp_path / "out" / member.role / "model.safetensors", f"{member.start.path}/model.safetensors",
        ))  # fmt: skip
        assert all(torch.equal(after[key], before[key].half()) for key in before)


def test_one_process_divides_among_itself(alone, backbones, scenarios, tmp_path):
    """As on one GPU with offload: no torchrun, the updates of the plain engine."""
    spec = make_run(backbones, micro=4)
    plans = {"plain": ExecutionSpec(), "zero": ExecutionSpec(engine="deepspeed", offload=True)}
    for name, execution in plans.items():
        train_scenes(spec, scenarios[:4], "data", execution, tmp_path / name, tmp_path / "scratch" / name)
    ours, theirs = (losses(tmp_path / name) for name in plans)
    assert [pytest.approx(step, rel=1e-4) for step in ours] == theirs


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("offload", [False, True])
def test_moments_of_8_bits_can_be_divided(alone, backbones, scenarios, tmp_path, stage, offload):
    """Scales are of 256 weights that follow each other, and DeepSpeed strings weights together: losses agree roughly."""
    spec = make_run(backbones, micro=4, epochs=2, optimizer="AdamW8bit")
    zero = ExecutionSpec(engine="deepspeed", zero_stage=stage, offload=offload)
    for name, execution in {"plain": ExecutionSpec(), "zero": zero}.items():
        train_scenes(spec, scenarios[:4], "data", execution, tmp_path / name, tmp_path / "scratch" / name)
    ours, theirs = ([step["loss"] for step in losses(tmp_path / name)] for name in ("plain", "zero"))
    assert ours == pytest.approx(theirs, rel=0.02) and ours[-1] < ours[0]


def test_divided_weights_take_the_adapters_of_the_stage_before(alone, backbones, scenarios, tmp_path):
    """ZeRO-3 divides the base while it is loaded; adapters are merged into it all the same."""
    first = make_run(backbones, members=1, lora={"rank": 4, "alpha": 8.0}, lr=(2e-2,))
    second = make_run(backbones, members=1)
    member = second.members[0].model_copy(update={"start": Weights(path=str(tmp_path / "first/learner"))})
    second = second.model_copy(update={"members": [member]})
    execution = ExecutionSpec(retain="adapters")
    train_scenes(first, scenarios[:4], "data", execution, tmp_path / "first", tmp_path / "scratch")
    for name, execution in (
        ("plain", ExecutionSpec()),
        ("divided", ExecutionSpec(engine="deepspeed", zero_stage=3)),
    ):
        samples = scenarios[:4]
        train_scenes(second, samples, "data", execution, tmp_path / name, tmp_path / "scratch" / name)
    plain, divided = (losses(tmp_path / name) for name in ("plain", "divided"))
    assert [step["loss"] for step in divided] == pytest.approx([step["loss"] for step in plain], rel=1e-5)
