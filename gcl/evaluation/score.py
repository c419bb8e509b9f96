"""From predictions to a metrics file: `score_run(spec, predictions, ...)`; `means(metrics)` is its short form.

Per member: Action-F1, Perception-cos, Reasoning-cos and (closed lists) action accuracy, each per scene and as a mean with
its interval. An empty answer scores 0, and so does one that the metric's encoder cannot read. Both are counted, and so are
answers that did not end. The file holds nothing that changes from one identical run to the next: times and machines are in
the run's own record.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gcl.data.scenario import TURNS
from gcl.errors import DataError
from gcl.evaluation.accuracy import NO_ACTION, confusion_matrix
from gcl.evaluation.action_f1 import ActionF1
from gcl.evaluation.bootstrap import mean_interval
from gcl.evaluation.encoders import encoder_folder, encoder_sha256
from gcl.evaluation.similarity import SentenceSimilarity
from gcl.experiment.actions import named_action
from gcl.experiment.asked import ScoreSpec
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Pictures


class Scorer(Protocol):
    """A metric of one turn's answers."""

    def __call__(self, texts: Sequence[str], references: Sequence[str]) -> list[float]:
        """The score of each text against its reference."""

    def unreadable(self, text: str, reference: str) -> bool:
        """Whether the two cannot be compared, since one of them is empty to the metric; such answers are counted."""


def score_run(
    spec: RunSpec,
    score: ScoreSpec,
    predictions: Sequence[Mapping[str, Any]],
    scenes: Sequence[str],
    provenance: Mapping[str, Any],
    pictures: Pictures = "own",
) -> dict[str, Any]:
    """Return the contents of the run's metrics file.

    Args:
        spec: the run.
        score: encoders, bootstrap, closed list of actions.
        predictions: records as `gcl.evaluation.generate.predictions` makes them.
        scenes: ids of the test split; exactly these must have been answered.
        provenance: what else led to these numbers.
        pictures: which ones the members saw (`gcl.evaluation.generate.with_exchanged_pictures`).

    Raises:
        DataError: if a member did not answer every question exactly once, or a label of a closed list is missing.
    """
    bert, sentence = encoder_folder(score.bert_encoder), encoder_folder(score.sentence_encoder)
    scorers = make_scorers(bert, sentence, score)
    answers = [_complete(predictions, member.role, scenes, spec.id) for member in spec.members]
    if score.actions is not None:
        _check_labels(answers[0]["action"], score.actions, spec.id)
    members = [
        {"role": member.role, "model": member.model} | _score_member(by_turn, scorers, score)
        for member, by_turn in zip(spec.members, answers, strict=True)
    ]
    metric_models = {"bert": f"{encoder_sha256(bert)} layer {score.bert_layer}", "sentence": encoder_sha256(sentence)}
    return {
        "scale": spec.scale,
        "run": spec.evaluation(pictures),
        "members": members,
        "constant_answer": _constant_answer(answers[0]["action"], scorers["action_f1"][1]),
        "provenance": {"training": spec.id, "spec": spec.model_dump(), "spec_sha256": spec.fingerprint}
        | {"score": score.model_dump()}
        | dict(provenance)
        | {"metric_models": metric_models},
    }


def make_scorers(bert: Path, sentence: Path, score: ScoreSpec) -> dict[str, tuple[str, Scorer]]:
    """Every metric by name: the turn whose answers it scores, and what scores texts against references.

    Args:
        bert, sentence: folders of the two encoders.
        score: for the layer.
    """
    similarity = SentenceSimilarity(sentence)
    return {
        "action_f1": ("action", ActionF1(bert, score.bert_layer)),
        "perception_cos": ("perception", similarity),
        "reasoning_cos": ("reasoning", similarity),
    }


def means(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The means of a metrics file alone, by role: what `dvc metrics` shows and compares."""
    return {
        member["role"]: {name: interval["mean"] for name, interval in member["summary"].items() if interval}
        for member in metrics["members"]
    }


def _complete(
    predictions: Sequence[Mapping[str, Any]], role: str, scenes: Sequence[str], run: str
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """One member's records by turn and scene, all of them exactly once."""
    by_turn: dict[str, dict[str, Mapping[str, Any]]] = {turn: {} for turn in TURNS}
    for record in (p for p in predictions if p["role"] == role):
        if "ended" not in record:
            raise DataError(
                f"{run}: answers of an earlier version, which do not say whether they ended; generate again"
            )
        if record["id"] in by_turn[record["turn"]]:
            raise DataError(f"{run} {role}: {record['turn']} of {record['id']} is answered twice; generate again")
        by_turn[record["turn"]][record["id"]] = record
    for turn, answers in by_turn.items():
        if set(answers) != set(scenes):
            raise DataError(
                f"{run} {role}: {len(answers)} answers on {turn} for the {len(scenes)} scenes of the test manifest, "
                "or other scenes; generate again"
            )
    return by_turn


def _check_labels(answers: Mapping[str, Mapping[str, Any]], actions: Sequence[str], run: str) -> None:
    """Every reference action must be in the list, or there is nothing that an answer could be right or wrong about."""
    for scene, record in answers.items():
        if record.get("label") not in actions:
            raise DataError(
                f"{run}: scene {scene} has the label {record.get('label')!r}, which is none of {', '.join(actions)}; "
                "make the manifest and the answers again"
            )


def _constant_answer(answers: Mapping[str, Mapping[str, Any]], action_f1: ActionF1) -> dict[str, Any]:
    """What saying the same all the time would score: the most frequent reference action, for every scene."""
    references = [record["reference"] for record in answers.values()]
    text = min(set(references), key=lambda reference: (-references.count(reference), reference))
    scores = action_f1([text] * len(references), references)
    return {"text": text, "action_f1": sum(scores) / len(scores)}


def _score_member(
    by_turn: Mapping[str, Mapping[str, Mapping[str, Any]]], scorers: Mapping[str, tuple[str, Scorer]], score: ScoreSpec
) -> dict[str, Any]:
    """Per-scene scores, means, and what else is worth counting of one member."""
    ids = sorted(by_turn["action"])

    def texts(turn: str, key: str) -> list[str]:
        return [by_turn[turn][i][key] for i in ids]

    values: dict[str, list[float]] = {
        name: scorer(texts(turn, "text"), texts(turn, "reference")) for name, (turn, scorer) in scorers.items()
    }
    summary: dict[str, Any] = {name: mean_interval(scores, score.bootstrap) for name, scores in values.items()}
    summary["action_accuracy"], confusion, correct = None, None, [None] * len(ids)
    if score.actions is not None:
        parsed = [named_action(text, score.actions) or NO_ACTION for text in texts("action", "text")]
        # The label, not the prose beside it: "Wait until she has passed." names no action, its label does.
        labels = texts("action", "label")
        correct = [a == b for a, b in zip(parsed, labels, strict=True)]
        summary["action_accuracy"] = mean_interval([float(c) for c in correct], score.bootstrap)
        confusion = confusion_matrix(labels, parsed, score.actions)
    items = [
        {"id": i} | {name: round(scores[k], 6) for name, scores in values.items()} | {"action_correct": correct[k]}
        for k, i in enumerate(ids)
    ]
    counts = {
        "empty": {
            turn: sum(not said["text"].strip() for said in answers.values()) for turn, answers in by_turn.items()
        },
        "unfinished": {turn: sum(not said["ended"] for said in answers.values()) for turn, answers in by_turn.items()},
        "unscorable": {
            name: sum(
                scorer.unreadable(text, reference)
                for text, reference in zip(texts(turn, "text"), texts(turn, "reference"), strict=True)
                if text.strip()
            )
            for name, (turn, scorer) in scorers.items()
        },
    }
    return {"summary": summary, **counts, "confusion": confusion, "items": items}
