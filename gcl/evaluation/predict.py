"""Ask a member about any pictures: `gcl predict`, here `show(predict(find_member(name), ...))`.

The evaluation asks alike, and its code answers (gcl/evaluation/generate.py). So a picture of the test split gets the answers
of its predictions file. In low precision a text can depend on the other prompts of a batch. `gcl predict` asks one turn at a
time, the moments of a batch together. gcl/evaluation/asked_member.py finds the member.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from gcl.data.encoding import Encoder
from gcl.data.images import PictureError
from gcl.data.raw import picture_fields
from gcl.data.scenario import Exchange, Picture, Scenario, Turn
from gcl.errors import ConfigError, DataError
from gcl.evaluation.generate import Answer, after, answers
from gcl.evaluation.scorers.accuracy import NO_ACTION
from gcl.experiment.actions import named_action
from gcl.experiment.marks import marks
from gcl.files import STDIN
from gcl.training.member_file import MemberFile

Moment = Sequence[tuple[str, str | None]]  # path, as it was given, and name of each picture
_LONGEST = 20  # signs of a question's name that stands beside its answer


@dataclass(frozen=True)
class Prediction:
    """A member's answers about one moment.

    Attributes:
        pictures: paths as they were given, and names.
        answers: text by the question's name, in the order in which they were asked.
        action: entry of the data set's closed list that an answer names, as scoring reads it. None where there is no
            such list or its turn was not asked.
        named_in: the turn whose answer names the action.
        unfinished: names of the questions whose answers were cut at the longest length.
        problem: the picture that cannot be used, the reason and the remedy; there are no answers then.
    """

    pictures: Moment
    answers: Mapping[str, str]
    action: str | None = None
    named_in: str | None = None
    unfinished: Sequence[str] = ()
    problem: str | None = None

    def to_dict(self) -> dict[str, object]:
        """For JSON."""
        answers, unfinished = dict(self.answers), list(self.unfinished)
        said = {"answers": answers, "action": self.action, "unfinished": unfinished}
        return picture_fields(self.pictures) | said

    def __str__(self) -> str:
        width = max((len(turn) for turn in self.answers if len(turn) <= _LONGEST), default=0) + 4
        named = [f"{name}: {path}" if name else path for path, name in self.pictures]
        lines = [_printable(", ".join(named) or "(no picture)")]
        for turn, text in self.answers.items():
            after = f" [{self.action}]" if turn == self.named_in and self.action else ""
            after += " (cut: the longest length was reached)" if turn in self.unfinished else ""
            if len(turn) > _LONGEST:  # a question of the user's own stands above its answer
                lines.append(f"  {_printable(turn)}")
                turn = ""
            # Further lines of an answer stand below its first.
            lines.append(f"  {turn:<{width - 2}}" + (text or "(empty)").replace("\n", "\n" + " " * width) + after)
        return "\n".join(lines)


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


def moments(arguments: Iterable[str], stdin: Iterable[bytes]) -> Iterator[Moment]:
    """One picture each, by paths as given. `STDIN` stands for those on standard input, one a line, read when needed."""
    for argument in arguments:
        if argument != STDIN:
            yield [(argument, None)]
            continue
        for line in stdin:
            if name := line.rstrip(b"\r\n"):
                yield [(os.fsdecode(name), None)]


def named_picture(argument: str) -> tuple[str, str | None]:
    """Path and name of a picture written as NAME=PATH, or as PATH alone; =PATH where a path without name has this sign.

    Raises:
        ConfigError: if the path is missing, or the name has a sign that models do not read as text.
    """
    name, equals, path = argument.partition("=")
    if not equals:
        name, path = "", argument
    if not path:
        raise ConfigError(f"--picture {argument}: no path; write NAME=PATH, or PATH")
    if word := next(iter(marks(name)), None):
        raise ConfigError(f"--picture {argument}: {word!r} is a sign that models do not read as text; leave it out")
    return path, name.strip() or None


def predict(
    model: Any,
    encoder: Encoder,
    file: MemberFile,
    moments: Iterable[Moment],
    questions: Mapping[str, str],
    *,
    batch_size: int,
    max_new_tokens: int,
) -> Iterator[Prediction]:
    """Yield one prediction per moment, in their order, as soon as its batch is answered.

    A member that was trained in a context is asked in one: what it answered to the turns before, or their questions.
    A picture that cannot be used raises nothing; see `Prediction`.

    Args:
        model: of transformers, or one that has `generate` and `device` as these have.
        encoder: the model's.
        file: how it is asked.
        moments: the pictures of each.
        questions: by name, from `chosen_questions`.
        batch_size: moments that are answered together.
        max_new_tokens: longest answer.
    """
    asked, context = file.asked, file.context
    turns = {name: Turn(text, "") for name, text in _dialogue(file, questions).items()}
    moments = iter(moments)
    while batch := list(islice(moments, batch_size)):
        # An encoder keeps pictures for the next turn. Those of other batches are not needed again.
        encoder = Encoder(encoder.preprocessor, encoder.system)
        scenes = [Scenario("", tuple(Picture(Path(p), name) for p, name in shown), turns, "test") for shown in batch]
        problems = [_problem(encoder, scene, shown) for scene, shown in zip(scenes, batch, strict=True)]
        good = [scene for scene, problem in zip(scenes, problems, strict=True) if problem is None]
        texts: dict[str, list[Answer]] = {}
        for turn in turns if good else ():
            if turn in questions or context == "full":
                exchanges = [scene.exchange(turn, context) for scene in good]
                if context == "full":
                    before = good[0].before(turn)
                    exchanges = [after(e, [texts[name][k].text for name in before]) for k, e in enumerate(exchanges)]
                texts[turn] = answers(model, encoder, exchanges, max_new_tokens)
        answered = iter(range(len(good)))
        for shown, problem in zip(batch, problems, strict=True):
            if problem is not None:
                yield Prediction(shown, {}, problem=problem)
                continue
            number = next(answered)
            given = {turn: texts[turn][number] for turn in turns if turn in questions}
            said = {turn: answer.text for turn, answer in given.items()}
            unfinished = [turn for turn, answer in given.items() if not answer.ended]
            named = None
            if asked.actions and asked.action in said:
                named = named_action(said[asked.action], asked.actions) or NO_ACTION
            yield Prediction(shown, said, named, asked.action, unfinished)


def show(predictions: Iterable[Prediction], total: int | None, *, as_json: bool) -> None:
    """Print predictions as they are made. Standard error gets unusable pictures and, at a terminal, progress.

    Args:
        predictions: from `predict`; the member may be loaded when the first is asked for.
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
                    print(found.problem, file=sys.stderr)
                else:
                    print(json.dumps(found.to_dict()) if as_json else found, flush=True)
    if bad:
        raise DataError(f"images that cannot be used, named above: {bad}; mend these, all others are answered")


def _printable(path: str) -> str:
    """A path as text that every stream takes. Names of files may hold bytes that are no text."""
    return path.encode(errors="backslashreplace").decode()


def _problem(encoder: Encoder, scene: Scenario, shown: Moment) -> str | None:
    """The first picture that the member cannot see, the reason and the remedy; None if it sees all."""
    for picture, (path, _) in zip(scene.pictures, shown, strict=True):
        try:
            encoder.prompt(Exchange("", (picture,), "", ""))
        except PictureError as error:
            return f"{_printable(path)}: {error}"
    return None


def _dialogue(file: MemberFile, questions: Mapping[str, str]) -> Mapping[str, str]:
    """The questions, in a context with the member's own ones before the last of its turns that is asked."""
    own = file.asked.questions
    if file.context == "none":
        return questions
    last = max((number for number, name in enumerate(own) if name in questions), default=-1)
    return dict(list(own.items())[: last + 1]) | {name: text for name, text in questions.items() if name not in own}
