"""One training on two nodes: what is submitted, what each node's processes see, and that they make one result."""

import json

import pytest
from safetensors.torch import load_file
from slurm_project import CHECKPOINT, RUN, SlurmProject, paper_project
from torch.testing import assert_close

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.slurm

# Takes the place of the training itself: each process notes what it was given.
NOTING_TRAINING = """

def train_run(spec, feed, data, code, execution, output, *others):
    import os
    import time
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / f"seen-{os.environ['RANK']}.json", dict(os.environ))
    while len(list(output.glob("seen-*.json"))) < execution.processes:
        time.sleep(0.1)
    write_json(output / "run.json", {})
"""


def set_execution(project: SlurmProject, path: str, **values: object) -> None:
    """Change settings of `execution` in a file."""

    def change(config: dict) -> None:
        for name, value in values.items():
            config["execution"][name] = {"value": value, "assumed": "for this test"}

    project.edit(path, change)


def test_two_nodes_train_what_one_trains(project, undisturbed):
    set_execution(project, "workflow/scales/miniature.yaml", nodes=2, processes=2)
    project.slurm(CHECKPOINT)
    job = project.training()
    assert (job["NumNodes"], job["NumTasks"], job["JobState"]) == ("2", "2", "COMPLETED")
    record = json.loads(project.file(f"{CHECKPOINT}/run.json"))
    assert [attempt["node"] for attempt in record["costs"]["attempts"]] == ["n[1-2]"]
    weights = f"{CHECKPOINT}/solo/model.safetensors"
    # Each process sums its part of a batch first; over 60 steps the difference in rounding grows.
    assert_close(load_file(project.root / weights), load_file(undisturbed.root / weights), rtol=0, atol=2e-3)


def test_two_nodes_stop_with_a_checkpoint_and_continue(project):
    set_execution(project, "workflow/scales/miniature.yaml", nodes=2, processes=2)
    invocation = project.begin(CHECKPOINT)
    invocation.until("a checkpoint", lambda: any((project.root / "scratch").glob(f"{RUN}/*/checkpoints/step-*")))
    project.cluster.run("scancel", "--signal=TERM", project.training()["JobId"])  # as --signal=TERM@600 does
    assert invocation.wait() == 0, invocation.output[-3000:]
    assert [job["JobState"] for job in project.jobs()] == ["FAILED", "COMPLETED"]
    assert project.resumed() > 0


def test_at_paper_scale_each_node_gives_its_gpus(experiment, cluster, tmp_path):
    project = paper_project(tmp_path, cluster, experiment)
    set_execution(project, "config.yaml", nodes=2, processes=4)
    with (project.root / "gcl/training/trainer.py").open("a") as code:
        code.write(NOTING_TRAINING)
    project.slurm(f"results/paper/checkpoints/{RUN}", "--config", "scale=paper")
    job = project.training()
    assert (job["TRES"], job["TresPerNode"], job["NumNodes"]) == (
        "cpu=128,mem=400000M,node=2,billing=128",
        "gres:gpu:2",
        "2",
    )
    folder = f"results/paper/checkpoints/{RUN}"
    seen = [json.loads(project.file(f"{folder}/seen-{rank}.json")) for rank in range(4)]
    assert [one["LOCAL_RANK"] for one in seen] == ["0", "1", "0", "1"]
    assert [one["SLURMD_NODENAME"] for one in seen] == ["n1", "n1", "n2", "n2"]
    assert {one["CUDA_VISIBLE_DEVICES"] for one in seen} == {"0,1"}
    assert {one["WORLD_SIZE"] for one in seen} == {"4"}


def test_without_slurm_several_nodes_are_refused(project):
    set_execution(project, "workflow/scales/miniature.yaml", nodes=2, processes=2)
    said = project.snakemake(CHECKPOINT, "--show-failed-logs", check=False)
    assert "gcl: error: execution.nodes is 2: this needs a SLURM job" in said
