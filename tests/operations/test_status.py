"""Each state of a run is told from the files that a run in that state leaves."""

import os
import stat
import time

import pytest

from gcl.experiment.methods.registry import find_run
from gcl.operations.status import show, status

RUN = "snei/sft/qwen3-vl-4b/default/seed0"


@pytest.fixture
def look(experiment, tmp_path, monkeypatch):
    """The state of one run in an empty project."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    def look():
        (found,) = status(experiment, [find_run(experiment, RUN)], tmp_path)
        return found.state, found.detail

    return look


def write(path, text: str = "{}", age: float = 0.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age, time.time() - age))


def test_a_run_without_any_file_is_to_do(look):
    assert look() == ("to do", "")


def test_a_scored_run_is_done(look, tmp_path):
    write(tmp_path / f"results/miniature/metrics/{RUN}.json")
    write(tmp_path / f"logs/miniature/train/{RUN}.log", "gcl: error: of an earlier attempt")
    assert look() == ("done", "")


def test_a_living_lease_means_running_with_the_progress_that_the_loop_wrote(look, tmp_path):
    write(tmp_path / f"scratch/{RUN}/abc/lease")
    assert look() == ("running", "loading")
    write(tmp_path / f"scratch/{RUN}/old/progress.json", '{"step": 9, "steps": 332, "seconds": 1.0, "left": 1.0}')
    assert look() == ("running", "loading"), "of a training with other data or code"
    write(tmp_path / f"scratch/{RUN}/abc/progress.json", '{"step": 2, "steps": 332, "seconds": 2.1, "left": 632.4}')
    assert look() == ("running", "step 2 of 332, 00:02 passed, 10:32 left")


def test_a_run_that_is_trained_again_is_running_though_its_old_scores_are_there(look, tmp_path):
    write(tmp_path / f"results/miniature/metrics/{RUN}.json")
    write(tmp_path / f"scratch/{RUN}/abc/lease")
    assert look() == ("running", "loading")


def test_a_dead_lease_means_interrupted(look, tmp_path):
    write(tmp_path / f"scratch/{RUN}/abc/lease", age=100)
    assert look() == ("interrupted", "starts again, no checkpoint was saved")
    write(tmp_path / f"scratch/{RUN}/abc/checkpoints/step-000050/state.json", age=100)
    assert look() == ("interrupted", "continues from step-000050")


def test_a_failed_run_shows_its_last_error_and_the_log(look, tmp_path):
    log = f"logs/miniature/train/{RUN}.log"
    write(tmp_path / log, "loading\nValueError: first\nstep 1\rstep 2\ngcl: error: no memory at step 3; lower it\n")
    assert look() == ("failed", f"gcl: error: no memory at step 3; lower it ({log})")


def test_a_trained_run_waits_for_its_scores_or_says_why_there_are_none(look, tmp_path):
    write(tmp_path / f"results/miniature/checkpoints/{RUN}/run.json")
    write(tmp_path / f"logs/miniature/train/{RUN}.log", "ValueError: of an earlier attempt")
    assert look() == ("trained", "not yet scored")
    write(tmp_path / f"logs/miniature/score/{RUN}.log", "gcl: error: answered twice")
    assert look() == ("failed", f"gcl: error: answered twice (logs/miniature/score/{RUN}.log)")


def test_a_job_in_slurms_queue_is_queued(look, tmp_path):
    squeue = tmp_path / "bin/squeue"
    line = f"17|PENDING|Priority|rule_train_wildcards_miniature_{RUN}"
    write(squeue, f"#!/bin/sh\necho '{line}'\n")
    squeue.chmod(squeue.stat().st_mode | stat.S_IXUSR)
    assert look() == ("queued", "job 17, pending (Priority)")
    write(squeue, f"#!/bin/sh\necho '{line}0'\n")
    assert look() == ("to do", ""), "another seed's"
    write(squeue, "#!/bin/sh\nexit 1\n")
    assert look() == ("to do", "")


def test_the_text_counts_all_and_lists_what_needs_attention(look, experiment, tmp_path):
    runs = [find_run(experiment, RUN), find_run(experiment, RUN.replace("4b", "2b"))]
    write(tmp_path / f"results/miniature/metrics/{runs[1].id}.json")
    write(tmp_path / f"scratch/{RUN}/abc/lease")
    text = show(status(experiment, runs, tmp_path))
    assert text.splitlines()[0] == "2 runs: 1 running, 1 done"
    assert RUN in text and runs[1].id not in text
    assert runs[1].id in show(status(experiment, runs, tmp_path), every=True)
