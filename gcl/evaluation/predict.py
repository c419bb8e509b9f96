"""Ask a member about any picture: `gcl predict`, here `show(predict(find_member(name), ...))`.

A trained member's folder alone says how to ask it (gcl/training/member_file.py). The evaluation asks alike, and its code
answers (gcl/evaluation/generate.py). So a picture of the test split gets the answers of its predictions file. In low
precision a text can depend on the other prompts of a batch. `gcl predict` asks one turn at a time, the pictures of a batch
together. Any other model is a base model: `base_member` says how to ask it.
"""

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tqdm import tqdm
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from gcl.data.encoding import Encoder
from gcl.data.images import PictureError
from gcl.data.scenario import Picture, Scenario, Turn
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.generate import Answer, answers, load_member
from gcl.evaluation.scorers.accuracy import NO_ACTION
from gcl.experiment.actions import named_action
from gcl.experiment.marks import marks
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.files import STDIN, read_json
from gcl.models.backbone import ADAPTER
from gcl.training.member_file import MEMBER_FILE, MemberFile, Questions, read_member_file

_LONGEST = 20  # signs of a question's name that stands beside its answer
_EXAMPLE = "results/<scale>/checkpoints/<run>/<role>"
_HUB_ID = re.compile(r"(?P<path>[\w.-]+/[\w.-]+)(@(?P<commit>[\w.-]+))?")


@dataclass(frozen=True)
class Found:
    """A model that can be asked: its weights, and the file that says how to ask it. A base model has no such file."""

    source: Weights
    file: MemberFile | None


@dataclass(frozen=True)
class Prediction:
    """A member's answers about one picture.

    Attributes:
        image: its path as it was given.
        answers: text by the question's name, in the order in which they were asked.
        action: entry of the data set's closed list that an answer names, as scoring reads it. None where there is no
            such list or its turn was not asked.
        named_in: the turn whose answer names the action.
        unfinished: names of the questions whose answers were cut at the longest length.
        problem: the reason and the remedy where the picture cannot be used; there are no answers then.
    """

    image: str
    answers: Mapping[str, str]
    action: str | None = None
    named_in: str | None = None
    unfinished: Sequence[str] = ()
    problem: str | None = None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        answers, unfinished = dict(self.answers), list(self.unfinished)
        return {"image": self.image, "answers": answers, "action": self.action, "unfinished": unfinished}

    def __str__(self) -> str:
        width = max((len(turn) for turn in self.answers if len(turn) <= _LONGEST), default=0) + 4
        lines = [_printable(self.image)]
        for turn, text in self.answers.items():
            after = f" [{self.action}]" if turn == self.named_in and self.action else ""
            after += " (cut: the longest length was reached)" if turn in self.unfinished else ""
            if len(turn) > _LONGEST:  # a question of the user's own stands above its answer
                lines.append(f"  {_printable(turn)}")
                turn = ""
            # Further lines of an answer stand below its first.
            lines.append(f"  {turn:<{width - 2}}" + (text or "(empty)").replace("\n", "\n" + " " * width) + after)
        return "\n".join(lines)


def find_member(name: str) -> Found:
    """The model that is meant.

    Args:
        name: the folder of a trained member, of a run with one member, or of a base model. Or a base model's hub id,
            which may end with @commit.

    Raises:
        CheckpointError: if it is none of these, or has lost its weights. A run with several members raises it with
            their names.
    """
    folder = Path(name)
    if not folder.is_dir():
        hub = _HUB_ID.fullmatch(name)
        if hub and not folder.parent.is_dir():  # nobody's name on the hub, but a folder here
            return Found(Weights(path=hub["path"], revision=hub["commit"] or "main"), None)
        raise CheckpointError(f"{name}: no such folder; give a trained member's, {_EXAMPLE}, a model's, or a hub id")
    if (folder / MEMBER_FILE).is_file():
        return _with_weights(folder, read_member_file(folder))
    members = {path.parent: read_member_file(path.parent) for path in sorted(folder.glob(f"*/{MEMBER_FILE}"))}
    if len(members) > 1:
        choices = " or ".join(f"--checkpoint {place} ({file.model})" for place, file in members.items())
        raise CheckpointError(f"{folder}: a run of {len(members)} members; choose one: {choices}")
    for place, file in members.items():
        return _with_weights(place, file)
    record = folder.resolve().parent / "run.json"  # the name of "." says nothing
    if record.is_file():
        raise _unexplained(folder, record)
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: neither {MEMBER_FILE} nor config.json in it; give the folder that a training has left, {_EXAMPLE}, "
            "or a model's"
        )
    return Found(Weights(path=name), None)


def base_member(found: Found, experiment: Experiment, asked: Questions) -> Found:
    """A base model, asked as an experiment's members are.

    Args:
        found: from `find_member`.
        experiment: says the system message, the size of pictures and the precision.
        asked: the questions of a data set.
    """
    training, source = experiment.training, found.source
    file = MemberFile(
        run=None,
        scale=experiment.scale,
        role="base",
        model=str(source),
        base=source.path,
        revision=source.revision,
        lr=0.0,
        system=experiment.prompt.system.value,
        pixels=training.pixels.value,
        precision=training.precision.value,
        context=experiment.prompt.context.value,
        asked=asked,
    )
    return Found(source, file)


def chosen_questions(file: MemberFile, turns: Sequence[str] | None, own: Sequence[str] | None) -> dict[str, str]:
    """The questions to ask, by name. A question of one's own has itself as name.

    Args:
        file: of the member.
        turns: names of the member's questions; None asks for all where each picture gets all.
        own: questions in the user's words.

    Raises:
        ConfigError: if the member has no such question, or one has to be chosen.
    """
    asked = file.asked
    for text in own or ():
        if not text.strip():
            raise ConfigError("--question: empty; write the question")
        if word := next(iter(marks(text)), None):
            raise ConfigError(f"--question: {word!r} is a sign that models do not read as text; leave it out")
    unknown = [turn for turn in turns or () if turn not in asked.questions]
    if unknown:
        known = f"use some of {', '.join(asked.questions)}" if asked.questions else "it has none"
        raise ConfigError(
            f"--turn {unknown[0]}: no question of this member; {known}, or --question with your own words"
        )
    if not turns and not own and (asked.one_fits or not asked.questions):
        fitting = "".join(f"--turn {name}, " for name in asked.questions)
        raise ConfigError(
            f"{file.role} of {file.run} was trained for {asked.about}; say what is asked: {fitting}or --question with your "
            "own words"
        )
    chosen = {name: text for name, text in asked.questions.items() if (name in turns if turns else not own)}
    return chosen | {text: text for text in own or ()}


def image_paths(arguments: Iterable[str], stdin: Iterable[bytes]) -> Iterator[str]:
    """Paths as given. `STDIN` stands for those on standard input, one a line, read when they are needed."""
    for argument in arguments:
        if argument != STDIN:
            yield argument
            continue
        for line in stdin:
            if name := line.rstrip(b"\r\n"):
                yield os.fsdecode(name)


def predict(
    found: Found, images: Iterable[str], questions: Mapping[str, str], *, batch_size: int, max_new_tokens: int
) -> Iterator[Prediction]:
    """Yield one prediction per picture, in their order, as soon as its batch is answered.

    Args:
        found: the member, from `find_member` or `base_member`.
        images: paths of pictures.
        questions: by name, from `chosen_questions`.
        batch_size: pictures that are answered together.
        max_new_tokens: longest answer.

    Raises:
        CheckpointError: if the member cannot be loaded. A picture that cannot be used raises nothing; see `Prediction`.
    """
    model, encoder = _load(found)
    turns = {name: Turn(text, "") for name, text in questions.items()}
    asked = found.file.asked
    images = iter(images)
    while batch := list(islice(images, batch_size)):
        # An encoder keeps pictures for the next turn. Those of other batches are not needed again.
        encoder = Encoder(encoder.preprocessor, encoder.system)
        scenes = [Scenario(image, (Picture(Path(image)),), turns, "test") for image in batch]
        problems = [_problem(encoder, scene) for scene in scenes]
        good = [scene for scene, problem in zip(scenes, problems, strict=True) if problem is None]
        texts = {turn: iter(_answers(model, encoder, turn, good, max_new_tokens)) for turn in turns}
        for image, problem in zip(batch, problems, strict=True):
            if problem is not None:
                yield Prediction(image, {}, problem=problem)
                continue
            given = {turn: next(answer) for turn, answer in texts.items()}
            said = {turn: answer.text for turn, answer in given.items()}
            unfinished = [turn for turn, answer in given.items() if not answer.ended]
            named = None
            if asked.actions and asked.action in said:
                named = named_action(said[asked.action], asked.actions) or NO_ACTION
            yield Prediction(image, said, named, asked.action, unfinished)


def show(predictions: Iterable[Prediction], total: int | None, *, as_json: bool) -> None:
    """Print predictions as they are made. Standard error gets unusable pictures and, at a terminal, progress.

    Args:
        predictions: from `predict`, which loads the member when the first is asked for.
        total: how many there will be, if known.
        as_json: one JSON object a line.

    Raises:
        DataError: at the end, if there were pictures that cannot be used.
    """
    quiet = as_json or not sys.stderr.isatty()
    if quiet:  # transformers shows one for the weights
        disable_progress_bar()
    bad = 0
    with tqdm(total=total, unit="image", mininterval=2, disable=quiet or total == 1) as bar:
        for found in predictions:
            bar.update()
            with tqdm.external_write_mode():
                if found.problem is not None:
                    bad += 1
                    print(f"{_printable(found.image)}: {found.problem}", file=sys.stderr)
                else:
                    print(json.dumps(found.to_dict()) if as_json else found, flush=True)
    if bad:
        raise DataError(f"images that cannot be used, named above: {bad}; mend these, all others are answered")


def _with_weights(folder: Path, file: MemberFile) -> Found:
    """The member. Refuse one without weights: only a teacher, which is not trained, answers as its base."""
    if file.lr and not any(folder.rglob("*.safetensors")):
        raise CheckpointError(f"{folder}: no weights (*.safetensors) there; train the run again, or fetch them")
    if not any(folder.glob("*.safetensors")) and file.revision is None and not Path(file.base).is_dir():
        has = "LoRA adapters alone" if (folder / ADAPTER).is_dir() else "no weights of its own"
        raise CheckpointError(
            f"{folder}: has {has}, and its base model {file.base} is not here; run this where that folder is, or train with "
            "execution.retain: final"
        )
    return Found(Weights(path=str(folder)), file)


def _unexplained(folder: Path, record: Path) -> CheckpointError:
    """The reason why a folder beside a training's record is not asked like a base model."""
    roles = [member["role"] for member in read_json(record)["spec"]["members"]]
    if folder.resolve().name in roles:
        return CheckpointError(
            f"{folder}: no {MEMBER_FILE} in it, which says how to ask this member; train the run again"
        )
    return CheckpointError(f"{folder}: no member of its run; the folders beside it are those of {', '.join(roles)}")


def _load(found: Found) -> tuple[PreTrainedModel, Encoder]:
    file = found.file
    base = Weights(path=file.base, revision=file.revision)
    return load_member(found.source, base, file.precision, file.pixels, file.system)


def _printable(path: str) -> str:
    """A path as text that every stream takes. Names of files may hold bytes that are no text."""
    return path.encode(errors="backslashreplace").decode()


def _problem(encoder: Encoder, scene: Scenario) -> str | None:
    """The reason and the remedy where the member cannot see a picture; None if it can."""
    try:
        encoder.prompt(scene.exchange(next(iter(scene.turns))))
    except PictureError as error:
        return str(error)
    return None


def _answers(
    model: PreTrainedModel, encoder: Encoder, turn: str, scenes: Sequence[Scenario], max_new_tokens: int
) -> list[Answer]:
    return answers(model, encoder, [scene.exchange(turn) for scene in scenes], max_new_tokens) if scenes else []
