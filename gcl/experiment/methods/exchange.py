"""Exchange: members learn references, and from each other on answers of their own. Variants: `exchange.variants`.

A member answers some of the questions. All predict its tokens, and the divergence between them pulls the author, or all. A
group of one learns references alone: the control for planning tasks.
"""

from collections.abc import Sequence
from typing import get_args

from gcl.errors import ConfigError
from gcl.experiment.divergences import SampledDivergence
from gcl.experiment.exchange_schema import ExchangeVariant
from gcl.experiment.methods.competition import rates, roles, taught, taus
from gcl.experiment.methods.fine_tuning import all_turns
from gcl.experiment.methods.parts import Method, member, run_spec
from gcl.experiment.places import PLANNING, SCENES, kind_of
from gcl.experiment.runs import SAME, ExchangeFeed, MemberSpec, ObjectiveSpec, RunId, RunSpec, Shown, Trained
from gcl.experiment.schema import Experiment
from gcl.experiment.variants import Changes, read_group_variant


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    settings = experiment.exchange
    base, changes = read_group_variant(ref.variant, settings.variants)
    variant, planning = settings.variants[base].value, kind_of(ref.dataset) == PLANNING
    share = settings.share.value if variant.share is None else variant.share
    if len(ref.models) == 1 and (share or variant.teacher):
        raise ConfigError(f"{str(ref)!r}: one member has nobody to learn from; name two, or a variant of share 0")
    if len(ref.models) == 1 and not (changes.gsl is changes.drl is changes.taus is None):
        raise ConfigError(f"{str(ref)!r}: one member has no losses between members; leave gsl, drl and tau out")
    members = _members(experiment, ref, variant, changes)
    _check(experiment, ref, variant, members)
    losses = {"kappa": experiment.objective.kappa.value, "semantic_size": experiment.objective.semantic_size.value}
    objective = ObjectiveSpec()
    if len(members) > 1:
        gsl = variant.gsl_weight if changes.gsl is None else changes.gsl
        drl = variant.drl_weight if changes.drl is None else changes.drl
        objective = ObjectiveSpec(gsl_weight=gsl, drl_weight=drl, **losses)
    if variant.teacher and objective.gsl_weight:
        raise ConfigError(f"{str(ref)!r}: a frozen guide learns no projection, so GSL has no meaning; leave gsl out")
    weight = 0.0 if variant.likelihood else settings.weight.value
    feed = ExchangeFeed(
        shown=[Shown(questions=["image"])] if planning else all_turns(experiment, ref.dataset, changes.scenes).shown,
        share=share,
        warmup=settings.warmup.value,
        authors=variant.authors,
        answers=variant.answers,
        pulled=variant.pulled,
        view=(("symbols+plan" if planning else "full") if variant.told else SAME),
        likelihood=variant.likelihood,
        objective=ObjectiveSpec(drl_weight=weight, divergence=variant.divergence),
        temperature=settings.temperature.value,
        max_new_tokens=(experiment.planning.distillation if planning else settings).max_new_tokens.value,
    )
    return run_spec(experiment, ref, members, feed, objective, settings.planning if planning else None)


def _check(experiment: Experiment, ref: RunId, variant: ExchangeVariant, members: Sequence[MemberSpec]) -> None:
    """Refuse an estimate of a divergence that would be wrong on average."""
    drawn_at = experiment.exchange.temperature.value
    sampled = variant.divergence in get_args(SampledDivergence) and not variant.likelihood
    as_drawn = all(member.tau == drawn_at for member in members if not member.frozen)
    if sampled and not (variant.pulled == "author" and as_drawn):
        raise ConfigError(
            f"{str(ref)!r}: {variant.divergence} is an estimate for the author of an answer, at the temperature of its "
            f"draws; set pulled: author, and a tau of {drawn_at:g}, or use another divergence"
        )


def _members(experiment: Experiment, ref: RunId, variant: ExchangeVariant, changes: Changes) -> Sequence[MemberSpec]:
    stage = experiment.exchange.planning if kind_of(ref.dataset) == PLANNING else None
    if stage is not None and changes.scenes:
        raise ConfigError(f"{str(ref)!r}: planning tasks have states, not scenes; leave scenes{changes.scenes} out")
    names = roles(len(ref.models)) if len(ref.models) > 1 else ["solo"]
    own_rates = rates(experiment, variant.ago, changes, len(names), stage and stage.lr.value)
    own_taus = taus(experiment, ref, variant.ago, changes)
    members = [
        member(experiment, role, model, lr=lr, tau=tau)
        for role, model, lr, tau in zip(names, ref.models, own_rates, own_taus, strict=True)
    ]
    if not variant.teacher:
        return members
    if stage is None:
        return [members[0], *(taught(experiment, ref, guide, changes.scenes) for guide in members[1:])]
    alone = [str(RunId(ref.dataset, "exchange", (guide.model,), "references", ref.seed)) for guide in members[1:]]
    starts = [{"start": Trained(run=run, role="solo"), "lr": 0.0} for run in alone]
    return [members[0], *(guide.model_copy(update=s) for guide, s in zip(members[1:], starts, strict=True))]


METHODS = [Method("exchange", _make, members=(1, 9), kinds=(SCENES, PLANNING))]
