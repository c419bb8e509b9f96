"""Ask a trained member about any picture: `gcl predict`, here `show(predict(find_member(folder), ...))`.

Questions, system message, size of pictures and decoding are those of the evaluation, whose code does it
(gcl/evaluation/generate.py): a picture of the test split gets the answers that stand in its predictions file. In low
precision a text can depend on what shares a batch; `gcl predict` asks one turn at a time, the pictures of a batch together.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ValidationError
from tqdm import tqdm
from transformers import PreTrainedModel
from transformers.utils.logging import disable_progress_bar

from gcl.backbones.load import Source
from gcl.data.actions import named_action
from gcl.data.encoding import Encoder
from gcl.data.images import PictureError
from gcl.data.scenario import TURNS, Scenario, Turn
from gcl.errors import CheckpointError, DataError
from gcl.evaluation.accuracy import NO_ACTION
from gcl.evaluation.generate import Answer, answers, load_member
from gcl.files import read_json
from gcl.runs import DataSpec

STDIN = "-"
_EXAMPLE = "results/<scale>/checkpoints/<run>/<role>"


class MemberFacts(BaseModel):
    """A member, as far as answering depends on it."""

    role: str
    model: str
    source: str
    revision: str | None
    lr: float


class TrainingFacts(BaseModel):
    """How it was trained, as far as answering depends on it."""

    precision: str
    pixels: list[int]
    system: str


class RunFacts(BaseModel):
    """A run's specification, as far as answering depends on it: records of older versions can be read, too."""

    scale: str
    dataset: str
    members: list[MemberFacts]
    training: TrainingFacts


@dataclass(frozen=True)
class TrainedMember:
    """One member of a finished training: its checkpoint folder, its entry in the run, and the run."""

    folder: Path
    member: MemberFacts
    run: RunFacts


@dataclass(frozen=True)
class Prediction:
    """What a member says of one picture.

    Attributes:
        image: its path as it was given.
        answers: text by turn, in the order of `TURNS`.
        action: entry of the data set's closed list that the action answer names, as scoring reads it; None where there is
            no such list or the turn was not asked.
        problem: why the picture cannot be used and what to do; there are no answers then.
    """

    image: str
    answers: Mapping[str, str]
    action: str | None = None
    problem: str | None = None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"image": self.image, "answers": dict(self.answers), "action": self.action}

    def __str__(self) -> str:
        width = max(map(len, TURNS)) + 4
        lines = [_printable(self.image)]
        for turn, text in self.answers.items():
            label = f" [{self.action}]" if turn == "action" and self.action else ""
            # Further lines of an answer stand below its first.
            lines.append(f"  {turn:<{width - 2}}" + (text or "(empty)").replace("\n", "\n" + " " * width) + label)
        return "\n".join(lines)


def find_member(folder: Path) -> TrainedMember:
    """The trained member whose checkpoint a folder holds; the folder of a run with one member will do, too.

    Args:
        folder: results/<scale>/checkpoints/<run>/<role>; run.json beside it says how the member was trained.

    Raises:
        CheckpointError: if it is no such folder, has lost its weights, or is that of a run with several members, which are
            then named.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder}: no such folder; give a trained member's, {_EXAMPLE}")
    if (folder / "run.json").is_file():
        run = _run_facts(folder / "run.json")
        if len(run.members) > 1:
            choices = " or ".join(f"--checkpoint {folder / m.role} ({m.model})" for m in run.members)
            raise CheckpointError(f"{folder}: a run of {len(run.members)} members; choose one: {choices}")
        return _with_weights(TrainedMember(folder / run.members[0].role, run.members[0], run))
    place = folder.resolve()  # names of "." and of links say nothing
    record = place.parent / "run.json"
    if not record.is_file():
        raise CheckpointError(
            f"{folder}: no run.json there or beside it, which would say how to ask this model; give the folder that a "
            f"training has left, {_EXAMPLE}"
        )
    run = _run_facts(record)
    member = next((m for m in run.members if m.role == place.name), None)
    if member is None:
        known = ", ".join(m.role for m in run.members)
        raise CheckpointError(f"{folder}: no member of its run; the folders beside it are those of {known}")
    return _with_weights(TrainedMember(place, member, run))


def image_paths(arguments: Iterable[str], stdin: Iterable[bytes]) -> Iterator[str]:
    """Paths as given; `-` stands for those on standard input, one a line, which are read when they are needed."""
    for argument in arguments:
        if argument != STDIN:
            yield argument
            continue
        for line in stdin:
            if name := line.rstrip(b"\r\n"):
                yield os.fsdecode(name)


def predict(
    found: TrainedMember,
    images: Iterable[str],
    data: DataSpec,
    turns: Sequence[str],
    *,
    batch_size: int,
    max_new_tokens: int,
) -> Iterator[Prediction]:
    """Yield one prediction per picture, in their order, as soon as its batch is answered.

    Args:
        found: the member, from `find_member`.
        images: paths of pictures.
        data: questions, and the closed list of actions if there is one.
        turns: which turns to ask, whatever their order.
        batch_size: pictures that are answered together.
        max_new_tokens: longest answer.

    Raises:
        CheckpointError: if the member cannot be loaded. A picture that cannot be used raises nothing; see `Prediction`.
    """
    member, training = found.member, found.run.training
    base = Source(member.source, member.revision)
    model, encoder = load_member(found.folder, base, training.precision, training.pixels, training.system)
    questions = {turn: Turn(data.questions[turn], "") for turn in TURNS if turn in turns}
    images = iter(images)
    while batch := list(islice(images, batch_size)):
        # An encoder keeps the pictures that it has seen for the next turn; those of other batches are not needed again.
        encoder = Encoder(encoder.preprocessor, encoder.system)
        scenes = [Scenario(image, Path(image), questions, "test") for image in batch]
        problems = [_problem(encoder, scene) for scene in scenes]
        good = [scene for scene, problem in zip(scenes, problems, strict=True) if problem is None]
        texts = {turn: iter(_answers(model, encoder, turn, good, max_new_tokens)) for turn in questions}
        for image, problem in zip(batch, problems, strict=True):
            if problem is not None:
                yield Prediction(image, {}, problem=problem)
                continue
            said = {turn: next(text).text for turn, text in texts.items()}
            named = None
            if data.actions and "action" in said:
                named = named_action(said["action"], data.actions) or NO_ACTION
            yield Prediction(image, said, named)


def show(predictions: Iterable[Prediction], total: int | None, *, as_json: bool) -> None:
    """Print predictions as they are made, and on standard error what cannot be used; to people at a terminal, progress.

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


def _with_weights(found: TrainedMember) -> TrainedMember:
    """The same, unless its untrained base would answer in its place, as is right for a teacher, which is not trained."""
    if found.member.lr and not any(found.folder.rglob("*.safetensors")):
        raise CheckpointError(f"{found.folder}: no weights (*.safetensors) there; train the run again, or fetch them")
    return found


def _printable(path: str) -> str:
    """A path as text that every stream takes: names of files may hold bytes that are no text."""
    return path.encode(errors="backslashreplace").decode()


def _problem(encoder: Encoder, scene: Scenario) -> str | None:
    """Why the member cannot see a picture and what to do; None if it can."""
    try:
        encoder.prompt(scene.exchange(next(iter(scene.turns))))
    except PictureError as error:
        return str(error)
    return None


def _answers(
    model: PreTrainedModel, encoder: Encoder, turn: str, scenes: Sequence[Scenario], max_new_tokens: int
) -> list[Answer]:
    return answers(model, encoder, [scene.exchange(turn) for scene in scenes], max_new_tokens) if scenes else []


def _run_facts(path: Path) -> RunFacts:
    content = read_json(path)
    try:
        return RunFacts.model_validate(content["spec"])
    except (ValidationError, KeyError, TypeError) as error:
        field = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else "spec"
        raise CheckpointError(
            f"{path}: not the record of a training: {field} is missing or of another kind; train the run again"
        ) from None
