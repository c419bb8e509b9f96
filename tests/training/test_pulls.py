"""How strongly each loss pulls: right norms, and a training that does not notice that they were taken."""

from functools import partial

import pytest
from group_case import losses, make_run, train_scenes
from safetensors.torch import load_file

from gcl.experiment.execution import ExecutionSpec
from gcl.training import feeds, precision

NAMES = {f"pull_{loss}_{role}" for loss in ("sft", "gsl", "drl") for role in ("learner", "guide")}


@pytest.fixture
def train(tmp_path, scenarios):
    def run(spec, name, every=None):
        execution = ExecutionSpec(gradient_shares_every=every)
        train_scenes(spec, scenarios[:4], "data", execution, tmp_path / name, tmp_path / "scratch" / name)
        return tmp_path / name

    return run


def pulls_of(step):
    return {name: value for name, value in step.items() if name.startswith("pull_")}


@pytest.mark.parametrize("changes", [{}, {"precision": "float16"}, {"members": 3, "lr": (2e-3, 1e-3, 0.0)}])
def test_a_training_leaves_the_same_bytes_whether_measured_or_not(backbones, train, changes):
    spec = make_run(backbones, micro=2, **changes)
    one, two = train(spec, "one"), train(spec, "two", every=2)
    measured = [step for step in losses(two) if pulls_of(step)]
    assert [step["step"] for step in measured] == [2, 3], "every second one, and the last"
    assert all(set(pulls_of(step)) == NAMES for step in measured), "no pull of a frozen member"
    plain = [{name: v for name, v in step.items() if not name.startswith("pull_")} for step in losses(two)]
    assert plain == losses(one)
    for member in spec.members:
        ours, theirs = (load_file(folder / member.role / "model.safetensors") for folder in (one, two))
        assert all(ours[name].equal(theirs[name]) for name in ours)
    assert (one / "learner/README.md").read_text() == (two / "learner/README.md").read_text()


def test_a_pull_is_the_norm_of_a_training_with_that_loss_alone(backbones, train, monkeypatch):
    found = pulls_of(losses(train(make_run(backbones, micro=2), "all", every=1))[0])
    single = {"sft": {"gsl": 0.0, "drl": 0.0}, "gsl": {"drl": 0.0}, "drl": {"gsl": 0.0}}
    for loss, changes in single.items():
        monkeypatch.setattr(feeds, "Part", partial(feeds.Part, supervised=loss == "sft"))
        first = losses(train(make_run(backbones, micro=2, **changes), loss))[0]
        for role in ("learner", "guide"):
            assert (
                found[f"pull_{loss}_{role}"] == pytest.approx(first[f"norm_{role}"], rel=1e-6) and first[f"norm_{role}"]
            )


def test_pulls_grow_with_their_weights(backbones, train):
    small, large = (
        pulls_of(losses(train(make_run(backbones, gsl=gsl, drl=0.4), str(gsl), every=1))[0]) for gsl in (5e-7, 0.5)
    )
    assert small["pull_gsl_learner"] == pytest.approx(1e-6 * large["pull_gsl_learner"], rel=1e-3)
    assert {n: v for n, v in small.items() if "gsl" not in n} == {n: v for n, v in large.items() if "gsl" not in n}


def test_nothing_is_measured_where_one_loss_has_all(backbones, train):
    for members, gsl in ((1, 0.5), (2, 0.0)):
        spec = make_run(backbones, members=members, gsl=gsl, drl=0.0)
        assert not any(pulls_of(step) for step in losses(train(spec, str(members), every=1)))


def test_a_loss_scale_is_divided_out_and_an_overflow_has_no_pull(backbones, train, monkeypatch):
    exact = pulls_of(losses(train(make_run(backbones, micro=4), "exact", every=1))[0])
    monkeypatch.setattr(precision, "INITIAL", 2.0**24)  # too large: the first steps overflow
    spec = make_run(backbones, micro=4, precision="float16", epochs=4, lr=(1e-9, 1e-9))
    skipping = losses(train(spec, "skipping"))
    measured = losses(train(spec, "measured", every=1))
    assert [step.get("skipped") for step in measured] == [step.get("skipped") for step in skipping]
    assert measured[0]["skipped"] and set(pulls_of(measured[0])) < NAMES
    whole = [pulls_of(step) for step in measured if set(pulls_of(step)) == NAMES]
    monkeypatch.undo()
    usual = pulls_of(losses(train(make_run(backbones, micro=4, precision="float16"), "usual", every=1))[0])
    assert usual == {name: pytest.approx(value, rel=0.02) for name, value in exact.items()} and whole
