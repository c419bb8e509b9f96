"""The learning rates of a training, which its log does not have: `learning_rates(spec, steps, records)`.

They follow from the specification and the step alone. The trainer takes its schedules from transformers, whose import would
keep `gcl watch` from showing anything for ten seconds. So they stand here again, and a test compares them.
"""

import math
from collections.abc import Mapping, Sequence

from gcl.experiment.runs import RunSpec


def learning_rates(spec: RunSpec, steps: int, records: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """By role of the members that learn: the rate of each step that was logged.

    Args:
        spec: of the run.
        steps: of the whole training.
        records: of the log, from the first step on. A step that overflowed does not move the schedule.
    """
    training = spec.training
    warmup = round(training.warmup_ratio * steps)
    made, factors = 0, []
    for record in records:
        factors.append(_factor(training.schedule, made, warmup, steps))
        made += "skipped" not in record
    return {member.role: [member.lr * value for value in factors] for member in spec.members if not member.frozen}


def _factor(schedule: str, made: int, warmup: int, steps: int) -> float:
    """The share of the whole rate after so many steps: it rises linearly, and then is constant or falls as a cosine."""
    if made < warmup:
        return made / warmup
    if schedule == "constant":
        return 1.0
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * (made - warmup) / max(1, steps - warmup))))
