"""Published numbers are found for exactly the setting they were printed for, and shown only when they may be."""

import pytest
from fake_metrics import ROOT, experiment_with

from gcl.reporting.paper_values import paper_component, paper_group, paper_point, paper_values_shown
from gcl.schema import Pair

PAIR = Pair(learner="qwen2.5-vl-3b", guide="qwen3-vl-4b")


@pytest.mark.parametrize(
    ("scale", "choice", "shown"),
    [
        ("miniature", None, False),
        ("miniature", True, True),
        ("miniature", False, False),
        ("paper", None, True),
        ("paper", False, False),
    ],
)
def test_paper_values_show_at_paper_scale_unless_told_otherwise(scale, choice, shown):
    assert paper_values_shown(experiment_with(scale, choice)) is shown


@pytest.mark.parametrize(
    ("dataset", "variant", "role", "metric", "value"),
    [
        ("snei", "sft", "learner", "action_f1", 0.692),
        ("snei", "gsl", "guide", "perception_cos", 0.806),
        ("snei", "drl", "guide", "action_f1", 0.722),
        ("muson", "gco", "learner", "reasoning_cos", 0.922),
        ("muson", "full", "guide", "reasoning_cos", 0.980),
    ],
)
def test_table_2_is_found_by_variant(dataset, variant, role, metric, value):
    assert paper_component(dataset, variant, PAIR, role, metric) == value


def test_table_2_says_nothing_about_another_pair():
    other = Pair(learner="qwen2.5-vl-3b", guide="qwen3-vl-8b")
    assert paper_component("snei", "sft", other, "learner", "action_f1") is None


def test_every_configured_group_has_its_row():
    experiment = experiment_with()
    for dataset, groups in experiment.groups.items():
        for group in groups.value:
            assert paper_group(dataset, group, "gcl", "learner") is not None
    first = experiment.groups["muson"].value[0]
    assert [paper_group("muson", first, m, r) for m in ("sft", "gcl") for r in ("learner", "guide")] == [
        0.805,
        0.811,
        0.989,
        0.974,
    ]


def test_a_group_at_other_temperatures_has_no_published_value():
    group = experiment_with().groups["snei"].value[0].model_copy(update={"tau": [1.0, 1.0]})
    assert paper_group("snei", group, "gcl", "learner") is None


def test_points_are_found_by_their_coordinates():
    assert paper_point("fig2b", PAIR, {"drl_weight": 0.8}, "guide") == 0.737
    assert paper_point("fig4", PAIR, {"tau_learner": 3.0, "tau_guide": 2.0}, "learner") == 0.968


def test_points_without_a_number_or_a_place_are_not_found():
    assert paper_point("fig2a", PAIR, {"gsl_weight": 0.75}, "learner") is None
    assert paper_point("fig3a", PAIR, {"lr_ratio": 2.0}, "learner") is None
    assert paper_point("fig4", PAIR, {"tau_learner": 2.0, "tau_guide": 3.0}, "learner") is None


def test_the_numbers_are_the_projects_own_copy():
    assert sorted(path.name for path in (ROOT / "gcl/reporting/paper").iterdir()) == [
        "components.csv",
        "groups.csv",
        "sweeps.csv",
    ]
