"""Where the gain comes from: who is compared with whom, at which rate, and with which correction."""

import math

import numpy as np
import pytest
from fake_metrics import experiment_with, fake_metrics, fake_planning, frame, typed, write_metrics

from gcl.errors import DataError
from gcl.evaluation.bootstrap import mean_interval, paired_difference
from gcl.reporting.build import build
from gcl.reporting.tables.arms import holm
from gcl.reporting.tables.controls import best_controls_table, controls_table, exchange_table, rates_table

EXPERIMENT = experiment_with()
SCORES = {"default": 0.5, "ratio2": 0.65, "full": 0.66, "detached": 0.65}


def rates(experiment, metrics):
    return rates_table(experiment, "rates", metrics)


def score(run, role):
    return SCORES.get(run.variant, 0.55)


@pytest.fixture(scope="module")
def table():
    return frame(controls_table(EXPERIMENT, typed(fake_metrics(EXPERIMENT, score)))).set_index("arm")


def test_every_arm_is_compared_with_sft_and_with_sft_at_its_own_rate(table):
    full = table.loc["GSL + DRL + AGO"]
    assert full["lr_ratio"] == 2.0
    assert (full["action_f1"], full["gain_sft"], full["gain_rate"]) == pytest.approx((0.66, 0.16, 0.01))
    equal = table.loc["GSL + DRL"]
    assert equal["lr_ratio"] == 1.0 and equal["gain_sft"] == equal["gain_rate"] == pytest.approx(0.05)
    assert "snei/sft/qwen2.5-vl-3b/ratio2/seed0" in full["runs"]
    assert "ratio2" not in equal["runs"] and "default/seed0" in equal["runs"]


def test_sft_itself_has_no_gain_at_its_own_rate(table):
    assert math.isnan(table.loc["SFT"]["gain_sft"]) and math.isnan(table.loc["SFT"]["gain_rate"])
    faster = table.loc["SFT, the learner's rate"]
    assert faster["gain_sft"] == pytest.approx(0.15) and math.isnan(faster["gain_rate"])
    longer = table.loc["SFT, twice the steps"]
    assert longer["lr_ratio"] == 1.0 and longer["gain_rate"] == pytest.approx(0.05)


@pytest.mark.parametrize("build_table", [controls_table, best_controls_table, rates])
def test_the_untrained_model_comes_first_and_is_compared_with_nothing(build_table):
    found = frame(build_table(EXPERIMENT, typed(fake_metrics(EXPERIMENT, score))))
    assert found["arm"].tolist().count("base model") == 1
    base = found.iloc[0]
    assert base["arm"] == "base model" and base["seeds"] == 1
    assert base["runs"] == f"{base['dataset']}/base/qwen2.5-vl-3b/default/seed0"
    assert all(math.isnan(base[name]) for name in found if name.startswith(("gain_", "p_", "action_f1_gain", "lr_")))


def test_p_values_are_corrected_within_their_column(table):
    """All differences are constant over scenarios, so that every bootstrap p is the smallest there is, or 1."""
    smallest = 2 / (EXPERIMENT.evaluation.bootstrap.value + 1)
    sft, rate = table["p_sft"].dropna(), table["p_rate"].dropna()
    assert len(sft) == len(table) - 2 and len(rate) == len(table) - 4
    assert sft.min() == pytest.approx(len(sft) * smallest)
    assert table.loc["the same, mean detached"]["p_rate"] == 1.0


def by_rate(run, role):
    """The higher the learner's rate, the better; SFT is best at the middle one."""
    rate = run.members[0].lr / EXPERIMENT.training.lr_sft.value
    return 0.5 + 0.01 * (-abs(rate - 1) if run.method == "sft" else rate)


def test_rates_are_chosen_on_data_of_their_own_and_a_stale_choice_is_named():
    found = frame(rates_table(EXPERIMENT, "rates", typed(fake_metrics(EXPERIMENT, by_rate))))
    assert set(found["dataset"]) == {"tuning"} and found["runs"].str.startswith("tuning/").all()
    choices = {(row.arm, row.lr_ratio): row.choice for row in found.itertuples()}
    assert choices["SFT", 1.0] == "best" and choices["SFT", 0.5] == "taken" and choices["SFT", 2.0] == "–"
    assert choices["GSL + DRL", 2.0] == "best, taken"
    assert choices["GSL", 2.0] == "best"


def test_rates_on_planning_tasks_are_chosen_by_success():
    def success(asked, task, k):
        return float("ratio2" in asked.run or (k > 0 and "planning_tuning" in asked.run))

    metrics = typed(fake_planning(EXPERIMENT, success))
    found = frame(rates_table(EXPERIMENT, "exchange_planning_rates", metrics))
    assert set(found["dataset"]) == {"planning_tuning"} and found["runs"].str.startswith("planning_tuning/").all()
    choices = {(row.arm, row.lr_ratio): (row.choice, row.image_success) for row in found.itertuples()}
    assert choices["SFT", 2.0] == ("best", 1.0) and choices["SFT", 1.0] == (
        "taken",
        pytest.approx((3 / 4 + 2 * 0.5) / 3),
    )
    assert choices["exchange", 1.0][0] == "taken" and choices["exchange", 0.5][0] == "–"


def test_arms_on_planning_tasks_are_compared_at_their_best_rates(tmp_path):
    """`experiment_with` takes SFT and exchange, both at SFT's rate. Means are those over the three tasks."""

    def success(asked, task, k):
        return float(k > 0 and ("references" in asked.run or task != "maze"))

    metrics = typed(fake_planning(EXPERIMENT, success))
    found = frame(exchange_table(EXPERIMENT, "exchange_planning", metrics, tmp_path)).set_index("arm")
    assert list(found.index) == ["base model", "SFT", "exchange"] and set(found["dataset"]) == {"planning"}
    assert found["lr_ratio"].tolist()[1:] == [1.0, 1.0] and found["seconds"].isna().all()
    assert found.loc["SFT"]["image_success"] == pytest.approx((3 / 4 + 1 / 2 + 1 / 2) / 3)
    assert found.loc["exchange"]["gain_sft"] == pytest.approx(-1 / 6)
    assert "held_out_accuracy" not in found and found.loc["SFT"]["seeds"] == len(EXPERIMENT.exchange.states.seeds.value)


def test_the_note_lists_arms_whose_best_rate_is_not_taken(tmp_path):
    write_metrics(tmp_path / "results", fake_metrics(EXPERIMENT, by_rate))
    build(EXPERIMENT, "rates", tmp_path / "results", tmp_path / "rates")
    [note] = [line for line in (tmp_path / "rates.md").read_text().splitlines() if "Not as taken" in line]
    assert "SFT, SFT, twice the steps" in note and "GSL + DRL," not in note.replace("GSL + DRL, three members", "")


def test_every_arm_is_compared_at_its_own_best_rate():
    """`experiment_with` takes half the rate for SFT, twice for GSL + DRL, and 1 for the full method."""
    found = frame(best_controls_table(EXPERIMENT, typed(fake_metrics(EXPERIMENT, by_rate)))).set_index("arm")
    assert found["lr_ratio"].to_dict() == {
        "base model": pytest.approx(math.nan, nan_ok=True),
        "SFT": 0.5,
        "GSL + DRL": 2.0,
        "GSL + DRL + AGO": 1.0,
    }
    assert "sft/qwen2.5-vl-3b/ratio0.5/seed0" in found.loc["SFT"]["runs"]
    # GSL + DRL at the learner's rate is an arm already, under another name.
    assert (
        "/full-tau2-2/seed4" in found.loc["GSL + DRL"]["runs"]
        and "/full-ratio1/" in found.loc["GSL + DRL + AGO"]["runs"]
    )
    assert found.loc["GSL + DRL"]["gain_sft"] == pytest.approx(0.02 + 0.005)
    assert "gain_rate" not in found


def test_holms_correction_is_that_of_his_paper():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    mixed = holm([math.nan, 0.02, math.nan])
    assert mixed[1] == 0.02 and math.isnan(mixed[0]) and math.isnan(mixed[2])


def test_runs_of_different_code_are_refused():
    metrics = fake_metrics(EXPERIMENT)
    metrics["snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/apart/seed0"]["provenance"]["code_sha256"]["training"] = "t2"
    with pytest.raises(DataError, match="training code"):
        controls_table(EXPERIMENT, typed({run: m for run, m in metrics.items() if "snei" in run}))


def test_the_table_is_written_with_rates_gains_and_p_values(tmp_path):
    write_metrics(tmp_path / "results", fake_metrics(EXPERIMENT, score))
    build(EXPERIMENT, "controls", tmp_path / "results", tmp_path / "controls")
    text = (tmp_path / "controls.md").read_text()
    assert "| GSL + DRL + AGO | × 2 | 0.660 [" in text and "+0.160 [+0.160, +0.160]" in text
    assert "corrected by Holm" in text
    assert r"$\times$ 2" in (tmp_path / "controls.tex").read_text()


def test_trainings_are_drawn_again_beside_scenes():
    rng = np.random.default_rng(1)
    scenes = rng.normal(0.0, 0.3, 200)
    noisy = [scenes + shift for shift in (-0.1, -0.05, 0.0, 0.05, 0.1)]
    quiet = [scenes] * 5
    wide, narrow = (mean_interval(values, 500) for values in (noisy, quiet))
    assert wide["high"] - wide["low"] > 1.3 * (narrow["high"] - narrow["low"])
    assert mean_interval(quiet, 500)["n"] == 200
    assert mean_interval([scenes], 500) == mean_interval(scenes, 500)


def test_without_an_effect_few_tests_over_five_trainings_find_one():
    """Trainings differ far more than scenes do: drawing five again would find an effect whenever all have one sign."""
    rng = np.random.default_rng(3)
    found = [
        paired_difference(rng.normal(0.0, 0.05, (5, 1)) + rng.normal(0.0, 0.1, (5, 100)), 200)["p"] for _ in range(300)
    ]
    assert np.mean(np.array(found) < 0.05) < 0.08
    assert np.mean(np.array(found) < 0.05 / 16) < 0.015


def test_p_is_large_for_noise_and_small_for_an_effect():
    rng = np.random.default_rng(2)
    noise = rng.normal(0.0, 1.0, 300)
    assert paired_difference(noise - noise.mean(), 1000)["p"] > 0.8
    assert paired_difference(noise - noise.mean() + 0.3, 1000)["p"] < 0.01
