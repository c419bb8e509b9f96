"""One test scene through the pipeline: `shown_scene(experiment, scene, runs, results)` asks and looks inside.

All members of the runs answer the scene's questions as the evaluation asks them (gcl/evaluation/generate.py). Of the first
group among the runs it also has the divergence at each token of the reference, and where GSL pools. scene_page.py shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gcl.data.manifest import read_manifest
from gcl.data.scenario import Exchange, Query, Scenario
from gcl.errors import ConfigError, DataError
from gcl.evaluation.generate import predictions
from gcl.evaluation.pooling import Pooling, pooling
from gcl.evaluation.token_divergence import TokenDivergence, token_divergences
from gcl.evaluation.trained_members import ReadExchange, read, trained_members
from gcl.experiment.asked import evaluation
from gcl.experiment.methods.base_model import base_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.places import Places, places
from gcl.experiment.runs import MemberSpec, ReferenceFeed, RunSpec
from gcl.experiment.schema import Experiment
from gcl.tasks.task import open_task
from gcl.training.alignment import align
from gcl.training.member import Member
from gcl.workflow.plan import Plan


@dataclass(frozen=True)
class Voice:
    """A member that answers.

    Attributes:
        run: of the member.
        member: in it.
        absent: why it cannot be asked here; None if it can.
    """

    run: RunSpec
    member: MemberSpec
    absent: str | None


@dataclass(frozen=True)
class SceneTurn:
    """One question.

    Attributes:
        exchange: as the members see it, with the reference answer.
        answers: text of each voice, and whether it ended; None of one that cannot be asked.
        tokens: of the reference answer, with the group's divergence.
        poolings: by role of the group; empty without semantic heads.
    """

    name: str
    exchange: Exchange
    answers: Sequence[tuple[str, bool] | None]
    tokens: Sequence[TokenDivergence]
    poolings: Mapping[str, Pooling]

    @property
    def mean(self) -> float | None:
        """L_DRL of this sample, the mean over the compared tokens; None where none is compared."""
        values = [token.value for token in self.tokens if token.value is not None]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class ShownScene:
    """A scene with everything about it."""

    scenario: Scenario
    group: RunSpec
    voices: Sequence[Voice]
    turns: Sequence[SceneTurn]


def headline_runs(experiment: Experiment, dataset: str) -> list[RunSpec]:
    """Base model and SFT of each model of the main pair, and the pair with the whole objective; the first seed."""
    group = Plan(experiment).gallery_runs(dataset)[1]
    models = [member.model for member in group.members]
    alone = [sft_run(experiment, dataset, model, group.seed) for model in models]
    return [*(base_run(experiment, dataset, model) for model in models), *alone, group]


def group_of(runs: Sequence[RunSpec], experiment: Experiment) -> RunSpec:
    """The first group of several members that learnt references; its data set is that of all.

    Raises:
        ConfigError: if there is none, or if runs are of several data sets, or of none of scenes.
    """
    datasets = list(dict.fromkeys(run.dataset for run in runs))
    if len(datasets) > 1:
        raise ConfigError(f"--runs: runs of {' and '.join(datasets)}; name runs of one data set")
    if datasets[0] not in experiment.datasets:
        raise ConfigError(f"--runs: {datasets[0]} has no scenes; name runs of {' or '.join(experiment.datasets)}")
    groups = [run for run in runs if len(run.members) > 1 and isinstance(run.feed, ReferenceFeed)]
    if not groups:
        raise ConfigError("--runs: no group of several members among them, so nothing can be compared; name a GCL run")
    return groups[0]


def scene_id(experiment: Experiment, dataset: str, scene: str | None) -> str:
    """The id of a test scene; without one the first of the manifest.

    Raises:
        DataError: if there is no such test scene.
    """
    path = places(experiment).manifest(dataset, "test")
    ids = list(read_manifest(path))
    if scene is None and ids:
        return ids[0]
    if scene not in ids:
        raise DataError(
            f"{scene}: no test scene of {dataset}; {path} lists all {len(ids)}, such as {', '.join(ids[:3])}"
        )
    return scene


def shown_scene(experiment: Experiment, scene: str, runs: Sequence[RunSpec], results: Path) -> ShownScene:
    """Ask all members and look into the group.

    Args:
        experiment: says where data lies and how members are asked.
        scene: id of a test scene.
        runs: whose members answer; of the first group the inside is shown.
        results: folder of all results.

    Raises:
        ConfigError: as `group_of`.
        CheckpointError: if the group's weights are not there.
        DataError: if the data is not there or has changed.
    """
    here, group = places(experiment, results), group_of(runs, experiment)
    task = open_task(experiment, group.dataset, group.training.context)
    (scenario,) = [item for item in task.items("test") if item.id == scene]
    voices = [Voice(run, member, _absent(run, member, here)) for run in runs for member in run.asked]
    said = _answers(experiment, runs, voices, scene, here)
    turns = []
    members = trained_members(group, here)
    alignment = align([member.encoder for member in members], [member.head_rows for member in members])
    for name in evaluation(experiment, group).turns:
        exchange = task.exchange(scenario, name)
        readings = [read(member, exchange) for member in members]
        tokens = token_divergences(members, readings, alignment, exchange, group.objective)
        answers = [said.get((voice.run.id, voice.member.role, name)) for voice in voices]
        turns.append(SceneTurn(name, exchange, answers, tokens, _poolings(members, readings)))
    return ShownScene(scenario, group, voices, turns)


def _poolings(members: Sequence[Member], readings: Sequence[ReadExchange]) -> dict[str, Pooling]:
    pairs = [pair for pair in zip(members, readings, strict=True) if pair[0].semantic_head is not None]
    return {member.spec.role: pooling(member, reading) for member, reading in pairs}


def _absent(run: RunSpec, member: MemberSpec, here: Places) -> str | None:
    """Why a member cannot be asked here."""
    weights = here.answering(run, member.role)
    if weights.revision is not None or Path(weights.path).is_dir():
        return None
    return f"not trained here: snakemake --cores 2 {here.metrics(run.id)}"


def _answers(
    experiment: Experiment, runs: Sequence[RunSpec], voices: Sequence[Voice], scene: str, here: Places
) -> dict[tuple[str, str, str], tuple[str, bool]]:
    """Text and whether it ended, by run, role and turn, of all who can be asked."""
    silent = {voice.run.id for voice in voices if voice.absent}
    tasks = {context: open_task(experiment, runs[0].dataset, context) for context in {r.training.context for r in runs}}
    found = {}
    for run in (run for run in runs if run.id not in silent):
        asked, task = evaluation(experiment, run), tasks[run.training.context]
        how = {name: getattr(asked, name) for name in ("batch_size", "max_new_tokens", "earlier")}
        queries: list[Query] = [query for query in task.queries("test", asked.turns, "own") if query.id == scene]
        for record in predictions(run, here, queries, **how):
            found[run.id, record["role"], record["turn"]] = (record["text"], record["ended"])
    return found
