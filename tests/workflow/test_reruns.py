"""A whole small headline run for real, then what each change would run again."""

import hashlib
import json
import re
import sys

import pytest
from workflow_project import Project, copy_project

pytestmark = pytest.mark.slow

PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"
FULL = f"results/miniature/metrics/snei/gcl/{PAIR}/full/seed0.json"


def shrink(scale: dict) -> None:
    """Enough to go through every step, not to learn."""
    scale["datasets"]["snei"]["scenarios"]["value"] = {"train": 16, "test": 6}
    scale["drawing"]["captions"]["value"] = 16
    scale["drawing"]["epochs"]["value"] = 1
    scale["training"]["epochs"]["value"] = 1
    scale["evaluation"]["max_new_tokens"]["value"] = 8


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("project"))
    project.edit("workflow/scales/miniature.yaml", shrink)
    project.snakemake("headline")
    return project


@pytest.fixture
def unchanged(project):
    """Put edited files back after a test."""
    kept = {
        name: (project.root / name).read_bytes()
        for name in ("config.yaml", "gcl/evaluation/bootstrap.py", "gcl/training/loop.py")
    }
    yield
    for name, content in kept.items():
        (project.root / name).write_bytes(content)


def test_the_headline_is_built(project):
    tables = project.root / "results/miniature/tables"
    assert {path.suffix for path in tables.iterdir()} == {".csv", ".md", ".tex", ".json"}
    text = (tables / "headline.md").read_text()
    assert "Miniature scale" in text and "GSL + DRL + AGO" in text
    assert len((tables / "headline.csv").read_text().splitlines()) == 1 + 10
    assert (project.root / "results/miniature/figures/components.png").stat().st_size > 10_000
    left = {path.name for path in project.root.glob("results/**/.*")}
    assert left <= {".snakemake_timestamp"}, "temporary files were left behind"


def test_every_row_leads_to_files_that_exist(project):
    record = json.loads((project.root / "results/miniature/tables/headline.provenance.json").read_text())
    for row in record["rows"]:
        for source in row["sources"]:
            path = project.root / source["file"]
            assert hashlib.sha256(path.read_bytes()).hexdigest() == source["sha256"]


def test_a_number_can_be_followed_to_its_training(project):
    trace = (sys.executable, "-m", "gcl", "trace", "headline:learner/full:action_f1")
    done = project.run(*trace)
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("value", "metrics", "settings", "predictions", "checkpoint", "record", "start", "code", "raw data"):
        assert re.search(rf"^  ok +{what} ", done.stdout, re.M), what
    assert "1 attempt on" in done.stdout and "no Git; gcl train --run ..." in done.stdout
    again = re.search(r"^  snakemake --cores 2 (.*)--forcerun train$", done.stdout, re.M)[1].split()
    assert project.jobs(*again, "--forcerun", "train") == {"train": 2, "generate": 2, "score": 2}
    path = project.root / FULL
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"mean": 0.', b'"mean": 1.', 1))
    done = project.run(*trace)
    path.write_bytes(content)
    assert done.returncode == 2 and re.search(r"CHANGED +value", done.stderr) and "CHANGED  metrics" in done.stderr


def test_running_again_does_nothing(project):
    assert "Nothing to be done" in project.snakemake("headline")


def test_a_groups_temperature_touches_that_group_and_the_tables_only(project, unchanged):
    project.edit("config.yaml", lambda config: config["groups"]["snei"]["value"][1].update(tau=[2.5, 2.0]))
    assert project.jobs("headline") == {"train": 1, "generate": 1, "score": 1, "table": 1, "figure": 1, "headline": 1}


def test_another_groups_temperature_touches_nothing_here(project, unchanged):
    project.edit("config.yaml", lambda config: config["groups"]["snei"]["value"][0].update(tau=[2.5, 2.0]))
    assert project.jobs("headline") == {}


def test_scoring_code_causes_no_training(project, unchanged):
    path = project.root / "gcl/evaluation/bootstrap.py"
    path.write_text(path.read_text() + "\n# changed\n")
    assert project.jobs("headline") == {"score": 6, "table": 1, "figure": 1, "headline": 1}


def test_training_code_causes_training(project, unchanged):
    path = project.root / "gcl/training/loop.py"
    path.write_text(path.read_text() + "\n# changed\n")
    jobs = project.jobs("headline")
    assert jobs["train"] == 6 and jobs["ground"] == 2 and "draw" not in jobs


def test_one_pairing_is_rerun_on_demand(project):
    jobs = project.jobs(FULL, "-R", "train")
    assert jobs == {"train": 1, "generate": 1, "score": 1}


def test_the_same_seed_gives_identical_metrics(project):
    before = (project.root / FULL).read_bytes()
    project.snakemake(FULL, "-R", "train")
    assert (project.root / FULL).read_bytes() == before
    project.snakemake("headline")


def test_a_data_error_stops_the_run_with_its_message(project):
    annotations = project.root / "data/miniature/source/snei/train.json"
    original = annotations.read_text()
    annotations.write_text(original.replace('"from": "human"', '"from": "robot"', 1))
    try:
        output = project.snakemake("data/miniature/raw/snei", "-R", "import_data", check=False)
        log = (project.root / "logs/import/snei.log").read_text()
        assert "unknown role" in log and "robot" in log and "Traceback" not in log
        assert "Error in rule import_data" in output
        assert not (project.root / "data/miniature/raw/snei").exists()
    finally:
        annotations.write_text(original)
