"""Verdicts: right by simulation, and by hand in small cases."""

import math
import random

import pytest

from gcl.reporting.agreement import Compared, judge


def simulated(rng: random.Random, shift: float, seeds: int, paired: bool, scatter: float = 0.02, cells: int = 12):
    """Cells whose true difference is `shift`."""
    found = []
    for _ in range(cells):
        level = rng.uniform(0.3, 0.8)
        order = [rng.gauss(0, scatter) for _ in range(seeds)]  # the part of a seed that both sides share
        here = [level + shift + order[k] + rng.gauss(0, scatter) for k in range(seeds)]
        there = [level + (order[k] if paired else rng.gauss(0, scatter)) + rng.gauss(0, scatter) for k in range(seeds)]
        found.append(Compared(here, there, paired=paired))
    return found


def rate(word: str, shift: float, paired: bool, margin: float = 0.05) -> float:
    rng = random.Random(f"{word} {shift} {paired}")
    words = [v.word for _ in range(40) for v in judge(simulated(rng, shift, 3, paired), margin)]
    return words.count(word) / len(words)


@pytest.mark.parametrize("paired", [True, False])
def test_a_true_difference_of_the_margin_seldom_agrees(paired):
    assert rate("agrees", 0.05, paired) < 0.08
    assert rate("agrees", -0.05, paired) < 0.08
    assert rate("agrees", 0.15, paired) == 0


@pytest.mark.parametrize("paired", [True, False])
def test_equal_results_seldom_differ_and_large_differences_are_found(paired):
    assert rate("differs", 0.0, paired, margin=1e-6) < 0.08
    assert rate("differs", 0.15, paired) > 0.95


def test_equal_results_agree_when_the_scatter_is_small():
    rng = random.Random(1)
    words = {v.word for v in judge(simulated(rng, 0.0, 3, True, scatter=0.005), 0.05)}
    assert words == {"agrees"}


def test_intervals_are_those_of_students_t():
    one = Compared([0.5, 0.52, 0.54], [0.5, 0.5, 0.5], paired=True)
    verdict = judge([one], 0.001)[0]
    half = 4.302653 * 0.02 / math.sqrt(3)  # t of two degrees of freedom, and the deviation 0.02
    assert verdict.difference == pytest.approx(0.02)
    assert (verdict.low, verdict.high) == pytest.approx((0.02 - half, 0.02 + half), abs=1e-6)


def test_other_cells_tell_the_scatter_of_a_cell():
    quiet, loud = Compared([0.5, 0.5], [0.5, 0.5], paired=True), Compared([0.4, 0.6], [0.5, 0.5], paired=True)
    assert judge([quiet], 0.05)[0].word == "agrees"
    assert judge([quiet, loud], 0.05)[0].word == "cannot tell"
    assert judge([quiet, Compared([0.4, 0.6], [0.5, 0.5])], 0.05)[0].word == "agrees"  # another kind tells nothing


def test_equal_digits_need_no_test():
    one = Compared([0.5], [0.5], paired=True, same=True)
    verdict = judge([one], 0.05)[0]
    assert (verdict.word, verdict.seeds) == ("same digits", None)


def test_one_training_cannot_tell_and_two_might():
    verdict = judge([Compared([0.5], [0.52], paired=True)], 0.05)[0]
    assert (verdict.word, verdict.seeds) == ("cannot tell", 2) and math.isnan(verdict.low)


@pytest.mark.parametrize(("difference", "half"), [(0.0, 0.08), (0.01, 0.1), (0.03, 0.05), (0.045, 0.1), (0.2, 0.9)])
def test_the_suggested_number_of_trainings_tells_and_half_of_it_does_not(difference, half):
    def cell(seeds: int) -> Compared:
        """A cell with the same mean and, nearly, the same scatter."""
        here = [difference + (half if k % 2 else -half) for k in range(seeds)]
        return Compared(here, [0.0] * seeds, paired=True)

    verdict = judge([cell(2)], 0.05)[0]
    assert verdict.word == "cannot tell" and verdict.seeds > 2
    enough, few = verdict.seeds + verdict.seeds % 2, max(2, verdict.seeds // 2 // 2 * 2)
    assert judge([cell(enough)], 0.05)[0].word != "cannot tell"
    assert judge([cell(few)], 0.05)[0].word == "cannot tell"


def test_a_difference_of_just_the_margin_needs_endless_trainings():
    one = Compared([0.4, 0.6, 0.65], [0.4, 0.55, 0.55], paired=True)
    verdict = judge([one], one.difference)[0]
    assert verdict.word == "cannot tell" and verdict.seeds is not None  # by differing
    tiny = Compared([0.4, 0.6], [0.5, 0.5 - 1e-9], paired=True)
    assert judge([tiny], 1e-12)[0].seeds is None


def test_a_published_value_has_no_scatter_of_its_own():
    cells = [Compared([0.50, 0.51, 0.49], [0.5], published=True), Compared([0.60, 0.61, 0.62], [0.4], published=True)]
    assert [verdict.word for verdict in judge(cells, 0.05)] == ["agrees", "differs"]
