"""Runs of the method exchange: what has no effect, or a wrong one, is refused; rates are chosen on data apart."""

from types import SimpleNamespace

import pytest
from config_cases import change
from conftest import ROOT

from gcl.errors import ConfigError
from gcl.experiment.grid import all_runs, at_rate, best_runs, rate_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.yaml_files import Document, read_yaml
from gcl.workflow.plan import Plan

SCENES, STATES = "snei/exchange/qwen2.5-vl-3b+qwen3-vl-4b", "planning/exchange/qwen3-vl-4b+qwen3-vl-8b"
SAMPLED = {"divergence": "sampled-reverse-kl"}


@pytest.fixture
def config():
    return read_yaml(ROOT / "config.yaml")


def with_variant(config: dict, **settings):
    return load_experiment(change(config, "exchange.variants.own", {"value": settings, "assumed": "test"}), ROOT)


@pytest.mark.parametrize("where", [SCENES, STATES])
@pytest.mark.parametrize("settings", [SAMPLED, SAMPLED | {"pulled": "author"}], ids=["all are pulled", "another tau"])
def test_an_estimate_for_authors_is_refused_elsewhere(config, where, settings):
    with pytest.raises(ConfigError, match=r"at the temperature of its draws; set pulled: author, and a tau of 1,"):
        find_run(with_variant(config, **settings), f"{where}/own/seed0")


def test_it_is_taken_for_authors_at_the_temperature_of_their_draws(config):
    run = find_run(with_variant(config, **SAMPLED, pulled="author"), f"{SCENES}/own-tau1-1/seed0")
    assert run.feed.objective.divergence == "sampled-reverse-kl" and [member.tau for member in run.members] == [
        1.0,
        1.0,
    ]


@pytest.mark.parametrize("suffix", ["-drl0.5", "-gsl0.5", "-tau1-2"])
def test_one_member_has_no_losses_between_members(config, suffix):
    experiment = load_experiment(config, ROOT)
    assert find_run(experiment, "planning/exchange/qwen3-vl-4b/references/seed0")
    with pytest.raises(ConfigError, match="one member has no losses between members"):
        find_run(experiment, f"planning/exchange/qwen3-vl-4b/references{suffix}/seed0")


def test_a_rehearsal_has_runs_on_data_that_are_there(config):
    experiment = load_experiment(config | {"scale": "rehearsal"}, ROOT)
    assert {run.dataset for run in all_runs(experiment).values()} == {"snei", "muson", "planning"}
    assert {run.seed for run in all_runs(experiment).values()} == {0}


@pytest.mark.parametrize("choosing", ["controls", "exchange"])
def test_scenes_for_choosing_are_drawn_apart_whoever_chooses(config, choosing):
    chosen = {"controls": None, "exchange": None} | {choosing: "large"}
    empty = {"best": {"value": {}, "assumed": "test"}}
    sections = {"controls": empty.copy(), "exchange": {"scenes": empty.copy()}}
    sections["controls"]["tuning"] = {"value": chosen["controls"], "assumed": "test"}
    sections["exchange"]["scenes"]["tuning"] = {"value": chosen["exchange"], "assumed": "test"}
    plan = Plan(load_experiment(config, ROOT, [Document("test", sections)]))
    assert plan.kind_of_data(SimpleNamespace(dataset="large")) == "snei --stream large --tuning"
    assert plan.kind_of_data(SimpleNamespace(dataset="tuning")) == "snei --stream tuning"


def test_rates_on_planning_tasks_are_chosen_on_validation_states(experiment):
    controls, rate = experiment.exchange.states, experiment.exchange.planning.lr.value
    tried = rate_runs(experiment, controls)
    assert set(tried) == {arm.name for arm in controls.arms.value} and list(tried["SFT"]) == controls.rates.value
    for points in tried.values():
        for ratio, run in points.items():
            assert run.dataset == "planning_tuning" and run.members[0].lr == pytest.approx(ratio * rate)
    guides = {str(member.start) for run in tried["control: a frozen judge"].values() for member in run.members[1:]}
    assert len(guides) == 1 and "planning_tuning/exchange/qwen3-vl-8b/references/seed0" in guides.pop()
    assert set(all_runs(experiment)) >= {run.id for points in tried.values() for run in points.values()}


def test_a_rate_has_the_name_that_it_has_on_scenes(experiment):
    states = experiment.exchange.states
    assert at_rate(experiment, states, "exchange/qwen3-vl-4b/references", 0.5).endswith("/references-ratio0.5")
    # AGO's learner has twice the rate, so half of that is SFT's.
    pair = "exchange/qwen3-vl-4b+qwen3-vl-8b"
    assert at_rate(experiment, states, f"{pair}/gcl", 2.0) == f"{pair}/gcl"
    assert at_rate(experiment, states, f"{pair}/gcl", 1.0) == f"{pair}/gcl-ratio1"


def test_the_best_rates_decide_the_runs_on_planning_tasks(config):
    best = {"best": {"value": {"SFT": 0.5, "exchange": 1.0}, "assumed": "test"}}
    experiment = load_experiment(config, ROOT, [Document("test", {"exchange": {"states": best}})])
    runs = best_runs(experiment, experiment.exchange.states)
    assert {name: own[0].id.rpartition("/")[0].rpartition("/")[2] for name, own in runs.items()} == {
        "SFT": "references-ratio0.5",
        "exchange": "full",
    }
    assert {run.dataset for own in runs.values() for run in own} == {"planning"}


@pytest.mark.parametrize(
    "setting, value, message",
    [
        ("dataset", "snei", "unknown data set; use one of planning"),
        ("tuning", "tuning", "not for choosing settings; use one of planning_tuning, null"),
        ("rates", [1.0, 1.0], "a value is listed twice"),
        ("best", {"exchange": 1.0}, "'SFT' is missing; the others are compared with it"),
        ("best", {"SFT": 3.0}, "use rates of exchange.states.rates"),
        ("arms", [{"name": name, "run": f"base/{name}"} for name in ("qwen3-vl-4b", "qwen3-vl-8b")], "the form is"),
        ("arms", [{"name": str(k), "run": "exchange/qwen3-vl-4b+qwen3-vl-8b/full"} for k in range(2)], "is SFT of one"),
        ("arms", [{"name": f"{k}", "run": "base/qwen3-vl-4b/default"} for k in range(2)], "is SFT of one model"),
    ],
)
def test_a_mistake_in_the_comparison_is_named(config, setting, value, message):
    states = {setting: {"value": value, "assumed": "test"}}
    with pytest.raises(ConfigError, match=message):
        load_experiment(config, ROOT, [Document("test", {"exchange": {"states": states}})])
