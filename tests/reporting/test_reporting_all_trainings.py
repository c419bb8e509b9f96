"""The verbs that look after runs know MGSD's trainings as they know the others."""

import json

import pytest
from conftest import ROOT
from fake_metrics import experiment_with, fake_planning, write_metrics

from gcl.cli.main import main
from gcl.experiment.closure import run_code
from gcl.experiment.grid import all_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import PLANNING, kind_of
from gcl.experiment.yaml_files import read_yaml
from gcl.operations.doctor import examine
from gcl.operations.status import status
from gcl.reporting.page.making import facts, metrics_there
from gcl.workflow.plan import Plan

MGSD = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
READING = "planning/reading/qwen3-vl-4b/default/seed0"


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(ROOT)


def trainings(experiment):
    """Ids of MGSD's trainings."""
    return [name for name, run in all_runs(experiment).items() if kind_of(run.dataset) == PLANNING]


@pytest.fixture(scope="module")
def paper():
    return load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}, ROOT)


def said(capsys, *arguments):
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_runs_lists_the_trainings_of_both_methods(capsys, experiment):
    listed = said(capsys, "runs").splitlines()
    assert listed == list(all_runs(experiment)) and {MGSD, READING, "snei/sft/qwen3-vl-4b/default/seed0"} < set(listed)


@pytest.mark.parametrize("scale", ["miniature", "paper"])
def test_memory_is_planned_of_every_training(monkeypatch, capsys, scale, paper, experiment):
    """An out-of-memory error names this command. At paper scale the configurations are of the hub, so some like them."""
    from gcl.models.family import get_family
    from gcl.operations import model_sizes as sizes

    shapes = experiment.base_models.models.value

    def read_config(source):
        name = next(name for name in shapes if name in source.path.lower())
        family = get_family(experiment.models[name].family.value)
        return family.small(shapes[name], sizes._Tokens(range(500)), (784, 50176)).config

    if scale == "paper":
        monkeypatch.setattr(sizes, "_read_config", read_config)
    monkeypatch.setattr("gcl.operations.memory.ALTERNATIVES", [])  # those of every run take a while
    for run in trainings(paper if scale == "paper" else experiment):
        if not run.endswith("/seed0"):  # another seed needs as much
            continue
        text = said(capsys, "plan", "--memory", run, "--scale", scale)
        assert text.startswith(f"{run}: estimated GiB on each GPU")
        assert ("answers are drawn between passes" in text) == any(
            f"/{method}/" in run for method in ("mgsd", "exchange")
        )


def test_disk_counts_them_everywhere(capsys, paper, tmp_path):
    count = len(all_runs(paper))
    assert f"checkpoints of {count} trainings" in said(capsys, "plan", "--disk", "--scale", "paper")
    assert f"checkpoints of {count} trainings" in Plan(paper).disk()
    assert count > len(trainings(paper)) > 10
    line = next(finding.what for finding in examine(paper, tmp_path) if finding.what.startswith("checkpoints need"))
    without = next(
        finding.what
        for finding in examine(paper.model_copy(update={"planning": small(paper)}), tmp_path)
        if finding.what.startswith("checkpoints need")
    )
    assert gigabytes(line) > gigabytes(without)


def small(paper):
    """Planning with one model."""
    models = paper.planning.models.model_copy(update={"value": paper.planning.models.value[:1]})
    return paper.planning.model_copy(update={"models": models})


def gigabytes(line: str) -> int:
    return int(line.split("up to ")[1].split()[0].replace(",", ""))


def test_adapters_of_a_stage_take_less_disk_than_its_weights(paper, tmp_path):
    from gcl.operations.versioning import disk_plan

    reading = find_run(paper, "planning/reading/qwen3-vl-4b/default/seed0")
    assert reading.training.lora is not None and paper.training.lora.value is None
    retain = paper.execution.retain.model_copy(update={"value": "adapters"})
    adapters = paper.model_copy(update={"execution": paper.execution.model_copy(update={"retain": retain})})
    whole, alone = (disk_plan(one, [reading], tmp_path).stay for one in (paper, adapters))
    assert 0 < alone < whole / 50


def test_status_tells_what_is_left_of_each(capsys, experiment, tmp_path):
    def state(run):
        (found,) = status(experiment, [find_run(experiment, run)], tmp_path)
        return found.state, found.detail

    assert any(one["run"] == MGSD for one in json.loads(said(capsys, "status", "--json")))
    lease = tmp_path / f"scratch/{MGSD}/abc/lease"
    lease.parent.mkdir(parents=True)
    lease.touch()
    assert state(MGSD) == ("running", "loading")
    lease.unlink()
    record = tmp_path / f"results/miniature/checkpoints/{MGSD}/run.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    assert state(MGSD) == ("trained", "not yet scored")
    metrics = fake_planning(experiment)
    log = tmp_path / f"logs/miniature/score/{MGSD}.log"
    log.parent.mkdir(parents=True)
    log.write_text("gcl: error: some states have two\n")
    assert state(MGSD) == ("failed", f"gcl: error: some states have two (logs/miniature/score/{MGSD}.log)")
    write_metrics(tmp_path / "results", {MGSD: metrics[MGSD]})
    assert state(MGSD) == ("done", "")


def test_the_page_counts_them_among_runs_with_metrics(tmp_path):
    experiment = experiment_with()
    metrics = fake_planning(experiment)
    for file in metrics.values():
        made = file["provenance"]["code_sha256"]
        made.update({step: "older" for step, code in made.items() if code})
    write_metrics(tmp_path, metrics)
    found = dict(facts(experiment, tmp_path, metrics_there(experiment, tmp_path)))
    trained, bases = sum("/base/" not in name for name in metrics), len(experiment.planning.models.value)
    assert found["runs with metrics"] == f"{trained} of {len(all_runs(experiment))}"
    assert found["code of training"] == f"as here in 0 of {trained} runs"
    assert found["code of evaluation"] == f"as here in 0 of {trained + bases} runs"
    metrics[MGSD]["provenance"]["code_sha256"]["training"] = run_code("training", find_run(experiment, MGSD))
    write_metrics(tmp_path, metrics)
    found = dict(facts(experiment, tmp_path, metrics_there(experiment, tmp_path)))
    assert found["code of training"] == f"as here in 1 of {trained} runs"
