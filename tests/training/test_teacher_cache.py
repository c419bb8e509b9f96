"""Teachers from a cache: the losses of living ones, nothing of their backbone in memory, no damaged file ever read."""

import shutil
from functools import cache

import pytest
import torch
from group_case import losses, make_run, train_scenes
from safetensors.torch import load_file, save_file

from gcl.experiment.execution import ExecutionSpec
from gcl.files import read_json
from gcl.training import teacher_cache
from gcl.training.member import Member
from gcl.training.teacher_cache import INDEX, CachedTeacher


def trainer(folder, scenarios):
    """Losses and folder of a training below a folder, with living teachers or cached ones."""

    def run(spec, name, *, cached, code="code", **execution):
        teachers = folder / "teachers" if cached else None
        output, scratch = folder / name, folder / "scratch" / name
        train_scenes(
            spec, scenarios[:8], "data", ExecutionSpec(**execution), output, scratch, code=code, teachers=teachers
        )
        return losses(output), output

    return run


@pytest.fixture
def train(tmp_path, scenarios):
    return trainer(tmp_path, scenarios)


@pytest.fixture(scope="module")
def living(backbones, scenarios, tmp_path_factory):
    """Losses with living teachers, by divergence."""
    run = trainer(tmp_path_factory.mktemp("living"), scenarios)
    return cache(lambda divergence: run(longer(backbones, divergence), divergence, cached=False)[0])


def longer(backbones, divergence):
    spec = make_run(backbones, epochs=3, micro=4, lr=(2e-3, 0.0), gsl=0.0)
    return spec.model_copy(update={"objective": spec.objective.model_copy(update={"divergence": divergence})})


@pytest.fixture(scope="module")
def made_before(backbones, scenarios, tmp_path_factory):
    """The losses of a training with a cache, and the folder of the cache."""
    folder = tmp_path_factory.mktemp("first")
    first, _ = trainer(folder, scenarios)(usual(backbones), "first", cached=True)
    return first, folder / "teachers"


def usual(backbones):
    return make_run(backbones, lr=(2e-3, 0.0), gsl=0.0)


@pytest.fixture
def first(made_before, tmp_path):
    """These losses; the cache is copied to where this test's trainings look for it."""
    found, teachers = made_before
    shutil.copytree(teachers, tmp_path / "teachers")
    return found


def folders(tmp_path):
    return sorted(path for path in (tmp_path / "teachers").iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("divergence", ["jsd", "forward-kl"])
@pytest.mark.parametrize("workers", [0, 1])
def test_losses_are_those_of_a_living_teacher(backbones, train, living, divergence, workers):
    cached, output = train(longer(backbones, divergence), "cached", cached=True, workers=workers)
    assert len(living(divergence)) == len(cached) and "drl" in cached[0]
    for one, two in zip(living(divergence), cached, strict=True):
        assert one.keys() == two.keys()
        assert all(two[name] == pytest.approx(one[name], abs=1e-6, rel=1e-6) for name in one)
    assert {path.name for path in output.iterdir()} >= {"learner", "guide"}  # the folder of the run is complete


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_in_16_bits_they_differ_by_rounding(backbones, train, precision):
    spec = make_run(backbones, micro=4, precision=precision, lr=(2e-3, 0.0), gsl=0.0)
    (living, _), (cached, _) = (train(spec, str(c), cached=c) for c in (False, True))
    steps = zip(living, cached, strict=True)
    bound = {"bfloat16": 2**-8, "float16": 2**-11}[precision]  # half a unit in the last place of a state
    assert max(abs(one["drl"] - two["drl"]) / one["drl"] for one, two in steps) < 4 * bound


def test_several_teachers_have_a_cache_each_and_no_backbone(backbones, train, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(CachedTeacher, "forward", _noting(loaded, CachedTeacher.forward))
    spec = make_run(backbones, members=3, lr=(2e-3, 0.0, 0.0), gsl=0.0)
    (living, _), (cached, _) = (train(spec, str(c), cached=c) for c in (False, True))
    assert cached[-1]["loss"] == pytest.approx(living[-1]["loss"], abs=1e-6)
    assert len(folders(tmp_path)) == 2
    assert {(teacher.spec.role, tuple(dict(teacher.named_parameters()))) for teacher in loaded} == {
        ("guide", ("head",)),
        ("third", ("head",)),
    }


def _noting(seen, forward):
    def noted(self, batch):
        seen.append(self)
        return forward(self, batch)

    return noted


def test_a_cache_is_used_again_until_a_cause_changes(backbones, train, first, tmp_path, monkeypatch):
    spec = usual(backbones)
    [made] = folders(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(teacher_cache, "_make", lambda *_: pytest.fail("made again"))
        again, _ = train(spec, "again", cached=True)
        assert again == first
        other = spec.model_copy(update={"objective": spec.objective.model_copy(update={"divergence": "reverse-kl"})})
        train(other, "other", cached=True)
    train(spec, "code", cached=True, code="other code")
    assert len(folders(tmp_path)) == 2 and made in folders(tmp_path)


@pytest.mark.parametrize("damage", ["a changed number", "cut", "a lost part", "no index"])
def test_a_damaged_cache_is_made_again(backbones, train, first, tmp_path, damage):
    [made] = folders(tmp_path)
    before, part = read_json(made / INDEX), made / "part-0.safetensors"
    if damage == "a changed number":
        states = load_file(part)
        states["0"] = states["0"] + 1.0
        save_file(states, part)
    elif damage == "cut":
        part.write_bytes(part.read_bytes()[:-7])
    elif damage == "a lost part":
        part.unlink()
    else:
        (made / INDEX).unlink()
    again, _ = train(usual(backbones), "again", cached=True)
    assert again == first and folders(tmp_path) == [made] and read_json(made / INDEX) == before


def test_the_loser_of_a_race_takes_the_winners_cache(backbones, train, first, tmp_path, monkeypatch):
    [made] = folders(tmp_path)
    hidden = made.rename(tmp_path / "hidden")
    forward, raced = Member.forward, []

    def racing(self, batch):
        if not raced:
            raced.append(hidden.rename(made))
        return forward(self, batch)

    monkeypatch.setattr(Member, "forward", racing)
    again, _ = train(usual(backbones), "again", cached=True)
    assert raced and again == first and folders(tmp_path) == [made]
    assert not list((tmp_path / "teachers").glob(".*"))


def test_with_gsl_teachers_are_live(backbones, train, tmp_path):
    train(make_run(backbones, lr=(2e-3, 0.0)), "out", cached=True)
    assert not (tmp_path / "teachers").exists()


def test_a_teacher_in_4_bits_can_be_cached(backbones, train):
    spec = make_run(backbones, lr=(2e-3, 0.0), gsl=0.0, quantization="nf4")
    (living, _), (cached, _) = (train(spec, str(c), cached=c) for c in (False, True))
    assert cached[-1]["loss"] == pytest.approx(living[-1]["loss"], abs=1e-5)


def test_validation_asks_the_cache_too(backbones, scenarios, tmp_path):
    spec = make_run(backbones, micro=4, lr=(2e-3, 0.0), gsl=0.0, validation={"share": 0.2, "every": 1, "keep": "last"})
    found = []
    for teachers in (None, tmp_path / "teachers"):
        output, scratch = tmp_path / f"out-{bool(teachers)}", tmp_path / f"scratch-{bool(teachers)}"
        parts = {"teachers": teachers, "held_out": scenarios[8:10]}
        train_scenes(spec, scenarios[:8], "data", ExecutionSpec(), output, scratch, **parts)
        found.append([step["val_drl"] for step in losses(output)])
    assert found[1] == pytest.approx(found[0], abs=1e-6)


def test_no_sample_gives_an_empty_batch(backbones, scenarios, train, tmp_path):
    train(make_run(backbones, lr=(2e-3, 0.0), gsl=0.0), "out", cached=True)
    spec = make_run(backbones, lr=(2e-3, 0.0), gsl=0.0)
    exchanges = [scene.exchange(turn) for scene in scenarios[:8] for turn in scene.turns]
    teacher = CachedTeacher(spec, spec.members[1], folders(tmp_path)[0], exchanges)
    hidden, head, semantic = teacher(teacher.cache.batch([]))
    assert hidden.shape == (0, head.shape[1]) and semantic is None
    batch = teacher.cache.batch([3, 1])
    assert len(batch["hidden"]) == (batch["labels"][:, 1:] >= 0).sum()
    assert torch.equal(batch["hidden"][: len(teacher.cache.batch([3])["hidden"])], teacher.cache.batch([3])["hidden"])
