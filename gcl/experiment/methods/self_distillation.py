"""MGSD's stage 2: a student answers from the picture. A frozen teacher sees more and gives each token's probability.

The student comes from stage 1, the teacher is its base model. Variants are those of `planning.variants` in config.yaml.
"""

from gcl.errors import ConfigError
from gcl.experiment.methods.parts import Method, member, run_spec
from gcl.experiment.places import PLANNING
from gcl.experiment.runs import ObjectiveSpec, RolloutFeed, RunId, RunSpec, Trained
from gcl.experiment.schema import Experiment


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    settings = experiment.planning
    if len(set(ref.models)) != 1:
        raise ConfigError(f"{str(ref)!r}: student and teacher are of one model; name it twice, model+model")
    if ref.variant not in settings.variants:
        raise ConfigError(f"unknown variant {ref.variant!r} of mgsd; use one of {', '.join(settings.variants)}")
    variant, stage, model = settings.variants[ref.variant].value, settings.distillation, ref.models[0]
    reading = str(RunId(ref.dataset, "reading", (model,), "default", ref.seed))
    grounded = Trained(run=reading, role="solo") if variant.grounded else None
    members = [
        member(experiment, "student", model, lr=stage.lr.value, start=grounded),
        member(experiment, "teacher", model, lr=0.0),
    ]
    # The teacher's answers are learnt as they are.
    objective = ObjectiveSpec(drl_weight=1.0 if variant.author == "student" else 0.0, divergence=variant.divergence)
    feed = RolloutFeed(
        views=["image", variant.teacher],
        author=("student", "teacher").index(variant.author),
        temperature=stage.temperature.value,
        max_new_tokens=stage.max_new_tokens.value,
    )
    return run_spec(experiment, ref, members, feed, objective, stage)


METHODS = [Method("mgsd", _make, members=(2, 2), kinds=(PLANNING,))]
