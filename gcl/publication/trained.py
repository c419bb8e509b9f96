"""A member that can be published: `open_trained(experiment, results, run, role)` finds its files and checks them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import places
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.runs import MemberSpec, RunSpec, Trained, Untrained
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.files import read_json, read_jsonl
from gcl.reporting.metrics_file import MemberMetrics, MetricsFile, read_metrics
from gcl.training.member_file import MemberFile, read_member_file

LOSSES = "losses.jsonl"


@dataclass(frozen=True)
class TrainedMember:
    """A member with all that is known of it.

    Attributes:
        run: as it was trained, whatever the configuration says by now.
        folder: its checkpoint.
        record: of the training: data, versions, hashes, costs.
        metrics: scores of the whole run.
        asked: how it is asked.
        losses: by step; empty if they were not kept.
        base: the published or miniature model that everything began with.
        before: the runs between that model and this one.
    """

    run: RunSpec
    spec: MemberSpec
    folder: Path
    record: dict[str, Any]
    metrics: MetricsFile
    asked: MemberFile
    losses: list[dict[str, float]]
    base: Weights | Untrained
    before: list[str]

    @property
    def scores(self) -> MemberMetrics:
        """Its own."""
        return self.metrics.member(self.spec.role)

    @property
    def others(self) -> list[MemberSpec]:
        """The members that it was trained with."""
        return [member for member in self.run.members if member.role != self.spec.role]

    @property
    def whole(self) -> bool:
        """Whether the folder has all weights, and not those of adapters alone."""
        return any(self.folder.glob("*.safetensors"))


def open_trained(experiment: Experiment, results: Path, run_id: str, role: str | None) -> TrainedMember:
    """Find a member's files.

    Args:
        role: of the member; None is enough where only one was trained.

    Raises:
        ConfigError: if there is no such run or role, or nothing was trained.
        CheckpointError: if weights are missing, or not those that the training left.
        DataError: if scores are missing, or of other weights.
    """
    here, run = places(experiment, results), find_run(experiment, run_id)
    if run.feed is None:
        raise ConfigError(f"{run_id}: nothing was trained in it; publish a run that trains, see gcl runs")
    again, trained = f"make it with: snakemake --cores 2 {here.metrics(run.id)}", here.checkpoints(run.id)
    if not (trained / "run.json").is_file():
        raise CheckpointError(f"{trained}: not trained yet, or its weights were removed; {again}")
    record = read_json(trained / "run.json")
    run = RunSpec.model_validate(record["spec"])
    spec = _member(run, role)
    folder = trained / spec.role
    if not folder.is_dir() or weights_sha256(folder) != record["weights"].get(spec.role):
        raise CheckpointError(
            f"{folder}: its weights are not those that the training has left; {again} --forcerun train"
        )
    try:
        metrics = read_metrics(here.metrics(run.id))
    except DataError as error:
        raise DataError(f"{here.metrics(run.id)}: {error}; {again}") from None
    if metrics.provenance.checkpoints.get(spec.role) != record["weights"][spec.role]:
        raise DataError(
            f"{here.metrics(run.id)}: scores of other weights than those in {folder}; {again} --forcerun generate"
        )
    losses = read_jsonl(trained / LOSSES) if (trained / LOSSES).is_file() else []
    base, before = _base(experiment, spec)
    return TrainedMember(run, spec, folder, record, metrics, read_member_file(folder), losses, base, before)


def _member(run: RunSpec, role: str | None) -> MemberSpec:
    """The member of a role that was trained."""
    roles = {member.role: member for member in run.members}
    learned = [member for member in run.members if not member.frozen]
    if role is None and len(learned) == 1:
        return learned[0]
    choices = " or ".join(f"--role {member.role}" for member in learned)
    if role is None:
        raise ConfigError(f"{run.id}: {len(learned)} members were trained; name one with {choices}")
    if role not in roles:
        raise ConfigError(f"{run.id}: no member has the role {role!r}; use {choices}")
    if roles[role].frozen:
        raise ConfigError(f"{run.id}: the {role} only taught, so it is still its base model; use {choices}")
    return roles[role]


def _base(experiment: Experiment, member: MemberSpec) -> tuple[Weights | Untrained, list[str]]:
    """The model that the first training began with, and the runs since then, the first one first."""
    before: list[str] = []
    start = member.start
    while isinstance(start, Trained):
        before.insert(0, start.run)
        members = {one.role: one for one in find_run(experiment, start.run).members}
        start = members[start.role].start
    return start, before
