"""How much a model still can of what it could before: `held_out_scores(records, resamples)`, for metrics files.

gcl/evaluation/token_scores.py made the records, when the model answered.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gcl.evaluation.bootstrap import mean_interval, per_token

# In metrics files and tables: the sum over the tokens of a question that each mean is made from.
HELD_OUT = {"held_out_accuracy": "right", "held_out_cross_entropy": "cross_entropy"}


def held_out_scores(records: Sequence[Mapping[str, Any]], resamples: int) -> dict[str, Any]:
    """Means per token with their intervals, and what they are made from, by question.

    Args:
        records: of one member, as `token_scores` makes them.
        resamples: of the bootstrap, which draws questions again.
    """
    items = sorted(records, key=lambda record: record["held_out"])
    tokens = [item["tokens"] for item in items]
    kept = ("tokens", *HELD_OUT.values())
    return {
        "summary": {
            name: mean_interval(per_token([item[total] for item in items], tokens), resamples)
            for name, total in HELD_OUT.items()
        },
        "items": [{"id": item["held_out"]} | {field: item[field] for field in kept} for item in items],
    }
