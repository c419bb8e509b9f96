"""Rows "pictures exchanged": who loses nothing with the picture of another scene is named as not looking."""

import pytest
from fake_metrics import exchanged, experiment_with, fake_metrics, frame, typed, write_metrics

from gcl.reporting.build import build
from gcl.reporting.estimates import EXCHANGED
from gcl.reporting.page.summary import summary
from gcl.reporting.tables.looks import looks
from gcl.reporting.tables.paper_tables import component_table
from gcl.reporting.tables.result_table import read_table

EXPERIMENT = experiment_with()


def table(loss: float):
    own = fake_metrics(EXPERIMENT)
    metrics = typed(own | exchanged(own, EXPERIMENT, loss))
    return component_table(EXPERIMENT, "headline", ["snei"], metrics, exchanged=True)


def test_a_row_is_compared_with_the_same_member_on_its_own_pictures():
    found = frame(table(0.2))
    rows = found[found["method"] == EXCHANGED["full"]].set_index("role")
    assert rows["action_f1"].round(6).to_dict() == {"learner": 0.6, "guide": 0.5}
    assert rows["action_f1_gain"].round(6).tolist() == [-0.2, -0.2]
    full = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
    assert rows["runs"]["learner"].split() == [f"{full}/exchanged", full]


def test_who_is_worse_with_the_picture_of_another_scene_looks():
    found = looks(table(0.2).rows)
    assert [look.who for look in found] == [
        "SFT, learner (qwen2.5-vl-3b)",
        "SFT, guide (qwen3-vl-4b)",
        "GCL: GSL + DRL + AGO, learner (qwen2.5-vl-3b)",
        "GCL: GSL + DRL + AGO, guide (qwen3-vl-4b)",
    ]
    assert all(look.looks for look in found)
    assert "looks at its pictures (Action-F1 −0.200 [−0.200, −0.200];" in str(found[0])


@pytest.mark.parametrize("loss", [0.0, -0.1])
def test_who_loses_nothing_does_not_look(loss):
    found = looks(table(loss).rows)
    assert not any(look.looks for look in found)
    assert str(found[0]).startswith("SFT, learner (qwen2.5-vl-3b) does not look: no score is worse")


@pytest.mark.parametrize(("loss", "blind"), [(0.0, 4), (0.2, 0)])
def test_the_reports_summary_names_models_that_do_not_look(tmp_path, loss, blind):
    own = fake_metrics(EXPERIMENT)
    write_metrics(tmp_path, own | exchanged(own, EXPERIMENT, loss))
    build(EXPERIMENT, "headline", tmp_path, tmp_path / "miniature/tables/headline")
    sentences = summary(EXPERIMENT, [read_table(tmp_path, "miniature", "headline")])
    assert len([sentence for sentence in sentences if "does not look" in sentence]) == blind
    assert any("they look at their pictures" in sentence for sentence in sentences) == (not blind)
    assert any(sentence.startswith("All 8 GCL rows beat their SFT controls in Action-F1") for sentence in sentences)
