"""vLLM as the source of answers. Tests of vLLM itself need an installed one (docs/mgsd-notes.md), unlike CI."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from conftest import tiny, write_backbone
from group_case import make_run
from planning_cases import LAKE, MAZE

from gcl.data.scenario import Exchange, Picture
from gcl.errors import ConfigError, TrainingError
from gcl.experiment.methods.registry import find_run
from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.planning.state_pictures import render, save_picture
from gcl.planning.states_file import solved
from gcl.planning.views import prompt
from gcl.training.member import Member
from gcl.training.rollout import roll_out
from gcl.training.rollout_vllm import VLLM, available, rollout_backend

needs_vllm = pytest.mark.skipif(not available(), reason="vLLM is not installed")
SETTINGS = {"temperature": 1.0, "max_new_tokens": 12}


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> list[list[Exchange]]:
    """Six tasks as pictures, and the same in words."""
    folder, views = tmp_path_factory.mktemp("pictures"), []
    for number in range(6):
        record = solved(f"t{number}", "train", 0, LAKE if number % 2 else MAZE)
        path = folder / f"{number}.png"
        save_picture(render(record.state, 64), path)
        seen = [prompt(record, view) for view in ("image", "symbols+plan")]
        views.append(
            [Exchange(record.id, (Picture(path),) if shown.image else (), shown.text[:90], "") for shown in seen]
        )
    return [list(view) for view in zip(*views, strict=True)]


def make(folder, vocabulary, backbones, tied: bool) -> Member:
    """A member whose attention heads are wide enough for vLLM's kernels for CPUs."""
    write_backbone(folder, "qwen3_vl", vocabulary, tiny(hidden_size=64, vision_hidden_size=128, tied_head=tied))
    run = make_run(backbones, members=2, lr=(1e-3, 0.0, 0.0))
    spec = run.members[0].model_copy(update={"start": Weights(path=str(folder))})
    return Member.load(spec, spec.start, run.training, semantic_size=None, seed=0)


def disturb(member: Member, part: str = "", by: float = 0.5) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in member.backbone.named_parameters():
            if part in name and parameter.dim() > 1:
                parameter += by * parameter.std() * torch.randn(parameter.shape, generator=generator)


def weights(member: Member):
    return ((name, parameter.detach()) for name, parameter in member.backbone.named_parameters())


def copy_of(member: Member, questions, **changes) -> VLLM:
    settings = SETTINGS | {"vocabulary": member.head_rows, "rows": len(questions), "processes": 1} | changes
    found = VLLM(member, start=member.spec.start, questions=questions, **settings)
    found.push(weights(member))
    return found


def test_what_is_chosen(experiment, monkeypatch):
    spec = find_run(experiment, "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0")
    assert rollout_backend("plain", spec) == "plain" and rollout_backend("vllm", spec) == "vllm"
    for installed, gpu, expected in (
        (False, False, "plain"),
        (True, False, "plain"),
        (False, True, "plain"),
        (True, True, "vllm"),
    ):
        monkeypatch.setattr("gcl.training.rollout_vllm.available", lambda installed=installed: installed)
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert rollout_backend("auto", spec) == expected, (installed, gpu)
    adapted = spec.model_copy(update={"training": spec.training.model_copy(update={"lora": Lora(rank=2, alpha=4.0)})})
    assert [rollout_backend("auto", each) for each in (spec, adapted)] == ["vllm", "plain"]
    # A teacher who answers is frozen, so that it has no adapters.
    taught = adapted.model_copy(update={"feed": adapted.feed.model_copy(update={"author": 1})})
    assert rollout_backend("auto", taught) == "vllm"


def test_adapters_low_temperatures_and_a_missing_vllm_are_refused(backbones, tasks):
    run = make_run(backbones, members=2, lr=(1e-3, 0.0, 0.0))
    spec = run.members[0].model_copy(update={"start": Weights(path=str(backbones["qwen3_vl"]))})
    settings = SETTINGS | {"vocabulary": 50, "rows": 6, "processes": 1, "questions": tasks[0], "start": spec.start}
    adapted = run.training.model_copy(update={"lora": Lora(rank=2, alpha=4.0)})
    with pytest.raises(ConfigError, match=r"takes no LoRA adapters, and no weights .* offloaded; choose plain"):
        VLLM(Member.load(spec, spec.start, adapted, semantic_size=None, seed=0), **settings)
    with pytest.raises(ConfigError, match=r"draws at 0\.01 or above"):
        VLLM(
            Member.load(spec, spec.start, run.training, semantic_size=None, seed=0),
            **(settings | {"temperature": 1e-3}),
        )
    if not available():
        with pytest.raises(ConfigError, match="vLLM is not installed; install it, or choose plain"):
            VLLM(Member.load(spec, spec.start, run.training, semantic_size=None, seed=0), **settings)


@needs_vllm
@pytest.mark.parametrize("view", [0, 1], ids=["image", "words"])
@pytest.mark.parametrize("tied", [True, False])
def test_the_copy_is_the_member_before_and_after_learning(tmp_path, vocabulary, backbones, tasks, tied, view):
    own = make(tmp_path, vocabulary, backbones, tied)
    copy = copy_of(own, tasks[view], temperature=0.0)
    seen = []
    for part in ("", "visual", "embed_tokens"):
        expected = roll_out(own, tasks[view], range(6), temperature=1e-6, vocabulary=own.head_rows, max_new_tokens=12)
        assert copy.roll_out(tasks[view], range(6)) == expected
        seen.append(expected)
        disturb(own, part)
        copy.push(weights(own))
    assert seen[0] != seen[1] and (seen[1] != seen[2]) == (view == 0)  # words do not pass through the vision tower


@needs_vllm
def test_a_copy_that_is_another_model_is_noticed(tmp_path, vocabulary, backbones, tasks):
    own = make(tmp_path, vocabulary, backbones, tied=True)
    copy = copy_of(own, tasks[0])
    copy.roll_out(tasks[0], range(6))
    disturb(own, by=2.0)
    with pytest.raises(TrainingError, match="they are not the same model"):
        copy.roll_out(tasks[0], range(6))
    copy.push(weights(own))
    copy.roll_out(tasks[0], range(6))
    asked = own.encoder.prompt
    own.encoder.prompt = lambda exchange: replace(asked(exchange), ids=[*asked(exchange).ids, 5])
    with pytest.raises(TrainingError, match="other tokens of the question"):
        copy.roll_out(tasks[0], range(6))


@needs_vllm
def test_an_answer_depends_on_its_seed_and_has_the_softmax_s_frequencies(tmp_path, vocabulary, backbones, tasks):
    own, question, draws = make(tmp_path, vocabulary, backbones, tied=True), tasks[1][0], 1500
    copy = copy_of(own, [question], rows=64, vocabulary=300)
    assert copy.roll_out([question] * 3, [1, 2, 1])[::2] == copy.roll_out([question], [1]) * 2
    drawn = Counter(answer[0] for answer in copy.roll_out([question] * draws, range(draws)))
    sample = torch.tensor([own.encoder.prompt(question).ids])
    with torch.no_grad():
        logits = own.backbone(input_ids=sample, attention_mask=torch.ones_like(sample)).logits[0, -1, :300].double()
    probabilities = torch.softmax(logits, dim=-1)
    assert max(drawn) < 300
    for token in probabilities.topk(10).indices.tolist():
        p = probabilities[token].item()
        assert abs(drawn[token] / draws - p) <= 4.5 * (p * (1 - p) / draws) ** 0.5
