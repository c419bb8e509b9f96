"""From predictions to a metrics file: `score_run(spec, predictions, ...)`.

Per member: Action-F1, Perception-cos, Reasoning-cos and (closed lists) action accuracy, each per scene and as a mean with
its interval; empty answers are counted and score 0. The file holds nothing that changes from one identical run to the
next: times and machines are in the run's own record.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gcl.config import Checkpoint, Strict
from gcl.errors import DataError
from gcl.evaluation.accuracy import confusion_matrix, parse_action
from gcl.evaluation.action_f1 import ActionF1
from gcl.evaluation.bootstrap import mean_interval
from gcl.evaluation.encoders import encoder_folder, encoder_sha256
from gcl.evaluation.similarity import SentenceSimilarity
from gcl.runs import RunSpec


class ScoreSpec(Strict):
    """What scoring depends on."""

    bert_encoder: Checkpoint
    bert_layer: int
    sentence_encoder: Checkpoint
    bootstrap: int
    actions: list[str] | None


def score_run(
    spec: RunSpec, score: ScoreSpec, predictions: Sequence[Mapping[str, str]], provenance: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the contents of the run's metrics file.

    Args:
        spec: the run.
        score: encoders, bootstrap, closed list of actions.
        predictions: records as `gcl.evaluation.generate.predictions` makes them.
        provenance: what else led to these numbers.

    Raises:
        DataError: if a member did not answer every question exactly once.
    """
    bert, sentence = encoder_folder(score.bert_encoder), encoder_folder(score.sentence_encoder)
    scorers = {
        "action_f1": ("action", ActionF1(bert, score.bert_layer)),
        "perception_cos": ("perception", similarity := SentenceSimilarity(sentence)),
        "reasoning_cos": ("reasoning", similarity),
    }
    members = [
        {"role": member.role, "model": member.model}
        | _score_member(
            [p for p in predictions if p["role"] == member.role], scorers, score, f"{spec.id} {member.role}"
        )
        for member in spec.members
    ]
    metric_models = {"bert": f"{encoder_sha256(bert)} layer {score.bert_layer}", "sentence": encoder_sha256(sentence)}
    return {
        "scale": spec.scale,
        "run": spec.id,
        "members": members,
        "provenance": {"spec": spec.model_dump(), "spec_sha256": spec.fingerprint, "score": score.model_dump()}
        | dict(provenance)
        | {"metric_models": metric_models},
    }


def _score_member(
    predictions: Sequence[Mapping[str, str]], scorers: Mapping[str, Any], score: ScoreSpec, label: str
) -> dict[str, Any]:
    by_turn: dict[str, dict[str, Mapping[str, str]]] = {}
    for record in predictions:
        if record["id"] in by_turn.setdefault(record["turn"], {}):
            raise DataError(
                f"{label}: {record['turn']} of {record['id']} is answered twice; generate the predictions again"
            )
        by_turn[record["turn"]][record["id"]] = record
    ids = sorted(by_turn.get("action", {}))
    if not ids or any(sorted(answers) != ids for answers in by_turn.values()):
        raise DataError(f"{label}: the predictions do not cover every turn of every scene; generate them again")

    def texts(turn: str, key: str) -> list[str]:
        return [by_turn[turn][i][key] for i in ids]

    values: dict[str, list[float]] = {
        name: scorer(texts(turn, "text"), texts(turn, "reference")) for name, (turn, scorer) in scorers.items()
    }
    summary: dict[str, Any] = {name: mean_interval(scores, score.bootstrap) for name, scores in values.items()}
    summary["action_accuracy"], confusion, correct = None, None, [None] * len(ids)
    if score.actions is not None:
        parsed = [parse_action(text, score.actions) for text in texts("action", "text")]
        references = [parse_action(text, score.actions) for text in texts("action", "reference")]
        correct = [a == b for a, b in zip(parsed, references, strict=True)]
        summary["action_accuracy"] = mean_interval([float(c) for c in correct], score.bootstrap)
        confusion = confusion_matrix(references, parsed, score.actions)
    items = [
        {"id": i} | {name: round(scores[k], 6) for name, scores in values.items()} | {"action_correct": correct[k]}
        for k, i in enumerate(ids)
    ]
    empty = {turn: sum(not record["text"].strip() for record in answers.values()) for turn, answers in by_turn.items()}
    return {"summary": summary, "empty": empty, "confusion": confusion, "items": items}
