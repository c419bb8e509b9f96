"""Columns about forgetting: the base model before, every trained row after, and of cross-entropy less is better."""

import math

import pytest
from fake_metrics import experiment_with, fake_metrics, frame, typed

from gcl.errors import DataError
from gcl.experiment.schema import Experiment
from gcl.reporting.tables.assemble import MARKS_NOTE
from gcl.reporting.tables.controls import best_controls_table, controls_table
from gcl.reporting.tables.markup import cell_text
from gcl.reporting.tables.paper_tables import component_table
from gcl.reporting.tables.result_table import Difference

MINIATURE = experiment_with(seeds=(0, 1))
ACCURACY = {"base": 0.9, "sft": 0.5, "gcl": 0.7, "exchange": 0.6}
COLUMNS = ("held_out_accuracy", "held_out_cross_entropy")


def metrics(experiment=MINIATURE):
    return typed(fake_metrics(experiment, lambda run, role: ACCURACY[run.method]))


def without(experiment: Experiment) -> Experiment:
    setting = experiment.evaluation.forgetting.model_copy(update={"value": None})
    evaluation = experiment.evaluation.model_copy(update={"forgetting": setting})
    return experiment.model_copy(update={"evaluation": evaluation})


def headline(experiment=MINIATURE, found=None):
    return component_table(experiment, "headline", ["snei"], found or metrics(experiment), exchanged=True)


def test_every_row_of_the_headline_says_how_much_is_left():
    found = frame(headline())
    methods = {"base model": "base", "SFT": "sft"}
    own = found[~found["method"].str.contains("exchanged")]
    for row in own.itertuples():
        left = ACCURACY[methods.get(row.method, "gcl")]
        assert (row.held_out_accuracy, row.held_out_cross_entropy) == pytest.approx((left, 1 - left))
    compared = own[own["method"].str.startswith("GCL")]
    assert compared["held_out_accuracy_gain"].tolist() == pytest.approx([0.2] * 8)
    assert compared["held_out_cross_entropy_gain"].tolist() == pytest.approx([-0.2] * 8)
    assert own[~own["method"].str.startswith("GCL")]["held_out_accuracy_gain"].isna().all()
    exchanged = found[found["method"].str.contains("exchanged")]
    assert exchanged[list(COLUMNS)].isna().all(axis=None), "nobody is asked them with other pictures"


def test_less_cross_entropy_is_marked_as_better():
    table = headline()
    columns = {column.name: column for column in table.columns}
    row = next(row for row in table.rows if row.cells["method"] == "GCL: GSL")
    texts = [cell_text(columns[name], False, row.cells[name]) for name in COLUMNS]
    assert texts == ["0.700 [0.700, 0.700] ↑", "0.300 [0.300, 0.300] ↑"]
    assert row.cells["held_out_cross_entropy"].gain.mark == "better"
    assert MARKS_NOTE.format(control="the same model's SFT control") in table.notes
    assert any("Of cross-entropy less is better" in note for note in table.notes)


def test_only_a_difference_that_is_turned_round_has_a_trace_of_it():
    plain = Difference(mean=0.1, low=0.05, high=0.2, p=0.01)
    turned = plain.model_copy(update={"less_is_better": True})
    assert (plain.mark, turned.mark) == ("better", "worse")
    assert set(plain.model_dump()) == {"mean", "low", "high", "p"}
    assert Difference.model_validate(turned.model_dump()) == turned


@pytest.mark.parametrize("build", [controls_table, best_controls_table])
def test_controls_have_the_columns_with_the_base_model_first(build):
    found = frame(build(MINIATURE, metrics()))
    assert found["held_out_accuracy"].tolist()[:2] == pytest.approx([0.9, 0.5])
    assert math.isnan(found["held_out_accuracy_gain"][0]) and math.isnan(found["held_out_accuracy_gain"][1])
    learned = found[found["arm"] == "GSL + DRL"].iloc[0]
    assert learned["held_out_accuracy_gain"] == pytest.approx(0.2)
    assert learned["held_out_cross_entropy_gain"] == pytest.approx(-0.2)


def test_without_the_setting_there_is_no_column_and_no_note():
    experiment = without(MINIATURE)
    for table in (headline(experiment), controls_table(experiment, metrics(experiment))):
        assert not [column.name for column in table.columns if column.name in COLUMNS]
        assert not [note for note in table.notes if "Held-out" in note]


def test_metrics_without_held_out_questions_are_refused():
    with pytest.raises(DataError, match="no held-out questions; answer and score it again"):
        headline(MINIATURE, metrics(without(MINIATURE)))


def test_members_that_were_asked_other_questions_are_refused():
    content = fake_metrics(MINIATURE)
    run = next(name for name in content if name.startswith("snei/gcl") and name.endswith("gsl/seed1"))
    for member in content[run]["members"]:
        member["held_out"]["items"][0]["id"] = "another"
    with pytest.raises(DataError, match="other held-out questions"):
        headline(MINIATURE, typed(content))
