"""Which trainings MGSD consists of, where they start, and what their members are asked."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from gcl.cli.main import main
from gcl.errors import ConfigError
from gcl.experiment.asked import evaluation
from gcl.experiment.grid import all_runs, planning_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import kind_of, places
from gcl.experiment.planning_arms import rows
from gcl.experiment.runs import RunSpec, Trained
from gcl.experiment.weights import Weights
from gcl.experiment.yaml_files import read_yaml
from gcl.workflow.plan import Plan

ROOT = Path(__file__).parents[2]
STUDENT = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b"
BASE = "planning/base/qwen3-vl-4b/default/seed0"


@pytest.fixture(scope="module", params=["miniature", "paper"])
def experiment(request):
    return load_experiment(read_yaml(ROOT / "config.yaml") | {"scale": request.param}, ROOT)


def test_all_that_is_needed_is_trained_and_in_order(experiment):
    found = {
        name: run
        for name, run in all_runs(experiment).items()
        if kind_of(run.dataset) == "planning" and run.method != "exchange"
    }
    # Stage 1, plans and 8 kinds of stage 2 for the first model, stages 1 and 2 for the second; five kinds are left out.
    of_a_seed = {"paper": 10 + 2, "miniature": 5 + 2}[experiment.scale]
    assert len(found) == of_a_seed * len(experiment.planning.seeds.value)
    before: list[str] = []
    for name, spec in found.items():
        assert spec.id == name and find_run(experiment, name) == spec
        assert set(spec.trained_before) <= set(before)
        before.append(name)
    assert f"{STUDENT}/full/seed0" in found and "planning/base" not in " ".join(found)


def test_what_the_members_of_a_distillation_are(experiment):
    full, cold, off = (find_run(experiment, f"{STUDENT}/{v}/seed0") for v in ("full", "ungrounded", "off_policy"))
    student, teacher = full.members
    assert student.start == Trained(run="planning/reading/qwen3-vl-4b/default/seed0", role="solo") and student.lr > 0
    assert teacher.frozen and cold.members[0].start == teacher.start
    assert full.feed.views == ["image", "symbols+plan"] and full.objective.divergence == "sampled-reverse-kl"
    assert (off.feed.author, off.objective.drl_weight) == (1, 0.0)
    assert find_run(experiment, f"{STUDENT}/full/seed3").members[0].start.run.endswith("seed3")
    assert [member.role for member in full.asked] == ["student"]


def test_a_base_model_is_a_published_one(experiment):
    base = find_run(experiment, BASE)
    assert base.feed is None and [member.role for member in base.asked] == ["solo"]
    assert isinstance(base.members[0].start, Weights) and base.trained_before == []


def test_every_row_is_of_runs_that_are_asked_what_it_shows(experiment):
    listed = rows(experiment)
    assert len(listed) == {"paper": 13 + 4, "miniature": 8 + 4}[experiment.scale]
    assert [row.arm.name for row in listed[:2]] == ["base model", "base model, told the state"]
    known = {run.id: run for run in planning_runs(experiment)}
    for row in listed:
        for name in row.runs:
            assert set(row.questions) <= set(evaluation(experiment, known[name]).turns)
        assert row.reads == (row.arm.name in experiment.planning.main.value and row.arm.view == "image")


@pytest.mark.parametrize(
    "name, expected",
    [
        ("planning/reading/qwen3-vl-4b/fast/seed0", "has no variant 'fast'"),
        ("planning/mgsd/qwen3-vl-4b/full/seed0", "mgsd has 2 models"),
        ("planning/mgsd/qwen3-vl-4b+qwen3-vl-8b/full/seed0", "are of one model"),
        (f"{STUDENT}/fuller/seed0", "unknown variant 'fuller' of mgsd"),
        ("planning/plan/unknown/default/seed0", "unknown model 'unknown'"),
        ("planning/thinking/qwen3-vl-4b/default/seed0", "unknown method 'thinking'"),
        ("planning/sft/qwen3-vl-4b/default/seed0", "sft is no method for planning; use one of base, exchange, mgsd"),
        ("snei/plan/qwen3-vl-4b/default/seed0", "plan is no method for snei; use one of base, gcl, exchange, sft"),
        ("planning/plan/qwen3-vl-4b/default/seed01", "is no run id"),
    ],
)
def test_ids_that_name_nothing_are_explained(experiment, name, expected):
    with pytest.raises(ConfigError, match=expected):
        find_run(experiment, name)


def test_a_member_is_asked_at_once_for_all_that_the_table_shows_of_it(experiment):
    one = "qwen3-vl-4b"
    expected = {
        BASE: ["image", "reading", "symbols", "symbols+plan"],
        f"planning/plan/{one}/default/seed0": ["answer"],
        f"planning/plan/{one}/default/seed9": ["answer"],
        f"planning/mgsd/{one}+{one}/full/seed0": ["image", "reading"],
        f"planning/mgsd/{one}+{one}/seeing/seed0": ["image"],  # no arm of the miniature table
    }
    assert {run: evaluation(experiment, find_run(experiment, run)).turns for run in expected} == expected


def test_the_workflow_knows_what_a_run_starts_from_and_who_answers(experiment):
    plan, here = Plan(experiment), places(experiment)
    full, base = (SimpleNamespace(run=run) for run in (f"{STUDENT}/full/seed0", BASE))
    assert plan.answering(full) == [str(here.checkpoints(full.run))]
    reading = str(here.checkpoints("planning/reading/qwen3-vl-4b/default/seed0"))
    published = ["base_models/qwen3-vl-4b"] if experiment.scale == "miniature" else []
    assert plan.starts(full) == sorted([reading, *published])
    assert plan.answering(base) == published
    assert plan.inputs("test")(full) == [str(here.states), str(here.state_pictures)]


def test_a_mistake_ends_the_workflow_with_its_message_alone(experiment):
    plan = Plan(experiment)
    with pytest.raises(SystemExit, match="gcl: error: unknown variant 'x' of mgsd"):
        plan.run_json(SimpleNamespace(run=f"{STUDENT}/x/seed0"))
    with pytest.raises(SystemExit, match="nothing is trained for a base model; ask for its metrics"):
        plan.training_json(SimpleNamespace(run=BASE))


def test_a_training_is_printed_as_its_specification(capsys):
    assert main(["runs", f"{STUDENT}/full/seed0"]) == 0
    assert RunSpec.model_validate_json(capsys.readouterr().out).id == f"{STUDENT}/full/seed0"
