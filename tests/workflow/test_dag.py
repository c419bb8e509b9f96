"""The plan of the whole grid: the paper's counts, quickly, without data; bad configuration ends in one line."""

import re
import time

import pytest
import yaml
from conftest import ROOT
from workflow_project import Project, copy_project

from gcl.cli.warm import ADDRESS
from gcl.experiment.closure import code_files
from gcl.experiment.load import load_resolved

PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"
ASKED_ALONE = 2 * 5 + 2  # base models: five about both data sets, two about planning tasks


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))


def test_the_papers_grid_is_planned_within_seconds_and_without_data(project):
    started = time.monotonic()
    jobs = project.jobs("all", "--config", "scale=paper")
    assert time.monotonic() - started < 30  # about 3 s; the limit only catches an import of torch on a slow machine
    # 10 baselines, 24 groups, 3 + 3 components, 6 + 8 + 16 points of Fig. 2, 3, and 4 with 7, 11 controls: those that
    # nothing else trains. MGSD: two stages, a control and seven more variants of one model, both stages of the other.
    assert jobs["train"] == 10 + 24 + 6 + 30 + 11 + 10 + 2
    assert jobs["generate"] == jobs["score"] == jobs["train"] + ASKED_ALONE
    assert jobs["manifest"] == 2 and "draw" not in jobs
    assert jobs["figure"] == 7, "that of gains needs a data set of its own"


def test_a_rehearsal_needs_the_papers_data_sets_alone(project):
    jobs = project.jobs("all", "--config", "scale=rehearsal")
    assert jobs["manifest"] == 2 and "draw" not in jobs


def test_the_miniature_grid_also_draws_data_and_starts_from_published_base_models(project):
    jobs = project.jobs("all")
    assert jobs["draw"] == 2 and not {"instructions", "base_vocabulary", "untrained"} & {*jobs}
    asked = jobs["generate"] - ASKED_ALONE
    assert jobs["train"] >= asked == jobs["score"] - ASKED_ALONE > 100  # teachers are trained, too
    assert (jobs["gallery"], jobs["costs"], jobs["report_page"]) == (1, 1, 1)


def test_every_job_that_a_cluster_starts_has_limits_of_its_own():
    """Those of the default would end a training of hours after one, and in 4 GB."""
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")])
    rules = set(re.findall(r"^ *(?:rule|use rule \w+ as) (\w+)(?: with)?:", text, re.MULTILINE))
    local = set(re.search(r"^localrules:\n((?:    \w+,\n)+)", text, re.MULTILINE)[1].replace(",", "").split())
    profile = yaml.safe_load((ROOT / "slurm/profile.yaml").read_text())
    assert local < rules
    assert rules - local == set(profile["set-resources"]) == set(profile["set-threads"])


def test_dvc_and_snakemake_agree_on_what_a_manifest_depends_on():
    stage = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["manifest"]
    code = {name for name in code_files("manifest") if not name.endswith("__init__.py")}
    assert {name for name in stage["deps"] if name.endswith(".py")} == code


# An experiment of the tests' own, small enough to count by hand.
SMALL = f"""
seeds: {{value: [0]}}
groups:
  snei:
    value:
      - {{learner: qwen2.5-vl-3b, guide: qwen3-vl-4b, regime: A, tau: [3.0, 2.0]}}
      - {{learner: qwen3-vl-2b, guide: qwen3-vl-4b, regime: A, tau: [3.0, 2.0]}}
  muson: {{value: [{{learner: qwen2.5-vl-3b, guide: qwen3-vl-4b, regime: A, tau: [3.0, 2.0]}}]}}
components: {{rows: {{value: [gsl, full]}}}}
controls:
  seeds: {{value: [0, 1]}}
  arms:
    value:
      - {{name: SFT, run: sft/qwen2.5-vl-3b/default}}
      - {{name: twice the rate, run: sft/qwen2.5-vl-3b/ratio2}}
      - {{name: both, run: gcl/{PAIR}/gco}}
      - {{name: taught, run: gcl/{PAIR}/teacher_jsd}}
  rates: {{value: [1.0, 2.0]}}
  best: {{value: {{SFT: 2.0, both: 1.0}}}}
sweeps:
  fig2a: {{values: {{value: [0.0, 0.5]}}}}
  fig2b: {{values: {{value: [0.0, 0.4]}}}}
  fig3a: {{values: {{value: [1.0, 2.0]}}}}
  fig3b: {{values: {{value: [1.0, 2.0]}}}}
  fig4: {{values: {{value: [2.0, 3.0]}}}}
  fig7: {{values: {{value: [2.0, 3.0]}}}}
"""


@pytest.mark.parametrize(
    "target, asked", [("table1", 3), ("table2", 4), ("table3", 2), ("controls", 1), ("scaling", 2), ("rates", 1)]
)
def test_every_table_asks_each_of_its_models_untrained_once(project, target, asked):
    (project.root / "small.yaml").write_text(SMALL)
    seeds = "seeds={value: [0, 1, 2]}"
    said = project.snakemake("--dry-run", target, "--configfile", "small.yaml", "--config", seeds)
    alone = re.findall(r"Answer with (\w+/base/\S+/default/seed0)", said)
    assert len(alone) == len(set(alone)) == asked


@pytest.mark.parametrize(
    "target, trained",
    [
        ("headline", 2 + 2),
        # The models of these groups alone, and the groups.
        ("table1", 3 + 2),
        ("table2", 2 * (2 + 2)),
        ("table3", 2 + 1),
        # Four arms and the teacher that was fine-tuned before, two seeds each; the best rates are those of two arms.
        ("controls", 2 * (4 + 1)),
        # Three arms whose rate is chosen, at two rates each, and a teacher.
        ("rates", 3 * 2 + 1),
        # The models of the groups of each data set.
        ("before_after", 3 + 2),
        # Two baselines and the pair on four numbers of scenes, and the groups of Table 1.
        ("scaling", 4 * 3 + 5),
        # Fig. 2: drl, gco, gsl. Fig. 3: full and one ratio, of two pairs. Fig. 4 and 7: three more points each. The
        # components figure adds two baselines, that of controls the other arms.
        ("figures", 3 + 4 + 6 + 2 + 7),
    ],
)
def test_each_target_trains_what_it_shows(project, target, trained):
    (project.root / "small.yaml").write_text(SMALL)
    assert project.jobs(target, "--configfile", "small.yaml")["train"] == trained


def test_one_pairing_can_be_named_by_its_path(project):
    jobs = project.jobs(f"results/miniature/metrics/snei/gcl/{PAIR}/full-ratio5/seed3.json")
    assert jobs == {
        "draw": 1,
        "import_data": 1,
        "manifest": 1,
        "train": 1,
        "generate": 1,
        "score": 1,
        # Held-out questions have no state of a planning test.
        "planning_cell": 3,
        "planning_states": 1,
        "unseen": 1,
    }


def test_nothing_is_held_out_where_nobody_asks(project):
    target = f"results/miniature/metrics/snei/gcl/{PAIR}/full/seed0.json"
    jobs = project.jobs(target, "--config", "evaluation={forgetting: {value: null, assumed: test}}")
    assert not {"unseen", "planning_cell"} & {*jobs} and jobs["score"] == 1
    own = "evaluation={forgetting: {value: {folder: mine, questions: 5}, assumed: test}}"
    assert "mine/test.jsonl" in project.snakemake("--dry-run", target, "--config", own, check=False), "it is missing"
    (project.root / "mine").mkdir()
    (project.root / "mine/test.jsonl").write_text("")
    assert project.jobs(target, "--config", own) == jobs


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["--config", "scale=huge"], "scale: 'huge' is not known; use miniature, rehearsal, paper or one-gpu"),
        (["--config", "sceds=1"], "command line (--config): sceds: unknown key; did you mean 'seeds'?"),
        (["--config", "training={lr_sft: {value: 1e-300, assumed: x}}"], "controls.rates.value: a rate of"),
        (["--configfile", "wrong.yaml"], "wrong.yaml:2: training.epocs: unknown key; did you mean 'epochs'?"),
        (["results/miniature/metrics/snei/gcl/qwen9+qwen3-vl-4b/full/seed0.json"], "unknown model 'qwen9'"),
    ],
)
def test_a_mistake_ends_in_a_clear_line_without_a_traceback(project, arguments, expected):
    (project.root / "wrong.yaml").write_text("training:\n  epocs: {value: 1, assumed: x}\n")
    output = project.snakemake("--dry-run", *arguments, check=False)
    assert re.search(rf"^gcl: error: .*{re.escape(expected)}", output, re.M)
    assert "Traceback" not in output
    assert "Nothing to be done" not in output


def test_mgsd_is_a_target_of_its_own(project):
    jobs = project.jobs("planning")
    # Of one model plan, reading, and three variants of stage 2; of the other reading and MGSD. Base models are asked.
    # All of it thrice, apart from base models.
    trained = 3 * (5 + 2)
    assert [jobs[rule] for rule in ("train", "generate", "score")] == [trained, trained + 2, trained + 2]
    assert jobs["planning_cell"] == 3
    assert "draw" not in jobs


@pytest.mark.parametrize("retain, removed", [("none", True), ("final", False)])
def test_what_is_not_retained_is_temporary_of_either_method(project, retain, removed):
    """A dry run says which outputs would be removed once nobody needs them."""
    run, mgsd = f"snei/gcl/{PAIR}/full/seed0", "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
    targets = [f"results/miniature/metrics/{name}.json" for name in (run, mgsd)]
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


def test_overrides_are_read_as_yaml_and_replace_a_setting_with_its_origin(project, monkeypatch):
    monkeypatch.setenv(ADDRESS, "")  # drawing needs nothing of what a server for warm jobs would import first
    (project.root / "more.yaml").write_text("training: {epochs: {value: 2, assumed: quick}, eps: {value: 1e-7}}\n")
    given = ["--configfile", "more.yaml", "--config", "seeds={value: [0, 1], assumed: more}"]
    assert project.jobs("headline", *given)["train"] == 2 * (2 + 4)
    resolved, drawn = project.root / "results/miniature/experiment.json", "data/miniature/source/snei"
    assert not resolved.exists(), "a dry run writes nothing"
    small = "datasets={snei: {scenarios: {value: {train: 4, test: 1}}}}"
    project.snakemake(drawn, *given, small)
    experiment = load_resolved(resolved)
    assert experiment.training.epochs.value == 2 and experiment.training.epochs.origin == ("assumed", "quick")
    assert experiment.training.eps.value == 1e-7 and "more.yaml" in experiment.training.eps.origin[1]
    assert experiment.seeds.value == [0, 1]
    written = resolved.stat().st_mtime_ns
    project.snakemake(drawn, "--forcerun", "draw", *given, small)
    assert resolved.stat().st_mtime_ns == written, "which says the same"
    assert project.jobs(drawn, "--config", "seeds={value: [7]}", small) == {}, "of which the file of a job is no input"


@pytest.mark.parametrize("rate", ["1.0e+9", "4.0e-9"])
def test_extreme_rates_are_planned(project, rate):
    assert project.jobs("all", "--config", f"training={{lr_sft: {{value: {rate}, assumed: x}}}}")["train"] > 100


def test_a_key_that_stands_twice_is_refused_before_snakemake_takes_one_of_them(project):
    config = project.root / "config.yaml"
    kept = config.read_text()
    config.write_text(kept + "\nscale: paper\n")
    try:
        output = project.snakemake("--dry-run", check=False)
    finally:
        config.write_text(kept)
    last = len(kept.splitlines()) + 2
    assert re.search(rf"^gcl: error: config.yaml:{last}: .*'scale' stands there twice, first in line", output, re.M)
    assert "Traceback" not in output
