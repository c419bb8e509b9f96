"""The objective against its float64 reference: values, gradients, and what must hold for any input."""

import numpy as np
import objective_reference as reference
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.objective.distribution import distributional_loss
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.objective.semantic import SemanticHead, semantic_loss
from gcl.objective.supervised import supervised_loss

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


def random_logits(members: int, rows: int, columns: int, seed: int = 0, scale: float = 3.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [scale * torch.randn(rows, columns, generator=generator, dtype=torch.float64) for _ in range(members)]


def relative_error(value: torch.Tensor, expected: np.ndarray) -> float:
    return float(np.linalg.norm(value.double().numpy() - expected) / np.linalg.norm(expected))


def numeric_gradient(function, x: np.ndarray, step: float = 1e-6) -> np.ndarray:
    gradient = np.zeros_like(x)
    for index in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


@pytest.mark.parametrize("taus", TAUS)
def test_drl_value_in_float32_matches_the_reference(taus):
    logits = random_logits(len(taus), 7, 50)
    expected = reference.drl([z.numpy() for z in logits], taus)
    value = distributional_loss([z.float() for z in logits], taus).item()
    assert value == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("taus", [taus for taus in TAUS if len(taus) > 1])
def test_drl_gradient_in_float32_matches_finite_differences_for_every_member(taus):
    logits = random_logits(len(taus), 2, 9)
    leaves = [z.float().requires_grad_() for z in logits]
    distributional_loss(leaves, taus).backward()
    arrays = [z.numpy() for z in logits]
    for k, leaf in enumerate(leaves):
        expected = numeric_gradient(lambda x, k=k: reference.drl([*arrays[:k], x, *arrays[k + 1 :]], taus), arrays[k])
        # Central differences themselves are good to about 1e-9 of the value.
        assert relative_error(leaf.grad, expected) <= 1e-6


@pytest.mark.parametrize("tau_a, tau_b", [(3.0, 2.0), (2.0, 3.0), (1.0, 1.0), (2.0, 2.0), (1.0, 3.0)])
def test_drl_gradient_is_the_closed_form_of_equation_19(tau_a, tau_b):
    (z_a, z_b) = random_logits(2, 1, 30)
    leaf = z_a.clone().requires_grad_()
    distributional_loss([leaf, z_b], [tau_a, tau_b]).backward()
    expected = reference.drl_gradient_pair(z_a[0].numpy(), z_b[0].numpy(), tau_a, tau_b)
    assert relative_error(leaf.grad[0], expected) <= 1e-12


def test_larger_model_is_attracted_and_smaller_model_repelled():
    """Eq. 18: the shift force has coefficient -1.25 at tau (2, 3) and 5/9 at (3, 2)."""
    (z_a, z_b) = (z[0].numpy() for z in random_logits(2, 1, 30))
    for tau_a, tau_b, coefficient in ((2.0, 3.0, -1.25), (3.0, 2.0, 5 / 9)):
        assert (tau_a**2 - tau_b**2) / tau_a**2 == pytest.approx(coefficient)
        p_a, p_b = reference.softmax(z_a / tau_a), reference.softmax(z_b / tau_b)
        m = (p_a + p_b) / 2
        r = p_b / (2 * m)
        own = tau_a / 2 * p_a * (np.log(p_a / m) - reference.kl(p_a, m))
        shift = tau_a / 2 * p_a * coefficient * (r - (p_a * r).sum())
        leaf = torch.tensor(z_a[None]).requires_grad_()
        distributional_loss([leaf, torch.tensor(z_b[None])], [tau_a, tau_b]).backward()
        assert np.allclose(leaf.grad[0].numpy(), own + shift, atol=1e-14)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.0, 200.0),
    taus=st.lists(st.floats(0.1, 10.0), min_size=1, max_size=4),
)
def test_drl_is_never_negative_and_always_finite(seed, scale, taus):
    logits = [z.float() for z in random_logits(len(taus), 3, 17, seed, scale)]
    value = distributional_loss(logits, taus).item()
    assert 0.0 <= value < float("inf")


def test_drl_vanishes_with_its_gradient_when_members_agree():
    z = random_logits(1, 4, 20)[0].requires_grad_()
    loss = distributional_loss([z, z.detach().clone()], [2.0, 2.0])
    loss.backward()
    assert loss.item() <= 1e-12
    assert z.grad.abs().max().item() <= 1e-12


def test_drl_survives_tokens_that_every_member_rules_out():
    z = torch.tensor([[0.0, -1e4, 3.0]]).requires_grad_()
    distributional_loss([z, torch.tensor([[1.0, -1e4, 0.0]])], [1.0, 1.0]).backward()
    assert torch.isfinite(z.grad).all()


def test_drl_refuses_unequal_shapes_and_bad_temperatures():
    a, b = torch.zeros(2, 5), torch.zeros(2, 6)
    with pytest.raises(ValueError, match="one logit shape"):
        distributional_loss([a, b], [1.0, 1.0])
    with pytest.raises(ValueError, match="tau"):
        distributional_loss([a, a], [1.0, 0.0])


def test_supervised_loss_sums_cross_entropy_in_float32():
    logits = random_logits(1, 6, 40)[0]
    labels = torch.tensor([0, 39, 3, 3, 7, 21])
    expected = reference.cross_entropy(logits.numpy(), labels.tolist())
    assert supervised_loss(logits.float(), labels).item() == pytest.approx(expected, rel=1e-6)
    assert supervised_loss(logits.bfloat16(), labels).dtype == torch.float32


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


def group_case(members: int, vocabularies: list[int]):
    labels = torch.tensor([1, 4, 2, 9, 0, 5])
    generator = torch.Generator().manual_seed(3)
    logits = [3 * torch.randn(6, v, generator=generator, dtype=torch.float64) for v in vocabularies[:members]]
    vectors = [torch.nn.functional.normalize(z, dim=-1) for z in random_logits(members, 4, 8, seed=5)]
    return labels, logits, vectors


@pytest.mark.parametrize("taus", [[1.0], [3.0, 2.0], [1.0, 1.0], [1.0, 2.0, 3.0]])
def test_group_objective_matches_the_reference_over_unequal_vocabularies(taus):
    labels, logits, vectors = group_case(len(taus), [12, 16, 14])
    leaves = [z.float().requires_grad_() for z in logits]
    outputs = [MemberOutput(z, labels, v.float()) for z, v in zip(leaves, vectors, strict=True)]
    weights = {"gsl_weight": 0.5, "drl_weight": 0.4, "kappa": 0.07, "vocabulary": 11}
    total, _ = group_loss(outputs, taus, **weights, share=Share(inputs=1.0, tokens=len(labels)))
    arrays, arrays_u = [z.numpy() for z in logits], [v.numpy() for v in vectors]

    def objective(zs):
        return reference.group_objective(zs, labels.tolist(), arrays_u, taus, 0.5, 0.4, 0.07, 11)

    assert total.item() == pytest.approx(objective(arrays), rel=1e-6)
    total.backward()
    for k, leaf in enumerate(leaves):
        expected = numeric_gradient(lambda x, k=k: objective([*arrays[:k], x, *arrays[k + 1 :]]), arrays[k])
        assert relative_error(leaf.grad, expected) <= 1e-6


def test_rows_outside_the_shared_vocabulary_get_no_gradient_from_drl():
    labels, logits, _vectors = group_case(2, [12, 16])
    leaves = [z.float().requires_grad_() for z in logits]
    outputs = [MemberOutput(z, labels, None) for z in leaves]
    shared = {"gsl_weight": 0.0, "kappa": 0.07, "vocabulary": 11, "share": Share(1.0, 6)}
    with_drl = torch.autograd.grad(group_loss(outputs, [3.0, 2.0], drl_weight=1.0, **shared)[0], leaves)
    without = torch.autograd.grad(group_loss(outputs, [3.0, 2.0], drl_weight=0.0, **shared)[0], leaves)
    assert torch.equal(with_drl[1][:, 11:], without[1][:, 11:])
    assert not torch.equal(with_drl[1][:, :11], without[1][:, :11])


def test_micro_batches_add_up_to_the_global_batch():
    labels, logits, _vectors = group_case(2, [12, 16])
    settings_ = {"gsl_weight": 0.0, "drl_weight": 0.4, "kappa": 0.07, "vocabulary": 11}

    def loss(rows: slice, inputs: float):
        outputs = [MemberOutput(z[rows], labels[rows], None) for z in logits]
        return group_loss(outputs, [3.0, 2.0], **settings_, share=Share(inputs=inputs, tokens=6))[0].item()

    assert loss(slice(0, 2), 0.25) + loss(slice(2, 6), 0.75) == pytest.approx(loss(slice(0, 6), 1.0), rel=1e-12)


def test_members_with_different_answer_tokens_are_refused():
    labels, logits, _ = group_case(2, [12, 12])
    outputs = [MemberOutput(logits[0], labels, None), MemberOutput(logits[1], labels.flip(0), None)]
    with pytest.raises(ValueError, match="different answer tokens"):
        group_loss(outputs, [1.0, 1.0], gsl_weight=0, drl_weight=1, kappa=1, vocabulary=12, share=Share(1.0, 6))
