"""The workflow where paths have blanks and letters beyond ASCII: of the checkout and of the data."""

import json
import re
import sys

import pytest
from workflow_project import Project, copy_project

from gcl.cli.warm import ADDRESS

DATA = "meine Daten ö"
PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"
MGSD = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"


def shrink(scale: dict) -> None:
    """Enough to go through every step, and data in a folder with a blank."""
    scale["data"] = {"value": DATA, "assumed": "test"}
    scale["datasets"]["snei"]["scenarios"]["value"] = {"train": 16, "test": 6}
    scale["training"]["epochs"] = {"value": 1, "assumed": "test"}
    scale["evaluation"]["max_new_tokens"]["value"] = 8
    planning = scale["planning"]
    planning["seeds"]["value"] = [0]
    planning["levels"]["value"] = {"maze": [3]}
    planning["states"]["value"] = {"train": 8, "val": 0, "test": 4}
    for stage in ("reading", "distillation"):
        planning[stage]["epochs"]["value"] = 1
    planning["distillation"]["max_new_tokens"]["value"] = planning["evaluation"]["max_new_tokens"]["value"] = 8


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    root = tmp_path_factory.mktemp("project") / "mein Ordner ü"
    root.mkdir()
    project = copy_project(root)
    project.edit("workflow/scales/miniature.yaml", shrink)
    return project


def test_data_is_drawn_imported_and_checked(project, monkeypatch):
    monkeypatch.setenv(ADDRESS, "")  # as cold jobs; those below are warm
    project.snakemake(f"{DATA}/manifests/snei/train.tsv", f"{DATA}/planning/pictures")
    lines = (project.root / DATA / "manifests/snei/train.tsv").read_text().splitlines()
    assert len(lines) == 1 + 16
    assert len(list((project.root / DATA / "planning/pictures").glob("*.png"))) == 12
    assert not [path for path in project.root.iterdir() if path.name in ("meine", "Daten", "ö")]


def test_everything_else_can_be_planned(project):
    assert project.jobs("all")["train"] > 100
    shown = project.snakemake("--dry-run", "--printshellcmds", "headline", "planning")
    commands = re.findall(r"\bgcl [a-z]+ .*--.*", shown)
    assert len({command.split(" --")[0] for command in commands}) > 10
    assert not [command for command in commands if DATA in command.replace(f"'{DATA}/", "")], "unquoted"


@pytest.mark.slow
def test_members_are_trained_asked_and_scored(project):
    run = f"results/miniature/metrics/snei/gcl/{PAIR}/full/seed0.json"
    project.snakemake(run, "planning")
    assert (project.root / run).is_file()
    table = (project.root / "results/miniature/tables/planning.md").read_text()
    assert "stages 1 and 2 (MGSD)" in table and "off-policy" in table
    assert (project.root / "results/miniature/figures/plans.png").is_file()
    for verb in (["status", "--json"], ["compare", MGSD, MGSD.replace("/full/", "/off_policy/"), "--json"]):
        done = project.run(sys.executable, "-m", "gcl", *verb)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["scenes"] == 4 if verb[0] == "compare" else (
            {"run": MGSD, "state": "done", "detail": ""} in found
        )  # fmt: skip
