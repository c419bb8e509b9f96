"""Metrics of runs that never ran: the same schema as gcl/evaluation writes, with scores that a test chooses."""

import copy
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from turns_case import TURNS

from gcl.evaluation.bootstrap import group_weights, mean_interval
from gcl.evaluation.metric_registry import score_names, scores_of
from gcl.experiment.asked import score_spec
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.grid import all_runs, base_run, exchanged_runs
from gcl.experiment.load import load_experiment
from gcl.experiment.places import SCENES, kind_of, results_at
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.experiment.yaml_files import Document, read_yaml
from gcl.reporting.metrics import Metrics
from gcl.reporting.metrics_file import MetricsFile
from gcl.reporting.tables.markup import records
from gcl.reporting.tables.result_table import ResultTable
from gcl.workflow.targets import TARGETS

ROOT = Path(__file__).parents[2]
HALF_WIDTH = 0.02
Score = Callable[[RunSpec, str], float]


@cache
def _config() -> dict[str, Any]:
    return read_yaml(ROOT / "config.yaml")


def experiment_with(
    scale: str = "miniature", paper_values: bool | None = None, seeds: Iterable[int] = (0,)
) -> Experiment:
    """The repository's experiment with a few settings changed."""
    config = copy.deepcopy(_config())
    config["scale"] = scale
    config["report"]["paper_values"]["value"] = paper_values
    exchanging = {"value": {"SFT": 1.0, "exchange": 1.0}, "assumed": "test"}
    best = {"SFT": 0.5, "GSL + DRL": 2.0, "GSL + DRL + AGO": 1.0}
    changes = {
        "seeds": {"value": list(seeds), "assumed": "test"},
        "planning": {"seeds": {"value": [0], "assumed": "test"}},
        "controls": {"best": {"value": best, "assumed": "test"}},
        "exchange": {"scenes": {"best": exchanging}, "states": {"best": exchanging}},
    }
    return load_experiment(config, ROOT, [Document("test", changes)])


def constant(run: RunSpec, role: str) -> float:
    """A score that separates methods and roles: 0.6 SFT, 0.8 GCL learner, 0.7 GCL guides."""
    return {"solo": 0.6, "learner": 0.8}.get(role, 0.7)


def social_runs(experiment: Experiment) -> list[RunSpec]:
    """All trainings on social scenes, and the base models."""
    trained = [run for run in all_runs(experiment).values() if kind_of(run.dataset) == SCENES]
    return [
        *trained,
        *(base_run(experiment, name, model) for name in experiment.datasets for model in experiment.models),
    ]


def fake_metrics(experiment: Experiment, score: Score = constant) -> dict[str, dict[str, Any]]:
    """Contents of all metrics files on social scenes."""
    own = {run.id: fake_file(run, experiment, score) for run in social_runs(experiment)}
    return own | exchanged(own, experiment)


def exchanged(
    own: Mapping[str, dict[str, Any]], experiment: Experiment, loss: float = 0.0
) -> dict[str, dict[str, Any]]:
    """The files of those that are asked about the pictures of other scenes, too: all scores are less by `loss`."""

    def less(scores: dict[str, Any]) -> dict[str, Any]:
        return {key: value - loss if isinstance(value, float) else value for key, value in scores.items()}

    files = {}
    for run in exchanged_runs(experiment, "snei"):
        name, content = run.evaluation("exchanged"), copy.deepcopy(own[run.id])
        for member in content["members"]:
            member["summary"] = {name: less(interval) for name, interval in member["summary"].items()}
            member["items"] = [less(item) for item in member["items"]]
        files[name] = content | {"run": name}
    return files


def fake_file(run: RunSpec, experiment: Experiment, score: Score = constant) -> dict[str, Any]:
    """One file: every metric has the same mean, 0.02 inside its interval; scenarios s0 and s1 lie 0.1 around it."""
    names = scores_of(experiment, run.dataset)

    def member(role: str, model: str) -> dict[str, Any]:
        mean = score(run, role)
        interval = {"mean": mean, "low": mean - HALF_WIDTH, "high": mean + HALF_WIDTH, "n": 2}
        scores = {"s0": mean - 0.1, "s1": mean + 0.1}
        return {
            "role": role,
            "model": model,
            "summary": dict.fromkeys(names, interval),
            "empty": dict.fromkeys(TURNS, 0),
            "unfinished": dict.fromkeys(TURNS, 0),
            "unscorable": dict.fromkeys(names, 0),
            "items": [
                {"id": scenario}
                | dict.fromkeys(names, value)
                | ({"action_accuracy": float(scenario == "s1")} if "action_accuracy" in names else {})
                for scenario, value in scores.items()
            ],
        } | ({"held_out": held_out(mean)} if experiment.evaluation.forgetting.value else {})

    return {
        "scale": run.scale,
        "run": run.id,
        "members": [member(m.role, m.model) for m in run.asked],
        "constant_answer": {"text": "Stop.", "action_f1": 0.5},
        "provenance": {
            "training": run.id,
            "spec": run.model_dump(),
            "spec_sha256": run.fingerprint,
            "code_sha256": {"training": run_code("training", run), "evaluation": evaluation_code(run)},
            "manifests": {"train": f"{run.dataset} train", "test": f"{run.dataset} test"},
            "metric_models": {"bert": "b1", "sentence": "s1"},
            "predictions_sha256": f"predictions of {run.id}",
            "checkpoints": {m.role: f"weights of {run.id} {m.role}" for m in run.members},
            "environment": {"python": "3"},
        },
    }


def held_out(accuracy: float) -> dict[str, Any]:
    """A member's scores on two held-out questions of ten tokens: with this accuracy, and 1 - accuracy nats a token."""
    sums = {"right": 10 * accuracy, "cross_entropy": 10 * (1 - accuracy)}
    items = [{"id": name, "tokens": 10} | sums for name in ("q0", "q1")]
    means = {"held_out_accuracy": accuracy, "held_out_cross_entropy": 1 - accuracy}
    return {"summary": {name: {"mean": x, "low": x, "high": x, "n": 2} for name, x in means.items()}, "items": items}


def typed(metrics: Mapping[str, dict[str, Any]]) -> Metrics:
    """The same as reports read them."""
    return {run: MetricsFile.model_validate(content) for run, content in metrics.items()}


def frame(table: ResultTable) -> pd.DataFrame:
    """A table with the columns of its CSV, not rounded."""
    return pd.DataFrame(records(table))


def write_metrics(folder: Path, metrics: dict[str, dict[str, Any]]) -> None:
    """Write them where runs have them."""
    for run, content in metrics.items():
        path = results_at(content["scale"], folder).metrics(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))


class Question(NamedTuple):
    """A run, and what its members are asked."""

    run: str
    question: str


def fake_planning(
    experiment: Experiment, success: Callable[[Question, str, int], float] = lambda asked, task, k: float(k > 0)
) -> dict[str, dict[str, Any]]:
    """Contents of all metrics files on planning tasks: four lakes, two mazes, two rooms.

    Args:
        success: of the k-th state of a task; everything else is 1 for plans, and readings are right where k is 0.
    """
    tables = [TARGETS[name] for name in ("planning", "exchange_planning", "exchange_planning_rates")]
    runs = [run for table in tables if table.possible(experiment) for run in table.runs(experiment)]
    return {run.id: _fake_planning(experiment, run, success) for run in runs}


def _fake_planning(
    experiment: Experiment, run: RunSpec, success: Callable[[Question, str, int], float]
) -> dict[str, Any]:
    def score(turn: str, metric: str, task: str, k: int) -> float:
        if turn == "reading":
            return float(k == 0)
        return success(Question(run.id, turn), task, k) if metric == "success" else 1.0

    turns = score_spec(experiment, run).turns
    names = score_names(turns, listed=False)
    items = [
        {"id": f"{task}-{k}", "group": task, "level": 3}
        | {name: score(turn, metric, task, k) for name, (turn, metric) in names.items()}
        for task, count in {"frozenlake": 4, "maze": 2, "minibehaviour": 2}.items()
        for k in range(count)
    ]
    weights = group_weights([item["group"] for item in items])
    summary = {
        name: mean_interval([w * item[name] for w, item in zip(weights, items, strict=True)], 2000) for name in names
    }
    nothing = {"empty": dict.fromkeys([turn.name for turn in turns], 0), "unscorable": dict.fromkeys(names, 0)}
    nothing["unfinished"] = nothing["empty"]
    trained = run.feed is not None
    return {
        "scale": experiment.scale,
        "run": run.id,
        "members": [
            {"role": m.role, "model": m.model, "summary": summary, "items": items} | nothing for m in run.asked
        ],
        "constant_answer": None,
        "provenance": {
            "training": run.id if trained else None,
            "spec": run.model_dump(),
            "spec_sha256": run.fingerprint,
            "code_sha256": {
                "training": run_code("training", run) if trained else None,
                "evaluation": evaluation_code(run),
            },
            "manifests": {"train": "states and pictures", "test": "states"},
            "metric_models": {},
            "predictions_sha256": f"answers of {run.id}",
            "checkpoints": {m.role: f"weights of {run.id}" for m in run.members},
        },
    }
