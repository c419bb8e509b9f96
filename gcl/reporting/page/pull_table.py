"""How strongly each loss pulls at each member, for the page: `pull_rows(runs, results)` reads it from losses.jsonl.

`execution.gradient_shares_every` has the norms of each loss's gradient logged (gcl/training/pulls.py). A loss's share is its
norm's part of the sum of all norms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from gcl.experiment.runs import RunSpec
from gcl.files import read_jsonl
from gcl.reporting.figures.curves import losses_path

LOSSES = {"sft": "supervised loss", "gsl": "GSL", "drl": "DRL"}
WEAK = 1 / 1000  # a loss with a smaller share does next to nothing


@dataclass(frozen=True)
class PullRow:
    """One member of one run.

    Attributes:
        run: id without the seed.
        role: of the member.
        measured: number of measured steps, of all seeds together.
        shares: means over these steps, by loss. A loss of weight 0 is missing.
    """

    run: str
    role: str
    measured: int
    shares: Mapping[str, float]

    @property
    def weak(self) -> list[str]:
        """Losses that have a weight and next to no share."""
        return [LOSSES[loss] for loss, share in self.shares.items() if share < WEAK]

    @property
    def texts(self) -> list[str]:
        """The shares of all losses, in percent."""
        return [f"{100 * self.shares[loss]:.2g} %" if loss in self.shares else "–" for loss in LOSSES]


def pull_rows(runs: Iterable[RunSpec], results: Path) -> list[PullRow]:
    """One row for each member whose pulls were measured, in the order of the runs."""
    steps: dict[tuple[str, str], list[dict[str, float]]] = {}
    for run in (run for run in runs if run.feed is not None):
        path = losses_path(results, run.scale, run.id)
        records = read_jsonl(path) if path.is_file() else []
        for member in run.members:
            names = {loss: f"pull_{loss}_{member.role}" for loss in LOSSES}
            known = ({loss: step[name] for loss, name in names.items() if name in step} for step in records)
            steps.setdefault((run.id.rpartition("/")[0], member.role), []).extend(known)
    return [row for (run, role), norms in steps.items() if (row := _row(run, role, norms)).measured]


def _row(run: str, role: str, steps: Sequence[Mapping[str, float]]) -> PullRow:
    """The row of a member. A step does not count where the gradient of one of its losses overflowed."""
    losses = [loss for loss in LOSSES if any(loss in norms for norms in steps)]
    whole = [norms for norms in steps if losses and len(norms) == len(losses) and sum(norms.values())]
    shares = {loss: fmean(norms[loss] / sum(norms.values()) for norms in whole) for loss in losses} if whole else {}
    return PullRow(run, role, len(whole), shares)
