"""The crate opens with its library, holds what it names, by hash, and refuses what does not belong together."""

import hashlib
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT
from fake_metrics import experiment_with, fake_metrics, fake_planning, write_metrics
from rocrate.rocrate import ROCrate

from gcl.errors import ConfigError, DataError
from gcl.experiment.places import results_at
from gcl.files import write_json, write_text
from gcl.reporting.build import build
from gcl.reporting.trace.crate import write_crate
from gcl.workflow.targets import TARGETS

EXPERIMENT = experiment_with()
RESULTS = Path("results")
FULL = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The workflow's files, the headline's metrics and table, a manifest, and one record of two attempts."""
    monkeypatch.chdir(tmp_path)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, name)
    shutil.copytree(ROOT / "workflow", "workflow")
    write_text("data/miniature/manifests/snei/train.tsv", "id\n")
    attempts = [{"started": 0.0, "seconds": 60.0}, {"started": 3600.0, "seconds": 30.0}]
    write_json(RESULTS / f"miniature/records/{FULL}.json", {"run": FULL, "costs": {"attempts": attempts}})
    runs = {run.id for run in TARGETS["headline"].runs(EXPERIMENT)}
    metrics = {
        run: content for run, content in fake_metrics(EXPERIMENT).items() if run.removesuffix("/exchanged") in runs
    }
    write_metrics(RESULTS, metrics)
    build(EXPERIMENT, "headline", RESULTS, RESULTS / "miniature/tables/headline")
    return tmp_path


def test_a_crate_holds_every_file_that_it_names(project):
    write_crate(EXPERIMENT, RESULTS, Path("out/crate.zip"))
    with zipfile.ZipFile("out/crate.zip") as archive:
        archive.extractall("out/crate")
    crate = ROCrate("out/crate")
    files = [entity for entity in crate.data_entities if entity.type == "File"]
    assert {f"results/miniature/metrics/{FULL}.json", "results/miniature/tables/headline.csv"} <= {
        f["name"] for f in files
    }
    for file in files:
        path = project / "out/crate" / file["name"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
    assert crate.mainEntity.id == "Snakefile"


def test_every_run_is_an_action_with_what_it_used_and_made(project):
    write_crate(EXPERIMENT, RESULTS, Path("crate.zip"))
    metadata = json.loads(zipfile.ZipFile("crate.zip").read("ro-crate-metadata.json"))
    actions = {entity["@id"]: entity for entity in metadata["@graph"] if entity["@type"] == "CreateAction"}
    assert len(actions) == 1 + 2 + 6 + 3, "the workflow, base models, trainings, and trainings with exchanged pictures"
    action = actions[f"#{FULL}"]
    assert (action["startTime"], action["endTime"]) == ("1970-01-01T00:00:00+00:00", "1970-01-01T01:00:30+00:00")
    assert [used["@id"] for used in action["object"]] == ["data/miniature/manifests/snei/train.tsv"]
    assert len(action["result"]) == 2, "metrics and record; there are no predictions here"
    whole = actions["#run"]
    assert whole["instrument"] == {"@id": "Snakefile"} and {"@id": "config.yaml"} in whole["object"]
    assert len(whole["result"]) == 4
    root = next(entity for entity in metadata["@graph"] if entity["@id"] == "./")
    assert {"@id": "https://w3id.org/ro/wfrun/workflow/0.5"} in root["conformsTo"]
    assert {"@id": f"#{FULL}"} in root["mentions"]


def test_what_does_not_belong_together_is_refused(project):
    with pytest.raises(ConfigError, match="a crate is written as a zip"):
        write_crate(EXPERIMENT, RESULTS, Path("crate"))
    with pytest.raises(DataError, match="no table yet; make one with: snakemake"):
        write_crate(experiment_with("paper"), RESULTS, Path("crate.zip"))
    path = results_at("miniature", RESULTS).metrics(FULL)
    path.write_text(path.read_text() + " ")
    with pytest.raises(DataError, match=f"CHANGED  metrics +.*{FULL.split('/')[-2]}"):
        write_crate(EXPERIMENT, RESULTS, Path("crate.zip"))
    assert not Path("crate.zip").exists()


def test_of_mgsd_it_holds_states_and_the_trainings_record(project):
    training = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
    write_metrics(RESULTS, fake_planning(EXPERIMENT))
    build(EXPERIMENT, "planning", RESULTS, RESULTS / "miniature/tables/planning")
    write_text("data/miniature/planning/states.jsonl", "{}\n")
    attempts = [{"started": 7200.0, "seconds": 60.0}]
    write_json(RESULTS / f"miniature/records/{training}.json", {"run": training, "costs": {"attempts": attempts}})
    write_crate(EXPERIMENT, RESULTS, Path("crate.zip"))
    archive = zipfile.ZipFile("crate.zip")
    names = set(archive.namelist())
    assert {"data/miniature/planning/states.jsonl", f"results/miniature/records/{training}.json"} <= names
    by_id = {entity["@id"]: entity for entity in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
    action = by_id[f"#{training}"]
    assert action["endTime"] == "1970-01-01T02:01:00+00:00"
    assert [used["@id"] for used in action["object"]] == ["data/miniature/planning/states.jsonl"]
