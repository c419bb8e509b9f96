"""Metrics files are read whole or refused with a remedy; files of different making never meet."""

import json
import re

import pytest
from fake_metrics import experiment_with, fake_file, fake_metrics, fake_planning, typed, write_metrics

from gcl.errors import DataError
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.grid import arm_runs
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.places import results_at
from gcl.files import sha256_file
from gcl.reporting.metrics import check_consistent, load_metrics, sources

EXPERIMENT = experiment_with()
RUN = sft_run(EXPERIMENT, "snei", "qwen3-vl-2b", 0)
OTHER = sft_run(EXPERIMENT, "snei", "qwen3-vl-4b", 0)
MUSON = sft_run(EXPERIMENT, "muson", "qwen3-vl-2b", 0)


def test_files_come_back_keyed_by_run(tmp_path):
    files = {run.id: fake_file(run, EXPERIMENT) for run in (RUN, OTHER)}
    write_metrics(tmp_path, files)
    assert load_metrics(tmp_path, "miniature", {run.id: run for run in (RUN, OTHER)}) == typed(files)


def test_all_missing_files_are_named_with_the_command_that_makes_them(tmp_path):
    with pytest.raises(DataError) as error:
        load_metrics(tmp_path, "miniature", {run.id: run for run in (RUN, OTHER)})
    for run in (RUN, OTHER):
        path = results_at("miniature", tmp_path).metrics(run.id)
        assert f"{path}: no such file; make it with: snakemake --cores 2 {path}" in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda file: file.update(scale="paper"), "of scale 'paper', not 'miniature'"),
        (lambda file: file.update(run=OTHER.id), f"of another run, {OTHER.id}"),
        (lambda file: file["members"][0].update(model="gpt-2"), "has other members than the run: solo gpt-2"),
        (lambda file: file["provenance"].update(spec_sha256="0"), "made with other settings"),
        (lambda file: file["provenance"].pop("manifests"), "not a metrics file: provenance.manifests: Field required"),
        (lambda file: file.update(members="none"), "not a metrics file: members:"),
    ],
)
def test_a_file_that_is_not_the_runs_own_is_refused(tmp_path, change, message):
    file = fake_file(RUN, EXPERIMENT)
    change(file)
    path = results_at("miniature", tmp_path).metrics(RUN.id)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(file))
    with pytest.raises(DataError, match=re.escape(message)):
        load_metrics(tmp_path, "miniature", {RUN.id: RUN})


def test_half_a_file_is_refused(tmp_path):
    path = results_at("miniature", tmp_path).metrics(RUN.id)
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(fake_file(RUN, EXPERIMENT))[:200])
    with pytest.raises(DataError, match="not valid JSON"):
        load_metrics(tmp_path, "miniature", {RUN.id: RUN})


def test_runs_of_one_making_are_consistent():
    check_consistent(typed(fake_metrics(EXPERIMENT)))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda p: p["code_sha256"].update(training="t2"), "training code (supervised)"),
        (lambda p: p["code_sha256"].update(evaluation="e2"), "evaluation code"),
        (lambda p: p["metric_models"].update(bert="b2"), "metric models"),
        (lambda p: p["manifests"].update(train="x"), "train manifest of snei"),
        (lambda p: p["manifests"].update(test="x"), "test manifest of snei"),
    ],
)
def test_runs_of_different_making_are_refused_by_name_with_a_remedy(change, what):
    metrics = {run.id: fake_file(run, EXPERIMENT) for run in (MUSON, RUN, OTHER)}
    change(metrics[OTHER.id]["provenance"])
    with pytest.raises(DataError) as error:
        check_consistent(typed(metrics))
    assert f"{OTHER.id} and " in str(error.value)
    assert f"differ in the {what}; bring both up to date with: snakemake " in str(error.value)
    assert f"results/miniature/metrics/{OTHER.id}.json" in str(error.value)
    assert str(error.value).count("differ in") == 1


def test_data_sets_may_have_different_manifests():
    check_consistent(typed({run.id: fake_file(run, EXPERIMENT) for run in (RUN, MUSON)}))


def test_the_present_code_makes_runs_that_can_stand_in_each_table():
    # Trainings with answers of the members' own have more code than others.
    check_consistent(typed(fake_planning(EXPERIMENT)))
    controls = EXPERIMENT.exchange.scenes
    runs = [run for arm in controls.arms.value for run in arm_runs(EXPERIMENT, controls, arm.run)]
    arms = {run.id: fake_file(run, EXPERIMENT) for run in runs}
    codes = {file["provenance"]["code_sha256"]["training"].split()[0] for file in arms.values()}
    assert len(codes) == 2
    check_consistent(typed(arms))


def test_who_learns_from_a_students_answers_is_trained_by_more_code():
    metrics = fake_planning(EXPERIMENT)
    for run, content in metrics.items():
        if "/mgsd/" in run:
            content["provenance"]["code_sha256"]["training"] = "t2"
    check_consistent(typed(metrics))
    odd = next(run for run in metrics if "/mgsd/" in run)
    metrics[odd]["provenance"]["code_sha256"]["training"] = "t3"
    with pytest.raises(DataError, match=rf"{re.escape(odd)} and .*/mgsd/.* differ in the training code \(on-policy\)"):
        check_consistent(typed(metrics))


def test_sources_hash_the_file_and_name_its_checkpoints(tmp_path):
    folder = tmp_path / "results"
    files = {RUN.id: fake_file(RUN, EXPERIMENT)}
    write_metrics(folder, files)
    assert sources(folder, typed(files))[RUN.id].model_dump() == {
        "run": RUN.id,
        "file": f"results/miniature/metrics/{RUN.id}.json",
        "sha256": sha256_file(folder / "miniature" / "metrics" / f"{RUN.id}.json"),
        "spec": RUN.fingerprint,
        "code": {"training": run_code("training", RUN), "evaluation": evaluation_code(RUN)},
        "checkpoints": {"solo": f"weights of {RUN.id} solo"},
    }
