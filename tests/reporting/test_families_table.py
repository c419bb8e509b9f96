"""Table `families`: the right runs in every row, gains over each model's own SFT, and mistakes in the settings."""

import pytest
from conftest import ROOT
from fake_metrics import experiment_with, fake_metrics, frame, typed

from gcl.errors import ConfigError
from gcl.experiment.grid import all_runs, family_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.schema import FamilyGroup
from gcl.experiment.yaml_files import Document
from gcl.reporting.tables.families import families_table
from gcl.workflow.targets import TARGETS

GROUPS = [
    ["qwen2.5-vl-3b", "qwen3-vl-4b"],
    ["qwen3-vl-2b", "qwen3-vl-4b"],
    ["qwen3-vl-2b", "qwen2.5-vl-3b", "qwen3-vl-4b"],
]


def experiment(models):
    found = experiment_with()
    groups = [FamilyGroup(models=each, tau=[2.0, 1.0]) for each in models]
    families = found.families.model_copy(update={"groups": found.families.groups.model_copy(update={"value": groups})})
    return found.model_copy(update={"families": families})


def score(run, role):
    """Untrained .2, alone .5, in a group .1 more for the learner and .02 for each further member."""
    if run.feed is None:
        return 0.2
    return {"solo": 0.5, "learner": 0.6, "guide": 0.52, "guide2": 0.54}[role]


def test_each_member_is_compared_with_its_own_sft():
    chosen = experiment(GROUPS)
    found = frame(families_table(chosen, typed(fake_metrics(chosen, score))))
    models = ["qwen2.5-vl-3b", "qwen3-vl-4b", "qwen3-vl-2b"]
    assert found["model"].tolist() == [*models, *models, *(model for group in GROUPS for model in group)]
    assert found["method"].tolist()[:6] == ["base model"] * 3 + ["SFT"] * 3
    assert found["group"].tolist()[6:] == [" + ".join(group) for group in GROUPS for _ in group]
    assert found["gain_sft"].isna().tolist() == [True] * 6 + [False] * 7
    assert found["gain_sft"].tolist()[6:] == pytest.approx([0.1, 0.02, 0.1, 0.02, 0.1, 0.02, 0.04])
    assert found["action_f1"].tolist()[0] == 0.2


def test_its_runs_are_listed():
    chosen = experiment(GROUPS)
    taus = {tuple(m.tau for m in runs[0].members) for models, runs in family_runs(chosen).items() if len(models) == 3}
    assert taus == {(2.0, 1.0, 1.0)}
    listed = {run.id for runs in family_runs(chosen).values() for run in runs}
    assert listed <= set(all_runs(chosen)) and TARGETS["families"].possible(chosen)
    assert listed < {run.id for run in TARGETS["families"].runs(chosen)}
    assert not TARGETS["families"].possible(experiment([]))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"groups": [{"models": ["qwen3-vl-2b", "gpt-7"], "tau": [2, 1]}]}, "unknown model 'gpt-7'"),
        ({"groups": [{"models": ["qwen3-vl-2b", "qwen3-vl-4b"], "tau": [2, 1]}] * 2}, "already listed"),
        ({"groups": [{"models": ["qwen3-vl-2b"], "tau": [2, 1]}]}, "at least 2"),
        ({"dataset": "nowhere"}, "unknown data set 'nowhere'"),
    ],
)
def test_mistakes_are_named(changes, message):
    settings = {name: {"value": value, "assumed": "test"} for name, value in changes.items()}
    with pytest.raises(ConfigError, match=message):
        load_experiment(None, ROOT, [Document("test", {"families": settings})])
