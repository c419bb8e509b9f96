"""Groups of several families, and their exchange, by two processes: ZeRO-3 makes the updates of one, stopped or not.

One start of torchrun trains all groups, with a stop and without. A second start continues the stopped ones.
"""

import pytest
from group_case import exchange_feed, losses, make_run, train_scenes, write_cases
from process_cases import EPS, run_worker, update_of

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec

pytestmark = pytest.mark.distributed

ZERO3 = {"engine": "deepspeed", "processes": 2, "save_every": 1}
GROUPS = [
    ("qwen3_vl", "internvl"),
    ("qwen3_vl", "smolvlm"),
    ("qwen2_5_vl", "gemma3"),
    ("qwen3_vl", "smolvlm", "gemma3"),
]
EXCHANGES = ["exchange-qwen3_vl+qwen2_5_vl", "exchange-qwen3_vl+smolvlm"]
NAMES = ["+".join(families) for families in GROUPS] + EXCHANGES
STOP = 1


def group(folders, name) -> RunSpec:
    families = name.removeprefix("exchange-").split("+")
    spec = make_run(folders, members=len(families), families=families, micro=4)
    if name in EXCHANGES:
        spec = spec.model_copy(update={"feed": exchange_feed(share=0.6)})
    return spec.model_copy(update={"training": spec.training.model_copy(update={"eps": EPS})})


@pytest.fixture(scope="module")
def trained(all_backbones, scenarios, tmp_path_factory):
    folder = tmp_path_factory.mktemp("families")
    runs = {name: group(all_backbones, name) for name in NAMES}
    whole = {name: {"run": run.model_dump(), "execution": ZERO3} for name, run in runs.items()}
    stopped = {f"stopped-{name}": case | {"stop_after": STOP} for name, case in whole.items()}
    few = scenarios[:4]
    write_cases(folder, few, whole | stopped)
    run_worker(folder)
    assert not any((folder / "two" / name).exists() for name in stopped)
    write_cases(folder, few, {name: {"run": case["run"], "execution": ZERO3} for name, case in stopped.items()})
    run_worker(folder)
    return folder, runs, few


@pytest.mark.parametrize("name", NAMES)
def test_two_processes_make_the_updates_of_one(trained, name):
    folder, runs, scenarios = trained
    alone = folder / "one" / name
    train_scenes(runs[name], scenarios, "data", ExecutionSpec(), alone, folder / "scratch-one" / name)
    for way in (name, f"stopped-{name}"):
        for a, b in zip(losses(alone), losses(folder / "two" / way), strict=True):
            assert a == pytest.approx(b, rel=5e-6, abs=1e-9), way
        for member in runs[name].members:
            one, two = (update_of(path, member) for path in (alone, folder / "two" / way))
            largest, error = float((one - two).abs().max()), float((one - two).norm() / one.norm())
            print(f"{way} {member.role}: {largest:.1e}, updates by {error:.1e} of their norm")
            assert one.norm() > 0 and largest <= 1e-6 and error <= 1e-5
