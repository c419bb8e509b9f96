"""One seed is read from its file; of several seeds, trainings and scenarios are both drawn again."""

import pytest
from fake_metrics import experiment_with, fake_metrics, typed

from gcl.errors import DataError
from gcl.experiment.schema import Pair
from gcl.reporting.estimates import PooledScore, member_score

PAIR = experiment_with().components.pair.value
SEEDS = experiment_with(seeds=[0, 1])


def alone(model: str) -> Pair:
    """A pair with the model as its learner."""
    return PAIR.model_copy(update={"learner": model})


def by_seed(run, role):
    return 0.5 + 0.2 * run.seed


def test_one_seed_has_the_files_own_interval():
    experiment = experiment_with()
    run = "snei/sft/qwen3-vl-2b/default/seed0"
    score = member_score(experiment, typed(fake_metrics(experiment)), "snei", alone("qwen3-vl-2b"), "sft", "learner")
    assert score == PooledScore(0.6, 0.6 - 0.02, 0.6 + 0.02, 2, (run,), ((0.5, 0.7),))


def test_roles_of_a_group_are_told_apart():
    experiment = experiment_with()
    metrics = fake_metrics(experiment)
    assert member_score(experiment, typed(metrics), "snei", PAIR, "full", "learner").mean == 0.8
    assert member_score(experiment, typed(metrics), "snei", PAIR, "full", "guide").mean == 0.7


def test_seeds_and_scenarios_are_drawn_again():
    # Means of the two seeds are 0.5 and 0.7: Student's t with one degree of freedom is far wider than what is drawn.
    score = member_score(SEEDS, typed(fake_metrics(SEEDS, by_seed)), "snei", alone("qwen3-vl-2b"), "sft", "learner")
    half = 12.7062 * 0.1
    assert (score.mean, score.low, score.high) == pytest.approx((0.6, 0.6 - half, 0.6 + half), rel=1e-4)


def test_seeds_that_agree_leave_what_scenarios_say():
    score = member_score(SEEDS, typed(fake_metrics(SEEDS)), "snei", alone("qwen3-vl-2b"), "sft", "learner")
    assert (score.mean, score.low, score.high) == pytest.approx((0.6, 0.5, 0.7))
    assert score.scenarios == 2
    assert [run[-5:] for run in score.runs] == ["seed0", "seed1"]


def test_what_all_seeds_share_cancels_in_a_paired_difference():
    metrics = fake_metrics(SEEDS, lambda run, role: by_seed(run, role) + (0.01 if run.method == "gcl" else 0.0))
    control = member_score(SEEDS, typed(metrics), "snei", alone("qwen2.5-vl-3b"), "sft", "learner")
    ours = member_score(SEEDS, typed(metrics), "snei", PAIR, "full", "learner")
    gain = ours.gain_over(control, 500)
    assert (gain.mean, gain.low, gain.high) == pytest.approx((0.01, 0.01, 0.01))
    assert gain.p == pytest.approx(2 / 501)


def test_accuracy_pools_correct_answers():
    # In both seeds s0 is wrong and s1 is right.
    score = member_score(
        SEEDS, typed(fake_metrics(SEEDS)), "muson", alone("qwen3-vl-2b"), "sft", "learner", "action_accuracy"
    )
    assert (score.mean, score.low, score.high) == (0.5, 0, 1)


def test_free_text_has_no_accuracy():
    assert (
        member_score(
            SEEDS, typed(fake_metrics(SEEDS)), "snei", alone("qwen3-vl-2b"), "sft", "learner", "action_accuracy"
        )
        is None
    )


def test_seeds_evaluated_on_other_scenarios_are_refused():
    metrics = fake_metrics(SEEDS)
    metrics["snei/sft/qwen3-vl-2b/default/seed1"]["members"][0]["items"].pop()
    with pytest.raises(DataError, match=r"seed0 and .*seed1 were not evaluated on the same scenarios"):
        member_score(SEEDS, typed(metrics), "snei", alone("qwen3-vl-2b"), "sft", "learner")
