"""Published numbers are found for exactly the setting they were printed for, shown only when they may be, and checked."""

from collections import Counter
from importlib.resources import files

import pytest
from fake_metrics import ROOT, experiment_with

from gcl.errors import DataError
from gcl.evaluation.metric_registry import scores_of
from gcl.experiment.schema import Pair
from gcl.reporting.paper_values import (
    FILES,
    ComponentValue,
    GroupValue,
    PointValue,
    paper_component,
    paper_group,
    paper_point,
    paper_values_shown,
    published,
    read_rows,
)

PAIR = Pair(learner="qwen2.5-vl-3b", guide="qwen3-vl-4b")
KINDS = {name: kind for kind, name in FILES.items()}


def text_of(name):
    return (files("gcl.reporting") / "paper" / name).read_text(encoding="utf-8")


def read(name, text):
    return read_rows(name, text, KINDS[name])


@pytest.mark.parametrize(
    ("scale", "choice", "shown"),
    [
        ("miniature", None, False),
        ("miniature", True, True),
        ("miniature", False, False),
        ("rehearsal", None, False),
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


@pytest.mark.parametrize(
    ("dataset", "variant", "metric"),
    [
        ("nowhere", "sft", "action_f1"),
        ("snei", "full-ratio3", "action_f1"),
        ("muson", "sft", "action_accuracy"),
    ],
)
def test_table_2_says_nothing_about_what_it_does_not_have(dataset, variant, metric):
    assert paper_component(dataset, variant, PAIR, "learner", metric) is None


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
    assert sorted(path.name for path in (ROOT / "gcl/reporting/paper").iterdir()) == sorted(KINDS)


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_every_number_has_its_place_and_stands_once(name, kind):
    rows = published(kind)
    assert all(row.place.startswith(("Table ", "Sec. ", "arXiv 2606.06076")) for row in rows)
    keys = {
        "components.csv": ("dataset", "variant", "role"),
        "groups.csv": ("dataset", "learner", "guide"),
        # Without coordinates, several points of one figure can have the same key.
        "sweeps.csv": ("figure", "learner", "guide", "coordinates", "role", "value"),
        "planning.csv": ("model", "run"),
    }[name]
    count = Counter(tuple(getattr(row, key) for key in keys) for row in rows)
    assert set(count.values()) == {1}


def test_the_tables_are_whole():
    assert Counter(row.dataset for row in published(GroupValue)) == {"snei": 12, "muson": 12}
    assert Counter(row.dataset for row in published(ComponentValue)) == {"snei": 10, "muson": 10}
    assert {row.figure for row in published(PointValue)} == set(experiment_with().sweeps)


def test_a_baseline_is_the_same_number_wherever_the_paper_prints_it():
    experiment = experiment_with()
    printed = {
        (row.dataset, getattr(row, role), getattr(row, f"sft_{role}"))
        for row in published(GroupValue)
        for role in ("learner", "guide")
    } | {(row.dataset, row.model, row.action_f1) for row in published(ComponentValue) if row.variant == "sft"}
    assert printed == {
        (name, model, value)
        for name, dataset in experiment.datasets.items()
        for model, value in dataset.sft_action_f1.value.items()
    }


def test_tables_agree_where_they_print_the_same_setting():
    groups = {(row.dataset, row.learner, row.guide): row for row in published(GroupValue)}
    for row in published(ComponentValue):
        if row.variant == "full":
            group = groups[row.dataset, PAIR.learner, PAIR.guide]
            assert row.action_f1 == getattr(group, f"gcl_{row.role}")


@pytest.mark.parametrize(
    ("name", "right", "wrong", "message"),
    [
        ("components.csv", "snei,sft,qwen2.5", "snie,sft,qwen2.5", "line 2, dataset: 'snie' is not possible"),
        ("components.csv", "snei,sft,qwen2.5-vl-3b", "snei,sft,qwen2.5-vl-8b", "model: 'qwen2.5-vl-8b'"),
        ("components.csv", "perception_cos", "perception_f1", "the columns are dataset, .*perception_f1"),
        ("components.csv", ",0.834,", ",834,", "perception_cos: '834' is not possible"),
        ("components.csv", ",0.834,", ",nan,", "perception_cos: 'nan' is not possible"),
        ("components.csv", ",0.834,", ",,", "perception_cos: '' is not possible"),
        ("components.csv", '"Table 2, SFT"', "", "line 2, place: '' is not possible"),
        ("components.csv", '"Table 2, SFT"', "Table 2, SFT", "line 2: 10 cells; write 9"),
        ("groups.csv", "0.797,0.816,0.954", "0.797,0.816,0.945", "line 2: gcl_learner 0.945 is not sft_learner 0.797"),
        ("sweeps.csv", "action_f1,0.722", "action_f2,0.722", "line 3, metric: 'action_f2' is not possible"),
        ("sweeps.csv", "0.0,guide", "zero,guide", "line 3, coordinates: 'zero' is not possible"),
    ],
)
def test_a_slip_in_a_file_is_named_by_line_and_column(name, right, wrong, message):
    text = text_of(name)
    assert right in text
    with pytest.raises(DataError, match=message):
        read(name, text.replace(right, wrong, 1))


def test_all_slips_of_a_file_are_listed_together():
    text = text_of("components.csv").replace(",0.834,", ",834,", 1).replace(",0.773,", ",773,", 1)
    with pytest.raises(DataError, match="2 problems"):
        read("components.csv", text)


def test_an_empty_file_is_refused():
    with pytest.raises(DataError, match=r"sweeps\.csv: the columns are"):
        read("sweeps.csv", "")


def test_the_papers_metrics_are_ours():
    ours = set(scores_of(experiment_with(), "snei"))
    assert {"action_f1", "perception_cos", "reasoning_cos"} <= ours & ComponentValue.model_fields.keys()
