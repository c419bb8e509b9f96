"""`snakemake --profile slurm` on a real SLURM: from a fresh copy to the table, and what its jobs ask for and see."""

import json
import logging
import re
from collections import Counter
from types import SimpleNamespace

import pytest
from conftest import ROOT
from slurm_project import RUN, SlurmProject, paper_project
from snakemake_executor_plugin_slurm.partitions import get_best_partition, read_partition_file

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.slurm


def test_from_a_fresh_copy_and_an_empty_home_the_table_is_made(undisturbed):
    text = (undisturbed.root / "results/miniature/tables/headline.md").read_text()
    assert "qwen2.5-vl-3b" in text and "GSL + DRL + AGO" in text
    rules = [job["Comment"].split("_wildcards")[0] for job in undisturbed.jobs()]
    steps = ("generate", "generate_exchanged", "score", "score_exchanged", "train")
    assert Counter(rules) == {f"rule_{step}": 3 for step in steps} | {"rule_generate": 5, "rule_score": 5}
    assert {job["JobState"] for job in undisturbed.jobs()} == {"COMPLETED"}
    assert "Nothing to be done" in undisturbed.slurm("headline")


def test_a_miniature_job_asks_for_one_cpu_and_no_gpu_and_its_log_stays(undisturbed):
    for job in undisturbed.jobs():
        assert job["TRES"] == "cpu=1,mem=4000M,node=1,billing=1"
        assert (job["Partition"], job["TimeLimit"], job["Requeue"]) == ("main", "01:00:00", "1")
        assert job["StdOut"].startswith(f"{undisturbed.root}/logs/slurm/{job['Comment'].split('_wildcards')[0]}/")
        assert "Finished jobid: 0" in undisturbed.file(job["StdOut"]).decode()


@pytest.mark.parametrize("scale, asked", [("paper", {(64, 8), (8, 1)}), ("one-gpu", {(8, 1)})])
def test_a_dry_run_of_real_models_shows_threads_and_gpus(undisturbed, scale, asked):
    planned = undisturbed.slurm("all", "--dry-run", "--config", f"scale={scale}")
    assert set(re.findall(r"^Job .* \(threads: (\d+), GPUs: ([1-9]\d*)\)$", planned, re.M)) == {
        (str(threads), str(gpus)) for threads, gpus in asked
    }


@pytest.fixture(scope="module")
def paper(experiment, cluster, tmp_path_factory) -> SlurmProject:
    """Real jobs at paper scale, with little data and without models."""
    project = paper_project(tmp_path_factory.mktemp("paper"), cluster, experiment)
    project.note_instead_of_training()
    project.slurm(f"results/paper/predictions/{RUN}.jsonl", "--config", "scale=paper")
    return project


def test_at_paper_scale_a_training_is_submitted_for_a_whole_gpu_node(paper):
    job = paper.training()
    assert (job["TRES"], job["TresPerJob"]) == ("cpu=64,mem=200000M,node=1,billing=64", "gres:gpu:8")
    assert (job["NumNodes"], job["TimeLimit"], job["Partition"], job["Account"]) == (
        "1", "1-00:00:00", "urgent", "robots",
    )  # fmt: skip
    seen = json.loads(paper.file(f"results/paper/checkpoints/{RUN}/seen.json"))
    assert seen["CUDA_VISIBLE_DEVICES"] == "0,1,2,3,4,5,6,7"
    assert seen["SLURM_CPUS_PER_TASK"] == "64"


def test_at_paper_scale_answers_are_given_on_one_gpu(paper):
    job = paper.jobs()[-1]
    assert job["Comment"].startswith("rule_generate")
    assert (job["TRES"], job["TresPerJob"]) == ("cpu=8,mem=62.50G,node=1,billing=8", "gres:gpu:1")
    seen = json.loads(paper.file(f"results/paper/predictions/{RUN}.jsonl"))
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["SLURM_CPUS_PER_TASK"]) == ("0", "8")


@pytest.mark.parametrize(
    "gpus, threads, memory, partition", [(8, 64, 200_000, "rtx8000"), (1, 8, 64_000, "rtx8000"), (0, 4, 16_000, "cpu")]
)
def test_of_the_example_partitions_each_job_gets_one_that_fits(gpus, threads, memory, partition):
    resources = {"gpu": gpus, "mem_mb": memory, "runtime": 240, "nodes": 1}
    job = SimpleNamespace(name="job", threads=threads, resources=resources)
    partitions = read_partition_file(ROOT / "slurm/partitions.example.yaml")
    assert get_best_partition(partitions, job, logging.getLogger()) == partition


def test_the_guides_commands_are_understood(undisturbed):
    """Those of Snakemake, as dry runs; the others are as plain as they look."""
    guide = (ROOT / "docs/slurm.md").read_text()
    own = re.search(r"```yaml\n# ~/(\S+)\n(.*?)```", guide, re.S)
    profile = undisturbed.home / own[1]
    profile.parent.mkdir(parents=True)
    profile.write_text(own[2])
    commands = re.findall(r"(?:^\$ |`)(snakemake [^`#\n]*)", guide, re.M)
    said = {command: undisturbed.do(f"{command} --dry-run") for command in commands}
    assert len(said) >= 5
    [planned] = [text for command, text in said.items() if "--profile mine" in command]
    assert "threads: 48, GPUs: 8" in planned and "threads: 12, GPUs: 1" in planned
