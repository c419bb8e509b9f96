"""SFT: one model is fine-tuned alone. Variants are those of variants.py: ratio2, epochs2, scenes66, ..."""

from gcl.errors import ConfigError
from gcl.experiment.dialogue import turns_of
from gcl.experiment.methods.parts import Method, member, run_spec
from gcl.experiment.runs import ReferenceFeed, RunId, RunSpec, Shown
from gcl.experiment.schema import Experiment
from gcl.experiment.variants import read_sft_variant


def sft_run(experiment: Experiment, dataset: str, model: str, seed: int, variant: str = "default") -> RunSpec:
    """Supervised fine-tuning of one model: a group of one.

    Raises:
        ConfigError: if the variant cannot be read.
    """
    return _make(experiment, RunId(dataset, "sft", (model,), variant, seed))


def all_turns(experiment: Experiment, dataset: str, scenes: int | None = None) -> ReferenceFeed:
    """Every turn of every training scene, or of so many scenes.

    Raises:
        ConfigError: if the data set has no more than these.
    """
    most = experiment.datasets[dataset].scenarios.value.train
    if scenes is not None and scenes >= most:
        raise ConfigError(f"scenes{scenes}: {dataset} has {most} training scenes; use fewer, or leave it out for all")
    return ReferenceFeed(shown=[Shown(questions=list(turns_of(experiment, dataset)), count=scenes)])


def _make(experiment: Experiment, ref: RunId) -> RunSpec:
    changes = read_sft_variant(ref.variant)
    epochs = (changes.epochs or 1) * experiment.training.epochs.value
    if epochs != int(epochs):
        raise ConfigError(f"variant {ref.variant!r}: {epochs:g} epochs; use a factor that gives a whole number")
    lr = experiment.training.lr_sft.value * (changes.ratio or 1.0)
    solo = member(experiment, "solo", ref.models[0], lr=lr)
    return run_spec(experiment, ref, [solo], all_turns(experiment, ref.dataset, changes.scenes), epochs=int(epochs))


METHODS = [Method("sft", _make)]
