"""Metrics files of both methods in one shape, to be set side by side: `read_scored(scored_path(run, ...))`.

On planning tasks scenes are states and the one member is who answered; of each file there is one question. Means are macro
means there, as in the table of MGSD.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gcl.errors import DataError
from gcl.evaluation.metric_registry import header
from gcl.experiment.methods.registry import find_run
from gcl.experiment.mgsd_grid import Asked, all_asked, answers_of
from gcl.experiment.mgsd_schema import QUESTIONS
from gcl.experiment.planning_arms import Asked, all_asked, answers_of
from gcl.experiment.planning_schema import QUESTIONS
from gcl.experiment.schema import Experiment
from gcl.files import read_json, read_jsonl
from gcl.planning.scoring import macro_weights
from gcl.reporting.metrics import MetricsFile, metrics_path
from gcl.reporting.tables.planning_table import COMPARED, PlanningFile


@dataclass(frozen=True)
class ScoredMember:
    """One member's scores.

    Attributes:
        role, model: who it is.
        means: by metric.
        scenes: scores by scene and metric.
        weights: of each scene in a mean; None where all count the same.
    """

    role: str
    model: str
    means: Mapping[str, float]
    scenes: Mapping[str, Mapping[str, float]]
    weights: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Scored:
    """A metrics file.

    Attributes:
        path: of the file.
        run: what was scored: a run's id, on planning tasks with the question.
        members: whose scores there are.
        headers: metrics by name, as people read them; the first is what scenes are ranked by.
        needed: what must be the same in two files that are compared, and
        noted: what may differ but should be known; both by name.
    """

    path: Path
    run: str
    members: list[ScoredMember]
    headers: Mapping[str, str]
    needed: Mapping[str, Any]
    noted: Mapping[str, Any]

    def answers(self, role: str) -> Mapping[str, str]:
        """A member's answers by scene, of social data in the turn of the first score; none without the predictions file."""
        own, name = f"metrics/{self.run}.json", self.path.absolute().as_posix()
        path = Path(f"{name.removesuffix(own)}predictions/{self.run}.jsonl")
        if not name.endswith(own) or not path.is_file():
            return {}
        records = read_jsonl(path)
        if is_planning(self.run):
            return {record["id"]: record["text"] for record in records}
        turn = next(iter(self.headers)).rpartition("_")[0]
        return {r["id"]: r["text"] for r in records if (r["role"], r["turn"]) == (role, turn)}


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


def read_scored(path: Path) -> Scored:
    """Read one metrics file, whatever configuration it was made with.

    Raises:
        DataError: if it is missing, or no metrics file.
    """
    try:
        content = read_json(path)
        planned = isinstance(content, dict) and is_planning(str(content.get("run")))
        return _of_states(path, content) if planned else _of_scenes(path, content)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; make it with: snakemake --cores 2 {path}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "the file"
        raise DataError(
            f"{path}: not a metrics file: {field}: {problem['msg']}; name results/<scale>/metrics/..."
        ) from None


def _asked(run: str, experiment: Experiment) -> Asked:
    """A training, or a base model, and a question."""
    shown = all_asked(experiment)
    for asked in shown:  # a base model's id is no training's
        if run in (asked.path, asked.run):
            return asked
    training, _, question = run.rpartition("/")
    if question in QUESTIONS:
        return Asked(find_run(experiment, training).id, question)
    return answers_of(experiment, find_run(experiment, run).id)[0]


def _of_scenes(path: Path, content: Any) -> Scored:
    file = MetricsFile.model_validate(content)
    members = [
        ScoredMember(
            member.role,
            member.model,
            {name: interval.mean for name, interval in member.summary.items()},
            {item.id: item.scores for item in member.items},
        )
        for member in file.members
    ]
    made = file.provenance
    headers = {name: header(name) or name for member in members for name in member.means}
    needed = {"test manifests": made.manifests.test, "metric models": made.metric_models}
    noted = {
        "training data": made.manifests.train,
        "training code": made.code_sha256.training,
        "evaluation code": made.code_sha256.evaluation,
    }
    return Scored(path, file.run, members, headers, needed, noted)


def _of_states(path: Path, content: Any) -> Scored:
    file = PlanningFile.model_validate(content)
    headers = COMPARED if file.asked == "plan" else {"all": "Read without a mistake"}
    weights = macro_weights([item["task"] for item in file.items])
    means = {
        name: sum(weight * item[name] for weight, item in zip(weights, file.items, strict=True)) / len(file.items)
        for name in headers
    }
    ids = [item["id"] for item in file.items]
    scenes = {item["id"]: {name: item[name] for name in headers} for item in file.items}
    method, members = file.run.split("/")[1:3]
    role = "student" if method == "mgsd" else "solo"
    member = ScoredMember(role, members.split("+")[0], means, scenes, dict(zip(ids, weights, strict=True)))
    made = file.provenance
    noted = {"training data": made.manifests["train"], "training code": made.code_sha256["training"]}
    # Of a published model, which no training made, there is nothing to differ from.
    noted = {what: value for what, value in noted.items() if value is not None}
    noted["evaluation code"] = made.code_sha256["evaluation"]
    needed = {"test states": made.manifests["states"], "questions (plans, readings)": file.asked}
    return Scored(path, file.run, [member], headers, needed, noted)
