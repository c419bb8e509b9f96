"""Method exchange: who answers, who learns from it, and gradients that are right on average."""

import itertools
import random
from dataclasses import replace

import pytest
import torch
from group_case import exchange_feed, losses, make_run

from gcl.data.encoding import IGNORED
from gcl.data.scenario import Turn
from gcl.errors import CheckpointError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import ObjectiveSpec
from gcl.objective.drl import divergence_, log_probabilities
from gcl.training.alignment import align
from gcl.training.engines import make_engine
from gcl.training.losses import accumulate
from gcl.training.member import Member
from gcl.training.own_answers import OwnAnswers
from gcl.training.trainer import train_run

JSD = ObjectiveSpec(drl_weight=1.0)


def exchange_run(backbones, changes=None, **others):
    run = make_run(backbones, **{"gsl": 0.0, "drl": 0.0, "families": ("qwen3_vl", "qwen3_vl", "qwen3_vl")} | others)
    members = [member.model_copy(update={"tau": 1.0}) for member in run.members]
    return run.model_copy(update={"method": "exchange", "members": members, "feed": exchange_feed(**changes or {})})


@pytest.fixture(scope="module")
def samples(scenarios):
    return [scene.exchange(turn) for scene in scenarios[:4] for turn in scene.turns]


def disturbed(engine, by=0.3):
    """Another second member, so that there is something to exchange."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in engine.members[1].trainable().values():
            parameter += by * parameter.std().nan_to_num() * torch.randn(parameter.shape, generator=generator)


def open_group(run, disturb=0.0):
    members = [Member.load(m, m.start, run.training, semantic_size=None, seed=0) for m in run.members]
    engine = make_engine(members, run.training, ExecutionSpec(), 20)
    if disturb:
        disturbed(engine, disturb)
    return engine, align([m.encoder for m in members], [m.head_rows for m in members])


def steps_of(engine, alignment, run, samples, batches, judged=None, done=0, **others):
    source = OwnAnswers(samples, judged or samples, run.feed, **others)
    return list(source.steps(engine, run, batches, done=done, alignment=alignment, workers=0))


def only_answers(step):
    return replace(step, parts=[part for part in step.parts if part.name])


def gradients(engine):
    return [
        torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in m.parameters()])
        for m in engine.members
    ]


def test_each_in_turn_answers_by_step(backbones, samples):
    run = exchange_run(backbones, {"share": 0.5, "pulled": "author"})
    engine, alignment = open_group(run)
    first, second = steps_of(engine, alignment, run, samples, [[5, 2, 0, 7], [5, 2, 0, 7]])
    for step, author in ((first, 1), (second, 0)):
        main, answered = step.parts
        assert main.name == "" and list(main.inputs) == [4] and answered.name == "exchange"
        assert list(answered.inputs) == [2] and step.facts["rollout_answers"] == 2
        assert answered.pulled == (author == 0, author == 1)
        (local,) = answered.passes
        for row, index in zip(local.members[0]["input_ids"], (5, 2), strict=True):
            prompt = engine.members[0].encoder.prompt(samples[index]).ids
            assert row[: len(prompt)].tolist() == prompt
    assert set(first.facts) == {"rollout_answers", "rollout_tokens", "rollout_cut", "rollout_empty"}


@pytest.mark.parametrize("authors", ["first", "all"])
def test_the_first_alone_or_all_answer_everything(backbones, samples, authors):
    run = exchange_run(backbones, {"authors": authors}, micro=2)
    engine, alignment = open_group(run)
    (step,) = steps_of(engine, alignment, run, samples, [[1, 2, 3]])
    inputs = [list(part.inputs) for part in step.parts if part.name]
    assert inputs == [[2, 1]] * (1 if authors == "first" else 2)


def test_a_repeated_step_draws_the_same_and_warm_up_draws_nothing(backbones, samples):
    run = exchange_run(backbones, {"warmup": 0.5})
    engine, alignment = open_group(run)
    batches = [[0, 1], [2, 3], [4, 5], [6, 7]]
    whole = steps_of(engine, alignment, run, samples, batches)
    assert [len(step.parts) for step in whole] == [1, 1, 2, 2] and not whole[0].facts
    later = steps_of(engine, alignment, run, samples, batches[2:], done=2)
    for ours, theirs in zip(later, whole[2:], strict=True):
        for one, other in zip(ours.parts[1:], theirs.parts[1:], strict=True):
            drawn = [[local.members[0]["labels"].tolist() for local in part.passes] for part in (one, other)]
            assert drawn[0] == drawn[1]


@pytest.mark.parametrize("pulled", ["all", "author"])
@pytest.mark.parametrize("kind", ["jsd", "reverse-kl", "forward-kl", "sampled-reverse-kl"])
def test_identical_members_and_views_exchange_exactly_nothing(backbones, samples, kind, pulled):
    run = exchange_run(backbones, {"objective": JSD.model_copy(update={"divergence": kind}), "pulled": pulled})
    engine, alignment = open_group(run)
    (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
    found = accumulate(engine, only_answers(step), run, alignment, None)
    assert found["loss"] == found["exchange_drl"] == 0.0 and not any(own.any() for own in gradients(engine))


def test_only_the_author_learns_where_that_is_said(backbones, samples):
    run = exchange_run(backbones, {"authors": "first", "pulled": "author"})
    engine, alignment = open_group(run, disturb=0.3)
    (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
    accumulate(engine, only_answers(step), run, alignment, None)
    author, judge = gradients(engine)
    assert author.any() and not judge.any()


@pytest.mark.parametrize("pulled", ["all", "author"])
def test_a_members_loss_is_a_mean_over_the_tokens_from_which_it_learns(backbones, samples, pulled):
    """Those of all answers, or its own: then an author learns as much beside another author as alone."""
    found = {}
    for authors in ("first", "all"):
        run = exchange_run(backbones, {"authors": authors, "pulled": pulled})
        engine, alignment = open_group(run, disturb=0.3)
        (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
        parts = [part for part in step.parts if part.name]
        made = [list(part.passes) for part in parts]
        drawn = [sum(int((local.members[0]["labels"] != IGNORED).sum()) for local in passes) for passes in made]
        assert [part.tokens[0] for part in parts] == (drawn if pulled == "author" else [sum(drawn)] * len(parts))
        again = [replace(part, passes=iter(passes)) for part, passes in zip(parts, made, strict=True)]
        accumulate(engine, replace(step, parts=again), run, alignment, None)
        found[authors] = gradients(engine)[0]
    if pulled == "author":
        assert torch.equal(found["first"], found["all"])


def test_repeated_references_are_not_counted_as_drawn(backbones, samples):
    run = exchange_run(backbones, {"answers": "references"})
    engine, alignment = open_group(run)
    (step,) = steps_of(engine, alignment, run, samples, [[0, 1]])
    assert len(step.parts) == 2 and not step.facts


def test_a_judge_without_a_picture_gets_a_companion_with_one_where_several_train(backbones, samples, monkeypatch):
    """It supervises nothing, so loss and gradients are the same; but the vision tower takes part."""
    run = exchange_run(backbones, {"authors": "first"})
    engine, alignment = open_group(run, disturb=0.3)
    blind, found = [replace(one, pictures=()) for one in samples], []
    for size in (1, 2):
        monkeypatch.setattr(engine.world, "size", size)
        monkeypatch.setattr(engine.world, "collect", lambda value: [value])
        (step,) = steps_of(engine, alignment, run, samples, [[0]], judged=blind)
        (local,) = step.parts[1].passes
        assert len(local.members[0]["input_ids"]) == 1 and len(local.members[1]["input_ids"]) == size
        assert ("pixel_values" in local.members[1]) == (size == 2)
        monkeypatch.setattr(engine.world, "size", 1)
        part = replace(step.parts[1], passes=iter([replace(local, counts=[1])]))
        loss = accumulate(engine, replace(step, parts=[part]), run, alignment, None)["loss"]
        found.append((loss, gradients(engine)))
        for member in engine.members:
            member.zero_grad()
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert (one - other).norm() <= 1e-6 * one.norm()


def test_a_judge_that_knows_more_teaches_members_that_are_the_same(backbones, samples):
    run = exchange_run(backbones, {"pulled": "author"})
    engine, alignment = open_group(run)
    told = [replace(one, earlier=(Turn("What is known?", one.answer),)) for one in samples]
    for step in steps_of(engine, alignment, run, samples, [list(range(6))] * 2, judged=told):
        found = accumulate(engine, only_answers(step), run, alignment, None)
        assert found["exchange_drl"] > 0
    assert all(own.any() for own in gradients(engine))


def test_passes_and_padding_change_nothing(backbones, samples):
    found = []
    for micro in (6, 4, 1):
        run = exchange_run(backbones, micro=micro)
        engine, alignment = open_group(run, disturb=0.3)
        (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
        loss = accumulate(engine, only_answers(step), run, alignment, None)["loss"]
        found.append((loss, torch.cat(gradients(engine))))
    for loss, gradient in found[1:]:
        assert loss == pytest.approx(found[0][0], rel=1e-5)
        assert (gradient - found[0][1]).norm() <= 2e-5 * found[0][1].norm()


def test_references_in_place_of_answers_are_the_divergence_on_references(backbones, samples):
    """Off policy: the same objective on the references themselves, token by token."""
    run = exchange_run(backbones, {"answers": "references", "authors": "first"})
    engine, alignment = open_group(run, disturb=0.3)
    (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
    found = accumulate(engine, only_answers(step), run, alignment, None)
    gco = run.model_copy(update={"objective": JSD})
    plain = steps_of(
        engine, alignment, gco.model_copy(update={"feed": exchange_feed(share=0.0)}), samples, [list(range(6))]
    )
    assert len(plain[0].parts) == 1
    assert found["exchange_drl"] == pytest.approx(accumulate(engine, plain[0], gco, alignment, None)["drl"], rel=1e-6)


def test_self_training_raises_the_likelihood_of_the_authors_own_answers(backbones, samples):
    run = exchange_run(
        backbones, {"likelihood": True, "pulled": "author", "authors": "first", "objective": ObjectiveSpec()}
    )
    engine, alignment = open_group(run)
    (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
    found = accumulate(engine, only_answers(step), run, alignment, None)
    author, other = gradients(engine)
    assert found["loss"] == pytest.approx(found["exchange_sft_learner"]) and author.any() and not other.any()


def test_cut_and_empty_answers_are_counted(backbones, samples):
    run = exchange_run(backbones, {"max_new_tokens": 1, "authors": "first"})
    engine, alignment = open_group(run)
    end = engine.members[0].encoder.end_token
    (step,) = steps_of(engine, alignment, run, samples, [list(range(8))])
    (local,) = step.parts[1].passes
    drawn = [row[row != IGNORED].tolist() for row in local.members[0]["labels"]]
    empty = sum(tokens == [end] for tokens in drawn)
    assert step.facts["rollout_empty"] == empty / 8 and step.facts["rollout_cut"] == 1 - empty / 8
    assert all(len(tokens) == 1 for tokens in drawn)


def test_members_of_unlike_tokenizers_read_each_other(all_backbones, samples):
    """Rows are those where both have written the same text; an author draws nothing that others cannot read."""
    run = exchange_run(all_backbones, {"authors": "all"}, families=("qwen3_vl", "smolvlm", "qwen3_vl"))
    engine, alignment = open_group(run)
    assert alignment.texts is not None
    (step,) = steps_of(engine, alignment, run, samples, [list(range(6))])
    found = accumulate(engine, only_answers(step), run, alignment, None)
    assert found["exchange_drl"] > 0 and all(own.any() for own in gradients(engine))
    (again,) = steps_of(engine, alignment, run, samples, [list(range(6))])
    for author, part in enumerate(again.parts[1:]):
        texts, encoder = alignment.texts[author], engine.members[author].encoder
        assert part.positions >= 1 and part.tokens[author] >= 6
        for local in part.passes:
            drawn = local.members[author]["labels"]
            assert all(texts[t] is not None or t == encoder.end_token for t in drawn[drawn != IGNORED].tolist())
            assert len(local.rows[0]) == len(local.rows[1])
    with pytest.raises(CheckpointError, match="unlike tokens"):
        sampled = run.model_copy(
            update={"feed": exchange_feed(objective=ObjectiveSpec(divergence="sampled-reverse-kl"))}
        )
        steps_of(engine, alignment, sampled, samples, [[0]])


@pytest.mark.parametrize("kind", ["jsd", "reverse-kl", "sampled-reverse-kl"])
def test_the_mean_over_draws_is_the_exact_gradient(kind):
    """A model of three words and a memory of one, whose answers of two words can all be listed.

    Exact: the sum over all answers, each with its probability, of the gradient on its tokens. Estimate: the mean over draws.
    The probability of an answer is no part of the gradient, as in on-policy distillation.
    """
    torch.manual_seed(0)
    words, length, draws = 3, 2, 6000
    author, judge = (torch.randn(words + 1, words, dtype=torch.float64) for _ in range(2))  # logits by the word before

    def gradient(answer):
        before = [words, *answer[:-1]]
        logp = [log_probabilities(table[before], 1.0) for table in (author, judge)]
        _, (found, _) = divergence_(logp, [1.0, 1.0], [True, False], kind, torch.tensor(answer))
        total = torch.zeros_like(author)
        return total.index_add_(0, torch.tensor(before), found)

    probability = author.softmax(dim=-1)
    listed = {answer: gradient(answer) for answer in itertools.product(range(words), repeat=length)}
    chances = {answer: float(probability[words, answer[0]] * probability[answer[0], answer[1]]) for answer in listed}
    exact = sum(chances[answer] * listed[answer] for answer in listed)
    drawn = random.Random(1).choices(list(listed), weights=list(chances.values()), k=draws)
    values = torch.stack([listed[answer] for answer in drawn])
    error = values.std(dim=0) / draws**0.5
    assert ((values.mean(dim=0) - exact).abs() <= 5 * error + 1e-12).all() and exact.abs().max() > 0.01
    if kind == "sampled-reverse-kl":  # its mean is the gradient of the whole vocabulary's divergence
        kind = "reverse-kl"
        whole = sum(chances[answer] * gradient(answer) for answer in listed)
        assert torch.allclose(exact, whole, atol=1e-12)


def test_a_training_stops_and_goes_on_to_the_same_bytes(backbones, samples, tmp_path, monkeypatch):
    run = exchange_run(backbones, {"share": 0.5}, gsl=0.5, drl=0.4, epochs=2)
    feed = OwnAnswers(samples, samples, run.feed)

    def train(name, **settings):
        execution = ExecutionSpec(save_every=1, gradient_shares_every=2, **settings)
        train_run(run, feed, "data", "code", execution, tmp_path / name, tmp_path / "scratch", {})
        return tmp_path / name

    whole = train("whole")
    from gcl.training import loop

    plain, made = loop.accumulate, []

    def failing(*arguments):
        made.append(1)
        if len(made) == 6:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(loop, "accumulate", failing)
    with pytest.raises(KeyboardInterrupt):
        train("again")
    monkeypatch.setattr(loop, "accumulate", plain)
    again = train("again")
    for role in ("learner", "guide"):
        assert (again / role / "model.safetensors").read_bytes() == (whole / role / "model.safetensors").read_bytes()
    assert losses(again) == losses(whole)
    last = losses(whole)[-1]
    assert {"sft_learner", "gsl", "drl", "exchange_drl", "exchange_sft_guide", "rollout_cut"} <= set(last)
    assert {"pull_exchange_drl_learner", "pull_drl_guide", "pull_gsl_guide"} <= set(losses(whole)[1])
