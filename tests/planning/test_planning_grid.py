"""Which trainings MGSD consists of, where they start, and how the workflow's options reach the command."""

import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest

from gcl.cli.main import app, main
from gcl.errors import ConfigError
from gcl.experiment.load import load_experiment
from gcl.experiment.mgsd_grid import arguments, questions, rows, trainings
from gcl.experiment.mgsd_runs import PlanningSpec, planning_run
from gcl.experiment.runs import trained_before
from gcl.experiment.yaml_files import read_yaml
from gcl.workflow.mgsd_plan import PlanningPlan

ROOT = Path(__file__).parents[2]
STUDENT = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b"


@pytest.fixture(scope="module", params=["miniature", "paper"])
def experiment(request):
    return load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": request.param}, ROOT)


def test_all_that_is_needed_is_trained_and_in_order(experiment):
    found = trainings(experiment)
    # Stage 1, plans and 8 kinds of stage 2 for the first model, stages 1 and 2 for the second. Miniature models learn words,
    # and five kinds are left out.
    assert len(found) == {"paper": 10 + 2, "miniature": 5 + 2 + 2}[experiment.scale]
    before: list[str] = []
    for name, spec in found.items():
        assert spec.id == name and planning_run(experiment, name) == spec
        assert set(trained_before(spec)) <= set(before)
        before.append(name)
    assert f"{STUDENT}/full/seed0" in found and "planning/base" not in " ".join(found)


def test_what_the_members_of_a_distillation_are(experiment):
    full, cold, off = (planning_run(experiment, f"{STUDENT}/{v}/seed0") for v in ("full", "ungrounded", "off_policy"))
    student, teacher = full.members
    assert student.source.endswith("planning/reading/qwen3-vl-4b/default/seed0/solo") and student.lr > 0
    assert teacher.frozen and (cold.members[0].source, cold.members[0].revision) == (teacher.source, teacher.revision)
    assert full.views == ["image", "symbols+plan"] and full.objective.divergence == "sampled-reverse-kl"
    assert (off.author, off.objective.drl_weight) == (1, 0.0)
    assert planning_run(experiment, f"{STUDENT}/full/seed3").members[0].source.endswith("seed3/solo")


def test_every_row_can_be_asked_with_options_that_the_command_knows(experiment):
    listed = rows(experiment)
    assert len(listed) == {"paper": 13 + 4, "miniature": 8 + 4}[experiment.scale] and [
        row.arm.name for row in listed[:2]
    ] == [
        "base model",
        "base model, told the state",
    ]
    for row in listed:
        for asked in (*row.plans, *row.readings):
            given = shlex.split(arguments(experiment, asked.run))
            words = ["planning", "answer", *given, "--states", "s", "--pictures", "p", "--to", "t"]
            options = app.parse_args(words, exit_on_error=False, print_error=False)[1].arguments
            assert asked.question in options["questions"] == tuple(questions(experiment, asked.run))
            assert options["system"] == experiment.planning.system.value
            assert ("revision" not in options) == options["checkpoint"].startswith("results/")
        main = row.arm.name in experiment.planning.main.value
        assert bool(row.readings) == (main and row.arm.view == "image")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("planning/reading/qwen3-vl-4b/fast/seed0", "has no variant 'fast'"),
        ("planning/mgsd/qwen3-vl-4b/full/seed0", "'qwen3-vl-4b' is not possible"),
        ("planning/mgsd/qwen3-vl-4b+qwen3-vl-8b/full/seed0", "is not possible"),
        (f"{STUDENT}/fuller/seed0", "unknown variant 'fuller' of mgsd"),
        ("planning/plan/unknown/default/seed0", "'unknown' is not possible"),
        ("planning/thinking/qwen3-vl-4b/default/seed0", "no training on planning tasks"),
        ("planning/plan/qwen3-vl-4b/default/seed01", "no training on planning tasks"),
    ],
)
def test_ids_that_name_nothing_are_explained(experiment, name, expected):
    with pytest.raises(ConfigError, match=expected):
        planning_run(experiment, name)


def test_published_models_are_not_taught_words():
    paper = load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": "paper"}, ROOT)
    with pytest.raises(ConfigError, match="know words already"):
        planning_run(paper, "planning/words/qwen3-vl-4b/default/seed0")


def test_a_member_is_asked_at_once_for_all_that_the_table_shows_of_it(experiment):
    one = "qwen3-vl-4b"
    expected = {
        f"planning/base/{one}/default/seed0": ["image", "reading", "symbols", "symbols+plan"],
        f"planning/plan/{one}/default/seed0": ["answer"],
        f"planning/plan/{one}/default/seed9": ["answer"],
        f"planning/mgsd/{one}+{one}/full/seed0": ["image", "reading"],
        f"planning/mgsd/{one}+{one}/seeing/seed0": ["image"],  # no arm of the miniature table
    }
    assert {run: questions(experiment, run) for run in expected} == expected


def test_metrics_of_what_nobody_asks_are_refused(experiment):
    wildcards = SimpleNamespace(task_run=f"{STUDENT}/full/seed0", question="symbols")
    with pytest.raises(SystemExit, match="is not asked for 'symbols' but for image, reading; add an arm"):
        PlanningPlan(experiment).score_arguments(wildcards)


def test_a_mistake_ends_the_workflow_with_its_message_alone(experiment, capsys):
    plan = PlanningPlan(experiment)
    with pytest.raises(SystemExit, match="gcl: error: unknown variant 'x' of mgsd"):
        plan.spec_json(SimpleNamespace(task_run=f"{STUDENT}/x/seed0"))
    start = plan.start(SimpleNamespace(task_run=f"{STUDENT}/full/seed0"))
    assert all(folder.startswith("results/") for folder in start) and len(start) == 1 + (
        experiment.scale == "miniature"
    )


def test_a_training_is_printed_as_the_command_takes_it(capsys):
    assert main(["runs", f"{STUDENT}/full/seed0"]) == 0
    assert PlanningSpec.model_validate_json(capsys.readouterr().out).id == f"{STUDENT}/full/seed0"
