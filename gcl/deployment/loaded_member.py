"""A member in memory, in whatever format: `member = load_member(folder)`, then `member.ask(picture, question)`.

The folder is one that a training left, or one that `gcl deploy` wrote. A member is asked as `gcl predict` asks, with the
same code. So a picture of the test split gets the evaluation's own answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gcl.data.encoding import Encoder
from gcl.deployment.deployment_manifest import read_manifest
from gcl.deployment.format import FORMATS
from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.asked_member import DEPLOYED, Found, find_member
from gcl.evaluation.generate import answering_model
from gcl.evaluation.predict import Prediction, predict
from gcl.experiment.marks import marks
from gcl.experiment.weights import Weights
from gcl.models.preprocessor import load_preprocessor
from gcl.training.member_file import MemberFile

Pictures = str | Path | Mapping[str, str | Path] | Sequence[str | Path]


def load_member(folder: str | Path) -> "LoadedMember":
    """Load a member that a training left, or that was deployed, on the GPU if there is one.

    Args:
        folder: results/<scale>/checkpoints/<run>/<role>, that of a run with one member, or one that `gcl deploy` wrote.

    Raises:
        CheckpointError: if it is no trained member, is not whole, or cannot be loaded.
        ConfigError: if a library of its format is missing.
        MissingLibrary: if it has adapters alone, and peft is not installed.
    """
    found = find_member(str(folder))
    if found.file is None:
        raise CheckpointError(
            f"{folder}: a base model, which no training here has touched; ask it with gcl predict, or transformers"
        )
    return load(found)


def load(found: Found) -> "LoadedMember":
    """Load what `find_member` has found; a base model has its file from `base_member`.

    Raises:
        CheckpointError, ConfigError, MissingLibrary: as `load_member`.
    """
    file, folder = found.file, Path(found.source.path)
    if found.source.revision is not None or not (folder / DEPLOYED).is_file():
        base = Weights(path=file.base, revision=file.revision)
        return LoadedMember(file, *answering_model(found.source, base, file.precision, file.pixels, file.system))
    name = read_manifest(folder).format
    if name not in FORMATS:
        raise CheckpointError(f"{folder}: format {name!r} is not known here; deploy it again as {', '.join(FORMATS)}")
    preprocessor = load_preprocessor(found.source, (file.pixels[0], file.pixels[1]))
    return LoadedMember(file, FORMATS[name].load(folder), Encoder(preprocessor, file.system))


@dataclass(frozen=True)
class LoadedMember:
    """A member that answers questions about pictures.

    Attributes:
        file: how it is asked: run, role, questions, closed list of actions, and more (gcl/training/member_file.py).
        model: of transformers; or one that has `generate`, `config` and `device` as these have, as far as used here.
        encoder: makes its inputs. Both go with gcl.evaluation.generate.answers.
    """

    file: MemberFile
    model: Any
    encoder: Encoder

    @property
    def name(self) -> str:
        """Run and role, or the model's name if no run trained it."""
        return f"{self.file.run}/{self.file.role}" if self.file.run else self.file.model

    @property
    def questions(self) -> Mapping[str, str]:
        """The questions that it was trained to answer, by name, in their order."""
        return MappingProxyType(self.file.asked.questions)

    def ask(self, pictures: Pictures, question: str, *, max_new_tokens: int | None = None) -> str:
        """The answer to one question, without outer white space.

        Args:
            pictures: of one moment: a path; several paths; paths by name, such as "front camera"; or [] for words alone.
            question: the name of one of its `questions`, or a question in your own words.
            max_new_tokens: longest answer; None: as in the evaluation.

        Raises:
            ConfigError: if the question is empty. Also if it, or a name, has a sign that models do not read as text.
            DataError: if a picture cannot be used.
        """
        if not question.strip():
            raise ConfigError("an empty question; write one, or name one of the member's questions")
        words = self.questions.get(question) or _read(question)
        return self._predict(pictures, {question: words}, max_new_tokens).answers[question]

    def ask_all(self, pictures: Pictures, *, max_new_tokens: int | None = None) -> Prediction:
        """The answers to all its questions, and the action that one of them names.

        Args:
            pictures, max_new_tokens: as in `ask`.

        Returns:
            `answers` by the question's name, and `action`, which is None without a closed list. `unfinished` names the
            questions whose answers were cut at the longest length.

        Raises:
            ConfigError: if only one of its questions fits a picture, so `ask` has to name it.
            DataError: if a picture cannot be used.
        """
        if self.file.asked.one_fits or not self.questions:
            known = f": {', '.join(self.questions)}" if self.questions else ", in your own words"
            raise ConfigError(f"this member was trained for {self.file.asked.about}; ask the question that fits{known}")
        return self._predict(pictures, self.questions, max_new_tokens)

    def _predict(self, pictures: Pictures, questions: Mapping[str, str], max_new_tokens: int | None) -> Prediction:
        if isinstance(pictures, str | Path):
            pictures = [pictures]
        named = pictures.items() if isinstance(pictures, Mapping) else ((None, path) for path in pictures)
        moment = [(str(path), name and _read(name)) for name, path in named]
        longest = self.file.asked.max_new_tokens if max_new_tokens is None else max_new_tokens
        if longest < 1:
            raise ConfigError(f"max_new_tokens is {longest}; an answer has at least 1 token")
        options = {"batch_size": 1, "max_new_tokens": longest}
        (answered,) = predict(self.model, self.encoder, self.file, [moment], questions, **options)
        if answered.problem is not None:
            raise DataError(answered.problem)
        return answered


def _read(text: str) -> str:
    """The text, if a model reads all of it as text.

    Raises:
        ConfigError: naming the sign that it does not.
    """
    if word := next(iter(marks(text)), None):
        raise ConfigError(f"{text[:60]!r}: {word!r} is a sign that models do not read as text; leave it out")
    return text
