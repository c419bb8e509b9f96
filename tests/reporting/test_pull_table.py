"""Shares of losses in gradients, from the losses of trainings."""

import pytest
from fake_metrics import experiment_with
from page_case import losses

from gcl.files import write_jsonl
from gcl.reporting.figures.curves import COMPONENTS, curves, losses_path
from gcl.reporting.page.pull_table import pull_rows
from gcl.workflow.targets import TARGETS

EXPERIMENT = experiment_with(seeds=(0, 1))
RUNS = [run for run in TARGETS["headline"].runs(EXPERIMENT) if run.variant == "full"]
PULLS = {"pull_sft_learner": 3.0, "pull_gsl_learner": 1.0, "pull_drl_learner": 0.001}
PULLS |= {"pull_sft_guide": 1.0, "pull_gsl_guide": 0.5, "pull_drl_guide": 0.5}


def written(folder, pulls):
    """Every twentieth step of two seeds was measured."""
    for run in RUNS:
        records = losses(run)
        for record in records[19::20]:
            record |= pulls(record["step"])
        write_jsonl(losses_path(folder, run.scale, run.id), records)
    return folder


def test_shares_are_parts_of_the_sum_and_a_weak_loss_is_named(tmp_path):
    learner, guide = pull_rows(RUNS, written(tmp_path, lambda step: PULLS))
    assert (learner.run, learner.role, learner.measured) == (RUNS[0].id.rpartition("/")[0], "learner", 6)
    assert learner.shares == pytest.approx({"sft": 3 / 4.001, "gsl": 1 / 4.001, "drl": 0.001 / 4.001})
    assert learner.weak == ["DRL"] and learner.texts == ["75 %", "25 %", "0.025 %"]
    assert guide.weak == [] and guide.texts == ["50 %", "25 %", "25 %"]


def test_a_step_with_an_overflow_does_not_count(tmp_path):
    def half(step):
        return {name: value for name, value in PULLS.items() if step > 20 or "gsl" not in name}

    learner, guide = pull_rows(RUNS, written(tmp_path, half))
    assert learner.measured == guide.measured == 4 and set(learner.shares) == {"sft", "gsl", "drl"}


def test_a_loss_of_weight_0_has_no_share_and_no_warning(tmp_path):
    def without(step):
        return {name: value for name, value in PULLS.items() if "gsl" not in name}

    _, guide = pull_rows(RUNS, written(tmp_path, without))
    assert guide.texts == ["67 %", "–", "33 %"] and guide.weak == []


def test_nothing_is_shown_where_nothing_was_measured(tmp_path):
    assert pull_rows(RUNS, written(tmp_path, lambda step: {})) == pull_rows(RUNS, tmp_path / "nowhere") == []


def test_curves_leave_pulls_to_their_table(tmp_path):
    rows, _ = curves(RUNS, written(tmp_path, lambda step: PULLS))
    assert {panel.title for row in rows for panel in row.panels} == {
        COMPONENTS[n] for n in ("sft", "gsl", "drl", "norm")
    }
