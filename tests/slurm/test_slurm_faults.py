"""Faults of a cluster, each once on a real SLURM. Each ends with the bytes of an undisturbed training.

The training under test is stopped half-way (SIGSTOP) before the fault happens. So no test depends on the machine's speed.
SLURM wakes the jobs that it asks to end.
"""

import time

import pytest
import yaml
from slurm_project import CHECKPOINT, METRICS, SlurmProject

pytest_plugins = ["slurm_fixtures"]
pytestmark = pytest.mark.slurm

RESULTS = (f"{CHECKPOINT}/solo/model.safetensors", f"{CHECKPOINT}/losses.jsonl")


def check(project: SlurmProject, undisturbed: SlurmProject) -> None:
    """The same bytes, and nothing left of what was on the way."""
    for name in RESULTS:
        assert project.file(name) == undisturbed.file(name), name
    assert not list(project.root.glob("scratch/*/*/*/*/seed*/*")), (
        "a finished training leaves no checkpoints to resume from"
    )
    assert not list((project.root / CHECKPOINT).parent.glob(".seed0.*")), "a half-written result is left"


def states(project: SlurmProject) -> list[str]:
    return [job["JobState"] for job in project.jobs()]


def change_profile(project: SlurmProject, rule: str, **resources: str) -> None:
    """Other resources of one rule, as in a profile for this cluster."""
    path = project.root / "slurm/profile.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["set-resources"][rule].update(resources)
    path.write_text(yaml.safe_dump(profile))


def test_a_cancelled_job_is_reported_and_the_next_call_continues_it(project, undisturbed):
    first = project.begin(CHECKPOINT, "--retries", "0")
    first.pause_training()
    project.cluster.run("scancel", project.training()["JobId"])
    assert first.wait() == 1
    assert "SLURM status is: 'CANCELLED'" in first.output and "Error in rule train" in first.output
    assert not (project.root / CHECKPOINT).exists()
    project.slurm(CHECKPOINT)
    assert project.resumed() > 0
    assert states(project) == ["CANCELLED", "COMPLETED"]
    check(project, undisturbed)


def test_shortly_before_its_time_limit_a_training_stops_with_a_checkpoint_and_the_next_attempt_continues(
    project, undisturbed
):
    change_profile(project, "train", runtime="2 if attempt == 1 else 60", slurm_extra="'--signal=TERM@40'")
    invocation = project.begin(CHECKPOINT)
    invocation.pause_training()
    assert invocation.wait() == 0, invocation.output[-3000:]
    assert states(project) == ["FAILED", "COMPLETED"], "it left before it was killed"
    assert [job["TimeLimit"] for job in project.jobs()] == ["00:02:00", "01:00:00"]
    assert project.resumed() > 0
    check(project, undisturbed)


def test_a_killed_training_is_tried_again_from_its_checkpoint(project, undisturbed):
    invocation = project.begin(CHECKPOINT)
    invocation.pause_training().kill()
    assert invocation.wait() == 0, invocation.output[-3000:]
    assert states(project) == ["FAILED", "COMPLETED"]
    assert project.resumed() > 0
    check(project, undisturbed)


def test_a_requeued_job_continues_from_its_checkpoint(project, undisturbed):
    invocation = project.begin(CHECKPOINT)
    invocation.pause_training()
    project.cluster.run("scontrol", "requeue", project.training()["JobId"])
    assert invocation.wait() == 0, invocation.output[-3000:]
    [job] = project.jobs()
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert project.resumed() > 0
    check(project, undisturbed)


def test_a_preempted_job_continues_from_its_checkpoint(project, undisturbed):
    invocation = project.begin(CHECKPOINT)
    invocation.pause_training()
    urgent = ["--partition=urgent", "--nodes=2", "--exclusive", "--chdir=/tmp", "--output=/dev/null", "--wrap=sleep 2"]
    project.cluster.run("sbatch", *urgent)
    assert invocation.wait() == 0, invocation.output[-3000:]
    [job] = project.jobs()
    assert (job["JobState"], job["Restarts"]) == ("COMPLETED", "1")
    assert project.resumed() > 0
    check(project, undisturbed)


def test_of_a_lost_node_whose_job_lives_on_two_copies_make_one_result(project, undisturbed):
    invocation = project.begin(CHECKPOINT)
    training = invocation.pause_training()
    node = project.training()["BatchHost"]
    project.cluster.stop(node, kill=True)
    try:
        invocation.until("the second copy", lambda: len(project.trainings()) == 2)
        assert project.training()["BatchHost"] != node
        time.sleep(8)  # until the second copy waits for the first
        training.resume()
        assert invocation.wait() == 0, invocation.output[-3000:]
        check(project, undisturbed)
    finally:
        project.cluster.start(node)
        project.cluster.wait_until_idle()


@pytest.mark.parametrize("kill", [False, True], ids=["restart", "crash"])
def test_without_its_controller_for_a_while_the_cluster_goes_on(project, undisturbed, kill):
    invocation = project.begin(CHECKPOINT)
    training = invocation.pause_training()
    project.cluster.stop("slurmctld", kill=kill)
    training.resume()
    time.sleep(12)  # several questions remain without an answer
    project.cluster.start("slurmctld")
    assert invocation.wait() == 0, invocation.output[-3000:]
    assert states(project) == ["COMPLETED"]
    check(project, undisturbed)


def test_a_job_that_exceeds_its_memory_is_retried_with_more(project, undisturbed):
    change_profile(project, "train", mem_mb="400 if attempt == 1 else attempt * 2000")
    project.slurm(CHECKPOINT)
    assert [job["JobState"] for job in project.jobs()] in (["FAILED", "COMPLETED"], ["OUT_OF_MEMORY", "COMPLETED"])
    assert ["mem=400M" in job["TRES"] for job in project.jobs()] == [True, False]
    assert "mem=4000M" in project.training()["TRES"]
    check(project, undisturbed)


def test_after_a_killed_snakemake_the_next_one_takes_the_result_of_the_job_that_lives_on(project, undisturbed):
    first = project.begin(METRICS)
    training = first.pause_training()
    first.process.kill()
    first.process.wait()
    refused = project.begin(METRICS)
    assert refused.wait() != 0 and "--unlock" in refused.output
    assert project.begin("--unlock", command=("-m", "snakemake")).wait() == 0
    second = project.begin(METRICS)
    second.until("the second copy", lambda: len(project.trainings()) == 2)
    time.sleep(8)  # until the second copy waits for the first
    training.resume()
    assert second.wait() == 0, second.output[-3000:]
    assert states(project) == ["COMPLETED"] * 4, "two trainings, answers, scores"
    check(project, undisturbed)
    assert project.file(METRICS) == undisturbed.file(METRICS)


def test_a_second_snakemake_in_the_folder_is_refused_while_the_first_goes_on(project):
    first = project.begin(CHECKPOINT)
    first.until("a job", project.jobs)
    second = project.begin(CHECKPOINT)
    assert second.wait(60) != 0
    assert "cannot be locked" in second.output and "Traceback" not in second.output
    assert first.wait() == 0, first.output[-3000:]
    assert states(project) == ["COMPLETED"]
