"""One loss scale for the whole group, for float16, whose gradients are too small for its range.

`LossScale.watch(parameters)` notices overflow in any member. An overflow skips the step for every member, so members stay in
step. With other precisions the scale is 1 and nothing is watched.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gcl.errors import TrainingError

INITIAL, GROWTH_INTERVAL = 2.0**16, 2000


class LossScale:
    """Dynamic: halved by an overflow, doubled after many steps without one (torch.amp.GradScaler's rule and defaults).

    Not GradScaler itself, which looks at the gradients of one optimizer, after ZeRO has taken them away.
    """

    def __init__(self, precision: torch.dtype) -> None:
        self.dynamic = precision == torch.float16
        self.value = INITIAL if self.dynamic else 1.0
        self.good_steps = 0
        self._overflow: Tensor | None = None

    def watch(self, parameters: Iterable[nn.Parameter]) -> None:
        """Look at every gradient as it arrives."""
        if self.dynamic:
            for parameter in parameters:
                parameter.register_hook(self._look)

    def _look(self, gradient: Tensor) -> None:
        # Sums are inf or nan if any element is; no element-wise mask is built.
        bad = ~torch.isfinite(gradient.sum(dtype=torch.float32))
        self._overflow = bad if self._overflow is None else self._overflow | bad

    @property
    def overflow(self) -> bool:
        """Whether this process saw an overflow since the last update."""
        return self._overflow is not None and bool(self._overflow)

    def forget(self) -> None:
        """Leave the gradients that arrived since the last update out of account."""
        self._overflow = None

    def update(self, *, overflow: bool) -> None:
        """Adapt the scale after a step that was taken or skipped.

        Raises:
            TrainingError: if the scale has become so small that training has failed.
        """
        self.forget()
        if not self.dynamic:
            return
        self.good_steps = 0 if overflow else self.good_steps + 1
        if overflow:
            self.value /= 2
        elif self.good_steps == GROWTH_INTERVAL:
            self.value, self.good_steps = self.value * 2, 0
        if self.value < 2.0**-14:
            raise TrainingError(
                "float16 gradients overflow whatever the loss scale; lower the learning rates or use bfloat16"
            )

    def state(self) -> dict[str, float]:
        """The part that a checkpoint keeps."""
        return {"value": self.value, "good_steps": self.good_steps}

    def restore(self, state: dict[str, float]) -> None:
        """Continue from a checkpoint."""
        self.value, self.good_steps = state["value"], int(state["good_steps"])
