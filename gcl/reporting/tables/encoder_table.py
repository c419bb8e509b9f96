"""How much does Action-F1 depend on the encoder that the paper does not name? `encoders_table()`: Table 2's rows again.

Scores the same answers with every encoder of `evaluation.encoders`, each against its own SFT control.
"""

from functools import cache
from pathlib import Path

from gcl.errors import DataError
from gcl.evaluation.encoders import encoder_folder
from gcl.evaluation.metric_registry import header
from gcl.evaluation.scorers.f1 import BertF1
from gcl.experiment.dialogue import scored_by
from gcl.experiment.places import results_at
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment, MetricEncoder
from gcl.experiment.types import Pictures
from gcl.files import sha256_file
from gcl.reporting.estimates import PooledScore
from gcl.reporting.metrics import Metrics, read_answers
from gcl.reporting.tables.assemble import identity, result_table, score_column
from gcl.reporting.tables.paper_tables import component_rows
from gcl.reporting.tables.result_table import ResultTable
from gcl.workflow.targets import TARGETS


def encoders_table(experiment: Experiment, metrics: Metrics, results: Path) -> ResultTable:
    """One row per encoder, method and role of the components' pair on SNEI, base models first.

    Raises:
        DataError: if the metrics were made from other answers.
        CheckpointError: if an encoder is not there.
    """
    pair, resamples = experiment.components.pair.value, experiment.evaluation.bootstrap.value
    runs = TARGETS["encoders"].runs(experiment)
    turn = scored_by(experiment, "snei", "f1")[0]
    answers = {run.id: _answers(run, turn, metrics, results) for run in runs}
    columns = identity("dataset", "encoder", "method", "model", "role")
    columns.append(score_column(f"{turn}_f1", str(header(f"{turn}_f1"))))
    rows = []
    for encoder in experiment.evaluation.encoders.value:
        scorer = BertF1(encoder_folder(encoder.encoder), encoder.layer, encoder.baseline)

        @cache  # every row needs a control
        def score(
            variant: str, role: str, metric: str, pictures: Pictures, seeds: tuple[int, ...], scorer: BertF1 = scorer
        ) -> PooledScore:
            alone = variant in ("base", "sft")
            wanted = [getattr(pair, role)] if alone else list(pair.models)
            own = [
                run
                for run in runs
                if variant in (run.method, run.variant)
                and wanted == [m.model for m in run.members]
                and (run.seed in seeds or run.feed is None)
            ]
            by_run = [answers[run.id]["solo" if alone else role] for run in own]
            scores = [scorer(*zip(*(said[scene] for scene in sorted(said)), strict=True)) for said in by_run]
            return PooledScore.of([run.id for run in own], scores, resamples)

        for kind in ("base", "own"):
            rows += component_rows(experiment, "snei", columns, score, kind, encoder=_words(encoder))
    return result_table(experiment, "encoders", columns, rows, metrics)


def _answers(run: RunSpec, turn: str, metrics: Metrics, results: Path) -> dict[str, dict[str, tuple[str, str]]]:
    """By role and scene: the answer in a turn, and the reference."""
    path = results_at(run.scale, results).predictions(run.id)
    if not path.is_file() or sha256_file(path) != metrics[run.id].provenance.predictions_sha256:
        target = results_at(run.scale, "results").metrics(run.id)
        raise DataError(
            f"{path}: missing, or not what {target} was made from; bring both up to date: snakemake {target}"
        )
    by_role = {member.role: read_answers(path, member.role) for member in run.asked}
    return {
        role: {scene: (said[turn]["text"], said[turn]["reference"]) for scene, said in by_scene.items()}
        for role, by_scene in by_role.items()
    }


def _words(encoder: MetricEncoder) -> str:
    name = encoder.encoder.path.removeprefix("package:")
    return f"{name}, layer {encoder.layer}" + (", rescaled" if encoder.baseline else "")
