"""How much does Action-F1 depend on the encoder that the paper does not name? `encoders_table()`: Table 2's rows again.

Scores the same answers with every encoder of `evaluation.encoders`, each against its own SFT control.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gcl.errors import DataError
from gcl.evaluation.bootstrap import mean_interval
from gcl.evaluation.encoders import encoder_folder
from gcl.evaluation.scorers.f1 import BertF1
from gcl.experiment.dialogue import scored_by
from gcl.experiment.grid import component_runs
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment, MetricEncoder
from gcl.files import read_jsonl, sha256_file
from gcl.reporting.estimates import ROLES, Estimate, Metrics
from gcl.reporting.metrics import check_consistent, metrics_path, predictions_path
from gcl.reporting.tables.tables import METHODS, score_cells


def encoders_table(experiment: Experiment, metrics: Metrics, results: Path) -> pd.DataFrame:
    """One row per encoder, method and role of the components' pair on SNEI; columns as in tables.py, and `encoder`.

    Args:
        metrics: of all seeds, as `load_metrics` returns them; they say which answers were scored.
        results: folder of all results, for these answers.

    Raises:
        DataError: if runs are not comparable, or answers are not those that the metrics were made from.
        CheckpointError: if an encoder is not there.
    """
    check_consistent(metrics)
    pair, seeds, resamples = (
        experiment.components.pair.value,
        experiment.seeds.value,
        experiment.evaluation.bootstrap.value,
    )
    groups = [run for seed in seeds for run in component_runs(experiment, "snei", seed)]
    turn = scored_by(experiment, "snei", "f1")[0]
    answers = {run.id: _answers(run, turn, metrics, results) for run in groups}
    alone = {role: [sft_run(experiment, "snei", getattr(pair, role), seed) for seed in seeds] for role in ROLES}
    answers |= {run.id: _answers(run, turn, metrics, results) for runs in alone.values() for run in runs}
    rows = []
    for encoder in experiment.evaluation.encoders.value:
        scorer = BertF1(encoder_folder(encoder.encoder), encoder.layer, encoder.baseline)
        controls = {role: _estimate(scorer, alone[role], "solo", answers, resamples) for role in ROLES}
        for variant in ("sft", *experiment.components.rows.value):
            for role in ROLES:
                ours = controls[role]
                if variant != "sft":
                    ours = _estimate(scorer, [r for r in groups if r.variant == variant], role, answers, resamples)
                identity = {"dataset": "snei", "encoder": _words(encoder), "method": METHODS[variant]}
                identity |= {"model": getattr(pair, role), "role": role}
                cells = score_cells(f"{turn}_f1", ours, None if variant == "sft" else controls[role], resamples)
                counts = {"seeds": len(seeds), "scenarios": ours.scenarios}
                behind = " ".join(dict.fromkeys([*ours.runs, *controls[role].runs]))
                rows.append({"scale": experiment.scale, **identity, **cells, **counts, "runs": behind})
    return pd.DataFrame(rows)


def _answers(run: RunSpec, turn: str, metrics: Metrics, results: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """By role and scene: what was answered in a turn, and the reference.

    Raises:
        DataError: if the file is not the one that was scored.
    """
    path = predictions_path(results, run)
    if not path.is_file() or sha256_file(path) != metrics[run.id]["provenance"]["predictions_sha256"]:
        target = metrics_path("results", run.scale, run.id)
        raise DataError(
            f"{path}: missing, or not what {target} was made from; bring both up to date: snakemake {target}"
        )
    found: dict[str, dict[str, tuple[str, str]]] = {}
    for record in read_jsonl(path):
        if record["turn"] == turn:
            found.setdefault(record["role"], {})[record["id"]] = (record["text"], record["reference"])
    return found


def _estimate(
    scorer: BertF1, runs: list[RunSpec], role: str, answers: Mapping[str, Mapping[str, Any]], resamples: int
) -> Estimate:
    scores = []
    for run in runs:
        by_scene = answers[run.id][role]
        texts, references = zip(*(by_scene[scene] for scene in sorted(by_scene)), strict=True)
        scores.append(tuple(scorer(texts, references)))
    interval = mean_interval(scores, resamples)
    names = tuple(run.id for run in runs)
    return Estimate(interval["mean"], interval["low"], interval["high"], interval["n"], names, tuple(scores))


def _words(encoder: MetricEncoder) -> str:
    name = encoder.encoder.path.removeprefix("package:")
    return f"{name}, layer {encoder.layer}" + (", rescaled" if encoder.baseline else "")
