"""The list of runs: the paper's counts, no repetition, names that can be typed."""

from collections import Counter

import pytest
import yaml
from conftest import ROOT

from gcl.config import load_experiment
from gcl.errors import ConfigError
from gcl.runs import all_runs, find_run, sweep_points


@pytest.fixture(scope="module")
def experiment():
    config = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    return load_experiment(config, ROOT)


@pytest.fixture(scope="module")
def runs(experiment):
    return all_runs(experiment)


def test_counts_are_the_papers(runs):
    kinds = Counter((run.dataset, run.method, run.variant in ("default", "full")) for run in runs.values())
    assert kinds["snei", "sft", True] == kinds["muson", "sft", True] == 5
    assert kinds["snei", "gcl", True] == kinds["muson", "gcl", True] == 12
    # Table 2 without its AGO row: 3 on each data set; Fig. 2: 3 + 3 new points; Fig. 3: 4 + 4; Fig. 4 and 7: 8 + 8.
    assert kinds["muson", "gcl", False] == 3
    assert kinds["snei", "gcl", False] == 3 + 6 + 8 + 16


def test_no_two_runs_are_the_same_training(runs):
    contents = Counter(run.model_copy(update={"variant": ""}).json for run in runs.values())
    assert max(contents.values()) == 1


def test_an_id_leads_back_to_its_run(experiment, runs):
    for run_id, run in runs.items():
        assert find_run(experiment, run_id) == run


def test_ago_gives_the_learner_the_larger_rate_and_the_smaller_model_the_larger_tau(runs):
    learner, guide = runs["snei/gcl/qwen2.5-vl-7b+qwen3-vl-2b/full/seed0"].members
    assert (learner.lr, guide.lr) == (2e-5, 1e-5)
    assert (learner.tau, guide.tau) == (2.0, 3.0)


def test_rows_without_ago_are_symmetric(runs):
    for variant, weights in {"gsl": (0.5, 0.0), "drl": (0.0, 0.4), "gco": (0.5, 0.4)}.items():
        run = runs[f"snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/{variant}/seed0"]
        assert (run.objective.gsl_weight, run.objective.drl_weight) == weights
        assert len({(member.lr, member.tau) for member in run.members}) == 1


def test_sweep_points_reuse_what_other_targets_trained(experiment):
    names = [variant for _, variant in sweep_points(experiment, experiment.sweeps["fig2a"])]
    assert names == ["drl", "gco-gsl0.25", "gco", "gco-gsl0.75", "gco-gsl1"]
    temperatures = {tuple(point.values()): name for point, name in sweep_points(experiment, experiment.sweeps["fig4"])}
    assert len(temperatures) == 9
    assert temperatures[3.0, 2.0] == "full"
    assert temperatures[1.0, 3.0] == "full-tau1-3"


def test_baselines_do_not_depend_on_the_groups_settings(experiment):
    config = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    config["objective"]["gsl_weight"]["value"] = 0.7
    config["objective"]["kappa"]["value"] = 0.1
    changed = all_runs(load_experiment(config, ROOT))
    same = [run_id for run_id, run in all_runs(experiment).items() if run_id in changed and changed[run_id] == run]
    assert len([run_id for run_id in same if "/sft/" in run_id]) == 10
    assert not any("/full/" in run_id for run_id in same)


def test_a_run_that_no_table_asks_for_can_be_named(experiment):
    run = find_run(experiment, "muson/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-ratio8/seed3")
    assert run.seed == 3
    assert run.members[0].lr == pytest.approx(8e-5)


@pytest.mark.parametrize(
    "run_id, expected",
    [
        ("snei/gcl/qwen9+qwen3-vl-4b/full/seed0", "unknown model 'qwen9'"),
        ("kitti/sft/qwen3-vl-4b/default/seed0", "unknown data set 'kitti'"),
        ("snei/sft/qwen3-vl-4b/full/seed0", "no run id"),
        ("snei/gcl/qwen3-vl-4b/seed0", "no run id"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/fancy/seed0", "unknown variant 'fancy'"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-speed9/seed0", "cannot read 'speed9'"),
        *(
            (f"snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/{variant}/seed0", "cannot read")
            for variant in (
                "full-tau3",
                "full-tau1-2-3",
                "full-ratio-1",
                "full-ratio0",
                "full-tau0-1",
                "gco-gsl-1",
                "gco-gslnan",
                "full-ratio2.0",
                "full-ratio1.2.3",
            )
        ),
        ("snei/sft/qwen3-vl-4b/default/seed007", "no run id"),
        ("snei/gcl/qwen3-vl-8b+qwen2.5-vl-3b/full/seed0", "no group of snei; add it under groups.snei"),
    ],
)
def test_an_unknown_run_is_explained(experiment, run_id, expected):
    with pytest.raises(ConfigError, match=expected):
        find_run(experiment, run_id)
