"""The note about power: a gain as large as it says is marked in 80 % of repetitions."""

import re

import numpy as np
import pytest

from gcl.evaluation.bootstrap import paired_difference
from gcl.reporting.tables.assemble import power_notes
from gcl.reporting.tables.result_table import Difference, ResultColumn, ResultRow

COLUMN = ResultColumn(name="gain", header="Action-F1", kind="gain")


def difference(values) -> Difference:
    found = paired_difference(values, 400)
    return Difference(**{key: found[key] for key in ("mean", "low", "high", "p")})


def note(*gains: Difference | None) -> list[str]:
    rows = [ResultRow(cells={"gain": gain}, seeds=1, scenarios=2, runs=[]) for gain in gains]
    return list(power_notes([COLUMN], rows))


@pytest.mark.parametrize("seeds", [1, 5])
def test_gains_of_the_stated_size_are_marked_in_four_of_five_repetitions(seeds):
    rng = np.random.default_rng(0)
    sizes = [
        float(re.search(r"were ([0-9.]+) ", note(difference(rng.normal(0, 1, (seeds, 100))))[0])[1]) for _ in range(60)
    ]
    # Intervals differ from one repetition to the next, and so does the size that they give.
    marks = [difference(rng.normal(np.mean(sizes), 1, (seeds, 100))).mark for _ in range(300)]
    assert 0.72 < marks.count("better") / len(marks) < 0.93


def test_the_surest_row_stands_first():
    narrow, wide = Difference(mean=0, low=-0.1, high=0.1, p=1), Difference(mean=0, low=-0.2, high=0.2, p=1)
    assert "0.143 (the surest row) to 0.286 (the least sure)" in note(wide, None, narrow)[0]


def test_a_table_without_gains_has_no_power():
    assert note(None) == []
