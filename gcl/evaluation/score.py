"""From predictions to a metrics file: `score_run(spec, predictions, ...)`; `means(metrics)` is its short form.

Per member: every metric of every turn, per scene and as a mean with its interval. An empty answer scores 0, and so does one
that the metric's encoder cannot read. Both are counted, and so are answers that did not end. Identical runs write identical
files: times and machines are in the run's own record.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from gcl.errors import DataError
from gcl.evaluation.bootstrap import group_weights, mean_interval
from gcl.evaluation.forgetting import held_out_scores
from gcl.evaluation.metric_registry import METRICS, score_names
from gcl.evaluation.scorer import Scorer
from gcl.experiment.asked import ScoreSpec
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Pictures

Records = Mapping[str, Mapping[str, Any]]


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
        score: encoders, bootstrap, turns with their metrics, closed list of actions.
        predictions: records as `gcl.evaluation.generate.predictions` makes them.
        scenes: ids of the test split. Exactly these must have been answered.
        provenance: the other inputs of these numbers.
        pictures: which ones the members saw (`gcl.evaluation.generate.with_exchanged_pictures`).

    Raises:
        DataError: if a member did not answer every question exactly once, or a label of a closed list is missing.
    """
    names = score_names(score.turns, score.actions is not None)
    # One for each metric, since a scorer may keep what it has read.
    scorers = {metric: METRICS[metric].of(score) for metric in dict.fromkeys(metric for _, metric in names.values())}
    turns = [turn.name for turn in score.turns]
    said = [record for record in predictions if "held_out" not in record]
    answers = [_complete(said, member.role, turns, scenes, spec.id) for member in spec.asked]
    for turn in {turn for turn, metric in names.values() if scorers[metric].listed}:
        _check_labels(answers[0][turn], score.actions or (), spec.id)
    columns = {name: (turn, scorers[metric]) for name, (turn, metric) in names.items()}
    members = [
        {"role": member.role, "model": member.model}
        | _score_member(by_turn, columns, score.bootstrap)
        | _held_out(predictions, member.role, score.bootstrap)
        for member, by_turn in zip(spec.asked, answers, strict=True)
    ]
    return {
        "scale": spec.scale,
        "run": spec.evaluation(pictures),
        "members": members,
        "constant_answer": _constant_answer(answers[0], columns),
        "provenance": {
            "training": spec.id if spec.feed else None,
            "spec": spec.model_dump(),
            "spec_sha256": spec.fingerprint,
        }
        | {"score": score.model_dump()}
        | dict(provenance)
        | {
            "metric_models": {key: value for scorer in scorers.values() for key, value in scorer.encoder(score).items()}
        },
    }


def means(metrics: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The means of a metrics file alone, by role. `dvc metrics` shows and compares them."""
    return {
        member["role"]: {name: interval["mean"] for name, interval in member["summary"].items() if interval}
        for member in metrics["members"]
    }


def _complete(
    predictions: Sequence[Mapping[str, Any]], role: str, turns: Sequence[str], scenes: Sequence[str], run: str
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """One member's records by turn and scene, all of them exactly once."""
    by_turn: dict[str, dict[str, Mapping[str, Any]]] = {turn: {} for turn in turns}
    for record in (p for p in predictions if p["role"] == role):
        if "ended" not in record:
            raise DataError(
                f"{run}: answers of an earlier version, which do not say whether they ended; generate again"
            )
        if record["turn"] not in by_turn:
            raise DataError(
                f"{run} {role}: answers on {record['turn']}, which is no turn of the data set; generate again"
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


def _held_out(predictions: Sequence[Mapping[str, Any]], role: str, resamples: int) -> dict[str, Any]:
    """One member's scores on held-out questions; nothing where none was asked."""
    records = [record for record in predictions if record["role"] == role and "held_out" in record]
    return {"held_out": held_out_scores(records, resamples)} if records else {}


def _check_labels(answers: Records, actions: Sequence[str], run: str) -> None:
    """Raise a `DataError` unless every reference action is in the list, since accuracy compares with it."""
    for scene, record in answers.items():
        if record.get("label") not in actions:
            raise DataError(
                f"{run}: scene {scene} has the label {record.get('label')!r}, which is none of {', '.join(actions)}; "
                "make the manifest and the answers again"
            )


def _constant_answer(
    by_turn: Mapping[str, Records], columns: Mapping[str, tuple[str, Scorer]]
) -> dict[str, Any] | None:
    """The first metric's score if every scene got the most frequent reference as its answer.

    None where no answer is compared with a reference in words.
    """
    name, (turn, scorer) = next(iter(columns.items()))
    if scorer.against != "reference":
        return None
    references = [record["reference"] for record in by_turn[turn].values()]
    text = min(set(references), key=lambda reference: (-references.count(reference), reference))
    scores = scorer([text] * len(references), references)
    return {"text": text, name: sum(scores) / len(scores)}


def _score_member(
    by_turn: Mapping[str, Records], columns: Mapping[str, tuple[str, Scorer]], resamples: int
) -> dict[str, Any]:
    """Per-scene scores, means and counts of one member."""
    ids = sorted(next(iter(by_turn.values())))
    values: dict[str, list[float]] = {}
    unscorable, details = {}, {}
    for name, (turn, scorer) in columns.items():
        texts, references = ([by_turn[turn][i][field] for i in ids] for field in ("text", scorer.against))
        values[name] = scorer(texts, references)
        pairs = zip(texts, references, strict=True)
        unscorable[name] = sum(scorer.unreadable(text, reference) for text, reference in pairs if text.strip())
        details |= scorer.details(texts, references)
    counts = {
        "empty": {turn: sum(not a["text"].strip() for a in answers.values()) for turn, answers in by_turn.items()},
        "unfinished": {turn: sum(not a["ended"] for a in answers.values()) for turn, answers in by_turn.items()},
        "unscorable": unscorable,
    }
    first = next(iter(by_turn.values()))
    kept = [{"id": i} | {field: first[i][field] for field in ("group", "level") if field in first[i]} for i in ids]
    items = [one | {name: round(scores[k], 6) for name, scores in values.items()} for k, one in enumerate(kept)]
    weights = group_weights([one.get("group") for one in kept])
    return {
        "summary": {
            name: mean_interval([w * x for w, x in zip(weights, scores, strict=True)], resamples)
            for name, scores in values.items()
        },
        **counts,
        **details,
        "items": items,
    }
