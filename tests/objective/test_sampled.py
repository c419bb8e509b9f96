"""The sampled reverse KL divergence: what it is on average, what its gradient is, and a head that nothing supervises."""

import pytest
import torch
from objective_cases import divergence, head_case, numeric_gradient, random_logits, relative_error

from gcl.objective.head import competitive_head

KIND = "sampled-reverse-kl"
STUDENT = [True, False]


@pytest.mark.parametrize("taus", [[1.0, 1.0], [2.0, 2.0], [3.0, 1.5]])
def test_the_mean_over_all_tokens_is_the_exact_divergence_and_its_gradient(taus):
    """The mean weighs each token by the student's own probability; nothing is drawn, so the equality is exact."""
    student, teacher = random_logits(2, 1, 9)
    exact, (exact_gradient, none) = divergence([student, teacher], taus, STUDENT, "reverse-kl")
    assert none is None
    probabilities = torch.softmax(student[0] / taus[0], dim=-1)
    mean, mean_gradient = 0.0, torch.zeros_like(student)
    for token, probability in enumerate(probabilities):
        value, (gradient, none) = divergence([student, teacher], taus, STUDENT, KIND, torch.tensor([token]))
        assert none is None
        mean += float(probability * value)
        mean_gradient += probability * gradient
    assert mean == pytest.approx(exact.item(), rel=1e-12)
    assert torch.allclose(mean_gradient, exact_gradient, rtol=1e-10, atol=1e-13)


def test_the_mean_over_drawn_tokens_approaches_it():
    student, teacher = random_logits(2, 1, 6, scale=1.0)
    exact, (exact_gradient, _) = divergence([student, teacher], [1.0, 1.0], STUDENT, "reverse-kl")
    draws = 40_000
    generator = torch.Generator().manual_seed(0)
    tokens = torch.multinomial(torch.softmax(student[0], dim=-1), draws, replacement=True, generator=generator)
    rows = [logits.expand(draws, -1).contiguous() for logits in (student, teacher)]
    value, (gradient, _) = divergence(rows, [1.0, 1.0], STUDENT, KIND, tokens)
    error = gradient.std(dim=0) / draws**0.5  # its own standard error; four of them are exceeded once in 16,000 times
    assert (gradient.mean(dim=0) - exact_gradient[0]).abs().le(4 * error).all()
    assert value.item() / draws == pytest.approx(exact.item(), rel=0.05)


@pytest.mark.parametrize("taus", [[1.0, 1.0], [3.0, 2.0], [1.0, 2.0, 3.0]])
def test_the_gradient_is_that_of_a_constant_advantage(taus):
    logits = random_logits(len(taus), 5, 8)
    labels = torch.tensor([0, 7, 3, 3, 5])
    _, gradients = divergence([z.clone() for z in logits], taus, [True] * len(taus), KIND, labels)
    drawn = [torch.log_softmax(z / tau, dim=-1)[range(5), labels] for z, tau in zip(logits, taus, strict=True)]
    for k, (gradient, tau) in enumerate(zip(gradients, taus, strict=True)):
        others = [value for j, value in enumerate(drawn) if j != k]
        advantage = sum(others) / len(others) - drawn[k]

        def loss(z, advantage=advantage, tau=tau):
            logp = torch.log_softmax(torch.from_numpy(z) / tau, dim=-1)[range(5), labels]
            return float(-(tau**2) * (advantage * logp).sum())

        assert relative_error(gradient, numeric_gradient(loss, logits[k].numpy())) <= 1e-7


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_identical_views_have_no_advantage_and_no_gradient(dtype):
    z = random_logits(1, 4, 2000)[0].to(dtype)
    value, gradients = divergence([z, z.clone()], [1.0, 1.0], [True, True], KIND, torch.tensor([0, 5, 1999, 7]))
    assert value == 0.0 and all(not gradient.any() for gradient in gradients)


def test_a_token_that_the_teacher_rules_out_is_finite():
    logits = [torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([[0.0, -1e4, 1.0]])]
    value, (gradient, _) = divergence(logits, [1.0, 1.0], STUDENT, KIND, torch.tensor([1]))
    assert 9e3 < value.item() < float("inf") and torch.isfinite(gradient).all()
    assert gradient[0, 1] > 0  # descent makes the token rarer


@pytest.mark.parametrize("labels", [None, torch.tensor([9]), torch.tensor([-1])])
def test_tokens_that_cannot_have_been_drawn_are_refused(labels):
    with pytest.raises(ValueError, match="the token that was drawn"):
        divergence(random_logits(2, 1, 9), [1.0, 1.0], STUDENT, KIND, labels)


@pytest.mark.parametrize("kind", [KIND, "reverse-kl", "forward-kl", "jsd"])
@pytest.mark.parametrize("chunk", [2, 100])
def test_without_supervision_the_head_gives_the_divergence_alone(kind, chunk):
    case = head_case([1.0, 1.0])
    case.labels = case.labels % case.vocabulary
    fused = case.leaves()
    frozen = [fused.hidden[1].detach(), fused.heads[1].detach()]
    total, parts = competitive_head(
        [fused.hidden[0], frozen[0]], [fused.heads[0], frozen[1]], case.all_labels, case.taus,
        **case.options(), kind=kind, supervised=False, chunk=chunk,
    )  # fmt: skip
    plain = case.leaves()
    logits = [(h @ w.T) for h, w in zip(plain.hidden, plain.heads, strict=True)]
    logp, logq = (torch.log_softmax(z[:, : case.vocabulary], dim=-1) for z in logits)
    logq = logq.detach()
    rows = range(len(case.labels))
    mean = (logp.exp() + logq.exp()) / 2
    advantage = (logq - logp)[rows, case.labels].detach()
    losses = {
        KIND: lambda: -(advantage * logp[rows, case.labels]).sum(),
        "reverse-kl": lambda: (logp.exp() * (logp - logq)).sum(),
        "forward-kl": lambda: (logq.exp() * (logq - logp)).sum(),
        "jsd": lambda: (logp.exp() * (logp - mean.log()) + logq.exp() * (logq - mean.log())).sum() / 2,
    }
    loss = case.drl_weight * losses[kind]() / case.tokens
    if kind == KIND:
        assert parts["drl"].item() == pytest.approx(-advantage.sum().item() / case.tokens, rel=1e-12)
    else:
        assert total.item() == pytest.approx(loss.item(), rel=1e-12)
    expected = torch.autograd.grad(loss, [plain.hidden[0], plain.heads[0]])
    found = torch.autograd.grad(total, [fused.hidden[0], fused.heads[0]])
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-13)
    entropy = torch.nn.functional.cross_entropy(logits[0], case.labels, reduction="sum") / case.tokens
    assert parts["sft_0"].item() == pytest.approx(entropy.item(), rel=1e-12)  # reported, though it does not count
