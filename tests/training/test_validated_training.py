"""Validation during a training: the right losses, no trace in the weights, the best step kept through every interruption."""

import shutil

import pytest
import torch
import torch.nn.functional as F
from group_case import losses, make_run, train_scenes
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import AutoModelForImageTextToText

from gcl.data.encoding import IGNORED, Encoder, collate
from gcl.errors import TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.weights import Weights
from gcl.files import read_json
from gcl.models.preprocessor import load_preprocessor
from gcl.training import validation as module
from gcl.training.checkpoint import Checkpoints
from gcl.training.log import LossLog
from gcl.training.plain import PlainEngine

EXECUTION = ExecutionSpec(save_every=3, keep=1, loggers=[])
STEPS = 8  # two an epoch


def validated(backbones, *, keep="best", every=2, members=1, **changes):
    """Rates so high that a later step is worse."""
    rates = {"lr": (5e-2, 5e-2)} | changes
    validation = {"share": 0.5, "every": every, "keep": keep}
    return make_run(backbones, members=members, epochs=4, micro=4, validation=validation, **rates)


@pytest.fixture
def train(tmp_path, scenarios):
    def run(spec, name="out", execution=EXECUTION, held_out=scenarios[2:4]):
        output, scratch = tmp_path / name, tmp_path / "scratch" / name
        train_scenes(spec, scenarios[:2], "data", execution, output, scratch, held_out=held_out)
        return output

    return run


def weights(output, role="learner") -> bytes:
    return (output / role / "model.safetensors").read_bytes()


def cross_entropy(folder, scenes) -> float:
    """Token mean over all turns of some scenes, one after the other, by the class of transformers."""
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    encoder = Encoder(load_preprocessor(Weights(path=str(folder)), (784, 50176)), "Be brief.")
    total, tokens = 0.0, 0
    for exchange in (scene.exchange(turn) for scene in scenes for turn in scene.turns):
        batch = collate([encoder.sample(exchange)], encoder, left_padded=False)
        labels = batch.pop("labels")[0, 1:]
        with torch.no_grad():
            logits = model(**batch).logits[0, :-1].double()
        total += float(F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum"))
        tokens += int((labels != IGNORED).sum())
    return total / tokens


def found(lines, name="val_sft_learner") -> dict[int, float]:
    return {line["step"]: line[name] for line in lines if name in line}


def test_validation_leaves_no_trace_in_a_training(backbones, train):
    spec = validated(backbones, keep="last", members=2)
    without = spec.model_copy(update={"training": spec.training.model_copy(update={"validation": None})})
    watched, plain = train(spec, "watched"), train(without, "plain", held_out=())
    assert [weights(watched, role) for role in ("learner", "guide")] == [
        weights(plain, role) for role in ("learner", "guide")
    ]
    trained = [{name: value for name, value in line.items() if "val_" not in name} for line in losses(watched)]
    assert trained == losses(plain)
    components = {"val_sft_learner", "val_sft_guide", "val_drl", "val_gsl"}
    assert [components <= set(line) for line in losses(watched)] == [step % 2 == 0 for step in range(1, STEPS + 1)]
    assert "validation" not in read_json(plain / "run.json")


def test_members_are_validated_in_evaluation_mode_and_go_on_learning(backbones, train, monkeypatch):
    modes = {"forward": [], "step": []}
    forward, step = PlainEngine.forward, PlainEngine.step

    def noting(name, original):
        def noted(self, *arguments, **options):
            modes[name].append((torch.is_grad_enabled(), [member.training for member in self.members]))
            return original(self, *arguments, **options)

        return noted

    monkeypatch.setattr(PlainEngine, "forward", noting("forward", forward))
    monkeypatch.setattr(PlainEngine, "step", noting("step", step))
    train(validated(backbones, every=4, keep="last", members=2, lr=(2e-3, 0.0), gsl=0.0))
    # Ten samples are three passes, in an epoch as in a validation. The teacher never learns.
    learning, validation = [(True, [True, False])] * 6, [(False, [False, False])] * 3
    assert modes["forward"] == [*learning, *validation] * 2
    assert modes["step"] == [(True, [True, False])] * STEPS


def test_the_losses_are_those_of_the_weights(backbones, train, scenarios):
    lines = losses(output := train(validated(backbones, keep="last", every=5)))
    values = found(lines)
    assert list(values) == [5, STEPS], "every five steps, and at the end"
    assert values[STEPS] == pytest.approx(cross_entropy(output / "learner", scenarios[2:4]), rel=1e-5)


def test_the_best_weights_are_kept(backbones, train, scenarios):
    best, last = train(validated(backbones), "best"), train(validated(backbones, keep="last"), "last")
    values = found(losses(best))
    assert values == found(losses(last))
    lowest = min(values, key=values.get)
    assert lowest < STEPS and values[lowest] < 0.995 * values[STEPS], values
    assert cross_entropy(best / "learner", scenarios[2:4]) == pytest.approx(values[lowest], rel=1e-5)
    assert cross_entropy(last / "learner", scenarios[2:4]) == pytest.approx(values[STEPS], rel=1e-5)
    record = read_json(best / "run.json")["validation"]
    assert record["step"] == lowest and record["held_out"][0] == "s02/perception" and len(record["held_out"]) == 10
    assert read_json(last / "run.json")["validation"]["step"] == STEPS
    card = (best / "learner/README.md").read_text()
    assert f"loss at step {lowest}, the best one" in card and f"val_sft_learner {values[lowest]:.4f}" in card
    assert "loss at the last step" in (last / "learner/README.md").read_text()


def test_a_group_keeps_the_step_at_which_its_learners_are_best_together(backbones, train, monkeypatch):
    """A frozen member's loss does not count, though it varies here."""
    made = iter([[1.0, 5.0, 1.0], [3.0, 2.0, 3.0], [4.0, 1.0, 2.0], [2.0, 3.5, 0.5]])

    def losses_of(*_):
        return dict(zip(("loss", "sft_learner", "sft_guide", "sft_third"), [9.0, *next(made)], strict=True))

    monkeypatch.setattr(module, "accumulate", losses_of)
    output = train(validated(backbones, members=3, gsl=0.0, lr=(5e-2, 5e-2, 0.0)))
    assert read_json(output / "run.json")["validation"]["step"] == 4, "the first of two that have 5"


def test_a_training_killed_at_any_moment_keeps_the_same_best_step(backbones, train, scenarios, tmp_path, monkeypatch):
    """After every step, before and after its checkpoint: the scratch folder as kill -9 would leave it."""
    write, save = LossLog.write, Checkpoints.save
    moments = []

    def keep_scratch(self, name):
        if self is not None:
            moments.append(f"{len(moments)} {name}")
            scratch = tmp_path / "scratch/whole"
            shutil.copytree(scratch, tmp_path / "moments" / moments[-1], ignore=shutil.ignore_patterns("lease"))

    def write_and_note(self, step, values):
        write(self, step, values)
        keep_scratch(self, f"step {step}")

    def save_and_note(self, step):
        save(self, step)
        keep_scratch(self, f"saved {step}")

    spec = validated(backbones)
    with monkeypatch.context() as patch:
        patch.setattr(LossLog, "write", write_and_note)
        patch.setattr(Checkpoints, "save", save_and_note)
        whole = train(spec, "whole")
    best = read_json(whole / "run.json")["validation"]["step"]
    assert best == 4, "some moments are before it, and so many after it that others would be pruned"
    tried = ("step 4", "saved 4", "saved 6", "step 8", "saved 8")
    assert f"step-{best:06d}" in {path.name for path in (tmp_path / "moments" / moments[-1] / "checkpoints").iterdir()}
    for moment in (one for one in moments if one.partition(" ")[2] in tried):
        shutil.copytree(tmp_path / "moments" / moment, tmp_path / "scratch" / moment)
        resumed = train(spec, moment)
        assert weights(resumed) == weights(whole), moment
        assert (resumed / "losses.jsonl").read_bytes() == (whole / "losses.jsonl").read_bytes(), moment
        assert read_json(resumed / "run.json")["validation"] == read_json(whole / "run.json")["validation"]


@pytest.fixture
def stopped(backbones, train, tmp_path, monkeypatch):
    """The checkpoints of a training whose results could not be written; the best step is before the last."""

    def full(*_, **__):
        raise OSError(28, "no space left on device", "out")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space left"):
        patch.setattr("gcl.training.trainer.export_member", full)
        train(validated(backbones))
    first, last = sorted((tmp_path / "scratch/out/checkpoints").iterdir())
    assert (first.name, last.name) == ("step-000004", f"step-{STEPS:06d}")
    return first, last


def test_a_damaged_best_checkpoint_is_refused_at_once(backbones, train, stopped, monkeypatch):
    monkeypatch.setattr(PlainEngine, "load", lambda *_: pytest.fail("loaded"))
    victim = stopped[0] / "learner.pt"
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(
        TrainingError, match=r"step-000004: learner.pt is not what was .*best weights; delete .*checkpoints to"
    ):
        train(validated(backbones))
    shutil.rmtree(stopped[0])
    with pytest.raises(TrainingError, match=r"step-000004: state.json is missing or broken; damaged; it has the best"):
        train(validated(backbones))


def test_other_held_out_samples_are_refused(backbones, train, stopped, scenarios):
    with pytest.raises(TrainingError, match=r"made by another run.*held_out: "):
        train(validated(backbones), held_out=scenarios[3:5])


def test_a_validation_after_the_end_is_refused_before_anything_is_loaded(backbones, train, tmp_path):
    with pytest.raises(TrainingError, match=r"validation.every is 9, and the training has 8 steps; lower it"):
        train(validated(backbones, every=9))
    assert not (tmp_path / "scratch").exists()


def test_losses_that_are_no_numbers_stop_the_training(backbones, train, monkeypatch):
    monkeypatch.setattr(module, "accumulate", lambda *_: {"loss": 1.0, "sft_learner": float("nan")})
    with pytest.raises(TrainingError, match=r"not finite at step 2 \(\{'val_sft_learner': nan\}\); lower the learning"):
        train(validated(backbones))


def test_loggers_get_the_losses_too(backbones, train):
    output = train(validated(backbones, every=5), execution=ExecutionSpec(loggers=["tensorboard"]))
    events = EventAccumulator(str(output / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("val_sft_learner")] == [5, STEPS]
