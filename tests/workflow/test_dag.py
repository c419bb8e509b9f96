"""The plan of the whole grid: the paper's counts, quickly, without data; bad configuration ends in one line."""

import re
import time

import pytest
import yaml
from conftest import ROOT
from workflow_project import Project, copy_project

from gcl.closure import code_files

PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))


def test_the_papers_grid_is_planned_within_seconds_and_without_data(project):
    started = time.monotonic()
    jobs = project.jobs("all", "--config", "scale=paper")
    assert time.monotonic() - started < 30  # about 3 s; the limit only catches an import of torch on a slow machine
    # 10 baselines, 24 groups, 3 + 3 components, 6 + 8 + 16 points of Fig. 2, 3, and 4 with 7, 11 controls: those that
    # nothing else trains.
    assert jobs["train"] == jobs["generate"] == jobs["score"] == 10 + 24 + 6 + 30 + 11
    assert jobs["manifest"] == 2
    assert "draw" not in jobs and "ground" not in jobs


def test_the_miniature_grid_also_draws_data_and_grounds_backbones(project):
    jobs = project.jobs("all")
    assert (jobs["draw"], jobs["captions"], jobs["vocabulary"], jobs["ground"]) == (2, 1, 1, 5)
    assert jobs["train"] == 172
    assert (jobs["gallery"], jobs["costs"], jobs["report_page"]) == (1, 1, 1)


def test_every_job_that_a_cluster_starts_has_limits_of_its_own():
    """Those of the default would end a training of hours after one, and in 4 GB."""
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    rules = set(re.findall(r"^ *(?:rule|use rule \w+ as) (\w+)(?: with)?:", text, re.MULTILINE))
    local = set(re.search(r"^localrules:\n((?:    \w+,\n)+)", text, re.MULTILINE)[1].replace(",", "").split())
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text())
    assert local < rules
    # Grounding is for drawn worlds alone: one CPU, a minute.
    assert rules - local - {"ground"} == set(profile["set-resources"]) == set(profile["set-threads"])


def test_dvc_and_snakemake_agree_on_what_a_manifest_depends_on():
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["manifest"]
    code = {name for name in code_files("manifest") if not name.endswith("__init__.py")}
    assert {name for name in stage["deps"] if name.endswith(".py")} == code


@pytest.mark.parametrize(
    "target, trained",
    [
        ("headline", 2 + 4),
        ("table1", 5 + 12),
        ("table2", 2 * (2 + 4)),
        ("table3", 5 + 12),
        # 17 arms, 4 more rates that are best for some, and the teacher that was fine-tuned before, five seeds each.
        ("controls", 5 * (17 + 4 + 1)),
        ("rates", 14 * 3 + 1),
        # Fig. 2 has 9 different points, Fig. 3 has 5 + 5, Fig. 4 and 7 have 9 + 9; each pair's `full` stands in two of them.
        # The components figure adds two baselines.
        ("figures", 9 + 10 + 18 - 2 + 2),
    ],
)
def test_each_target_trains_what_it_shows(project, target, trained):
    assert project.jobs(target)["train"] == trained


def test_one_pairing_can_be_named_by_its_path(project):
    jobs = project.jobs(f"results/miniature/metrics/snei/gcl/{PAIR}/full-ratio5/seed3.json")
    assert jobs == {
        "draw": 1,
        "import_data": 1,
        "manifest": 1,
        "captions": 1,
        "vocabulary": 1,
        "ground": 2,
        "train": 1,
        "generate": 1,
        "score": 1,
    }


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--config", "scale=huge"], "scale: 'huge' is not known; use miniature, rehearsal or paper"),
        (["--config", "sceds=1"], "command line (--config): sceds: unknown key; did you mean 'seeds'?"),
        (["results/miniature/metrics/snei/gcl/qwen9+qwen3-vl-4b/full/seed0.json"], "unknown model 'qwen9'"),
    ],
)
def test_a_mistake_ends_in_a_clear_line_without_a_traceback(project, arguments, expected):
    output = project.snakemake("--dry-run", *arguments, check=False)
    assert re.search(rf"^gcl: error: .*{re.escape(expected)}", output, re.M)
    assert "Traceback" not in output
    assert "Nothing to be done" not in output


def test_mgsd_is_a_target_of_its_own(project):
    jobs = project.jobs("planning")
    rules = ("planning_cell", "planning_train", "planning_answer", "planning_score")
    assert [jobs[rule] for rule in rules] == [3, 9, 9, 18]
    assert "train" not in jobs and "ground" not in jobs


@pytest.mark.parametrize("retain, removed", [("none", True), ("final", False)])
def test_what_is_not_retained_is_temporary_of_either_method(project, retain, removed):
    """A dry run says which outputs would be removed once nobody needs them."""
    run, mgsd = f"snei/gcl/{PAIR}/full/seed0", "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
    targets = [f"results/miniature/metrics/{name}.json" for name in (run, f"{mgsd}/image", f"{mgsd}/reading")]
    chosen = f'execution={{"retain": {{"value": "{retain}", "assumed": "test"}}}}'
    said = project.snakemake("--dry-run", *targets, "--config", chosen)
    for name in (run, mgsd):
        assert (f"Would remove temporary output results/miniature/checkpoints/{name}" in said) == removed, name


def test_a_public_test_set_takes_the_place_of_drawn_states(project):
    (project.root / "maps").mkdir()
    given = 'planning={"imported": {"value": {"frozenlake": "maps"}}}'
    output = project.snakemake("--dry-run", "--printshellcmds", "planning", "--config", given)
    assert "gcl planning import --format vsp maps --to data/miniature/planning/states/frozenlake-public.jsonl" in output
    drawn = {
        line.split("--task ")[1].split()[0]: line for line in output.splitlines() if "gcl planning generate" in line
    }
    assert "--test" not in drawn["frozenlake"] and "--exclude data/miniature/planning" in drawn["frozenlake"]
    assert "--test" in drawn["maze"] and "--exclude" not in drawn["maze"]
