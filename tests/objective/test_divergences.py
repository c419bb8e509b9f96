"""The controls' divergences and matching: values against the float64 reference, gradients against finite differences."""

from typing import get_args

import numpy as np
import objective_reference as reference
import pytest
import torch
from objective_cases import divergence, head_case, numeric_gradient, random_logits, relative_error

from gcl.experiment.divergences import Divergence, SampledDivergence
from gcl.experiment.planning_schema import PlanningVariant
from gcl.objective.drl import DIVERGENCES, SAMPLED
from gcl.objective.events import Events, Slice
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.objective.gsl import semantic_loss
from gcl.objective.head import competitive_head

TAUS = [[1.0, 1.0], [2.0, 2.0], [3.0, 2.0], [1.0, 2.0, 3.0]]
KL = [("forward-kl", True), ("reverse-kl", False)]


@pytest.mark.parametrize("taus", TAUS)
@pytest.mark.parametrize("kind, forward", KL)
def test_kl_of_each_member_with_the_others_as_constants(taus, kind, forward):
    logits = random_logits(len(taus), 4, 9)
    arrays = [z.numpy() for z in logits]
    value, gradients = divergence([z.float() for z in logits], taus, [True] * len(taus), kind)
    expected = sum(reference.member_kl(arrays, taus, k, forward=forward) for k in range(len(taus)))
    assert value.item() == pytest.approx(expected, rel=1e-6)
    for k, gradient in enumerate(gradients):
        numeric = numeric_gradient(
            lambda x, k=k: reference.member_kl([*arrays[:k], x, *arrays[k + 1 :]], taus, k, forward=forward), arrays[k]
        )
        assert relative_error(gradient, numeric) <= 2e-6


@pytest.mark.parametrize("kind, forward", KL)
def test_with_a_frozen_guide_only_the_learners_divergence_counts(kind, forward):
    """Knowledge distillation: forward is Hinton's loss, KL(teacher || student) times the temperature squared."""
    logits, taus = random_logits(2, 5, 9), [2.0, 2.0]
    value, (learner, guide) = divergence(logits, taus, [True, False], kind)
    student, teacher = (torch.softmax(z / 2, dim=-1) for z in logits)
    a, b = (teacher, student) if forward else (student, teacher)
    assert value.item() == pytest.approx(4 * (a * (a / b).log()).sum().item(), rel=1e-12)
    assert guide is None and learner.abs().max() > 0


@pytest.mark.parametrize("taus", TAUS)
def test_the_detached_mean_gives_the_same_value_and_only_a_members_own_gradient(taus):
    logits = random_logits(len(taus), 4, 9)
    arrays = [z.numpy() for z in logits]
    full, through = divergence(logits, taus, [True] * len(taus))
    value, gradients = divergence(logits, taus, [True] * len(taus), "jsd-detached")
    assert value.item() == full.item()
    for k, gradient in enumerate(gradients):
        numeric = numeric_gradient(
            lambda x, k=k: reference.drl_around([*arrays[:k], x, *arrays[k + 1 :]], taus, arrays), arrays[k]
        )
        assert relative_error(gradient, numeric) <= 1e-8
    # What flows through M sums to nothing where all temperatures are the same, and only there.
    same = all(torch.allclose(a, b, rtol=0, atol=1e-14) for a, b in zip(gradients, through, strict=True))
    assert same == (len(set(taus)) == 1)


@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_members_that_agree_have_exactly_none(kind, dtype):
    z = random_logits(1, 4, 2000)[0].to(dtype)
    value, gradients = divergence([z, z, z], [2.0] * 3, [True] * 3, kind)
    assert value == 0.0 and all(not gradient.any() for gradient in gradients)


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_tokens_that_every_member_rules_out_do_no_harm(kind):
    logits = [torch.tensor([[0.0, -1e4, 3.0]]), torch.tensor([[1.0, -1e4, 0.0]])]
    value, gradients = divergence(logits, [1.0, 3.0], [True, True], kind)
    assert 0.0 < value < float("inf") and all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("kind", DIVERGENCES)
@pytest.mark.parametrize("taus", TAUS)
def test_the_head_gives_what_autograd_gives_for_each_divergence(kind, taus):
    """Autograd through plain logits, the constants detached by hand: no line is shared with the closed forms."""
    case = head_case(taus)
    fused, plain = case.leaves(), case.leaves()
    total, _ = competitive_head(fused.hidden, fused.heads, case.all_labels, taus, **case.options(), kind=kind, chunk=3)
    logits = [h @ w.T for h, w in zip(plain.hidden, plain.heads, strict=True)]
    loss = sum(torch.nn.functional.cross_entropy(z, case.labels, reduction="sum") for z in logits)
    ps = [torch.softmax(z[:, : case.vocabulary] / tau, dim=-1) for z, tau in zip(logits, taus, strict=True)]
    mean = sum(ps) / len(ps)
    for k, (p, tau) in enumerate(zip(ps, taus, strict=True)):
        others = [q.detach() for j, q in enumerate(ps) if j != k]
        parts = {
            "jsd": lambda p=p: (p * (p / mean).log()).sum() / len(ps),
            "jsd-detached": lambda p=p: (p * (p / mean.detach()).log()).sum() / len(ps),
            "forward-kl": lambda p=p, qs=others: sum((q * (q / p).log()).sum() for q in qs) / len(qs),
            "reverse-kl": lambda p=p, qs=others: sum((p * (p / q).log()).sum() for q in qs) / len(qs),
        }
        loss = loss + case.drl_weight * tau**2 * parts[kind.removesuffix("+uld")]()  # no token is left to match
    loss = loss / case.tokens
    assert total.item() == pytest.approx(loss.item(), rel=1e-12)
    leaves = [fused.hidden + fused.heads, plain.hidden + plain.heads]
    for a, b in zip(*(torch.autograd.grad(x, y) for x, y in zip((total, loss), leaves, strict=True)), strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-13)


def test_cosine_matching_is_one_minus_the_mean_cosine_of_all_pairs():
    vectors = [torch.nn.functional.normalize(torch.randn(6, 4, dtype=torch.float64), dim=-1) for _ in range(3)]
    expected = np.mean(
        [1 - float(vectors[a][i] @ vectors[b][i]) for a, b in ((0, 1), (0, 2), (1, 2)) for i in range(6)]
    )
    assert semantic_loss(vectors, 0.07, "cosine").item() == pytest.approx(expected, rel=1e-12)


def test_the_group_passes_both_choices_on():
    case = head_case([2.0, 2.0])
    vectors = [torch.eye(7, dtype=torch.float64), torch.eye(7, dtype=torch.float64).roll(1, 0)]
    outputs = [MemberOutput(*one, case.labels, v) for *one, v in zip(case.hidden, case.heads, vectors, strict=True)]
    options = {
        "gsl_weight": 1.0,
        "drl_weight": 1.0,
        "kappa": 1.0,
        "compared": Slice(11),
        "share": Share(1.0, (7, 7), 7),
    }
    _, parts = group_loss(outputs, case.taus, **options, divergence="forward-kl", matching="cosine")
    logits = [(h @ w.T)[:, :11] for h, w in zip(case.hidden, case.heads, strict=True)]
    assert parts["gsl"].item() == pytest.approx(1.0)
    assert parts["drl"].item() == pytest.approx(divergence(logits, case.taus, [True, True], "forward-kl")[0].item() / 7)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="unknown divergence 'kl'; use one of jsd"):
        divergence(random_logits(2, 1, 3), [1.0, 1.0], [True, True], "kl")
    with pytest.raises(ValueError, match="unknown way of matching 'l2'"):
        semantic_loss([torch.eye(2), torch.eye(2)], 1.0, "l2")


def test_the_names_that_settings_allow_are_those_of_the_table():
    """A name without an entry here would be refused in the middle of a training; an entry without a name never used."""
    assert set(get_args(Divergence)) == set(DIVERGENCES)
    assert set(get_args(SampledDivergence)) == set(SAMPLED)
    kinds = get_args(PlanningVariant.model_fields["divergence"].annotation)
    assert {name for kind in kinds for name in get_args(kind)} == set(DIVERGENCES) | set(SAMPLED)


def test_an_unknown_name_is_refused():
    logits = list(random_logits(2, 3, 5))
    with pytest.raises(ValueError, match="unknown divergence 'alpha'; use one of jsd, jsd-detached, forward-kl"):
        divergence(logits, [1.0, 1.0], [True, True], "alpha")


@pytest.mark.parametrize("kind", DIVERGENCES)
def test_every_divergence_is_another_one(kind):
    """Told apart by value or gradient, so that no name stands for another's function. Two tokens are not shared."""
    logits, events = random_logits(2, 3, 5), Events((torch.arange(3), torch.arange(3)), (5, 5))

    def compare(name: str) -> tuple[torch.Tensor, list[torch.Tensor]]:
        value, _, gradients = events.compare(logits, [1.0, 2.0], [True, True], name, torch.arange(3))
        return value, gradients

    value, gradients = compare(kind)
    for other in set(DIVERGENCES) - {kind}:
        else_value, else_gradients = compare(other)
        same = torch.isclose(value, else_value) and all(map(torch.allclose, gradients, else_gradients))
        assert not same, other
