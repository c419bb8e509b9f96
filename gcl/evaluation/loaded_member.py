"""A trained member in memory, for other programs: `member = load_member(folder)`, then `member.ask(picture, question)`.

It is asked as `gcl predict` asks, with the same code. So a picture of the test split gets the evaluation's own answers.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from gcl.errors import CheckpointError, ConfigError, DataError
from gcl.evaluation.asked_member import find_member
from gcl.evaluation.predict import Prediction, load, predicted
from gcl.experiment.marks import marks
from gcl.training.member_file import MemberFile

Pictures = str | Path | Mapping[str, str | Path] | Sequence[str | Path]


def load_member(folder: str | Path) -> "LoadedMember":
    """Load a member that a training left, on the GPU if there is one.

    Args:
        folder: the member's, results/<scale>/checkpoints/<run>/<role>, or that of a run with one member.

    Raises:
        CheckpointError: if it is no trained member, or cannot be loaded.
        MissingLibrary: if it has adapters alone, and peft is not installed.
    """
    return LoadedMember(folder)


class LoadedMember:
    """A member that answers questions about pictures.

    Attributes:
        file: how it is asked: run, role, questions, closed list of actions, and more (gcl/training/member_file.py).
    """

    def __init__(self, folder: str | Path) -> None:
        self._found = find_member(str(folder))
        if self._found.file is None:
            raise CheckpointError(
                f"{folder}: a base model, which no training here has touched; ask it with gcl predict, or transformers"
            )
        self.file: MemberFile = self._found.file
        self._loaded = load(self._found)

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
        (answered,) = predicted(*self._loaded, self.file, [moment], questions, **options)
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
