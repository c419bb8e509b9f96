"""The published numbers, copied by hand into paper/*.csv, and when they may be shown beside ours.

Every look-up returns None unless the paper printed a number for exactly this setting.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gcl.schema import Experiment, Group, Pair

# Table 2's check marks: GSL, DRL, AGO.
_MARKS = {"sft": "000", "gsl": "100", "drl": "010", "gco": "110", "full": "111"}


def paper_values_shown(experiment: Experiment) -> bool:
    """As the configuration says; if it says nothing, only at the scale where a comparison means something."""
    choice = experiment.report.paper_values.value
    return experiment.scale == "paper" if choice is None else choice


def paper_component(dataset: str, variant: str, pair: Pair, role: str, metric: str) -> float | None:
    """Table 2.

    Args:
        variant: "sft", "gsl", "drl", "gco" or "full".
    """
    rows = {
        row["role"]: row
        for row in _rows("components.csv")
        if row["dataset"] == dataset and row["gsl"] + row["drl"] + row["ago"] == _MARKS.get(variant)
    }
    same_pair = rows and all(rows[name]["model"] == getattr(pair, name) for name in ("learner", "guide"))
    return _number(rows[role].get(metric)) if same_pair else None


def paper_group(dataset: str, group: Group, method: str, role: str) -> float | None:
    """Tables 1 (snei) and 3 (muson).

    Args:
        method: "sft" or "gcl".
    """
    for row in _rows("groups.csv"):
        pair = (row["dataset"], row["learner"], row["guide"]) == (dataset, group.learner, group.guide)
        if pair and [float(row["tau_learner"]), float(row["tau_guide"])] == group.tau:
            return _number(row[f"{method}_{role}"])
    return None


def paper_point(sweep: str, pair: Pair, coordinates: Mapping[str, float], role: str) -> float | None:
    """A point of Figs. 2, 3, 4 or 7. The paper names some points without their coordinates; those are never found."""
    place = "/".join(str(float(value)) for value in coordinates.values())
    for row in _rows("sweeps.csv"):
        if (row["source"], row["learner"], row["guide"], row["value"]) == (sweep, pair.learner, pair.guide, place):
            return _number(row[f"{role}_action_f1"])
    return None


def _number(text: str | None) -> float | None:
    return float(text) if text else None


@cache
def _rows(name: str) -> list[dict[str, str]]:
    text = (files("gcl.reporting") / "paper" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
