"""How much DRL compares where members split texts differently, for the page: `compared_rows(runs, results)`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from gcl.experiment.runs import RunSpec
from gcl.files import read_jsonl
from gcl.reporting.figures.curves import losses_path


@dataclass(frozen=True)
class ComparedRow:
    """One member of one run; means over all steps of all seeds.

    Attributes:
        run: id without the seed.
        role: of the member.
        tokens: share of its supervised tokens whose position is compared.
        probability: of its shared tokens on these positions, at its own temperature.
    """

    run: str
    role: str
    tokens: float
    probability: float


def compared_rows(runs: Iterable[RunSpec], results: Path) -> list[ComparedRow]:
    """A row for each member of a group whose tokenizers differ, in the order of the runs (gcl/training/losses.py)."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in runs:
        path = losses_path(results, run.scale, run.id)
        for step in read_jsonl(path) if path.is_file() else []:
            for member in run.members:
                if (tokens := step.get(f"compared_tokens_{member.role}")) is not None:
                    probability = step.get(f"compared_probability_{member.role}", 0.0)
                    found.setdefault((run.id.rpartition("/")[0], member.role), []).append((tokens, probability))
    return [ComparedRow(*key, *map(fmean, zip(*steps, strict=True))) for key, steps in found.items()]
