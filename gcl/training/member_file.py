"""How a trained member is asked: `MemberFile`, kept as gcl.json in the member's own folder.

A training writes it; `gcl predict` needs nothing else, so the folder can be copied to any machine. `Questions` is the part
that a training is told, since a run's specification does not hold it.
"""

from pathlib import Path

from pydantic import ValidationError

from gcl.errors import CheckpointError
from gcl.experiment.places import start_weights
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Context, Strict
from gcl.files import read_json, write_json

MEMBER_FILE = "gcl.json"


class Questions(Strict):
    """The questions that a member was trained to answer.

    Attributes:
        about: their source, for people: "the data set snei".
        questions: by name; in a data set by turn.
        one_fits: whether only one of them fits a picture; otherwise each picture gets all of them.
        action: the one whose answer names an action, if one does.
        actions: closed list that this answer is read with; None for free text.
        batch_size: pictures that the evaluation answers together.
        max_new_tokens: longest answer of the evaluation.
    """

    about: str
    questions: dict[str, str]
    one_fits: bool = False
    action: str | None = None
    actions: list[str] | None = None
    batch_size: int
    max_new_tokens: int


class MemberFile(Strict):
    """A member, as far as answering depends on it.

    Attributes:
        run, scale: of the training; None for a base model, which has had none.
        role, model: its names there.
        base, revision: where its starting weights lie; adapters alone need them again.
        lr: its learning rate; 0 for a teacher, which is its base.
        system, pixels, precision, context: as in the training.
        asked: the questions that it was trained to answer.
    """

    run: str | None
    scale: str
    role: str
    model: str
    base: str
    revision: str | None
    lr: float
    system: str
    pixels: list[int]
    precision: str
    context: Context = "none"
    asked: Questions


def write_member_file(folder: Path, run: RunSpec, role: str, asked: Questions) -> None:
    """Write gcl.json into a member's folder.

    Args:
        folder: the member's.
        run: that trained it.
        role: of the member in it.
        asked: the questions that it was trained to answer.
    """
    member, training = next(member for member in run.members if member.role == role), run.training
    base = start_weights(run, member)
    content = MemberFile(
        run=run.id,
        scale=run.scale,
        role=role,
        model=member.model,
        base=base.path,
        revision=base.revision,
        lr=member.lr,
        system=training.system,
        pixels=training.pixels,
        precision=training.precision,
        context=training.context,
        asked=asked,
    )
    write_json(folder / MEMBER_FILE, content.model_dump())


def read_member_file(folder: Path) -> MemberFile:
    """Read gcl.json of a member's folder.

    Raises:
        CheckpointError: if it is damaged, or of another version.
    """
    path = folder / MEMBER_FILE
    try:
        return MemberFile.model_validate(read_json(path))
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(map(str, problem["loc"])) or "the file"
        raise CheckpointError(f"{path}: {field}: {problem['msg']}; copy the member's folder again") from None
