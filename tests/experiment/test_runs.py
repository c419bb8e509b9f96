"""The list of runs: the paper's counts, no repetition, names that can be typed."""

from collections import Counter

import pytest
import yaml
from conftest import ROOT

from gcl.errors import ConfigError
from gcl.experiment.grid import all_runs, at_rate, sweep_points, sweep_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import kind_of
from gcl.experiment.runs import Trained
from gcl.experiment.variants import ratio, written
from gcl.experiment.yaml_files import Document

PAIR = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b"


@pytest.fixture(scope="module")
def experiment():
    config = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    return load_experiment(config, ROOT)


@pytest.fixture(scope="module")
def runs(experiment):
    return social(experiment)


def social(experiment):
    """All runs but those on planning tasks."""
    return {name: run for name, run in all_runs(experiment).items() if kind_of(run.dataset) == "scenes"}


# Arms of the controls that no table of the paper has.
ARMS = (
    {f"snei/sft/qwen2.5-vl-3b/{name}/seed0" for name in ("ratio0.5", "ratio2", "epochs2")}
    | {
        f"snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/{name}/seed0"
        for name in ("apart", "teacher_forward", "teacher_reverse", "teacher_jsd", "mutual", "cosine", "detached")
    }
    | {"snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b+qwen3-vl-2b/gco/seed0"}
)


def test_the_arms_of_the_controls_are_runs_of_the_experiment(runs):
    assert set(runs) >= ARMS and len(runs) == 70 + len(ARMS)


def test_counts_are_the_papers(runs):
    paper = {run_id: run for run_id, run in runs.items() if run_id not in ARMS}
    kinds = Counter((run.dataset, run.method, run.variant in ("default", "full")) for run in paper.values())
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
    changed = social(load_experiment(config, ROOT))
    same = [run_id for run_id, run in social(experiment).items() if run_id in changed and changed[run_id] == run]
    assert len([run_id for run_id in same if "/sft/" in run_id]) == 10 + 3
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
        ("snei/sft/qwen3-vl-4b/full/seed0", "unknown variant 'full' of SFT; use default, or epochs<x>"),
        ("snei/sft/qwen3-vl-4b/ratio2-epochs2/seed0", "unknown variant 'ratio2-epochs2' of SFT"),
        ("snei/sft/qwen3-vl-4b/ratio1/seed0", "leave out what is 1"),
        ("snei/sft/qwen3-vl-4b/scenes0/seed0", "unknown variant 'scenes0'"),
        ("snei/sft/qwen3-vl-4b/scenes6.5/seed0", "unknown variant 'scenes6.5'"),
        ("snei/sft/qwen3-vl-4b/scenes265/seed0", "snei has 265 training scenes; use fewer"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-scenes999/seed0", "snei has 265 training scenes; use fewer"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-ratio2-scenes66/seed0", "in this order"),
        ("snei/sft/qwen3-vl-4b/epochs0.25/seed0", "2.5 epochs; use a factor that gives a whole number"),
        ("snei/sft/qwen2.5-vl-3b+qwen3-vl-4b/default/seed0", "sft has one model"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b+qwen3-vl-2b/full-tau1-2/seed0", "two temperatures, 3 members"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-ratio2-tau1-2/seed0", "in this order"),
        ("snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-epochs2/seed0", "cannot read 'epochs2'"),
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


def test_sft_at_another_rate_or_length(runs):
    plain, *others = (runs[f"snei/sft/qwen2.5-vl-3b/{name}/seed0"] for name in ("default", "ratio2", "epochs2"))
    faster, longer = others
    assert faster.members[0].lr == 2 * plain.members[0].lr == runs[f"{PAIR}/full/seed0"].members[0].lr
    assert longer.training.epochs == 2 * plain.training.epochs and longer.members == plain.members


def test_fewer_scenes_are_spread_over_the_split(experiment):
    alone, both, taught = (
        find_run(experiment, f"snei/{name}/seed0")
        for name in (
            "sft/qwen3-vl-4b/epochs2-scenes66-ratio2",
            "gcl/qwen2.5-vl-3b+qwen3-vl-4b/full-scenes66-ratio3",
            "gcl/qwen2.5-vl-3b+qwen3-vl-4b/teacher_jsd-scenes66",
        )
    )
    assert [shown.count for run in (alone, both, taught) for shown in run.feed.shown] == [66, 66, 66]
    assert taught.trained_before == ["snei/sft/qwen3-vl-4b/scenes66/seed0"], "the teacher saw no more scenes either"


def test_a_teacher_is_frozen_and_was_fine_tuned_before(runs):
    run = runs[f"{PAIR}/teacher_forward/seed0"]
    learner, guide = run.members
    assert guide.frozen and not learner.frozen and learner.lr == 1e-5
    assert guide.start == Trained(run="snei/sft/qwen3-vl-4b/default/seed0", role="solo")
    assert run.trained_before == ["snei/sft/qwen3-vl-4b/default/seed0"]
    assert (run.objective.divergence, run.objective.gsl_weight, run.objective.drl_weight) == ("forward-kl", 0.0, 0.4)
    assert runs[f"{PAIR}/full/seed0"].trained_before == []


def test_three_members_share_gcos_settings(runs):
    members = runs["snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b+qwen3-vl-2b/gco/seed0"].members
    assert [member.role for member in members] == ["learner", "guide", "guide2"]
    assert len({(member.lr, member.tau) for member in members}) == 1


def test_arms_that_name_no_run_are_explained():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    config["controls"]["arms"]["value"][3]["run"] = "gcl/qwen2.5-vl-3b+qwen3-vl-4b/fancy"
    with pytest.raises(ConfigError, match=r"controls.arms.value.3.run: unknown variant 'fancy'; use one of gco, gsl"):
        load_experiment(config, ROOT)


def test_an_arm_may_be_named_at_another_rate(experiment):
    controls = experiment.controls
    assert at_rate(experiment, controls, "sft/qwen2.5-vl-3b/ratio2", 1.0) == "sft/qwen2.5-vl-3b/default"
    assert (
        at_rate(experiment, controls, "sft/qwen2.5-vl-3b/epochs2-ratio2", 0.5) == "sft/qwen2.5-vl-3b/epochs2-ratio0.5"
    )
    pair = "gcl/qwen2.5-vl-3b+qwen3-vl-4b"
    assert at_rate(experiment, controls, f"{pair}/full-ratio3", 2.0) == f"{pair}/full"
    assert at_rate(experiment, controls, f"{pair}/gco", 2.0) == f"{pair}/full-tau2-2", "an arm already, under this name"


@pytest.mark.parametrize(
    "section, value, expected",
    [
        ("best", {"GSL": 1.0}, "'SFT' is missing; the others are compared with it"),
        ("best", {"SFT": 1.0, "SFT, half the rate": 1.0}, "use arms whose rate is chosen"),
        ("best", {"SFT": 3.0}, "use rates of controls.rates"),
        ("seeds", [0, 0], "a value is listed twice"),
        ("rates", [1.0, 1.0], "a value is listed twice"),
        ("tuning", "snei", "not for choosing settings; use one of null"),
        ("dataset", "kitti", "unknown data set; use one of snei, muson"),
    ],
)
def test_controls_that_make_no_sense_are_explained(section, value, expected):
    config = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    config["controls"][section]["value"] = value
    with pytest.raises(ConfigError, match=expected):
        load_experiment(config, ROOT)


def test_arms_are_of_one_model_and_begin_with_sft():
    config = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    arms = config["controls"]["arms"]["value"]
    arms[1]["run"] = "sft/qwen3-vl-4b/default"
    with pytest.raises(ConfigError, match=r"arms.value.1.run: the first arm is SFT of one model"):
        load_experiment(config, ROOT)
    arms[0], arms[1] = arms[-1], arms[0]
    with pytest.raises(ConfigError, match=r"the first arm is SFT of one model"):
        load_experiment(config, ROOT)


def test_a_frozen_guide_has_no_gsl(experiment):
    with pytest.raises(ConfigError, match="a frozen guide learns no projection"):
        find_run(experiment, f"{PAIR}/teacher_jsd-gsl0.5/seed0")


@pytest.mark.parametrize(
    "number, text",
    [
        (2.0, "2"),
        (0.25, "0.25"),
        (1e12, "1000000000000"),
        (2e-06, "0.000002"),
        (0.1 + 0.2, "0.30000000000000004"),
        (0, "0"),
    ],
)
def test_numbers_in_names_have_all_their_digits_and_no_exponent(number, text):
    assert written(number) == text and float(text) == number


@pytest.mark.parametrize("number", [1e300, 1e-300, float("inf"), float("nan")])
def test_numbers_that_no_name_can_hold_are_refused(number):
    with pytest.raises(ConfigError, match="too long for the name of a run"):
        written(number)


@pytest.mark.parametrize(
    "rate, unit, text",
    [(3 * 1e-5, 1e-5, "3"), (1e9, 1e-3, "1000000000000"), (4e-9, 2e-3, "0.000002"), (1.0, 3.0, "0.333333333333")],
)
def test_a_ratio_is_the_shortest_number_that_gives_the_rate_back(rate, unit, text):
    assert ratio(rate, unit) == text
    assert float(text) * unit == pytest.approx(rate, rel=1e-11)


def test_a_weight_keeps_all_its_digits_in_the_name_of_its_run():
    weight = {"sweeps": {"fig2a": {"values": {"value": [0.12345678], "assumed": "test"}}}}
    made = load_experiment(None, ROOT, [Document("test", {"scale": "paper"} | weight)])
    (run,) = sweep_runs(made, "fig2a")
    assert run.objective.gsl_weight == 0.12345678 and find_run(made, run.id) == run
