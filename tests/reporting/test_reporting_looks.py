"""Rows "pictures exchanged": who loses nothing with the picture of another scene is named as not looking."""

import pytest
from fake_metrics import exchanged, experiment_with, fake_metrics

from gcl.reporting.looks import looks
from gcl.reporting.tables import EXCHANGED, component_table

EXPERIMENT = experiment_with()


def table(loss: float):
    own = fake_metrics(EXPERIMENT)
    return component_table(EXPERIMENT, ["snei"], own | exchanged(own, EXPERIMENT, loss), exchanged=True)


def test_a_row_is_compared_with_the_same_member_on_its_own_pictures():
    frame = table(0.2)
    rows = frame[frame["method"] == EXCHANGED["full"]].set_index("role")
    assert rows["action_f1"].round(6).to_dict() == {"learner": 0.6, "guide": 0.5}
    assert rows["action_f1_gain"].round(6).tolist() == [-0.2, -0.2]
    full = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
    assert rows["runs"]["learner"].split() == [f"{full}/exchanged", full]


def test_who_is_worse_with_the_picture_of_another_scene_looks():
    found = looks(table(0.2))
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
    found = looks(table(loss))
    assert not any(look.looks for look in found)
    assert str(found[0]).startswith("SFT, learner (qwen2.5-vl-3b) does not look: no score is worse")
