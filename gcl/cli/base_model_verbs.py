"""The verbs of `gcl base-model`: make the miniature base models, and publish them.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from gcl.cli.arguments import Count, File, Results, Scale, known_model, opened
from gcl.errors import ConfigError
from gcl.files import write_json

if TYPE_CHECKING:
    from gcl.experiment.base_models_schema import BaseModels
    from gcl.experiment.schema import Experiment
    from gcl.tasks.instructions.write import InstructionDrawing


def instructions(*, states: Path, to: Path, file: File = None, scale: Scale = None) -> None:
    """Write the instruction set.

    For example:

        gcl base-model instructions --states data/miniature/planning/states.jsonl --to data/miniature/instructions

    Args:
        states: States of the experiments, JSONL. Those of their tests and validations do not occur.
        to: Folder to make.
    """
    from gcl.tasks.instructions.write import write_instructions

    write_instructions(to, _drawing(opened(file, scale), states))


def unseen(*, states: Path, questions: Count, to: Path, file: File = None, scale: Scale = None) -> None:
    """Write a few questions that the base models were not trained on.

    For example:

        gcl base-model unseen --states data/miniature/planning/states.jsonl --questions 200 --to data/miniature/unseen

    Args:
        states: As for gcl base-model instructions.
        questions: Their number.
        to: Folder to make.
    """
    from gcl.tasks.instructions.unseen import write_unseen

    write_unseen(to, questions, _drawing(opened(file, scale), states))


def vocabulary(*, instructions: Path, to: Path, file: File = None, scale: Scale = None) -> None:
    """Train the vocabulary of miniature base models.

    For example:

        gcl base-model vocabulary --instructions data/miniature/instructions --to vocabulary.json

    Args:
        instructions: Folder of the instruction set.
        to: JSON file to write.
    """
    from gcl.data.drawing.datasets import text_corpus
    from gcl.experiment.dialogue import all_questions
    from gcl.tasks.instructions.read import read_instructions
    from gcl.tasks.instructions.vocabulary import vocabulary as train

    experiment = opened(file, scale)
    settings, system = _settings(experiment), experiment.prompt.system.value
    read = [item.exchange for item in read_instructions(instructions, "train")]
    scenes = text_corpus(settings.seed.value, all_questions(experiment), system)
    questions, answers = zip(*((one.question, one.answer) for one in read), strict=True)
    write_json(to, train(questions, [*answers, *scenes], system, settings.vocabulary.value))


def build(model: str, /, *, vocabulary: Path, to: Path, file: File = None, scale: Scale = None) -> None:
    """Write an untrained miniature model.

    For example:

        gcl base-model build qwen3-vl-4b --vocabulary vocabulary.json --to untrained

    Args:
        model: Its name in config.yaml.
        vocabulary: As `gcl base-model vocabulary` writes it.
        to: Checkpoint folder to make.
    """
    from gcl.models import untrained

    experiment = opened(file, scale)
    settings, pixels = _settings(experiment), experiment.training.pixels.value
    if model not in settings.models.value:
        known = ", ".join(settings.models.value)
        raise ConfigError(f"base_models.models has no {model!r}; use one of {known}, or add it there")
    architecture = settings.models.value[model]
    family = experiment.models[model].family.value
    untrained.build(family, architecture, vocabulary, (pixels[0], pixels[1]), settings.seed.value, to)


def publish(
    model: str, /, *, to: Path, file: File = None, scale: Scale = None, results: Results = Path("results")
) -> None:
    """Write a trained base model in 16 bits, with its card, losses and held-out scores.

    For example:

        gcl base-model publish qwen3-vl-4b --to base_models/qwen3-vl-4b

    Args:
        model: Its name in config.yaml.
        to: Folder to make.
    """
    from gcl.experiment.methods.registry import find_run
    from gcl.experiment.places import places
    from gcl.tasks.instructions.publish import publish_base_model

    experiment = opened(file, scale)
    seed = _settings(experiment).seed.value
    run = find_run(experiment, f"instructions/pretraining/{known_model(experiment, model)}/default/seed{seed}")
    publish_base_model(run, places(experiment, results), to)


def _drawing(experiment: "Experiment", states: Path) -> "InstructionDrawing":
    """All that decides the instruction set."""
    from gcl.planning.states_file import read_records
    from gcl.tasks.instructions.write import InstructionDrawing

    settings = _settings(experiment)
    size = settings.instructions.value
    return InstructionDrawing(
        scenes=size.scenes,
        states=size.states,
        words=size.texts,
        held_out=size.held_out,
        seed=settings.seed.value,
        levels=settings.levels.value,
        excluded={record.state.state_hash for record in read_records(states) if record.split != "train"},
        pixels_of_cell=experiment.planning.cell_pixels.value,
    )


def _settings(experiment: "Experiment") -> "BaseModels":
    if experiment.base_models is None:
        raise ConfigError(f"base models of scale {experiment.scale} are published ones; only miniature ones are made")
    return experiment.base_models


VERBS = (instructions, unseen, vocabulary, build, publish)
