"""A whole small headline run for real, then what each change would run again."""

import hashlib
import json
import re
import shutil
import sys

import pytest
from workflow_project import Project, copy_project

from gcl.experiment.closure import STEPS, is_excluded, modules

pytestmark = pytest.mark.slow

PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"
FULL = f"results/miniature/metrics/snei/gcl/{PAIR}/full/seed0.json"
# In every process of the project: note which module of gcl imports which, and what the process was started for.
NOTING = """
import atexit, builtins, json, os, pathlib, sys
real, seen = builtins.__import__, set()
def noting(name, globals=None, locals=None, fromlist=(), level=0):
    module = real(name, globals, locals, fromlist, level)
    who = (globals or {}).get("__name__") or ""
    if who.startswith("gcl.") and name.partition(".")[0] == "gcl":
        seen.add((who, name))
        seen.update((who, f"{name}.{word}") for word in fromlist or () if f"{name}.{word}" in sys.modules)
    return module
builtins.__import__ = noting
folder = pathlib.Path(__file__).with_name("imports")
@atexit.register
def write():
    if seen:
        (folder / f"{os.getpid()}.json").write_text(json.dumps([sys.argv, sorted(seen)]))
"""
DONE = {"data generate": "drawing", "data import": "importing", "data manifest": "manifest",
        "train": "training", "generate": "generation", "score": "scoring",
        "report": "reporting"}  # fmt: skip

SCORED_AGAIN = {"score": 8, "score_exchanged": 3, "table": 1, "figure": 1, "paragraph": 1, "headline": 1}


def shrink(scale: dict) -> None:
    """Enough to go through every step, not to learn."""
    scale["datasets"]["snei"]["scenarios"]["value"] = {"train": 16, "test": 6}
    scale["seeds"]["value"] = [0]
    scale["training"]["epochs"] = {"value": 1, "assumed": "test"}
    scale["evaluation"]["max_new_tokens"]["value"] = 8


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    project = copy_project(tmp_path_factory.mktemp("project"))
    project.edit("workflow/scales/miniature.yaml", shrink)
    (project.root / "imports").mkdir()
    (project.root / "sitecustomize.py").write_text(NOTING)
    project.snakemake("headline")
    (project.root / "sitecustomize.py").unlink()
    return project


@pytest.fixture
def unchanged(project):
    """Put edited files back after a test."""
    names = ["config.yaml", *(str(path.relative_to(project.root)) for path in project.root.glob("gcl/**/*.py"))]
    kept = {name: (project.root / name).read_bytes() for name in names}
    yield
    for name, content in kept.items():
        if (project.root / name).read_bytes() != content:
            (project.root / name).write_bytes(content)


def test_the_headline_is_built(project):
    tables = project.root / "results/miniature/tables"
    assert {path.suffix for path in tables.iterdir()} == {".csv", ".md", ".tex", ".txt", ".json"}
    text = (tables / "headline.md").read_text()
    assert "Miniature scale" in text and "GSL + DRL + AGO" in text
    assert len((tables / "headline.csv").read_text().splitlines()) == 1 + 16
    assert (project.root / "results/miniature/figures/components.png").stat().st_size > 10_000
    left = {path.name for path in project.root.glob("results/**/.*")}
    assert left <= {".snakemake_timestamp"}, "temporary files were left behind"


def test_every_row_leads_to_files_that_exist(project):
    record = json.loads((project.root / "results/miniature/tables/headline.provenance.json").read_text())
    for row in record["rows"]:
        assert row["runs"]
        for run in row["runs"]:
            source = record["sources"][run]
            assert hashlib.sha256((project.root / source["file"]).read_bytes()).hexdigest() == source["sha256"]


def test_a_number_can_be_followed_to_its_training(project):
    trace = (sys.executable, "-m", "gcl", "trace", "headline:learner/full:action_f1")
    done = project.run(*trace)
    assert done.returncode == 0, done.stdout + done.stderr
    for what in ("value", "metrics", "settings", "predictions", "checkpoint", "record", "start", "code", "raw data"):
        assert re.search(rf"^  ok +{what} ", done.stdout, re.M), what
    assert "1 attempt on" in done.stdout and "no Git; gcl train snei/gcl/" in done.stdout
    assert " --experiment results/miniature/experiment.json --record " in done.stdout
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
    again = {"train": 1, "generate": 1, "score": 1, "generate_exchanged": 1, "score_exchanged": 1}
    assert project.jobs("headline") == again | {"table": 1, "figure": 1, "paragraph": 1, "headline": 1}


def test_another_groups_temperature_touches_nothing_here(project, unchanged):
    project.edit("config.yaml", lambda config: config["groups"]["snei"]["value"][0].update(tau=[2.5, 2.0]))
    assert project.jobs("headline") == {}


def test_another_logger_touches_nothing(project, unchanged):
    project.edit("config.yaml", lambda c: c["execution"]["loggers"].update(value=["wandb", "mlflow"]))
    assert project.jobs("headline") == {}


def test_every_job_imports_only_code_that_its_rule_depends_on(project):
    """Of all processes of a real run: a module that is neither in the step's code nor excluded was forgotten."""
    steps = set()
    for path in (project.root / "imports").iterdir():
        arguments, seen = json.loads(path.read_text())
        words = [word for word in arguments[1:3] if not word.startswith("-")]
        step = DONE.get(" ".join(words)) or DONE.get(words[0] if words else "")
        if not arguments[0].endswith("/gcl") or step is None:
            continue
        steps.add(step)
        forgotten = [
            (who, name)
            for who, name in seen
            if who in modules(step) and name not in modules(step) and not is_excluded(name, step)
        ]
        assert not forgotten, (step, forgotten)
    assert steps == set(DONE.values()) <= set(STEPS)


def test_a_comment_costs_nothing_wherever_it_is(project, unchanged):
    for path in (project.root / "gcl").rglob("*.py"):
        path.write_text(path.read_text() + "\n# changed\n")
    assert project.jobs("headline") == {}


def change_code(project: Project, name: str, old: str, new: str) -> None:
    path = project.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_scoring_code_causes_no_training(project, unchanged):
    change_code(project, "gcl/evaluation/bootstrap.py", "default_rng(0)", "default_rng(1)")
    assert project.jobs("headline") == SCORED_AGAIN


def test_an_operator_of_the_objective_causes_what_depends_on_it(project, unchanged):
    change_code(project, "gcl/objective/drl.py", "logp_NV - other_NV", "logp_NV + other_NV")
    jobs = project.jobs("headline")
    assert jobs["train"] == 6 and "draw" not in jobs and "manifest" not in jobs


def test_results_without_snakemakes_records_are_not_made_again(project):
    """As after a clone and `dvc pull`: there are files, and no `.snakemake`."""
    records, kept = project.root / ".snakemake", project.root / "records-of-snakemake"
    records.rename(kept)
    try:
        assert project.jobs(FULL) == {}
    finally:
        shutil.rmtree(records, ignore_errors=True)
        kept.rename(records)


def test_after_touch_a_clone_sees_changes_of_code(project, unchanged):
    records, kept = project.root / ".snakemake", project.root / "records-of-snakemake"
    records.rename(kept)
    try:
        project.snakemake("--touch", "--forceall", "headline")
        assert project.jobs("headline") == {}
        change_code(project, "gcl/evaluation/bootstrap.py", "default_rng(0)", "default_rng(1)")
        assert project.jobs("headline") == SCORED_AGAIN
    finally:
        shutil.rmtree(records, ignore_errors=True)
        kept.rename(records)


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
        log = (project.root / "logs/miniature/import/snei.log").read_text()
        assert "unknown role" in log and "robot" in log and "Traceback" not in log
        assert "Error in rule import_data" in output
        assert not (project.root / "data/miniature/raw/snei").exists()
    finally:
        annotations.write_text(original)
