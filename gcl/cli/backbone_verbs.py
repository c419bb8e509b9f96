"""The verbs of `gcl backbone`: make the miniature backbones."""

from pathlib import Path

from gcl.cli.arguments import Scratch
from gcl.errors import ConfigError
from gcl.files import write_json


def vocabulary(*, to: Path) -> None:
    """Train the miniature tokenizer's vocabulary.

    For example:

        gcl backbone vocabulary --to vocabulary.json

    Args:
        to: JSON file to write.
    """
    from gcl.data.drawing.datasets import text_corpus
    from gcl.experiment.dialogue import all_questions
    from gcl.experiment.load import experiment_here
    from gcl.models.bpe import train_vocabulary

    experiment = experiment_here()
    if experiment.drawing is None:
        raise ConfigError(f"scale {experiment.scale} has no drawn world; its models bring their own tokenizers")
    seed, system = experiment.drawing.seed.value, experiment.prompt.system.value
    corpus = text_corpus(seed, all_questions(experiment), system)
    write_json(to, train_vocabulary(corpus, experiment.drawing.vocabulary.value))


def ground(*, spec: str, captions: Path, vocabulary: Path, to: Path, scratch: Scratch = Path("scratch")) -> None:
    """Build a miniature backbone and ground it in captions.

    For example:

        gcl backbone ground --spec s.json --captions captions --vocabulary v.json --to folder

    Args:
        spec: Grounding specification as JSON, or a file with it.
        captions: As `gcl data generate captions` draws them.
        vocabulary: As `gcl backbone vocabulary` writes it.
        to: Checkpoint folder to make.
    """
    from gcl.experiment.runs import GroundingSpec
    from gcl.experiment.types import parsed
    from gcl.training.grounding import ground_backbone

    ground_backbone(parsed(GroundingSpec, spec), captions, vocabulary, to, scratch)


VERBS = (vocabulary, ground)
