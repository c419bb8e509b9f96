"""Two metrics files are set side by side by `compare`: here `read_scored(scored_path(run, ...))` finds and reads one.

On planning tasks scenes are states and the one member is who answered; of each file there is one question. Means are macro
means there, as in the table of MGSD.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gcl.errors import DataError
from gcl.experiment.mgsd_grid import Asked, all_asked, answers_of
from gcl.experiment.mgsd_runs import is_planning, planning_run
from gcl.experiment.mgsd_schema import QUESTIONS
from gcl.experiment.runs import find_run
from gcl.experiment.schema import Experiment
from gcl.files import read_jsonl
from gcl.reporting.estimates import METRICS
from gcl.reporting.metrics import metrics_path, read_answers
from gcl.reporting.metrics_file import MetricsFile, read_metrics
from gcl.reporting.tables.mgsd_table import COMPARED, READING


@dataclass(frozen=True)
class ScoredRun:
    """A metrics file and its path."""

    path: Path
    file: MetricsFile

    @property
    def headers(self) -> dict[str, str]:
        """Metrics by name, as people read them; the first is what scenes are ranked by."""
        known, (member, *_) = METRICS | COMPARED | READING, self.file.members
        scored = member.items[0].scores
        others = {name: name for name in member.summary if name in scored and name not in known}
        return {name: header for name, header in known.items() if name in scored} | others

    @property
    def needed(self) -> dict[str, object]:
        """What must be the same in two files that are compared."""
        made = self.file.provenance
        manifests = {f"{part} manifests": digest for part, digest in made.manifests.items() if part != "train"}
        return manifests | {"metric models": made.metric_models}

    @property
    def noted(self) -> dict[str, str]:
        """What may differ but should be known; of a published model nothing is known of a training."""
        made = self.file.provenance
        found = {
            "training data": made.manifests["train"],
            "training code": made.code_sha256.training,
            "evaluation code": made.code_sha256.evaluation,
        }
        return {what: value for what, value in found.items() if value is not None}

    def answers(self, role: str) -> Mapping[str, str]:
        """A member's answers (of social data, to the action question) by scene; none without the predictions file."""
        own, name = f"metrics/{self.file.run}.json", self.path.absolute().as_posix()
        path = Path(f"{name.removesuffix(own)}predictions/{self.file.run}.jsonl")
        if not name.endswith(own) or not path.is_file():
            return {}
        if is_planning(self.file.run):
            return {record["id"]: record["text"] for record in read_jsonl(path)}
        return {scene: said["action"]["text"] for scene, said in read_answers(path, role).items() if "action" in said}


def scored_path(run: str, experiment: Experiment, results_folder: Path) -> Path:
    """Where the metrics of a run are, which is named by its id or by its metrics file itself.

    On planning tasks an id may end with the question, such as .../seed0/reading; without, it is the first one asked.

    Raises:
        ConfigError: if it is neither.
    """
    if run.endswith(".json"):
        return Path(run)
    name = _asked(run, experiment).path if is_planning(run) else find_run(experiment, run).id
    return metrics_path(results_folder, experiment.scale, name)


def read_scored(path: Path) -> ScoredRun:
    """Read one metrics file, whatever configuration it was made with.

    Raises:
        DataError: if it is missing, or no metrics file.
    """
    try:
        return ScoredRun(path, read_metrics(path))
    except DataError as error:
        raise DataError(f"{path}: {error}; make it with: snakemake --cores 2 {path}") from None


def _asked(run: str, experiment: Experiment) -> Asked:
    """A training, or a base model, and a question."""
    shown = all_asked(experiment)
    for asked in shown:  # a base model's id is no training's
        if run in (asked.path, asked.run):
            return asked
    training, _, question = run.rpartition("/")
    if question in QUESTIONS:
        return Asked(planning_run(experiment, training).id, question)
    return answers_of(experiment, planning_run(experiment, run).id)[0]
