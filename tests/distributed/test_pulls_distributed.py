"""The same pulls on every engine, and the same training with and without them."""

import pytest
from group_case import losses, make_run, train_scenes, write_cases
from process_cases import run_worker
from safetensors.torch import load_file

from gcl.experiment.execution import ExecutionSpec

pytestmark = pytest.mark.distributed

ZERO = {"engine": "deepspeed", "processes": 2}
ENGINES = {
    "copies": {"processes": 2},
    "stage-1": ZERO | {"zero_stage": 1},
    "stage-2": ZERO | {"zero_stage": 2},
    "stage-3": ZERO,
    "stage-2-offload": ZERO | {"zero_stage": 2, "offload": True},
    "stage-3-offload": ZERO | {"offload": True},
}


@pytest.fixture(scope="module")
def trained(backbones, scenarios, tmp_path_factory):
    """Every engine with and without pulls, by two processes; and one process with them."""
    folder, spec = tmp_path_factory.mktemp("pulls"), make_run(backbones, micro=2)
    cases = {
        f"{name}{suffix}": {"run": spec.model_dump(), "execution": execution | more}
        for name, execution in ENGINES.items()
        for suffix, more in (("", {}), ("-measured", {"gradient_shares_every": 1}))
    }
    write_cases(folder, scenarios[:4], cases)
    run_worker(folder)
    execution = ExecutionSpec(gradient_shares_every=1)
    train_scenes(spec, scenarios[:4], "data", execution, folder / "alone", folder / "scratch-alone")
    return folder, spec


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_measures_the_same_and_trains_as_without(trained, name):
    folder, spec = trained
    measured, without = (folder / "two" / f"{name}{suffix}" for suffix in ("-measured", ""))
    plain = [{key: v for key, v in step.items() if not key.startswith("pull_")} for step in losses(measured)]
    assert plain == losses(without)
    for member in spec.members:
        ours, theirs = (load_file(path / member.role / "model.safetensors") for path in (measured, without))
        assert all(ours[key].equal(theirs[key]) for key in ours)
    first, reference = losses(measured)[0], losses(folder / "alone")[0]
    pulls = [key for key in reference if key.startswith("pull_")]
    assert len(pulls) == 6
    assert {key: first[key] for key in pulls} == {key: pytest.approx(reference[key], rel=1e-5) for key in pulls}


@pytest.mark.parametrize("stage", [2, 3])
def test_a_loss_scale_is_divided_out(alone, backbones, scenarios, tmp_path, stage):
    """One process is enough: float16 gradients are scaled, and pulls are not."""
    spec = make_run(backbones, micro=4, precision="float16")
    zero = {"engine": "deepspeed", "zero_stage": stage}
    plans = {"plain": {"gradient_shares_every": 1}, "zero": zero, "measured": zero | {"gradient_shares_every": 1}}
    found = {}
    for name, plan in plans.items():
        train_scenes(spec, scenarios[:4], "data", ExecutionSpec(**plan), tmp_path / name, tmp_path / "scratch" / name)
        found[name] = losses(tmp_path / name)
    pulls = {key: value for key, value in found["measured"][0].items() if key.startswith("pull_")}
    assert len(pulls) == 6
    assert pulls == {key: pytest.approx(found["plain"][0][key], rel=5e-3) for key in pulls}
    plain = [{key: v for key, v in step.items() if not key.startswith("pull_")} for step in found["measured"]]
    assert plain == found["zero"]
