"""A metrics file for `compare`: `read_scored(scored_path(run, ...))` finds and reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gcl.errors import DataError
from gcl.evaluation.metric_registry import METRICS, header, turn_of
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.reporting.metrics import code_versions, read_answers
from gcl.reporting.metrics_file import MetricsFile, read_metrics


@dataclass(frozen=True)
class ScoredRun:
    """A metrics file and its path."""

    path: Path
    file: MetricsFile

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the metrics by name; the first metric ranks scenes."""
        names = [name for member in self.file.members for name in member.summary]
        better = {
            f"{turn_of(name)}_{metric}" for name in names for metric, how in METRICS.items() if how.higher_is_better
        }
        return {name: header(name) or name for name in names if not turn_of(name) or name in better}

    @property
    def needed(self) -> dict[str, object]:
        """The properties that two compared files must share."""
        made = self.file.provenance
        manifests = {f"{part} manifests": digest for part, digest in made.manifests.items() if part != "train"}
        return manifests | {"metric models": made.metric_models}

    @property
    def noted(self) -> dict[str, str]:
        """The properties that may differ but should be known; a published model has no training."""
        made = self.file.provenance
        found = dict(code_versions(made))
        return found if made.manifests["train"] is None else {"training data": made.manifests["train"]} | found

    def answers(self, role: str) -> Mapping[str, str]:
        """A member's answers by scene, in the turn of the first score; none without the predictions file."""
        own, name = f"metrics/{self.file.run}.json", self.path.absolute().as_posix()
        path = Path(f"{name.removesuffix(own)}predictions/{self.file.run}.jsonl")
        if not name.endswith(own) or not path.is_file():
            return {}
        turn = turn_of(next(iter(self.headers)))
        return {scene: said[turn]["text"] for scene, said in read_answers(path, role).items() if turn in said}


def scored_path(run: str, experiment: Experiment, results_folder: Path) -> Path:
    """The metrics file of a run, which is named by its id or by that file itself.

    Raises:
        ConfigError: if it is neither.
    """
    if run.endswith(".json"):
        return Path(run)
    return places(experiment, results_folder).metrics(find_run(experiment, run).id)


def read_scored(path: Path) -> ScoredRun:
    """Read one metrics file, whatever configuration it was made with.

    Raises:
        DataError: if it is missing, or no metrics file.
    """
    try:
        return ScoredRun(path, read_metrics(path))
    except DataError as error:
        raise DataError(f"{path}: {error}; make it with: snakemake --cores 2 {path}") from None
