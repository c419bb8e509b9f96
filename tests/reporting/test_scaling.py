"""What the gain depends on: the right runs in every row and point, gains over SFT on as many scenes."""

import pytest
from conftest import ROOT
from fake_metrics import experiment_with, fake_metrics, frame, typed

from gcl.errors import ConfigError
from gcl.experiment.grid import all_runs, scaling_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.yaml_files import Document
from gcl.reporting.build import build
from gcl.reporting.figures import gains
from gcl.reporting.figures.canvas import LOOKS
from gcl.reporting.tables.before_after import before_after_table
from gcl.reporting.tables.scaling import scaling_table
from gcl.workflow.targets import TARGETS

EXPERIMENT = experiment_with()
GROUPS = EXPERIMENT.groups["snei"].value
SCENES = EXPERIMENT.scaling.scenes.value
ALL = SCENES[-1]


def by_scenes(run, role):
    """SFT gets better with scenes, the guide is better than the learner, and the gain shrinks."""
    scenes = next((shown.count for shown in run.feed.shown if shown.count), ALL) if run.feed else 0
    better = 0.03 if run.members[-1].model == "qwen3-vl-4b" and role in ("solo", "guide") else 0
    return 0.5 + scenes / 5000 + better + (0 if role == "solo" else 5 / (scenes + 50))


def test_each_row_is_of_its_scenes_role_and_method():
    found = frame(scaling_table(EXPERIMENT, typed(fake_metrics(EXPERIMENT, by_scenes))))
    assert found["scenes"].astype(int).tolist() == [0, 0, *(scenes for scenes in SCENES for _ in range(4))]
    assert found["method"].tolist()[:2] == ["base model"] * 2 and found["action_f1"].tolist()[:2] == [0.5, 0.53]
    for _, row in found[2:].iterrows():
        scenes, alone = int(row["scenes"]), row["method"] == "SFT"
        expected = 0.5 + scenes / 5000 + 0.03 * (row["role"] == "guide") + (0 if alone else 5 / (scenes + 50))
        assert row["action_f1"] == pytest.approx(expected)
        if not alone:
            assert row["gain_sft"] == pytest.approx(5 / (scenes + 50))
    assert found["gain_sft"].isna().tolist() == found["method"].isin(["SFT", "base model"]).tolist()


def test_the_whole_split_is_the_default_run():
    runs = scaling_runs(EXPERIMENT)
    assert [runs[ALL][kind][0].variant for kind in runs[ALL]] == ["default", "default", "full"]
    assert {run.id for kinds in runs.values() for listed in kinds.values() for run in listed} <= set(
        all_runs(EXPERIMENT)
    )


def test_points_lie_over_scenes_and_over_the_guides_lead(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(gains, "_gain", lambda axes, x, gain, role: drawn.append((x, gain.mean, role)))
    gains.gains_figure(EXPERIMENT, typed(fake_metrics(EXPERIMENT, by_scenes)), tmp_path / "gains")
    left, right = drawn[: 2 * len(SCENES)], drawn[2 * len(SCENES) :]
    for scenes, (x, gain, _) in zip([n for _ in LOOKS for n in SCENES], left, strict=True):
        assert x == pytest.approx(scenes, rel=0.05) and gain == pytest.approx(5 / (scenes + 50))
    leads = [0.03 * ((group.guide == "qwen3-vl-4b") - (group.learner == "qwen3-vl-4b")) for group in GROUPS]
    assert [x for x, *_ in right] == pytest.approx(leads)


def test_without_a_data_set_there_is_no_figure(tmp_path):
    assert not TARGETS["gains"].possible(experiment_with("paper"))
    assert scaling_runs(experiment_with("paper")) == {}
    for name in ("gains", "scaling"):
        with pytest.raises(ConfigError, match=r"the configuration of scale paper has no scaling\.dataset"):
            build(experiment_with("paper"), name, tmp_path, tmp_path / name)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"dataset": "kitti"}, "unknown data set 'kitti'; use one of snei, muson"),
        ({"scenes": [132, 66]}, "do not rise"),
        ({"scenes": [66, 66, 132]}, "do not rise"),
        ({"scenes": [66, ALL + 1]}, f"{ALL + 1} is more than the {ALL} training scenes of large"),
    ],
)
def test_mistakes_are_explained(changes, expected):
    settings = {name: {"value": value, "assumed": "test"} for name, value in changes.items()}
    with pytest.raises(ConfigError, match=expected):
        load_experiment(None, ROOT, [Document("test", {"scaling": settings})])


def test_every_model_is_compared_with_itself_before_sft():
    score = {"base": 0.2, "sft": 0.6}
    table = before_after_table(
        EXPERIMENT, typed(fake_metrics(EXPERIMENT, lambda run, role: score.get(run.method, 0.9)))
    )
    found = frame(table)
    assert len(found) == 2 * 2 * 5  # the paper's models, on two data sets
    assert found["action_f1"].round(9).tolist() == [0.2, 0.6] * (len(found) // 2)
    assert found["action_f1_gain"].dropna().round(9).tolist() == [0.4] * (len(found) // 2)
    assert any("worse than the same model untrained:" in note for note in table.notes)
