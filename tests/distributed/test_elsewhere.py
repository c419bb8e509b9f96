"""A training that DeepSpeed divided is stopped, and another number of processes continues it to the end.

Two starts for each direction train all cases: one until the stop, one from there. One plain process that
nothing disturbs is the measure.
"""

import argparse
import shutil
from itertools import chain
from pathlib import Path

import pytest
import torch
from deepspeed.checkpoint import ds_to_universal
from group_case import losses, make_run, train_scenes, write_cases
from process_cases import EPS, run_worker, update_of

from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec
from gcl.files import read_json, sha256_file
from gcl.training import precision

pytestmark = pytest.mark.distributed

STOP, STEPS = 3, 6
INITIAL_SCALE = 2.0**18  # too large: some steps are skipped before it fits
BFLOAT16 = {"precision": "bfloat16"}
LORA = {"lora": {"rank": 4, "alpha": 8.0}}
FROZEN = {"lr": (2e-3, 0.0), "gsl": 0.0}


def stages(first: int, then: int | None = None, **more) -> tuple[dict, dict]:
    """Two executions, before and after the stop."""
    return {"zero_stage": first, **more}, {"zero_stage": then or first, **more}


# A pair has an untied and a tied head.
CASES = {
    "pair-stage-1": ({}, stages(1)),
    "pair-stage-2": ({}, stages(2)),
    "pair-stage-3": ({}, stages(3)),
    "pair-stage-2-then-3": ({}, stages(2, 3)),
    "pair-stage-3-then-1": ({}, stages(3, 1)),
    "pair-frozen-stage-3-offload": (FROZEN, stages(3, offload=True)),
    "pair-bfloat16-lora-stage-3": (BFLOAT16 | LORA, stages(3)),
    "pair-bfloat16-lora-stage-2-offload": (BFLOAT16 | LORA, stages(2, offload=True)),
    "pair-float16-stage-2": ({"precision": "float16"}, stages(2)),
}
EIGHT_BITS = "pair-8-bit-stage-2"


def spec_of(folders, changes: dict) -> RunSpec:
    spec = make_run(folders, micro=4, epochs=2, **changes)
    return spec.model_copy(update={"training": spec.training.model_copy(update={"eps": EPS})})


def execution_of(changes: dict, processes: int) -> dict:
    return {"engine": "deepspeed", "processes": processes, **changes}


@pytest.fixture(scope="module", params=[(2, 1), (1, 2)], ids=["two-then-one", "one-then-two"])
def moved(request, backbones, scenarios, tmp_path_factory):
    """A folder with all cases: `kept` has their checkpoints at the stop, `two` the trainings that continued."""
    first, then = request.param
    folder = tmp_path_factory.mktemp(f"from-{first}-to-{then}")

    def write(chosen: dict, part: int, processes: int, **more) -> None:
        cases = {
            name: {
                "run": spec_of(backbones, changes).model_dump(),
                "execution": execution_of(executions[part], processes),
                "initial_scale": INITIAL_SCALE,
                **more,
            }
            for name, (changes, executions) in chosen.items()
        }
        write_cases(folder, scenarios[:4], cases)

    write(CASES | {EIGHT_BITS: ({"optimizer": "AdamW8bit"}, stages(2))}, 0, first, stop_after=STOP)
    run_worker(folder, processes=first)
    shutil.copytree(folder / "scratch", folder / "kept")
    if then == 1:  # this start dies when the learner is loaded, and the guide is not
        write({"pair-stage-2": CASES["pair-stage-2"]}, 1, then, dies_at=2)
        with pytest.raises(AssertionError, match="exit code -9"):
            run_worker(folder, processes=then)
        assert content(checkpoint(folder / "scratch/pair-stage-2")) == content(checkpoint(folder / "kept/pair-stage-2"))
    write(CASES, 1, then, save_again=True)
    run_worker(folder, processes=then)
    return folder


@pytest.fixture(scope="module")
def undisturbed(backbones, scenarios, tmp_path_factory):
    """Train a run with one plain process, once."""
    folder, done = tmp_path_factory.mktemp("undisturbed"), {}

    def train(changes: dict) -> Path:
        key = str(changes)
        if key not in done:
            done[key] = folder / str(len(done))
            spec = spec_of(backbones, changes)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(precision, "INITIAL", INITIAL_SCALE)
                train_scenes(spec, scenarios[:4], "data", ExecutionSpec(), done[key], folder / "scratch")
        return done[key]

    return train


def checkpoint(scratch: Path) -> Path:
    return scratch / f"checkpoints/step-{STOP:06d}"


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", [name for name, (changes, _) in CASES.items() if "precision" not in changes])
def test_another_number_of_processes_ends_with_the_undisturbed_weights(moved, undisturbed, backbones, name):
    changes, _ = CASES[name]
    alone, ours = undisturbed(changes), moved / "two" / name
    assert [step["step"] for step in losses(ours)] == list(range(1, STEPS + 1))
    for a, b in zip(losses(alone), losses(ours), strict=True):
        assert a == pytest.approx(b, rel=2e-6), name
    for member in spec_of(backbones, changes).members:
        one, two = (update_of(path, member) for path in (alone, ours))
        if member.frozen:
            assert not one.any() and not two.any()
            continue
        largest, error = float((one - two).abs().max()), float((one - two).norm() / one.norm())
        print(f"{name} {member.role}: weights differ by up to {largest:.1e}, updates by {error:.1e} of their norm")
        assert largest <= 1e-6
        assert error <= 1e-5


@pytest.mark.parametrize("name", [name for name, (changes, _) in CASES.items() if "precision" in changes])
def test_another_number_of_processes_follows_the_undisturbed_training_in_sixteen_bits(moved, undisturbed, name):
    """Sums in another order are rounded to other 16-bit numbers."""
    alone, ours = losses(undisturbed(CASES[name][0])), losses(moved / "two" / name)
    assert [step["step"] for step in ours] == list(range(1, STEPS + 1))
    for a, b in zip(alone, ours, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=5e-3)


@pytest.mark.parametrize("name", [name for name in CASES if "-float16" in name])
def test_the_loss_scale_continues(moved, name):
    steps = losses(moved / "two" / name)
    skipped = sum("skipped" in step for step in steps)
    scale = read_json(checkpoint(moved / "kept" / name) / "state.json")["loss_scale"]
    assert 0 < skipped < STOP and scale == {"value": INITIAL_SCALE / 2**skipped, "good_steps": STOP - skipped}
    loaded = [read_json(path) for path in (moved / "again" / name).glob("loss-scale.*")]
    assert loaded == [scale] * (1 if "to-1" in moved.name else 2)


def whole(saved: Path, folder: Path) -> dict[str, torch.Tensor]:
    """Every weight and moment of a member's checkpoint, by DeepSpeed's own converter."""
    options = {"num_extract_workers": 1, "num_merge_workers": 1, "keep_temp_folder": False, "strict": True}
    places = {"input_folder": str(saved), "output_folder": str(folder)}
    ds_to_universal.main(argparse.Namespace(**places, **options, inject_missing_state=True))
    found = {}
    for path in [path for weight in folder.glob("zero/*/exp_avg.pt") for path in weight.parent.iterdir()]:
        if path.stem != "step":  # stage 3 has it elsewhere
            loaded = torch.load(path, weights_only=False)
            tensor = loaded["param"] if isinstance(loaded, dict) else loaded
            found[f"{path.parent.name} {path.stem}"] = tensor.flatten()
    return found


@pytest.mark.parametrize("name", CASES)
def test_no_digit_of_weights_and_moments_is_lost(moved, name, tmp_path):
    """The checkpoint before, and the one that is saved again at once."""
    before, after = checkpoint(moved / "kept" / name), moved / "again" / name
    roles = sorted(path.name for path in after.iterdir() if path.is_dir())
    assert roles == (["learner"] if "frozen" in name else ["guide", "learner"])
    for role in roles:
        expected = whole(before / role, tmp_path / "before" / role)
        found = whole(after / role, tmp_path / "after" / role)
        assert expected.keys() == found.keys()
        assert {key.split(" ")[1] for key in found} == {"fp32", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        assert any(key.endswith("exp_avg_sq") and tensor.any() for key, tensor in found.items())


def steps_of(state) -> list[float]:
    """The numbers of updates in all that a process saved."""
    if isinstance(state, dict):
        return [*chain(*map(steps_of, state.values()))] + ([float(state["step"])] if "step" in state else [])
    return []


@pytest.mark.parametrize("name", CASES)
def test_updates_are_counted_on(moved, name):
    folders = checkpoint(moved / "kept" / name), moved / "again" / name
    counts = [
        {n for path in folder.rglob("*_optim_states.pt") for n in steps_of(torch.load(path, weights_only=False))}
        for folder in folders
    ]
    assert counts[0] == counts[1] and len(counts[0]) == 1, counts


@pytest.fixture
def continued(moved, backbones, scenarios, alone, tmp_path):
    """Continue a case from the stop in this process; the scratch folder is a copy."""

    def start(name: str, changes: dict, damage=lambda folder: None, **execution) -> None:
        shutil.copytree(moved / "kept" / name, tmp_path / "scratch")
        damage(checkpoint(tmp_path / "scratch"))
        spec = spec_of(backbones, changes)
        plan = ExecutionSpec(**execution)
        train_scenes(spec, scenarios[:4], "data", plan, tmp_path / "out", tmp_path / "scratch")

    return start


def damaged(folder: Path) -> None:
    path = sorted(folder.glob("guide/*_optim_states.pt"))[-1]
    middle = path.stat().st_size // 2
    read = path.read_bytes()
    path.write_bytes(read[:middle] + bytes([read[middle] ^ 1]) + read[middle + 1 :])


@pytest.mark.parametrize("stage", [2, 3])
def test_a_damaged_part_is_refused_by_any_number_of_processes(continued, stage):
    with pytest.raises(TrainingError, match=r"guide/zero_pp_rank_.*_optim_states.pt is not what was written; damaged"):
        continued("pair-stage-2", {}, damaged, engine="deepspeed", zero_stage=stage)


def test_the_plain_engine_does_not_continue_what_was_divided(continued):
    with pytest.raises(TrainingError, match=r"\(engine: deepspeed then, plain now\)"):
        continued("pair-stage-2", {})


def test_moments_of_8_bits_need_the_same_stage_and_number_of_processes(continued, moved):
    changes = {"optimizer": "AdamW8bit"}
    processes = r"processes: 2 then, 1 now; " if "from-2" in moved.name else ""
    with pytest.raises(TrainingError, match=rf"\({processes}zero_stage: 2 then, 3 now\)"):
        continued(EIGHT_BITS, changes, engine="deepspeed", zero_stage=3)
