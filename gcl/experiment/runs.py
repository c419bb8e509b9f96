"""What a run is: `RunSpec` describes one training, `find_run(experiment, id)` finds it; grid.py lists all that are run.

A run is data. Its id is its path below results/<scale>/...: <dataset>/<method>/<members>/<variant>/seed<k>, members joined
by "+", learner first. What variants there are: `variants` in config.yaml; how their names are read: variants.py.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from gcl.errors import ConfigError
from gcl.experiment.dialogue import Dialogue, dialogue_of
from gcl.experiment.schema import Checkpoint, Experiment, Group, MiniatureModel
from gcl.experiment.types import Lora, Pictures, Strict
from gcl.experiment.variants import read_group_variant, read_sft_variant
from gcl.files import canonical_json, sha256_text

BACKBONES_FOLDER = "results/miniature/backbones"


class MemberSpec(Strict):
    """One member: its role, its weights at the start, and its own learning rate and DRL temperature.

    A member whose learning rate is 0 is frozen: a teacher, whose gradients are not even computed.

    Attributes:
        role: solo, learner, guide, guide2, ...
        model: its name in config.yaml.
        source: folder or hub id of its weights at the start.
        revision: commit on the hub; None for a folder.
        lr: peak learning rate.
        tau: temperature in DRL.
    """

    role: str
    model: str
    source: str
    revision: str | None
    lr: float
    tau: float

    @property
    def frozen(self) -> bool:
        """Whether the member only teaches."""
        return self.lr == 0


class ObjectiveSpec(Strict):
    """Weights, kinds and sizes of the objective that members share."""

    gsl_weight: float
    drl_weight: float
    divergence: str
    matching: str
    kappa: float
    semantic_size: int


class TrainingSpec(Strict):
    """What all members share."""

    epochs: int
    global_batch: int
    micro_batch: int
    warmup_ratio: float
    schedule: str
    betas: list[float]
    eps: float
    weight_decay: float
    clip_norm: float
    precision: str
    frozen: list[str]
    lora: Lora | None
    pixels: list[int]
    system: str


class RunSpec(Strict):
    """Everything that decides the result of one training, apart from data and code.

    A group of one has no objective to share: changing DRL or GSL settings does not touch SFT baselines.
    """

    scale: str
    dataset: str
    method: str
    variant: str
    seed: int
    members: list[MemberSpec]
    objective: ObjectiveSpec | None
    training: TrainingSpec

    @property
    def id(self) -> str:
        """Readable and unique: the run's path below any results folder."""
        members = "+".join(member.model for member in self.members)
        return f"{self.dataset}/{self.method}/{members}/{self.variant}/seed{self.seed}"

    def evaluation(self, pictures: Pictures = "own") -> str:
        """Path of its answers and scores below results/<scale>/<predictions|metrics>/, without suffix."""
        return self.id if pictures == "own" else f"{self.id}/{pictures}"

    @property
    def json(self) -> str:
        """One spelling; what rules pass on and what triggers a rerun."""
        return canonical_json(self.model_dump())

    @property
    def fingerprint(self) -> str:
        """Hash of the specification."""
        return sha256_text(self.json)


class DataSpec(Dialogue):
    """How a data set's raw folder is read: what training and generation need besides the manifest."""

    name: str
    root: str

    @property
    def json(self) -> str:
        """One spelling; what rules pass on and what triggers a rerun."""
        return canonical_json(self.model_dump())


def data_spec(experiment: Experiment, dataset: str) -> DataSpec:
    """Where one data set lies and how it is read."""
    root = f"{experiment.data.value}/raw/{dataset}"
    return DataSpec(name=dataset, root=root, **dict(dialogue_of(experiment, dataset)))


def manifest_folder(experiment: Experiment, dataset: str) -> Path:
    """Where the manifests of one data set are."""
    return Path(experiment.data.value) / "manifests" / dataset


class GroundingSpec(Strict):
    """How a miniature backbone is made: its architecture and its pre-training, a run of a group of one."""

    architecture: MiniatureModel
    run: RunSpec

    @property
    def json(self) -> str:
        """One spelling; what the rule passes on and what triggers a rerun."""
        return canonical_json(self.model_dump())


def grounding(experiment: Experiment, model: str) -> GroundingSpec:
    """The making of one miniature backbone.

    Raises:
        ConfigError: if the model has published weights at this scale.
    """
    architecture, drawing = experiment.models[model].backbone.value, experiment.drawing
    if isinstance(architecture, Checkpoint) or drawing is None:
        raise ConfigError(
            f"{model} has published weights at scale {experiment.scale}; only miniature backbones are built"
        )
    member = _member(experiment, "solo", model, lr=drawing.lr.value, tau=1.0)
    # Scales that share the miniature models share their making.
    run = _run(experiment, "captions", "grounding", "default", drawing.seed.value, [member], objective=None)
    batch = drawing.global_batch.value
    changes = {"epochs": drawing.epochs.value, "global_batch": batch, "micro_batch": batch, "frozen": [], "lora": None}
    training = run.training.model_copy(update=changes)
    return GroundingSpec(
        architecture=architecture, run=run.model_copy(update={"scale": "miniature", "training": training})
    )


def sft_run(experiment: Experiment, dataset: str, model: str, seed: int, variant: str = "default") -> RunSpec:
    """Supervised fine-tuning of one model: a group of one.

    Args:
        variant: `default`, or another rate or number of epochs (see gcl/experiment/variants.py).

    Raises:
        ConfigError: if the variant cannot be read.
    """
    changes = read_sft_variant(variant)
    lr = experiment.training.lr_sft.value * (changes.ratio or 1.0)
    member = _member(experiment, "solo", model, lr=lr, tau=1.0)
    run = _run(experiment, dataset, "sft", variant, seed, [member], objective=None)
    if changes.epochs is None:
        return run
    epochs = changes.epochs * run.training.epochs
    if epochs != int(epochs):
        raise ConfigError(f"variant {variant!r}: {epochs:g} epochs; use a factor that gives a whole number")
    return run.model_copy(update={"training": run.training.model_copy(update={"epochs": int(epochs)})})


def group_run(experiment: Experiment, dataset: str, models: Sequence[str], variant: str, seed: int) -> RunSpec:
    """A GCL run: a learner, its guide, and maybe more guides.

    Args:
        models: of the members, the learner's first.
        variant: a name as gcl/experiment/variants.py describes, with a base from `variants` in config.yaml.

    Raises:
        ConfigError: if the variant's name is not known, or does not fit these models.
    """
    objective, training = experiment.objective, experiment.training
    base, changes = read_group_variant(variant, experiment.variants)
    setting = experiment.variants[base].value
    guides = len(models) - 1
    taus = [objective.symmetric_tau.value] * len(models)
    rates = [training.lr_sft.value] * len(models)
    if setting.ago:
        taus = _group_taus(experiment, dataset, models)
        rates = [training.lr_guide.value * training.lr_ratio.value] + [training.lr_guide.value] * guides
    if changes.ratio is not None:
        rates[0] = training.lr_guide.value * changes.ratio
    if changes.taus is not None:
        if guides > 1:
            raise ConfigError(
                f"variant {variant!r}: two temperatures, {len(models)} members; use a variant without tau"
            )
        taus = list(changes.taus)
    members = [
        _member(experiment, role, model, lr=lr, tau=tau)
        for role, model, lr, tau in zip(roles(len(models)), models, rates, taus, strict=True)
    ]
    if setting.teacher:
        members[1:] = [_taught(experiment, dataset, member, seed) for member in members[1:]]
    weights = {
        "gsl_weight": next(x for x in (changes.gsl, setting.gsl_weight, objective.gsl_weight.value) if x is not None),
        "drl_weight": next(x for x in (changes.drl, setting.drl_weight, objective.drl_weight.value) if x is not None),
    }
    if setting.teacher and weights["gsl_weight"]:
        raise ConfigError(
            f"variant {variant!r}: a frozen guide learns no projection, so GSL has no meaning; leave gsl out"
        )
    shared = ObjectiveSpec(
        **weights,
        divergence=setting.divergence or objective.divergence.value,
        matching=setting.matching or objective.matching.value,
        kappa=objective.kappa.value,
        semantic_size=objective.semantic_size.value,
    )
    return _run(experiment, dataset, "gcl", variant, seed, members, objective=shared)


def roles(members: int) -> list[str]:
    """Roles of a group, in the order of its members: learner, guide, guide2, ..."""
    return ["learner", "guide", *(f"guide{number}" for number in range(2, members))][:members]


def trained_before(run: RunSpec) -> list[str]:
    """Ids of the runs whose models this one starts from: those that trained its teachers."""
    prefix = _checkpoints(run.scale)
    return [member.source.removeprefix(prefix).removesuffix("/solo") for member in run.members
            if member.source.startswith(prefix)]  # fmt: skip


def _taught(experiment: Experiment, dataset: str, member: MemberSpec, seed: int) -> MemberSpec:
    """The member as a teacher: fine-tuned alone before, now frozen."""
    source = f"{_checkpoints(experiment.scale)}{sft_run(experiment, dataset, member.model, seed).id}/solo"
    return member.model_copy(update={"source": source, "revision": None, "lr": 0.0})


def _checkpoints(scale: str) -> str:
    return f"results/{scale}/checkpoints/"


def find_run(experiment: Experiment, run_id: str) -> RunSpec:
    """The run of a given id, also of one that no table asks for.

    Raises:
        ConfigError: if the id does not name a run that can be made from the configuration.
    """
    parts = run_id.split("/")
    shape = "<dataset>/<sft|gcl>/<model or learner+guide>/<variant>/seed<k>"
    if len(parts) != 5 or not re.fullmatch(r"seed(0|[1-9][0-9]*)", parts[4]):
        raise ConfigError(f"{run_id!r} is no run id; the form is {shape}")
    dataset, method, members, variant, seed = *parts[:4], int(parts[4].removeprefix("seed"))
    models = members.split("+")
    for kind, name, known in [
        ("data set", dataset, experiment.datasets),
        *(("model", m, experiment.models) for m in models),
    ]:
        if name not in known:
            raise ConfigError(f"{run_id!r}: unknown {kind} {name!r}; use one of {', '.join(known)}")
    if method == "sft" and len(models) == 1:
        return sft_run(experiment, dataset, models[0], seed, variant)
    if method == "gcl" and len(models) > 1:
        return group_run(experiment, dataset, models, variant, seed)
    raise ConfigError(f"{run_id!r} is no run id; the form is {shape}, one model for sft and several for gcl")


def find_group(experiment: Experiment, dataset: str, models: Sequence[str]) -> Group | None:
    """The listed group of these models, if there is one; a data set that is like another has its groups."""
    like = experiment.datasets[dataset].like
    groups = experiment.groups[like.value if like else dataset].value
    return next((group for group in groups if group.models == tuple(models)), None)


def _group_taus(experiment: Experiment, dataset: str, models: Sequence[str]) -> list[float]:
    """The group's own; further guides have the first one's."""
    group = find_group(experiment, dataset, models[:2])
    if group is None:
        like = experiment.datasets[dataset].like
        dataset = like.value if like else dataset
        listed = ", ".join(f"{g.learner}+{g.guide}" for g in experiment.groups[dataset].value)
        raise ConfigError(
            f"{'+'.join(models[:2])} is no group of {dataset}; add it under groups.{dataset}, or use one of: {listed}"
        )
    return [group.tau[0]] + [group.tau[1]] * (len(models) - 1)


def _member(experiment: Experiment, role: str, model: str, lr: float, tau: float) -> MemberSpec:
    backbone = experiment.models[model].backbone.value
    if isinstance(backbone, Checkpoint):
        return MemberSpec(role=role, model=model, source=backbone.path, revision=backbone.revision, lr=lr, tau=tau)
    return MemberSpec(role=role, model=model, source=f"{BACKBONES_FOLDER}/{model}", revision=None, lr=lr, tau=tau)


def _run(
    experiment: Experiment,
    dataset: str,
    method: str,
    variant: str,
    seed: int,
    members: list[MemberSpec],
    objective: ObjectiveSpec | None,
) -> RunSpec:
    training = {
        name: getattr(experiment.training, name).value for name in TrainingSpec.model_fields if name != "system"
    }
    return RunSpec(
        scale=experiment.scale,
        dataset=dataset,
        method=method,
        variant=variant,
        seed=seed,
        members=members,
        objective=objective,
        training=TrainingSpec(**training, system=experiment.prompt.system.value),
    )
