"""The competitive head: values and gradients against float64 and finite differences, and what it must never compute."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_cases import HeadCase, head_case, relative_error

from gcl.objective import products
from gcl.objective.drl import divergence_
from gcl.objective.head import competitive_head
from gcl.objective.sft import supervised_loss_

GROUPS = [[1.0], [1.0, 1.0], [3.0, 2.0], [1.0, 2.0, 3.0]]


def run(case: HeadCase, **options):
    return competitive_head(case.hidden, case.heads, case.all_labels, case.taus, **case.options(), **options)


def gradients(case: HeadCase, **options) -> list[torch.Tensor]:
    return torch.autograd.grad(run(case, **options)[0], case.hidden + case.heads)


@pytest.mark.parametrize("taus", GROUPS)
@pytest.mark.parametrize("dtype, bound", [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_value_and_gradients_are_those_of_the_reference(taus, dtype, bound):
    case = head_case(taus)
    expected, by_tensor = case.reference()
    leaves = case.leaves(dtype)
    total, components = run(leaves, chunk=3)
    assert total.dtype == dtype
    assert total.item() == pytest.approx(expected, rel=bound)
    weights = {"drl": case.drl_weight}
    assert sum(weights.get(name, 1.0) * value.item() for name, value in components.items()) == pytest.approx(expected)
    total.backward()
    for leaf, gradient in zip(leaves.hidden + leaves.heads, by_tensor, strict=True):
        assert leaf.grad.dtype == dtype
        assert relative_error(leaf.grad, gradient) <= bound


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("taus", GROUPS)
def test_a_slice_has_the_bits_of_the_plain_walk(taus, precision):
    """Operations in their order, with one count for all tokens: members of one tokenizer must not change by a bit."""
    case = head_case(taus, rows=11).leaves(torch.float32)
    total, parts = run(case, chunk=4, precision=precision)
    found = torch.autograd.grad(total, case.hidden + case.heads)
    sums = [torch.zeros((), dtype=torch.float64) for _ in range(len(taus) + (len(taus) > 1))]
    by_hidden, by_head = ([torch.zeros_like(x) for x in xs] for xs in (case.hidden, case.heads))
    hidden, heads = ([products.operand(x.detach(), precision) for x in xs] for xs in (case.hidden, case.heads))
    for start in range(0, 11, 4):
        rows = slice(start, start + 4)
        logits = [h[rows] @ w.T for h, w in zip(hidden, heads, strict=True)]
        pulls = [None] * len(taus)
        if len(taus) > 1:
            logp = [torch.log_softmax(z[:, :11] / tau, dim=-1) for z, tau in zip(logits, taus, strict=True)]
            value, pulls = divergence_(logp, taus, [True] * len(taus))
            sums[-1] += value
        for k, z in enumerate(logits):
            value, d_logits = supervised_loss_(z, case.labels[rows], wanted=True)
            sums[k] += value
            if pulls[k] is not None:
                d_logits[:, :11].add_(pulls[k], alpha=case.drl_weight)
            by_hidden[k][rows] = d_logits @ heads[k]
            by_head[k].addmm_(d_logits.T, hidden[k][rows])
    weights = [1.0] * len(taus) + [case.drl_weight]
    expected = sum(weight * value for weight, value in zip(weights, sums, strict=False)) / case.tokens
    assert total == expected.float()
    assert list(parts.values()) == [(value / case.tokens).float() for value in sums]
    scale = torch.tensor(1.0) / case.tokens
    assert all(torch.equal(a, b * scale) for a, b in zip(found, by_hidden + by_head, strict=True))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 12),
    chunk=st.integers(1, 13),
    scale=st.floats(0.01, 20.0),
    taus=st.lists(st.floats(0.2, 5.0), min_size=1, max_size=3),
)
def test_any_group_matches_the_reference(seed, rows, chunk, scale, taus):
    case = head_case(taus, rows, seed, scale)
    expected, by_tensor = case.reference()
    leaves = case.leaves()
    total, _ = run(leaves, chunk=chunk)
    assert total.item() == pytest.approx(expected, rel=1e-10)
    for gradient, reference in zip(torch.autograd.grad(total, leaves.hidden + leaves.heads), by_tensor, strict=True):
        assert torch.allclose(gradient, torch.from_numpy(reference), rtol=1e-8, atol=1e-10)


class _Recomputed(torch.autograd.Function):
    """The head for gradcheck, which runs backward several times through one graph: here each backward calls it anew."""

    @staticmethod
    def forward(ctx, case, *tensors):
        ctx.case = case
        ctx.save_for_backward(*tensors)
        return run(_with(case, tensors), chunk=2)[0]

    @staticmethod
    def backward(ctx, upstream):
        needs = ctx.needs_input_grad[1:]
        leaves = [x.detach().requires_grad_(needed) for x, needed in zip(ctx.saved_tensors, needs, strict=True)]
        with torch.enable_grad():
            total, _ = run(_with(ctx.case, leaves), chunk=2)
        total.backward(upstream)
        return None, *(leaf.grad for leaf in leaves)


def _with(case: HeadCase, tensors) -> HeadCase:
    members = len(case.taus)
    return HeadCase(
        list(tensors[:members]), list(tensors[members:]), case.labels, case.taus, vocabulary=case.vocabulary, tokens=9
    )


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("taus", GROUPS)
def test_gradcheck(taus, frozen):
    leaves = head_case(taus, rows=3).leaves()
    if frozen and len(taus) > 1:
        leaves.hidden[0].requires_grad_(False)
        leaves.heads[0].requires_grad_(False)
    assert torch.autograd.gradcheck(
        lambda *tensors: _Recomputed.apply(leaves, *tensors),
        tuple(leaves.hidden + leaves.heads),
        check_undefined_grad=False,
    )


@pytest.mark.parametrize("tau", [1.0, 2.0, 3.0])
def test_identical_members_have_no_divergence_and_no_gradient_from_it(tau):
    one = head_case([tau], rows=9)
    twins = HeadCase(one.hidden * 2, one.heads * 2, one.labels, [tau, tau], tokens=9)
    alone = HeadCase(one.hidden * 2, one.heads * 2, one.labels, [tau, tau], drl_weight=0.0, tokens=9)
    _, components = run(twins.leaves(torch.float32), chunk=4)
    assert components["drl"].item() == 0.0
    with_drl, without = (gradients(case.leaves(torch.float32), chunk=4) for case in (twins, alone))
    assert all(torch.equal(a, b) for a, b in zip(with_drl, without, strict=True))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_chunk_changes_nothing(precision):
    leaves = head_case([3.0, 2.0, 2.0], rows=50).leaves(torch.float32)
    totals, parts = zip(*(run(leaves, chunk=chunk, precision=precision) for chunk in (1, 7, 49, 50, 4096)), strict=True)
    assert all(total.item() == pytest.approx(totals[-1].item(), rel=1e-6) for total in totals)
    assert all(
        part[name].item() == pytest.approx(x.item(), rel=1e-6) for part in parts for name, x in parts[-1].items()
    )
    whole = gradients(leaves, chunk=50, precision=precision)
    for chunk in (1, 7, 49):
        for a, b in zip(gradients(leaves, chunk=chunk, precision=precision), whole, strict=True):
            assert relative_error(a, b.double().numpy()) <= 1e-6


@pytest.mark.parametrize("taus", GROUPS)
def test_no_rows_give_zero_and_zero_gradients(taus):
    leaves = head_case(taus, rows=0).leaves(torch.float32)
    total, components = run(leaves)
    total.backward()
    assert total.item() == 0.0 and all(value.item() == 0.0 for value in components.values())
    for leaf in leaves.hidden + leaves.heads:
        assert leaf.grad.shape == leaf.shape and not leaf.grad.any()


def test_backward_multiplies_by_the_upstream_gradient_and_runs_once():
    leaves = head_case([3.0, 2.0]).leaves()
    expected = gradients(leaves)
    total = run(leaves)[0]
    (total * -2.5).backward(retain_graph=True)
    for leaf, gradient in zip(leaves.hidden + leaves.heads, expected, strict=True):
        assert torch.allclose(leaf.grad, -2.5 * gradient, rtol=1e-12)
    with pytest.raises(RuntimeError, match="second backward"):
        (total * 2).backward()


def test_gradients_come_in_the_dtype_of_their_input():
    case = head_case([3.0, 2.0])
    case.hidden = [x.bfloat16().requires_grad_() for x in case.hidden]
    case.heads = [case.heads[0].half().requires_grad_(), case.heads[1].float().requires_grad_()]
    total, _ = run(case, precision=torch.bfloat16)
    total.backward()
    assert total.dtype == torch.float32
    assert [x.grad.dtype for x in case.hidden + case.heads] == [torch.bfloat16] * 2 + [torch.float16, torch.float32]


def test_a_loss_scale_reaches_float16_gradients_before_they_are_rounded():
    """Divided by 1e6 tokens, most of these gradients are below what float16 can hold."""
    leaves = head_case([3.0, 2.0]).leaves(torch.float16)
    leaves.tokens = 10**6
    expected = leaves.reference()[1]
    (run(leaves)[0] * 2.0**16).backward()
    for leaf, gradient in zip(leaves.hidden + leaves.heads, expected, strict=True):
        assert relative_error(leaf.grad, gradient * 2.0**16) <= 1e-3


def test_autocast_does_not_reach_the_products():
    leaves = head_case([3.0, 2.0]).leaves(torch.float32)
    expected = gradients(leaves)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(torch.equal(a, b) for a, b in zip(gradients(leaves), expected, strict=True))


@pytest.fixture
def counted(monkeypatch) -> Counter:
    """How often each product is formed."""
    counter: Counter = Counter()

    def count(name: str):
        original = getattr(products, name)

        def counting(*arguments):
            counter[name] += 1
            return original(*arguments)

        monkeypatch.setattr(products, name, counting)

    for name in ("multiply", "hidden_gradient", "add_head_gradient"):
        count(name)
    return counter


@pytest.mark.parametrize(
    "needs, expected",
    [
        # per member: (hidden, head); then logits, hidden gradients, head gradients
        ([(True, True), (True, True)], (2, 2, 2)),
        ([(True, False), (True, False)], (2, 2, 0)),
        ([(False, False), (True, True)], (2, 1, 1)),
        ([(False, True), (True, False)], (2, 1, 1)),
        ([(False, False), (False, False)], (2, 0, 0)),
    ],
)
def test_only_the_products_that_are_needed_are_formed(counted, needs, expected):
    case = head_case([3.0, 2.0])
    everything = dict(zip(range(4), gradients(case.leaves(torch.float32)), strict=True))
    counted.clear()
    leaves = case.leaves(torch.float32)
    tensors = leaves.hidden + leaves.heads
    flags = [hidden for hidden, _ in needs] + [head for _, head in needs]
    for tensor, flag in zip(tensors, flags, strict=True):
        tensor.requires_grad_(flag)
    total, _ = run(leaves)
    assert (counted["multiply"], counted["hidden_gradient"], counted["add_head_gradient"]) == expected
    assert total.requires_grad == any(flags)
    if any(flags):
        total.backward()
    for k, (tensor, flag) in enumerate(zip(tensors, flags, strict=True)):
        assert (tensor.grad is not None) == flag
        assert not flag or torch.equal(tensor.grad, everything[k])


def test_no_grad_forms_logits_only(counted):
    leaves = head_case([3.0, 2.0], rows=6).leaves()
    expected = run(leaves)[0].item()
    counted.clear()
    with torch.no_grad():
        total, _ = run(leaves, chunk=2)
    assert not total.requires_grad and total.item() == pytest.approx(expected, rel=1e-12)
    assert counted == {"multiply": 6}


def test_without_weight_the_divergence_is_not_computed(monkeypatch):
    def refuse(*_):
        raise AssertionError("divergence was computed")

    monkeypatch.setattr("gcl.objective.events.divergence_", refuse)
    pair, one = head_case([3.0, 2.0]), head_case([2.0])
    pair.drl_weight = 0.0
    assert set(run(pair)[1]) == {"sft_0", "sft_1"}
    assert set(run(one)[1]) == {"sft_0"}


@pytest.mark.parametrize(
    "change, message",
    [
        ({"taus": [1.0, 0.0]}, "tau must be > 0"),
        ({"taus": [1.0]}, "one tau"),
        ({"labels": torch.full((7,), 12)}, "label lies outside a head of 12"),
        ({"labels": torch.full((7,), -100)}, "label lies outside"),
        ({"labels": torch.zeros(6, dtype=torch.long)}, "7 rows of hidden states for 6 labels"),
        ({"vocabulary": 13}, "13 ids does not fit a head of 12 rows"),
        ({"heads": [torch.zeros(12, 5), torch.zeros(16, 7)]}, "member 1: hidden states"),
        ({"tokens": 0}, "tokens"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    case = head_case([1.0, 1.0])
    for name, value in change.items():
        setattr(case, name, value)
    with pytest.raises(ValueError, match=message):
        run(case)
