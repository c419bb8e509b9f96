"""The verbs of `gcl backbone`: make the miniature backbones."""

from pathlib import Path

from gcl.cli.arguments import File, Scale, Scratch, known_model, opened
from gcl.errors import ConfigError
from gcl.files import write_json


def vocabulary(*, to: Path, file: File = None, scale: Scale = None) -> None:
    """Train the miniature tokenizer's vocabulary.

    For example:

        gcl backbone vocabulary --to vocabulary.json

    Args:
        to: JSON file to write.
    """
    from gcl.data.drawing.datasets import text_corpus
    from gcl.experiment.dialogue import all_questions
    from gcl.models.bpe import train_vocabulary

    experiment = opened(file, scale)
    if experiment.drawing is None:
        raise ConfigError(f"scale {experiment.scale} has no drawn world; its models bring their own tokenizers")
    seed, system = experiment.drawing.seed.value, experiment.prompt.system.value
    corpus = text_corpus(seed, all_questions(experiment), system)
    write_json(to, train_vocabulary(corpus, experiment.drawing.vocabulary.value))


def ground(
    model: str, /, *, captions: Path, vocabulary: Path, to: Path, file: File = None, scale: Scale = None,
    scratch: Scratch = Path("scratch"),
) -> None:  # fmt: skip
    """Build a miniature backbone and ground it in captions.

    For example:

        gcl backbone ground qwen3-vl-4b --captions captions --vocabulary vocabulary.json --to backbone

    Args:
        model: Its name in config.yaml.
        captions: As `gcl data generate captions` draws them.
        vocabulary: As `gcl backbone vocabulary` writes it.
        to: Checkpoint folder to make.
    """
    from gcl.experiment.grounding_spec import grounding
    from gcl.training.grounding import ground_backbone

    experiment = opened(file, scale)
    ground_backbone(grounding(experiment, known_model(experiment, model)), captions, vocabulary, to, scratch)


VERBS = (vocabulary, ground)
