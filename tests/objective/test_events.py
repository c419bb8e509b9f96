"""Members with unlike tokenizers: the head against float64 autograd and finite differences, and what holds for any input."""

from itertools import pairwise

import events_reference as reference
import pytest
import torch
from events_case import KINDS, EventsCase, events_case
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_cases import numeric_gradient, random_logits, relative_error

from gcl.objective.drl import DIVERGENCES, SAMPLED
from gcl.objective.events import BLOCKS, Events, Slice
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.objective.uld import sorted_distance

GROUPS = [[1.0, 1.0], [3.0, 2.0], [1.0, 2.0, 3.0]]
EXACT = ("jsd", "jsd+uld")  # divergences whose gradient is the derivative of their value


def gradients(loss: torch.Tensor, case: EventsCase) -> list[torch.Tensor]:
    return torch.autograd.grad(loss, case.tensors)


def between(logits, taus, ids, sizes, kind="jsd", wanted=None, labels=None):
    """Value, probability of shared tokens and gradients by whole logits."""
    events = Events(tuple(ids), tuple(sizes))
    value, shared, found = events.compare(logits, taus, wanted or [True] * len(taus), kind, labels)
    by_logits = [torch.zeros_like(z) for z in logits]
    for k, gradient in enumerate(found):
        if gradient is not None:
            events.add_(k, by_logits[k], gradient, 1.0)
    return value, shared, by_logits


def test_all_divergences_are_tried():
    assert set(KINDS) == set(DIVERGENCES) | set(SAMPLED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("taus", GROUPS)
@pytest.mark.parametrize("frozen", [None, 1])
def test_value_and_gradients_are_those_of_autograd(taus, kind, frozen):
    case = events_case(taus).leaves(frozen=frozen)
    loss = case.reference(kind)
    expected = gradients(loss, case)
    for chunk in (2, 4, 100):
        total, _ = case.run(kind, chunk=chunk)
        assert total.item() == pytest.approx(loss.item(), rel=1e-12)
        for a, b in zip(gradients(total, case), expected, strict=True):
            assert torch.allclose(a, b, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_of_rows_change_nothing(kind, monkeypatch):
    case = events_case([1.0, 2.0, 3.0]).leaves()
    whole = case.run(kind)[0]
    monkeypatch.setitem(BLOCKS, "cpu", 30)  # two rows
    total = case.run(kind)[0]
    assert total.item() == pytest.approx(whole.item(), rel=1e-14)
    for a, b in zip(gradients(total, case), gradients(whole, case), strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "dtype, precision",
    [(torch.float32, torch.float32), (torch.float32, torch.bfloat16), (torch.bfloat16, torch.bfloat16)],
)
def test_low_precision_costs_only_the_rounding_of_operands(kind, dtype, precision):
    """The operands hold values of bfloat16, so that nothing else is rounded but gradients of that type."""
    case = events_case([3.0, 2.0])
    case.hidden, case.heads = ([x.bfloat16().double() for x in xs] for xs in (case.hidden, case.heads))
    exact, low = case.leaves(), case.leaves(dtype)
    expected = gradients(exact.reference(kind), exact)
    total, _ = low.run(kind, precision=precision, chunk=3)
    assert total.dtype == torch.float32 and total.item() == pytest.approx(exact.reference(kind).item(), rel=2e-6)
    for a, b in zip(gradients(total, low), expected, strict=True):
        assert a.dtype == dtype and relative_error(a, b.numpy()) <= (2e-6 if dtype == torch.float32 else 4e-3)


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("taus", GROUPS)
def test_gradients_are_those_of_finite_differences(taus, kind):
    logits, sizes = random_logits(len(taus), 3, 9, scale=1.0), (9, 8, 9)[: len(taus)]
    ids = [torch.tensor([4, 0, 7]), torch.tensor([1, 2, 3]), torch.tensor([8, 5, 6])][: len(taus)]
    _, _, found = between(logits, taus, ids, sizes, kind)
    for k, gradient in enumerate(found):

        def value(x, k=k):
            changed = [*logits[:k], torch.from_numpy(x), *logits[k + 1 :]]
            return between(changed, taus, ids, sizes, kind)[0].item()

        assert relative_error(gradient, numeric_gradient(value, logits[k].numpy())) <= 1e-7
        assert not gradient[:, sizes[k] :].any(), "padding rows of a head get no gradient"


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(KINDS),
    chunk=st.integers(1, 10),
    compared=st.integers(1, 6),
    shared=st.integers(1, 8),
    scale=st.floats(0.05, 4.0),
    taus=st.lists(st.floats(0.5, 5.0), min_size=2, max_size=3),
)
def test_any_group_matches_the_reference(seed, kind, chunk, compared, shared, scale, taus):
    case = events_case(taus, seed, scale, compared, shared).leaves()
    loss, (total, _) = case.reference(kind), case.run(kind, chunk=chunk)
    assert total.item() == pytest.approx(loss.item(), rel=1e-9)
    for a, b in zip(gradients(total, case), gradients(loss, case), strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from([kind for kind in KINDS if kind != "sampled-reverse-kl"]),
    scale=st.floats(0.0, 200.0),
    shared=st.integers(1, 12),
    taus=st.lists(st.floats(0.1, 10.0), min_size=2, max_size=4),
)
def test_never_negative_and_always_finite(seed, kind, scale, shared, taus):
    logits = [z.float() for z in random_logits(len(taus), 3, 17, seed, scale)]
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(13, 18, (len(taus),), generator=generator).tolist()
    ids = [torch.randperm(size, generator=generator)[:shared] for size in sizes]
    value, probabilities, found = between(logits, taus, ids, sizes, kind)
    assert 0.0 <= value < float("inf")
    assert all(0.0 <= probability <= 3.0 for probability in probabilities)
    assert all(torch.isfinite(gradient).all() for gradient in found)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    kind=st.sampled_from(["jsd", "jsd-detached", "forward-kl", "reverse-kl"]),
    scale=st.floats(0.0, 20.0),
    fine=st.integers(1, 10),
    coarse=st.integers(1, 10),
    taus=st.lists(st.floats(0.2, 5.0), min_size=2, max_size=3),
)
def test_coarser_events_never_have_a_larger_divergence(seed, kind, scale, fine, coarse, taus):
    """The data processing inequality, from the whole vocabulary down."""
    logits = random_logits(len(taus), 2, 11, seed, scale)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(seed))
    counts = [*sorted({min(fine, coarse), fine}), 11]
    values = [between(logits, taus, [order[:n]] * len(taus), [11] * len(taus), kind)[0].item() for n in counts]
    whole = Slice(11).compare(logits, taus, [True] * len(taus), kind, None)[0].item()
    assert values[-1] == pytest.approx(whole, rel=1e-12, abs=1e-13)
    assert all(low <= high * (1 + 1e-9) + 1e-12 for low, high in pairwise(values))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_members_that_agree_have_exactly_none(kind, dtype):
    """Their tokens have other numbers, and one head has padding."""
    z = random_logits(1, 4, 2000)[0].to(dtype)
    order = torch.randperm(2000, generator=torch.Generator().manual_seed(0))
    ids, other = torch.arange(0, 1000, 2), order.argsort()[torch.arange(0, 1000, 2)]
    alike = [z, torch.cat([z[:, order], torch.full((4, 3), 9.0, dtype=dtype)], dim=1)]
    assert torch.equal(alike[0][:, ids], alike[1][:, other])
    rest = torch.ones(2000, dtype=torch.bool).index_fill(0, ids, False).nonzero()[:, 0]
    # The sum over the rest depends on its order, so it is put into the first member's.
    place = torch.cat([other, torch.tensor(sorted(set(range(2000)) - set(other.tolist())))])
    alike[1][:, place] = z[:, torch.cat([ids, rest])]
    value, _, found = between(alike, [2.0, 2.0], [ids, other], [2000, 2000], kind, labels=torch.tensor([0, 1, 2, 3]))
    assert value == 0.0 and not any(gradient.any() for gradient in found)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_rest_is_the_slice(kind):
    """All tokens are shared and stand at the same places, so no event is left out."""
    logits, ids = random_logits(3, 6, 11), torch.arange(11)
    labels, taus = torch.tensor([0, 10, 3, 3, 5, 7]), [1.0, 2.0, 3.0]
    value, probabilities, found = between(logits, taus, [ids] * 3, [11] * 3, kind, labels=labels)
    same = Slice(11).compare(logits, taus, [True] * 3, kind, labels)
    assert value.item() == pytest.approx(same[0].item(), rel=1e-13)
    assert probabilities == [6.0] * 3 and same[1] == []
    for a, b in zip(found, same[2], strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kind", ["jsd", "jsd-detached", "jsd+uld"])
@pytest.mark.parametrize("taus", [[1.0, 1.0], [9.0, 2.0]])
@pytest.mark.parametrize("dtype, bound", [(torch.float32, 2e-6), (torch.float64, 1e-12)])
def test_one_member_may_have_no_rest(kind, taus, dtype, bound):
    logits, ids, sizes = random_logits(2, 4, 9), [torch.arange(6), torch.tensor([7, 1, 2, 0, 4, 5])], [6, 9]
    exact = [z.clone().requires_grad_() for z in logits]
    expected = reference.divergence_between(exact, taus, ids, sizes, kind)
    value, probabilities, found = between([z.to(dtype) for z in logits], taus, ids, sizes, kind)
    assert value.item() == pytest.approx(expected.item(), rel=bound) and probabilities[0] == 4.0
    for a, b in zip(found, torch.autograd.grad(expected, exact), strict=True):
        assert relative_error(a, b.numpy()) <= bound


def test_a_kl_divergence_that_would_be_infinite_is_refused():
    events = Events((torch.arange(6), torch.arange(6)), (6, 9))
    for kind in ("forward-kl", "reverse-kl", "sampled-reverse-kl"):
        with pytest.raises(ValueError, match=f"{kind}: member 0 shares all of its tokens .* infinite; use jsd"):
            events.check([6, 9], kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rest_of_nearly_no_probability_does_no_harm(kind):
    logits = [torch.tensor([[0.0, 3.0, -1e4, -1e4]]), torch.tensor([[1.0, 0.0, -2e4, -1e5]])]
    ids = [torch.arange(2)] * 2
    value, probabilities, found = between(logits, [1.0, 3.0], ids, [4, 4], kind, labels=torch.tensor([1]))
    assert torch.isfinite(value) and probabilities == [1.0, 1.0]
    assert all(torch.isfinite(gradient).all() for gradient in found)


@pytest.mark.parametrize("kind", KINDS)
def test_the_probability_of_shared_tokens_is_reported_at_each_members_temperature(kind):
    case = events_case([3.0, 2.0])
    for chunk in (2, 100):
        total, parts = case.run(kind, chunk=chunk)
        assert not total.requires_grad
        for k, (hidden, head, tau) in enumerate(zip(case.hidden, case.heads, case.taus, strict=True)):
            z = (hidden @ head.T)[case.rows[k], : case.sizes[k]]
            shared = torch.softmax(z / tau, dim=-1)[:, case.ids[k]].sum()
            assert parts[f"compared_{k}"].item() == pytest.approx(shared.item() / case.counts["positions"], rel=1e-12)


def test_without_a_divergence_nothing_is_reported_of_it():
    case = events_case([3.0, 2.0])
    case.drl_weight = 0.0
    assert set(case.run()[1]) == {"sft_0", "sft_1"}


@pytest.mark.parametrize("positions", [0, 4])
def test_a_batch_without_corresponding_rows_has_the_supervised_loss_alone(positions):
    case = events_case([3.0, 2.0], compared=0).leaves()
    total, parts = case.run(positions=positions)
    case.drl_weight = 0.0
    alone, without = case.run()
    assert parts["drl"] == parts["compared_0"] == parts["compared_1"] == 0.0
    assert total == alone and parts["sft_0"] == without["sft_0"]
    assert all(map(torch.equal, gradients(total, case), gradients(alone, case)))


def test_members_may_have_no_rows_at_all():
    case = events_case([3.0, 2.0], compared=0).leaves()
    case.hidden[1] = case.hidden[1][:0].detach().requires_grad_()
    case.labels[1] = case.labels[1][:0]
    total, parts = case.run(positions=1, chunk=3)
    assert parts["sft_1"] == parts["drl"] == 0.0 and total == parts["sft_0"]
    by_hidden, by_head = torch.autograd.grad(total, [case.hidden[1], case.heads[1]])
    assert by_hidden.shape == (0, 8) and not by_head.any()


def test_rows_that_are_not_compared_learn_from_labels_alone():
    case = events_case([3.0, 2.0]).leaves()
    found = gradients(case.run()[0], case)
    case.drl_weight = 0.0
    alone = gradients(case.run()[0], case)
    for k in (0, 1):
        compared = torch.zeros(len(case.labels[k]), dtype=torch.bool).index_fill(0, case.rows[k], True)
        assert torch.equal(found[k][~compared], alone[k][~compared])
        assert (found[k][compared] - alone[k][compared]).abs().amax(dim=-1).gt(0).all()


def test_micro_batches_add_up_to_the_global_batch():
    case = events_case([1.0, 2.0, 3.0]).leaves()
    whole, parts = case.run("jsd+uld")

    def piece(rows_of: list[torch.Tensor], compared: slice):
        """Only some rows of each member."""
        rows = [
            torch.cat([(own == row).nonzero()[0] for row in compared_rows[compared]])
            for own, compared_rows in zip(rows_of, case.rows, strict=True)
        ]
        some = EventsCase(
            [h[own] for h, own in zip(case.hidden, rows_of, strict=True)], case.heads,
            [y[own] for y, own in zip(case.labels, rows_of, strict=True)], case.taus, case.ids, case.sizes, rows,
        )  # fmt: skip
        return some.run("jsd+uld", **case.counts)

    first = [own[:2] for own in case.rows]
    second = [
        torch.tensor([n for n in range(len(y)) if n not in own.tolist()])
        for y, own in zip(case.labels, first, strict=True)
    ]
    (one, of_one), (two, of_two) = piece(first, slice(2)), piece(second, slice(2, None))
    assert (one + two).item() == pytest.approx(whole.item(), rel=1e-12)
    assert all((of_one[name] + of_two[name]).item() == pytest.approx(parts[name].item(), rel=1e-12) for name in parts)
    for a, b in zip(gradients(one + two, case), gradients(whole, case), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


def test_the_group_passes_everything_on():
    case = events_case([3.0, 2.0]).leaves()
    outputs = [
        MemberOutput(h, w, y, None, rows)
        for h, w, y, rows in zip(case.hidden, case.heads, case.labels, case.rows, strict=True)
    ]
    tokens, positions = case.counts.values()
    weights = {"gsl_weight": 0.0, "drl_weight": 0.7, "kappa": 1.0, "divergence": "jsd+uld"}
    events, share = Events(tuple(case.ids), tuple(case.sizes)), Share(1.0, tuple(tokens), positions)
    total, parts = group_loss(outputs, case.taus, **weights, compared=events, share=share)
    expected, same = case.run("jsd+uld")
    assert total == expected and parts == same
    with pytest.raises(ValueError, match="different answer tokens"):
        group_loss(outputs, case.taus, **weights, compared=Slice(9), share=share)


def test_the_sorted_distance_of_a_few_numbers():
    """By hand: sorted (0.5, 0.2) and (0.4, 0.2, 0.1) are 0.1 + 0 + 0.1 apart, at (4 + 1) / 2 for taus of 2 and 1."""
    p = [torch.tensor([[0.2, 0.5]], dtype=torch.float64), torch.tensor([[0.1, 0.4, 0.2]], dtype=torch.float64)]
    value, (first, second) = sorted_distance(p, [2.0, 1.0], [True, True])
    assert value.item() == pytest.approx(0.2 * 2.5, rel=1e-12)
    assert first.tolist() == [[0.0, 2.5]] and second.tolist() == [[2.5, -2.5, 0.0]]
    assert sorted_distance(p, [2.0, 1.0], [False, True])[1][0] is None


@pytest.mark.parametrize(
    "ids, sizes, message",
    [
        ([[0, 1]], [3, 3], "1 lists of shared tokens for 2 vocabularies"),
        ([[0, 1], [0]], [3, 3], "member 1: all need the same number"),
        ([[], []], [3, 3], "at least one"),
        ([[0, 1], [0, 3]], [3, 3], "member 1: a shared token lies outside its vocabulary of 3"),
        ([[-1, 1], [0, 1]], [3, 3], "member 0: a shared token lies outside"),
        ([[0, 0], [0, 1]], [3, 3], "member 0: a token is shared twice"),
    ],
)
def test_lists_that_do_not_belong_together_are_refused(ids, sizes, message):
    with pytest.raises(ValueError, match=message):
        Events(tuple(torch.tensor(each, dtype=torch.long) for each in ids), tuple(sizes))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"sizes": [11, 17]}, "member 1: a vocabulary of 17 tokens does not fit a head of 16 rows"),
        ({"rows": [torch.arange(3), torch.arange(4)]}, r"\[3, 4\] compared rows for 2 members"),
        ({"rows": [torch.arange(3)]}, r"\[3\] compared rows for 2 members"),
        ({"rows": [torch.arange(3), torch.tensor([0, 9, 1])]}, "member 1: each compared row must be one of its 9 rows"),
        ({"rows": [torch.tensor([2, 2]), torch.arange(2)]}, "member 0: .* and only once"),
        ({"labels": [torch.full((7,), 12), torch.zeros(9).long()]}, "member 0: a label lies outside a head of 12 rows"),
        ({"labels": [torch.zeros(7).long(), torch.full((9,), 16)]}, "member 1: a label lies outside a head of 16 rows"),
        ({"labels": [torch.zeros(7).long()] * 2}, "member 1: 9 rows of hidden states for 7 labels"),
        ({"taus": [1.0]}, "every member needs hidden states, a head, labels, one tau"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    case = events_case([1.0, 1.0])
    tokens = [9, 9]
    for name, value in change.items():
        setattr(case, name, value)
    with pytest.raises(ValueError, match=message):
        case.run(tokens=tokens, positions=5)


def test_a_drawn_token_outside_the_vocabulary_is_refused():
    case = events_case([1.0, 1.0])
    case.labels[0] = torch.full((7,), 11)  # the head's row of padding
    with pytest.raises(ValueError, match=r"member 0 .* outside its vocabulary of 11"):
        case.run("sampled-reverse-kl")


def test_events_of_another_group_and_missing_counts_are_refused():
    case = events_case([1.0, 1.0])
    three = events_case([1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="events of 3 members for a group of 2"):
        case.run(compared=Events(tuple(three.ids), tuple(three.sizes)))
    with pytest.raises(ValueError, match="cannot have 0 compared positions"):
        case.run(positions=0)
    with pytest.raises(ValueError, match=r"members have \[7, 9\] rows; say which ones are compared"):
        case.run(rows_KR=None)
    with pytest.raises(ValueError, match="positions >= 0"):
        case.run(positions=-1)
