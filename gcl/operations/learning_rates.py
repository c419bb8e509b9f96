"""The learning rates of a training, which its log does not have: `learning_rates(spec, steps, records)`.

They follow from the specification and the step alone, by the schedule that the trainer uses (gcl/training/engine.py).
"""

from collections.abc import Mapping, Sequence

from gcl.experiment.runs import RunSpec


def learning_rates(spec: RunSpec, steps: int, records: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """By role of the members that learn: the rate of each step that was logged.

    Args:
        spec: of the run.
        steps: of the whole training.
        records: of the log, from the first step on. A step that overflowed does not move the schedule.
    """
    import torch
    from transformers import get_scheduler

    from gcl.training.engine import SCHEDULES

    training = spec.training
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    warmup = round(training.warmup_ratio * steps)
    (factor,) = get_scheduler(SCHEDULES[training.schedule], optimizer, warmup, steps).lr_lambdas
    made, factors = 0, []
    for record in records:
        factors.append(factor(made))
        made += "skipped" not in record
    return {member.role: [member.lr * value for value in factors] for member in spec.members if not member.frozen}
