"""The objective against its float64 reference: values, gradients, and what must hold for any input."""

import numpy as np
import objective_reference as reference
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_cases import HeadCase, divergence, head_case, numeric_gradient, random_logits, relative_error

from gcl.objective.events import Slice
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.objective.gsl import SemanticHead, semantic_loss
from gcl.objective.sft import supervised_loss_

SHARE = Share(1.0, (6, 6), 6)
TAUS = [
    [1.0],
    [2.0],
    [1.0, 1.0],
    [2.0, 2.0],
    [3.0, 3.0],
    [3.0, 2.0],
    [2.0, 3.0],
    [1.0, 3.0],
    [1.0, 2.0, 3.0],
    [3.0, 3.0, 3.0],
]


def drl(logits: list[torch.Tensor], taus: list[float]) -> tuple[float, list[torch.Tensor]]:
    value, gradients = divergence(logits, taus, [True] * len(taus))
    return value.item(), gradients


@pytest.mark.parametrize("taus", TAUS)
def test_drl_value_in_float32_matches_the_reference(taus):
    logits = random_logits(len(taus), 7, 50)
    expected = reference.drl([z.numpy() for z in logits], taus)
    value, _ = drl([z.float() for z in logits], taus)
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("taus", [taus for taus in TAUS if len(taus) > 1])
def test_drl_gradient_in_float32_matches_finite_differences_for_every_member(taus):
    logits = random_logits(len(taus), 4, 9)
    _, gradients = drl([z.float() for z in logits], taus)
    arrays = [z.numpy() for z in logits]
    for k, gradient in enumerate(gradients):
        expected = numeric_gradient(lambda x, k=k: reference.drl([*arrays[:k], x, *arrays[k + 1 :]], taus), arrays[k])
        # Central differences are good to about 1e-9 of the value; a confident row costs float32 a digit.
        assert relative_error(gradient, expected) <= 2e-6


@pytest.mark.parametrize("taus", [taus for taus in TAUS if len(taus) > 1])
def test_the_reference_of_whole_matrices_is_that_of_single_rows(taus):
    """The two references share no line: one is written from Eq. 11, the other is differentiated by hand."""
    arrays = [z.numpy() for z in random_logits(len(taus), 2, 9)]
    value, gradients = reference.drl_gradients(arrays, taus)
    assert value == pytest.approx(reference.drl(arrays, taus), rel=1e-12)
    for k, gradient in enumerate(gradients):
        expected = numeric_gradient(lambda x, k=k: reference.drl([*arrays[:k], x, *arrays[k + 1 :]], taus), arrays[k])
        assert np.linalg.norm(gradient - expected) <= 1e-8 * np.linalg.norm(expected)


@pytest.mark.parametrize("tau_a, tau_b", [(3.0, 2.0), (2.0, 3.0), (1.0, 1.0), (2.0, 2.0), (1.0, 3.0)])
def test_drl_gradient_is_the_closed_form_of_equation_19(tau_a, tau_b):
    (z_a, z_b) = random_logits(2, 1, 30)
    _, (gradient, _) = drl([z_a, z_b], [tau_a, tau_b])
    expected = reference.drl_gradient_pair(z_a[0].numpy(), z_b[0].numpy(), tau_a, tau_b)
    assert relative_error(gradient[0], expected) <= 1e-12


def test_larger_model_is_attracted_and_smaller_model_repelled():
    """Eq. 18: the shift force has coefficient -1.25 at tau (2, 3) and 5/9 at (3, 2)."""
    (z_a, z_b) = (z[0].numpy() for z in random_logits(2, 1, 30))
    for tau_a, tau_b, coefficient in ((2.0, 3.0, -1.25), (3.0, 2.0, 5 / 9)):
        p_a, p_b = reference.softmax(z_a / tau_a), reference.softmax(z_b / tau_b)
        m = (p_a + p_b) / 2
        r = p_b / (2 * m)
        own = tau_a / 2 * p_a * (np.log(p_a / m) - reference.kl(p_a, m))
        direction = tau_a / 2 * p_a * (r - (p_a * r).sum())
        _, (gradient, _) = drl([torch.tensor(z_a[None]), torch.tensor(z_b[None])], [tau_a, tau_b])
        shift = gradient[0].numpy() - own
        measured = shift @ direction / (direction @ direction)
        assert measured == pytest.approx(coefficient, rel=1e-10)
        assert np.abs(shift - measured * direction).max() <= 1e-14, "there is no other force"


@settings(max_examples=200)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.0, 200.0),
    taus=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=4),
)
def test_drl_is_never_negative_and_always_finite(seed, scale, taus):
    logits = [z.float() for z in random_logits(len(taus), 3, 17, seed, scale)]
    value, gradients = drl(logits, taus)
    assert 0.0 <= value < float("inf")
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("taus", [[1.0, 1.0], [2.0, 2.0], [0.3, 0.3, 0.3], [3.0, 3.0, 3.0]])
def test_drl_is_exactly_zero_with_its_gradient_when_members_agree(taus, dtype):
    z = random_logits(1, 4, 2000)[0].to(dtype)
    value, gradients = drl([z] * len(taus), taus)
    assert value == 0.0
    assert all(gradient.abs().max() == 0.0 for gradient in gradients)


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), noise=st.floats(1e-4, 1e-2), taus=st.sampled_from([[1.0, 1.0], [2.0, 2.0, 2.0]]))
def test_drl_keeps_its_digits_where_members_nearly_agree(seed, noise, taus):
    """At a noise of 1e-3, logsumexp - log K in float32 is wrong by as much as the value."""
    base = random_logits(1, 2, 300, seed)[0]
    logits = [(base + noise * other).float() for other in random_logits(len(taus), 2, 300, seed + 1)]
    expected, by_logits = reference.drl_gradients([z.double().numpy() for z in logits], taus)
    value, gradients = drl(logits, taus)
    # What is left is the rounding of log_softmax itself: up to 5e-7 per logit, on a difference of `noise`.
    assert value == pytest.approx(expected, rel=1e-5 + 2e-7 / noise, abs=0)
    assert all(relative_error(g, e) <= 1e-5 + 2e-6 / noise for g, e in zip(gradients, by_logits, strict=True))


def test_drl_survives_tokens_that_every_member_rules_out():
    logits = [torch.tensor([[0.0, -1e4, 3.0]]), torch.tensor([[1.0, -1e4, 0.0]])]
    for taus in ([1.0, 1.0], [1.0, 3.0]):
        value, gradients = drl(logits, taus)
        assert 0.0 < value < float("inf")
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_drl_leaves_the_logits_alone_and_forms_only_the_gradients_asked_for():
    logits = random_logits(3, 4, 9)
    copies = [z.clone() for z in logits]
    value, gradients = divergence(logits, [1.0, 2.0, 3.0], [False, True, False])
    everything, all_gradients = drl(logits, [1.0, 2.0, 3.0])
    assert all(torch.equal(a, b) for a, b in zip(logits, copies, strict=True))
    assert [g is None for g in gradients] == [True, False, True]
    assert value.item() == everything and torch.equal(gradients[1], all_gradients[1])


def test_supervised_loss_sums_cross_entropy_in_float32():
    logits = random_logits(1, 6, 40)[0]
    labels = torch.tensor([0, 39, 3, 3, 7, 21])
    arrays = logits.numpy().copy()
    expected = reference.cross_entropy(arrays, labels.tolist())
    assert supervised_loss_(logits.float(), labels, wanted=False)[0].item() == pytest.approx(expected, rel=1e-6)
    value, gradient = supervised_loss_(logits.float(), labels, wanted=True)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    numeric = numeric_gradient(lambda x: reference.cross_entropy(x, labels.tolist()), arrays)
    assert relative_error(gradient, numeric) <= 1e-6
    assert supervised_loss_(logits.bfloat16(), labels, wanted=True)[1].dtype == torch.float32


def test_supervised_loss_of_extreme_logits_is_finite():
    logits = torch.tensor([[-1e4, -1e4, -1e4], [1e4, 0.0, -1e4]])
    value, gradient = supervised_loss_(logits, torch.tensor([1, 0]), wanted=True)
    assert value.item() == pytest.approx(np.log(3))
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("members", [2, 3])
def test_semantic_loss_matches_the_reference(members):
    vectors = [torch.nn.functional.normalize(z, dim=-1) for z in random_logits(members, 5, 8)]
    expected = reference.info_nce([v.numpy() for v in vectors], 0.07)
    assert semantic_loss([v.float() for v in vectors], 0.07).item() == pytest.approx(expected, rel=1e-6)


def test_semantic_loss_of_one_member_is_zero():
    assert semantic_loss([torch.ones(3, 4)], 0.07).item() == 0.0


def test_semantic_head_ignores_padding_and_gives_unit_vectors():
    torch.manual_seed(0)
    head = SemanticHead(hidden_size=6, semantic_size=4)
    hidden = torch.randn(2, 5, 6)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    changed = hidden.clone()
    changed[0, 3:] = 100.0
    assert torch.equal(head(hidden, mask), head(changed, mask))
    assert torch.allclose(head(hidden, mask).norm(dim=-1), torch.ones(2))


def group_case(taus: list[float]) -> tuple[HeadCase, list[torch.Tensor]]:
    vectors = [torch.nn.functional.normalize(z, dim=-1) for z in random_logits(len(taus), 4, 8, seed=5)]
    return head_case(taus, rows=6, seed=3), vectors


def outputs_of(case: HeadCase, vectors=None, rows: slice = slice(None)) -> list[MemberOutput]:
    vectors = vectors or [None] * len(case.taus)
    members = zip(case.hidden, case.heads, vectors, strict=True)
    return [MemberOutput(hidden[rows], head, case.labels[rows], v) for hidden, head, v in members]


@pytest.mark.parametrize("taus", [[1.0], [3.0, 2.0], [1.0, 1.0], [1.0, 2.0, 3.0]])
def test_group_objective_matches_the_reference_over_unequal_vocabularies(taus):
    case, vectors = group_case(taus)
    leaves = case.leaves(torch.float32)
    weights = {"gsl_weight": 0.5, "drl_weight": 0.4, "kappa": 0.07, "compared": Slice(11)}
    outputs = outputs_of(leaves, [v.float() for v in vectors])
    total, components = group_loss(outputs, taus, **weights, share=Share(1.0, (6,) * len(taus), 6))
    hidden, heads = [z.numpy() for z in case.hidden], [z.numpy() for z in case.heads]
    labels, units = case.labels.tolist(), [v.numpy() for v in vectors]

    def objective(hs, ws):
        return reference.group_objective(hs, ws, labels, units, taus, 0.5, 0.4, 0.07, 11)

    assert total.item() == pytest.approx(objective(hidden, heads), rel=1e-6)
    assert set(components) == {f"sft_{k}" for k in range(len(taus))} | ({"gsl", "drl"} if len(taus) > 1 else set())
    assert not any(value.requires_grad for value in components.values())
    total.backward()
    for k in range(len(taus)):
        expected = numeric_gradient(lambda x, k=k: objective([*hidden[:k], x, *hidden[k + 1 :]], heads), hidden[k])
        assert relative_error(leaves.hidden[k].grad, expected) <= 1e-6
        expected = numeric_gradient(lambda x, k=k: objective(hidden, [*heads[:k], x, *heads[k + 1 :]]), heads[k])
        assert relative_error(leaves.heads[k].grad, expected) <= 1e-6


def test_rows_outside_the_shared_vocabulary_get_no_gradient_from_drl():
    case, _vectors = group_case([3.0, 2.0])
    leaves = case.leaves(torch.float32)
    shared = {"gsl_weight": 0.0, "kappa": 0.07, "compared": Slice(11), "share": SHARE}
    with_drl, without = (
        torch.autograd.grad(group_loss(outputs_of(leaves), [3.0, 2.0], drl_weight=weight, **shared)[0], leaves.heads)
        for weight in (1.0, 0.0)
    )
    assert torch.equal(with_drl[1][11:], without[1][11:])
    assert not torch.equal(with_drl[1][:11], without[1][:11])


def test_micro_batches_add_up_to_the_global_batch():
    case, _vectors = group_case([3.0, 2.0])
    settings_ = {"gsl_weight": 0.0, "drl_weight": 0.4, "kappa": 0.07, "compared": Slice(11)}

    def loss(rows: slice, inputs: float):
        leaves = case.leaves()
        total, _ = group_loss(outputs_of(leaves, rows=rows), [3.0, 2.0], **settings_, share=Share(inputs, (6, 6), 6))
        return total.item(), torch.autograd.grad(total, leaves.hidden + leaves.heads)

    (first, d_first), (second, d_second), (whole, d_whole) = (
        loss(slice(0, 2), 0.25), loss(slice(2, 6), 0.75), loss(slice(0, 6), 1.0)
    )  # fmt: skip
    assert first + second == pytest.approx(whole, rel=1e-12)
    assert all(
        torch.allclose(a + b, c, rtol=1e-12, atol=1e-14) for a, b, c in zip(d_first, d_second, d_whole, strict=True)
    )


def test_gathered_vectors_are_the_negatives_of_gsl():
    case, vectors = group_case([1.0, 1.0])
    settings_ = {
        "gsl_weight": 1.0,
        "drl_weight": 0.0,
        "kappa": 0.07,
        "compared": Slice(11),
        "share": Share(0.5, (6, 6), 6),
    }
    others = [torch.nn.functional.normalize(z, dim=-1) for z in random_logits(2, 3, 8, seed=9)]
    pending = iter(others)

    def gather(own_BE: torch.Tensor) -> torch.Tensor:
        return torch.cat([own_BE, next(pending)])

    _, components = group_loss(outputs_of(case, vectors), [1.0, 1.0], **settings_, gather=gather)
    together = [torch.cat(pair).numpy() for pair in zip(vectors, others, strict=True)]
    assert components["gsl"].item() == pytest.approx(reference.info_nce(together, 0.07) / 2, rel=1e-6)


def test_members_with_different_answer_tokens_are_refused():
    case, _ = group_case([1.0, 1.0])
    first, second = outputs_of(case)
    outputs = [first, MemberOutput(second.hidden_ND, second.head_VD, second.labels_N.flip(0), None)]
    with pytest.raises(ValueError, match="different answer tokens"):
        group_loss(outputs, [1.0, 1.0], gsl_weight=0, drl_weight=1, kappa=1, compared=Slice(11), share=SHARE)
