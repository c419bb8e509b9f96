"""The share of positions and probability that DRL compares, from the losses of trainings."""

import pytest
from fake_metrics import experiment_with
from page_case import losses

from gcl.files import write_jsonl
from gcl.reporting.figures.curves import losses_path
from gcl.reporting.page.compared_table import ComparedRow, compared_rows
from gcl.workflow.targets import TARGETS

RUNS = [run for run in TARGETS["headline"].runs(experiment_with(seeds=(0, 1))) if run.variant == "full"]


def written(folder, facts):
    for run in RUNS:
        records = [record | facts(run.seed, record["step"]) for record in losses(run)]
        write_jsonl(losses_path(folder, run.scale, run.id), records)
    return folder


def test_means_over_steps_and_seeds(tmp_path):
    def facts(seed, step):
        learner = {"compared_tokens_learner": 0.5 + 0.2 * seed, "compared_probability_learner": 0.8}
        return learner | {"compared_tokens_guide": 1.0, "compared_probability_guide": 0.6 + 0.2 * seed}

    learner, guide = compared_rows(RUNS, written(tmp_path, facts))
    name = RUNS[0].id.rpartition("/")[0]
    assert (learner.run, learner.role, guide.role) == (name, "learner", "guide")
    assert (learner.tokens, learner.probability) == pytest.approx((0.6, 0.8))
    assert (guide.tokens, guide.probability) == pytest.approx((1.0, 0.7))
    assert isinstance(learner, ComparedRow)


def test_groups_of_one_tokenizer_have_no_rows(tmp_path):
    assert compared_rows(RUNS, written(tmp_path, lambda seed, step: {})) == compared_rows(RUNS, tmp_path / "none") == []
