"""Validation by two processes: the losses of one process, the same best step, and no trace in the weights."""

import pytest
from group_case import losses, make_run, train_scenes, write_cases
from process_cases import run_worker
from safetensors.torch import load_file

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec
from gcl.files import read_json

pytestmark = pytest.mark.distributed

ENGINES = {"copies": {}} | {f"stage-{stage}": {"engine": "deepspeed", "zero_stage": stage} for stage in (1, 2, 3)}


def run(folders, keep: str | None) -> RunSpec:
    """Two steps an epoch, in passes that leave a process with fewer inputs or none. Of eight steps the last is not best."""
    best = keep == "best"
    validation = keep and {"share": 0.5, "every": 5 if best else 2, "keep": keep}
    spec = make_run(folders, epochs=4 if best else 2, micro=3, lr=(5e-2, 5e-2), validation=validation)
    # As in test_distributed.py: eps is large, so that updates follow gradients smoothly.
    return spec.model_copy(update={"training": spec.training.model_copy(update={"eps": 1e-6})})


@pytest.fixture(scope="module")
def trained(backbones, scenarios, tmp_path_factory):
    """Every engine with the best weights, and two of them with the last ones and without a validation."""
    folder = tmp_path_factory.mktemp("validated")
    chosen = {f"{name} best": ("best", name) for name in ENGINES}
    chosen |= {f"{name} {keep}": (keep, name) for name in ("copies", "stage-3") for keep in ("last", None)}
    cases = {
        case: {
            "run": run(backbones, keep).model_dump(),
            "execution": {"processes": 2, "save_every": 3, "keep": 1, "loggers": []} | ENGINES[name],
            "held_out": 2,
        }
        for case, (keep, name) in chosen.items()
    }
    write_cases(folder, scenarios[:4], cases)
    run_worker(folder)
    alone = folder / "alone"
    train_scenes(
        run(backbones, "best"),
        scenarios[:2],
        "data",
        ExecutionSpec(save_every=3, keep=1, loggers=[]),
        alone,
        folder / "scratch-alone",
        held_out=scenarios[2:4],
    )
    return folder / "two", alone


@pytest.mark.parametrize("name", ENGINES)
def test_two_processes_find_the_losses_and_the_best_step_of_one(trained, backbones, name):
    two, alone = trained
    ours, theirs = losses(alone), losses(two / f"{name} best")
    assert [sorted(line) for line in ours] == [sorted(line) for line in theirs]
    for a, b in zip(ours, theirs, strict=True):
        assert a == pytest.approx(b, rel=1e-4)
    assert [read_json(path / "run.json")["validation"]["step"] for path in (alone, two / f"{name} best")] == [5, 5]
    for member, family in (("learner", "qwen2_5_vl"), ("guide", "qwen3_vl")):
        one, other = (load_file(path / member / "model.safetensors") for path in (alone, two / f"{name} best"))
        start = load_file(backbones[family] / "model.safetensors")
        moved, error = (sum(float((one[key] - to[key]).square().sum()) for key in one) ** 0.5 for to in (start, other))
        print(f"{name} {member}: the updates differ by {error / moved:.1e} of their norm")
        assert error <= 1e-4 * moved


@pytest.mark.parametrize("name", ["copies", "stage-3"])
def test_validation_by_two_processes_leaves_no_trace(trained, name):
    two, _ = trained
    for role in ("learner", "guide"):
        watched, without = (two / f"{name} {keep}/{role}/model.safetensors" for keep in ("last", None))
        assert watched.read_bytes() == without.read_bytes()
    trained_on = [
        {key: value for key, value in line.items() if "val_" not in key} for line in losses(two / f"{name} last")
    ]
    assert trained_on == losses(two / f"{name} None")
