"""The choice of an engine: `make_engine(members, training, execution, steps)`."""

from collections.abc import Sequence

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import TrainingSpec
from gcl.training.engine import Engine
from gcl.training.member import Member
from gcl.training.plain import PlainEngine


def make_engine(members: Sequence[Member], training: TrainingSpec, execution: ExecutionSpec, steps: int) -> Engine:
    """The engine that `execution` names.

    Args:
        members: the group, whose order is kept everywhere.
        training: rates, clipping, precision.
        execution: engine and how it divides memory.
        steps: optimizer steps of the whole training, for the schedules.
    """
    if execution.engine == "deepspeed":
        from gcl.training.zero import DeepSpeedEngine

        return DeepSpeedEngine(members, training, execution, steps)
    return PlainEngine(members, training, execution, steps)
