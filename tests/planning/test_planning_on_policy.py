"""Rollouts are draws that only their seeds decide; training on them compares views of the same tokens, and only tokens."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from group_case import make_run
from planning_cases import LAKE, MAZE

from gcl.data.encoding import IGNORED, Encoder
from gcl.data.scenario import Exchange, Picture
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import ObjectiveSpec
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.preprocessor import load_preprocessor
from gcl.objective.events import Slice
from gcl.planning.state_pictures import render, save_picture
from gcl.planning.states_file import solved
from gcl.planning.views import prompt
from gcl.training.alignment import Alignment
from gcl.training.answering import Draws
from gcl.training.engines import make_engine
from gcl.training.losses import accumulate
from gcl.training.member import Member
from gcl.training.on_policy import OnPolicy
from gcl.training.rollout import cut, roll_out

LENGTH = 12
DRAWING = Draws(temperature=1.0, max_new_tokens=LENGTH)
FAMILIES = ["qwen2_5_vl", "qwen3_vl"]


@pytest.fixture(scope="module")
def tasks(tmp_path_factory) -> list[list[Exchange]]:
    """Six tasks, as the student and as the teacher sees them; questions of unlike length."""
    folder, views = tmp_path_factory.mktemp("pictures"), []
    for number in range(6):
        record = solved(f"t{number}", "train", 0, LAKE if number % 2 else MAZE)
        save_picture(render(record.state, 64), folder / f"{number}.png")
        seen = [prompt(record, view) for view in ("image", "symbols+plan")]
        path = folder / f"{number}.png"
        views.append(
            [Exchange(record.id, (Picture(path),) if shown.image else (), shown.text[:90], "") for shown in seen]
        )
    return [list(view) for view in zip(*views, strict=True)]


def member(backbones, family: str = "qwen3_vl", **changes) -> Member:
    spec = make_run(backbones, members=2, lr=(1e-3, 0.0, 0.0))
    start = Weights(path=str(backbones[family]))
    chosen = spec.members[0].model_copy(update={"start": start, "tau": 1.0} | changes)
    return Member.load(chosen, chosen.start, spec.training, semantic_size=None, seed=0)


def draw(own: Member, exchanges, seeds, **changes) -> list[list[int]]:
    return roll_out(
        own, exchanges, seeds, **({"temperature": 1.0, "vocabulary": own.head_rows, "max_new_tokens": LENGTH} | changes)
    )


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("view", [0, 1], ids=["image", "words"])
def test_an_answer_depends_on_its_seed_alone(backbones, tasks, family, view):
    own = member(backbones, family)
    together = draw(own, tasks[view], range(6))
    assert [draw(own, [task], [k])[0] for k, task in enumerate(tasks[view])] == together
    assert draw(own, tasks[view][::-1], range(5, -1, -1)) == together[::-1]
    other = draw(own, tasks[view], range(100, 106))
    assert all(a != b for a, b in zip(together, other, strict=True))
    assert own.training  # left as it was


def test_a_low_temperature_is_greedy_and_a_placeholder_is_never_drawn(backbones, tasks):
    own = member(backbones)
    greedy = draw(own, tasks[0], range(6), temperature=1e-6)
    assert greedy == draw(own, tasks[0], range(6, 12), temperature=1e-6)
    (image,) = own.encoder.preprocessor.picture_tokens
    hot = draw(own, tasks[0] * 5, range(30), temperature=100.0, max_new_tokens=60)
    assert len({token for answer in hot for token in answer}) > 200 and all(image not in answer for answer in hot)
    known = draw(own, tasks[0] * 5, range(30), temperature=100.0, max_new_tokens=60, vocabulary=50)
    assert {token for answer in known for token in answer} == set(range(50))


def test_first_tokens_have_the_softmax_s_frequencies(backbones, tasks):
    own, question, draws = member(backbones), tasks[1][0], 1500
    sample = own.encoder.prompt(question)
    with torch.no_grad():
        ids = torch.tensor([sample.ids])
        logits = own.backbone(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1].double()
    probabilities = torch.softmax(logits, dim=-1)
    drawn = Counter(answer[0] for answer in draw(own, [question] * draws, range(draws), max_new_tokens=1))
    likely = probabilities.topk(10).indices.tolist()
    for token in likely:
        p = probabilities[token].item()
        assert abs(drawn[token] / draws - p) <= 4.5 * (p * (1 - p) / draws) ** 0.5


def test_answers_end_at_the_first_end_of_turn(backbones):
    encoder = Encoder(load_preprocessor(Weights(path=str(backbones["qwen3_vl"]))), "Be brief.")
    end, pad = encoder.end_token, encoder.pad_token
    assert cut([5, 6, end, pad, pad], encoder) == [5, 6, end]
    assert cut([5, end, 6, end], encoder) == [5, end]
    assert cut([5, pad, 6], encoder) == [5, pad, 6]
    assert cut([end], encoder) == [end]


def group(backbones, *, micro=6, kind="sampled-reverse-kl", rate=1e-3, teacher="qwen3_vl"):
    """An engine with a student and a frozen teacher, and their run."""
    run = make_run(backbones, members=2, micro=micro, lr=(rate, 0.0, 0.0))
    shared = {"gsl_weight": 0.0, "drl_weight": 1.0, "divergence": kind, "matching": "infonce", "kappa": 1.0}
    starts = [Weights(path=str(backbones[family])) for family in ("qwen3_vl", teacher)]
    members = [m.model_copy(update={"start": s, "tau": 1.0}) for m, s in zip(run.members, starts, strict=True)]
    training = run.training.model_copy(update={"global_batch": 6, "warmup_ratio": 0.0})
    objective = ObjectiveSpec(semantic_size=1, **shared)
    run = run.model_copy(update={"members": members, "objective": objective, "training": training})
    loaded = [Member.load(m, m.start, training, semantic_size=None, seed=0) for m in members]
    execution = ExecutionSpec(engine="plain", processes=1)
    return make_engine(loaded, training, execution, 20), run


def alignment(engine) -> Alignment:
    return Alignment(Slice(min(own.head_rows for own in engine.members)))


def step(engine, run, source, number: int = 0):
    """Forward and backward passes of one step; the losses and what the log says besides."""
    batch = list(range(6))
    prepared = next(source.steps(engine, run, [batch], done=number, alignment=alignment(engine), workers=0))
    return accumulate(engine, prepared, run, alignment(engine), None), prepared.parts[0].tokens, prepared.facts


def gradient(engine) -> torch.Tensor:
    student = engine.members[0]
    return torch.cat([p.grad.flatten() for p in student.trainable().values() if p.grad is not None])


@pytest.mark.parametrize("kind", ["sampled-reverse-kl", "reverse-kl", "forward-kl", "jsd"])
def test_identical_views_of_identical_members_teach_nothing(backbones, tasks, kind):
    engine, run = group(backbones, kind=kind)
    losses, *_ = step(engine, run, OnPolicy([tasks[0], tasks[0]], DRAWING))
    assert losses["loss"] == 0.0 and losses["drl"] == 0.0 and losses["sft_learner"] > 0
    assert not gradient(engine).any()


def test_other_views_teach_and_the_teacher_stays(backbones, tasks):
    engine, run = group(backbones)
    before = {name: p.clone() for name, p in engine.members[1].named_parameters()}
    source = OnPolicy(tasks, DRAWING)
    losses, tokens, facts = step(engine, run, source)
    assert losses["loss"] == losses["drl"] != 0.0 and gradient(engine).any()
    # The estimate is the difference of what student and teacher make of the drawn tokens.
    assert losses["drl"] == pytest.approx(losses["sft_guide"] - losses["sft_learner"], rel=1e-4)
    assert [facts["rollout_tokens"] * 6] * 2 == list(tokens)
    engine.step()
    assert all(torch.equal(p, before[name]) for name, p in engine.members[1].named_parameters())


def test_splitting_a_batch_changes_neither_answers_nor_gradients(backbones, tasks):
    found = []
    for micro in (6, 4, 1):
        engine, run = group(backbones, micro=micro)
        losses, tokens, _ = step(engine, run, OnPolicy(tasks, DRAWING))
        found.append((losses["drl"], tokens, gradient(engine)))
    for value, tokens, one in found[1:]:
        assert tokens == found[0][1] and value == pytest.approx(found[0][0], rel=1e-5)
        assert (one - found[0][2]).norm() <= 1e-5 * found[0][2].norm()


def test_members_predict_the_very_tokens_and_nothing_else(backbones, tasks):
    """Each behind its own prompt; what stands in labels is the draw, its end included, for every member alike."""
    engine, run = group(backbones)
    _, prepared = (
        None,
        next(
            OnPolicy(tasks, DRAWING).steps(
                engine, run, [list(range(6))], done=0, alignment=alignment(engine), workers=0
            )
        ),
    )
    (part,) = prepared.parts
    (batch,) = part.passes
    student, teacher = ([row[row != IGNORED].tolist() for row in inputs["labels"]] for inputs in batch.members)
    assert student == teacher and (sum(map(len, student)),) * 2 == part.tokens
    assert "pixel_values" in batch.members[0] and "pixel_values" not in batch.members[1]
    for own, inputs, view in zip(engine.members, batch.members, tasks, strict=True):
        for row, (task, answer) in enumerate(zip(view, student, strict=True)):
            asked = own.encoder.prompt(task).ids
            ids = inputs["input_ids"][row][inputs["attention_mask"][row].bool()].tolist()
            assert ids == asked + answer


def test_steps_draw_anew_and_a_repeated_step_draws_the_same(backbones, tasks):
    engine, run = group(backbones)
    source = OnPolicy(tasks, DRAWING)
    batches = [list(range(6))] * 2
    first, second = (
        [p.members[0]["labels"].tolist() for p in s.parts[0].passes]
        for s in source.steps(engine, run, batches, done=0, alignment=alignment(engine), workers=0)
    )
    (again,) = (
        [p.members[0]["labels"].tolist() for p in s.parts[0].passes]
        for s in source.steps(engine, run, batches[:1], done=1, alignment=alignment(engine), workers=0)
    )
    assert first != second == again


def test_distillation_brings_the_student_closer(backbones, tasks):
    """A student whose head was disturbed, and a teacher that is what it was: same view, so 0 can be reached."""
    engine, run = group(backbones, kind="reverse-kl", rate=3e-3)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in engine.members[0].trainable().values():
            parameter += 0.3 * parameter.std().nan_to_num() * torch.randn(parameter.shape, generator=generator)
    source = OnPolicy([tasks[0], tasks[0]], DRAWING, judge=lambda k, t: {"silent": not t})
    values = []
    for number in range(15):
        losses, _, facts = step(engine, run, source, number)
        engine.step()
        values.append(losses["drl"])
    assert sum(values[-3:]) < 0.6 * sum(values[:3])
    assert set(facts) == {"rollout_answers", "rollout_tokens", "rollout_cut", "rollout_empty", "rollout_silent"}


def test_members_need_the_same_tasks(tasks):
    with pytest.raises(ValueError, match="different numbers of tasks"):
        OnPolicy([tasks[0], tasks[1][:-1]], DRAWING)


@pytest.mark.parametrize("family", FAMILIES)
def test_words_alone_are_seen_as_a_language_model_sees_them(backbones, tasks, family):
    """A member without a picture gives the hidden states of its language model, whatever else is in the batch."""
    source = Weights(path=str(backbones[family]))
    model, encoder = load_backbone(source), Encoder(load_preprocessor(source), "Be brief.")
    own = member(backbones, family)
    exchange = replace(tasks[1][0], answer="Go on.")
    from gcl.data.encoding import collate

    alone = collate([encoder.sample(exchange)], encoder, left_padded=False)
    padded = collate([encoder.sample(exchange), encoder.sample(tasks[1][1])], encoder, left_padded=False)
    expected = model.model(input_ids=alone["input_ids"], attention_mask=alone["attention_mask"]).last_hidden_state
    supervised = alone["labels"][0, 1:] != IGNORED
    for batch in (alone, padded):
        hidden, _, _ = own(batch)
        rows = int(supervised.sum())
        torch.testing.assert_close(hidden[:rows], expected[0, :-1][supervised], rtol=1e-4, atol=1e-5)
