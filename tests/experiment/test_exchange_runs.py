"""Runs of the method exchange: what has no effect, or a wrong one, is refused; rates are chosen on data apart."""

from types import SimpleNamespace

import pytest
from config_cases import change
from conftest import ROOT

from gcl.errors import ConfigError
from gcl.experiment.grid import all_runs
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
