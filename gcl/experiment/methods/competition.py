"""GCL: a learner and its guide, or several, are fine-tuned together. Variants are those of `variants` in config.yaml.

A variant with a teacher is distillation: the guides were fine-tuned alone before, and stay as they are.
"""

from collections.abc import Sequence

from gcl.errors import ConfigError
from gcl.experiment.methods.fine_tuning import all_turns, sft_run
from gcl.experiment.methods.parts import Method, member, run_spec
from gcl.experiment.runs import MemberSpec, ObjectiveSpec, RunId, RunSpec, Trained
from gcl.experiment.schema import Experiment, FamilyGroup, Group
from gcl.experiment.variants import Changes, read_group_variant


def group_run(experiment: Experiment, dataset: str, models: Sequence[str], variant: str, seed: int) -> RunSpec:
    """A GCL run.

    Args:
        models: of the members, the learner's first.
        variant: a name as variants.py describes, with a base from `variants` in config.yaml.

    Raises:
        ConfigError: if the variant's name is not known, or does not fit these models.
    """
    return _make(experiment, RunId(dataset, "gcl", tuple(models), variant, seed))


def roles(members: int) -> list[str]:
    """Roles of a group, in the order of its members: learner, guide, guide2, ..."""
    return ["learner", "guide", *(f"guide{number}" for number in range(2, members))][:members]


def find_group(experiment: Experiment, dataset: str, models: Sequence[str]) -> Group | None:
    """The listed group of these models, if there is one; a data set that is like another has its groups."""
    return next((group for group in _groups(experiment, dataset) if group.models == tuple(models)), None)


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    base, changes = read_group_variant(ref.variant, experiment.variants)
    setting = experiment.variants[base].value
    members = [
        member(experiment, role, model, lr=lr, tau=tau)
        for role, model, lr, tau in zip(
            roles(len(ref.models)),
            ref.models,
            rates(experiment, setting.ago, changes, len(ref.models)),
            taus(experiment, ref, setting.ago, changes),
            strict=True,
        )
    ]
    if setting.teacher:
        members[1:] = [taught(experiment, ref, guide, changes.scenes) for guide in members[1:]]
    objective = _objective(experiment, base, changes)
    if setting.teacher and objective.gsl_weight:
        raise ConfigError(
            f"variant {ref.variant!r}: a frozen guide learns no projection, so GSL has no meaning; leave gsl out"
        )
    return run_spec(experiment, ref, members, all_turns(experiment, ref.dataset, changes.scenes), objective)


def rates(experiment: Experiment, ago: bool, changes: Changes, members: int, unit: float | None = None) -> list[float]:
    """Learning rates of the members; on planning tasks in units of a stage's rate, on scenes in those of `training`."""
    training = experiment.training
    alone, guide = (training.lr_sft.value, training.lr_guide.value) if unit is None else (unit, unit)
    found = [guide * training.lr_ratio.value] + [guide] * (members - 1) if ago else [alone] * members
    if changes.ratio is not None:
        found[0] = guide * changes.ratio
    return found


def taus(experiment: Experiment, ref: RunId, ago: bool, changes: Changes) -> list[float]:
    """Temperatures of the members; further guides have the first one's. On planning tasks a group has those of scenes."""
    if changes.taus is not None:
        if len(ref.models) > 2:
            raise ConfigError(
                f"variant {ref.variant!r}: two temperatures, {len(ref.models)} members; use a variant without tau"
            )
        return list(changes.taus)
    if not ago:
        return [experiment.objective.symmetric_tau.value] * len(ref.models)
    scenes = [ref.dataset] if ref.dataset in experiment.datasets else list(experiment.groups)
    known = [find_group(experiment, dataset, ref.models[:2]) for dataset in scenes]
    group = next((one for one in [*known, _family_group(experiment, ref.models)] if one), None)
    if group is None and ref.dataset not in experiment.datasets:
        return [experiment.objective.symmetric_tau.value] * len(ref.models)
    if group is None:
        dataset = _like(experiment, scenes[0])
        listed = ", ".join(f"{g.learner}+{g.guide}" for g in _groups(experiment, dataset)) or "there is none yet"
        raise ConfigError(
            f"{'+'.join(ref.models[:2])} is no group of {dataset}; add it under groups.{dataset} or families.groups, or use "
            f"one of: {listed}"
        )
    return [group.tau[0]] + [group.tau[1]] * (len(ref.models) - 1)


def _family_group(experiment: Experiment, models: Sequence[str]) -> FamilyGroup | None:
    return next((group for group in experiment.families.groups.value if group.models == list(models)), None)


def _objective(experiment: Experiment, base: str, changes: Changes) -> ObjectiveSpec:
    setting, objective = experiment.variants[base].value, experiment.objective

    def first(*weights: float | None) -> float:
        return next(weight for weight in weights if weight is not None)

    return ObjectiveSpec(
        gsl_weight=first(changes.gsl, setting.gsl_weight, objective.gsl_weight.value),
        drl_weight=first(changes.drl, setting.drl_weight, objective.drl_weight.value),
        divergence=setting.divergence or objective.divergence.value,
        matching=setting.matching or objective.matching.value,
        kappa=objective.kappa.value,
        semantic_size=objective.semantic_size.value,
    )


def taught(experiment: Experiment, ref: RunId, guide: MemberSpec, scenes: int | None) -> MemberSpec:
    """The guide as a teacher: fine-tuned alone before on the same scenes, now frozen."""
    before = sft_run(experiment, ref.dataset, guide.model, ref.seed, f"scenes{scenes}" if scenes else "default")
    return guide.model_copy(update={"start": Trained(run=before.id, role="solo"), "lr": 0.0})


def _groups(experiment: Experiment, dataset: str) -> list[Group]:
    groups = experiment.groups.get(_like(experiment, dataset))
    return groups.value if groups else []


def _like(experiment: Experiment, dataset: str) -> str:
    like = experiment.datasets[dataset].like
    return like.value if like else dataset


METHODS = [Method("gcl", _make, members=(2, 9))]
