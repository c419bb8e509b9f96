"""A pair in transformers' Trainer: the losses and steps of `gcl train`, checkpoints that continue, members that load."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from conftest import tiny, write_backbone
from group_case import make_run, train_scenes
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, TrainingArguments

from gcl import PairTrainer, load_member
from gcl.data.encoding import IGNORED
from gcl.errors import CheckpointError, ConfigError, TrainingError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import Untrained
from gcl.models.backbone import load_model
from gcl.models.bpe import train_vocabulary
from gcl.training.feeds import References
from gcl.training.losses import accumulate
from gcl.training.plain import PlainEngine


@pytest.fixture(scope="module")
def unlike(backbones, corpus, tmp_path_factory):
    """Backbones with a third, whose tokenizer is unlike theirs."""
    words = train_vocabulary(corpus, 420, "gpt2")
    return backbones | {"smolvlm": write_backbone(tmp_path_factory.mktemp("smolvlm"), "smolvlm", words, tiny())}


def exchanges(scenarios):
    return [scene.exchange(turn) for scene in scenarios for turn in scene.turns]


@pytest.fixture
def make(tmp_path):
    """A trainer of a run's pair."""

    def build(spec, samples, name="out", evaluated=None, **arguments):
        usual = {"per_device_train_batch_size": 8, "num_train_epochs": 1, "report_to": "none", "disable_tqdm": True}
        usual |= {"logging_steps": 1, "save_strategy": "no", "use_cpu": True, "seed": 0, "adam_beta2": 0.95}
        args = TrainingArguments(str(tmp_path / name), **usual | arguments)
        training = spec.training
        own = {"system": training.system, "pixels": training.pixels}
        return PairTrainer(spec.members, spec.objective, args, samples, evaluated, **own)

    return build


@pytest.mark.parametrize("families", [("qwen2_5_vl", "qwen3_vl"), ("qwen3_vl", "smolvlm")])
def test_losses_and_gradients_are_those_of_gcl_train(unlike, scenarios, make, families):
    spec, samples = make_run(unlike, families=families, micro=4), exchanges(scenarios)[:8]
    trainer = make(spec, samples)
    engine = PlainEngine(trainer.pair, spec.training, ExecutionSpec(), steps=1)
    for member in trainer.pair:
        member.backbone.double()
    alignment = trainer.data_collator._alignment
    (step,) = References(samples).steps(engine, spec, [range(8)], done=0, alignment=alignment, workers=0)
    theirs = accumulate(engine, step, spec, alignment, None)
    expected = {name: p.grad.clone() for name, p in trainer.model.named_parameters()}
    trainer.model.zero_grad()

    batches = [trainer.data_collator(samples[start : start + 4]) for start in (0, 4)]
    counts = trainer._get_num_items_in_batch(batches, "cpu")
    total = 0.0
    for batch in batches:
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=counts)
        loss.backward()
        total += loss.item()
    assert total == pytest.approx(theirs["loss"], rel=1e-7)
    assert all(p.grad.equal(expected[name]) for name, p in trainer.model.named_parameters())
    parts = {"sft_0": "sft_learner", "sft_1": "sft_guide", "drl": "drl", "gsl": "gsl"}
    assert {parts[n]: float(v) for n, v in trainer._sums.items() if n in parts} == {
        n: theirs[n] for n in parts.values()
    }


def test_losses_are_those_of_the_definitions(backbones, scenarios, make):
    """In float64, with all logits at once, from the models' own forward passes."""
    spec, samples = make_run(backbones), exchanges(scenarios)[:6]
    trainer = make(spec, samples)
    for member in trainer.pair:
        member.backbone.double()
    batch = trainer.data_collator(samples)
    loss = trainer.compute_loss(trainer.model, batch).item()
    supervised, logp, vectors = 0.0, [], []
    shared = trainer._compared.vocabulary
    for member in trainer.pair:
        own = {name: value for name, value in batch[member.spec.role].items() if name != "labels"}
        labels = batch[member.spec.role]["labels"][:, 1:]
        with torch.no_grad():
            found = member.backbone(**own, output_hidden_states=True)
            logits = found.logits[:, :-1][labels != IGNORED]
            supervised += float(F.cross_entropy(logits, labels[labels != IGNORED]))
            logp.append((logits[:, :shared] / member.spec.tau).log_softmax(dim=-1))
            vectors.append(member.semantic_head(found.hidden_states[-1].float(), own["attention_mask"]).double())
    mean = torch.stack([one.exp() for one in logp]).mean(dim=0)
    taus = [member.spec.tau for member in trainer.pair]
    kl = [tau**2 * (one.exp() * (one - mean.log())).sum(dim=-1) for tau, one in zip(taus, logp, strict=True)]
    drl = float(torch.stack(kl).mean())
    similarity = vectors[0] @ vectors[1].T / spec.objective.kappa
    targets = torch.arange(len(samples))
    gsl = float(F.cross_entropy(similarity, targets) + F.cross_entropy(similarity.T, targets)) / 2
    parts = {name: float(value) for name, value in trainer._sums.items()}
    assert parts["sft_0"] + parts["sft_1"] == pytest.approx(supervised, rel=1e-12)
    assert parts["drl"] == pytest.approx(drl, rel=1e-10) and drl > 0
    assert parts["gsl"] == pytest.approx(gsl, rel=1e-5)
    assert loss == pytest.approx(supervised + 0.4 * drl + 0.5 * gsl, rel=1e-6)


def test_a_step_is_that_of_gcl_train(backbones, scenarios, make, tmp_path):
    """Rates, clipping of each member, semantic heads: after a step the weights are the same."""
    spec = make_run(backbones)
    spec = spec.model_copy(update={"training": spec.training.model_copy(update={"eps": 1e-3, "warmup_ratio": 0.0})})
    one = scenarios[:1]  # five questions, so one step
    train_scenes(spec, one, "data", ExecutionSpec(), tmp_path / "own", tmp_path / "scratch")
    trainer = make(spec, exchanges(one), adam_epsilon=1e-3, lr_scheduler_type="cosine")
    trainer.train()
    trainer.save_model()
    for member in spec.members:
        ours, theirs, start = (
            load_file(folder / "model.safetensors")
            for folder in (tmp_path / "out" / member.role, tmp_path / "own" / member.role, Path(member.start.path))
        )
        for name, weight in ours.items():
            torch.testing.assert_close(weight, theirs[name], rtol=1e-5, atol=2e-6)
        moved = max(float((ours[name] - start[name]).abs().max()) for name in ours)
        assert moved > 1e-4, "a test of nothing if weights stayed"
    assert {group["initial_lr"] for group in trainer.optimizer.param_groups} == {2e-3, 1e-3}


def test_training_lowers_the_loss_and_logs_its_parts(backbones, scenarios, make):
    spec, samples = make_run(backbones), exchanges(scenarios)
    trainer = make(spec, samples[:24], evaluated=samples[24:30], num_train_epochs=3, eval_strategy="epoch")
    trainer.train()
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(steps) == 9 and steps[-1]["loss"] < 0.95 * steps[0]["loss"]
    for entry in steps:
        parts = entry["sft_learner"] + entry["sft_guide"] + 0.4 * entry["drl"] + 0.5 * entry["gsl"]
        assert entry["loss"] == pytest.approx(parts, rel=1e-4)
    evaluated = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert len(evaluated) == 3 and all(map(math.isfinite, evaluated)) and evaluated[-1] < evaluated[0]


@pytest.mark.parametrize("gsl", [0.5, 0.0])
def test_a_resumed_training_ends_like_one_without_a_stop(backbones, scenarios, make, tmp_path, gsl):
    spec, samples = make_run(backbones, gsl=gsl), exchanges(scenarios)[:6]
    options = {"num_train_epochs": 2, "per_device_train_batch_size": 2, "save_strategy": "steps", "save_steps": 3}
    make(spec, samples, "whole", **options).train()
    assert (tmp_path / "whole/checkpoint-3/semantic_heads.safetensors").exists() == bool(gsl)
    again = make(spec, samples, "whole", **options | {"seed": 1, "data_seed": 0})
    before = load_file(tmp_path / "whole/checkpoint-6/guide/model.safetensors")
    again.train(resume_from_checkpoint=str(tmp_path / "whole/checkpoint-3"))
    after = load_file(tmp_path / "whole/checkpoint-6/guide/model.safetensors")
    assert all(after[name].equal(weight) for name, weight in before.items())


def test_members_load_elsewhere_and_can_be_asked(backbones, scenarios, make, tmp_path):
    trainer = make(make_run(backbones), exchanges(scenarios)[:8])
    trainer.train()
    trainer.save_model()
    for member in trainer.pair:
        folder = tmp_path / "out" / member.spec.role
        model = AutoModelForImageTextToText.from_pretrained(folder)
        own = dict(member.backbone.named_parameters())
        assert all(weight.equal(own[name]) for name, weight in model.named_parameters())
        asked = load_member(folder)
        assert asked.file.system == "Be brief." and asked.file.role == member.spec.role
        assert isinstance(asked.ask(scenarios[0].pictures[0].path, "What is there?", max_new_tokens=2), str)


def test_a_frozen_guide_teaches_and_stays(backbones, scenarios, make):
    trainer = make(make_run(backbones, gsl=0.0, lr=(2e-3, 0.0)), exchanges(scenarios)[:8])
    trainer.train()
    learner, guide = trainer.pair

    def stayed(member):
        start = load_model(member.spec.start).state_dict()
        return [weight.equal(start[name]) for name, weight in member.backbone.state_dict().items()]

    assert all(stayed(guide)) and not any(stayed(learner))


def test_the_best_checkpoint_is_loaded_at_the_end(backbones, scenarios, make, tmp_path):
    samples = exchanges(scenarios)
    each = {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 1, "save_steps": 1}
    spec = make_run(backbones, lr=(0.5, 0.5))  # so large that the first step harms least
    trainer = make(spec, samples[:24], evaluated=samples[24:32], load_best_model_at_end=True, **each)
    trainer.train()
    best = Path(trainer.state.best_model_checkpoint)
    kept = load_file(best / "guide/model.safetensors")
    now = dict(trainer.pair[1].backbone.named_parameters())
    assert all(now[name].equal(weight) for name, weight in kept.items() if name in now)


def test_bad_pairs_are_refused(backbones, scenarios, make, tmp_path):
    spec, samples = make_run(backbones), exchanges(scenarios)[:8]
    learner, guide = spec.members

    def pair(*members):
        return spec.model_copy(update={"members": list(members)})

    with pytest.raises(ConfigError, match=r"two members of unlike roles, .* these are \['learner'\]"):
        make(pair(learner), samples)
    with pytest.raises(ConfigError, match="of which one learns"):
        make(make_run(backbones, lr=(0.0, 0.0)), samples)
    with pytest.raises(ConfigError, match="guide: starts from model='x'"):
        make(pair(learner, guide.model_copy(update={"start": Untrained(model="x")})), samples)
    args = TrainingArguments(str(tmp_path / "out"), use_cpu=True, report_to="none")
    args.deepspeed = "zero2.json"
    with pytest.raises(TrainingError, match="without deepspeed and fsdp"):
        PairTrainer(spec.members, spec.objective, args, samples, system="", pixels=(784, 50176))
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        make(spec, samples).train(resume_from_checkpoint=str(tmp_path))
