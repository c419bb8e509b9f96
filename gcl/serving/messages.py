"""Requests as clients write them: `read_request(body, limits)` checks one and gives its `Conversation`.

The form is that of OpenAI's chat completions. A field that this server does not know is refused, never ignored. Pictures are
data: URLs, so nothing is fetched. They are not decoded here, but their headers say how large they are.

A conversation has the form of a training's sample. Its pictures stand before the first question, each after its name.
A text that ends in a colon right before a picture is that picture's name.
"""

import base64
import binascii
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import Field, ValidationError, field_validator

from gcl.data.images import FORMATS
from gcl.data.scenario import Turn
from gcl.experiment.marks import marks
from gcl.experiment.types import Count, Strict
from gcl.serving.limits import Limits
from gcl.serving.refusal import Refusal

_SHOWN = 80  # characters of a message's detail
_WAY = "send the picture itself, as data:image/png;base64,..."


class TextPart(Strict):
    """A text of a message."""

    type: Literal["text"]
    text: str


class ImageURL(Strict):
    """The picture of a part. `detail` changes nothing, since a member's own limits say how large it sees pictures."""

    url: str
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Strict):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: ImageURL


class ChatMessage(Strict):
    """One message: a text, or texts and pictures in their order."""

    role: Literal["system", "user", "assistant"]
    content: Annotated[list[Annotated[TextPart | ImagePart, Field(discriminator="type")]], Field(min_length=1)]

    @field_validator("content", mode="before")
    @classmethod
    def _text_alone(cls, content: Any) -> Any:
        return [{"type": "text", "text": content}] if isinstance(content, str) else content


class ChatRequest(Strict):
    """The body of a request. Answers are greedy, so the only temperature is 0."""

    model: str | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    temperature: Annotated[float, Field(ge=0, le=0)] | None = None
    stream: bool = False


@dataclass(frozen=True)
class SentPicture:
    """A picture file's contents, its name if it has one, and where in the request it stands."""

    data: bytes
    name: str | None
    place: str


@dataclass(frozen=True)
class Conversation:
    """A checked request.

    Attributes:
        model: the name that the client gave, if any.
        system: its own system message, if any.
        pictures: of the first question.
        earlier: questions and answers before.
        question: to be answered.
        longest: tokens of the answer, if the client said so.
        stream: whether the answer is sent in pieces.
    """

    model: str | None
    system: str | None
    pictures: tuple[SentPicture, ...]
    earlier: tuple[Turn, ...]
    question: str
    longest: int | None
    stream: bool

    @property
    def characters(self) -> int:
        """Of all texts."""
        texts = [
            self.question,
            self.system or "",
            *(text for turn in self.earlier for text in (turn.question, turn.answer)),
        ]
        return sum(map(len, texts))


def read_request(body: bytes, limits: Limits) -> Conversation:
    """Check a request's body.

    Raises:
        Refusal: naming the field that is wrong.
    """
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _invalid(error) from None
    if None not in (request.max_tokens, request.max_completion_tokens):
        raise _bad("max_tokens and max_completion_tokens are two names of one limit; leave out one of the two")
    system, dialogue = None, list(enumerate(request.messages))
    if request.messages[0].role == "system":
        system = _text(*dialogue.pop(0))
    for (number, message), role in zip(dialogue, ("user", "assistant") * len(dialogue), strict=False):
        if message.role != role:
            raise _bad(f"messages[{number}]: role {message.role!r}, but it is the turn of {role!r}; after an optional "
                       "system message, user and assistant take turns")  # fmt: skip
    if len(dialogue) % 2 == 0:
        raise _bad("messages: no question at the end; let the last message be one of role 'user'")
    pictures, texts = _first_question(*dialogue[0], limits)
    for number, message in dialogue[1:]:
        texts.append(_text(number, message))
    for (number, message), text in zip(dialogue, texts, strict=True):
        if message.role == "user":
            _plain(number, text)
    earlier = tuple(map(Turn, texts[:-1:2], texts[1::2]))
    longest = request.max_completion_tokens or request.max_tokens
    return Conversation(request.model, system, tuple(pictures), earlier, texts[-1], longest, request.stream)


def _first_question(number: int, message: ChatMessage, limits: Limits) -> tuple[list[SentPicture], list[str]]:
    """Pictures with their names, and the text of the question as the only one of a list."""
    parts = message.content
    shown = [part for part in parts if isinstance(part, ImagePart)]
    if len(shown) > limits.pictures:
        raise _bad(f"messages[{number}]: {len(shown)} pictures; send at most {limits.pictures}", "too_many_pictures")
    texts = len(parts) - len(shown)
    pictures, words, name = [], [], None
    for k, (part, following) in enumerate(zip(parts, [*parts[1:], None], strict=True)):
        place = f"messages[{number}].content[{k}]"
        if isinstance(part, ImagePart):
            pictures.append(SentPicture(_picture(part.image_url.url, place, limits), name, place))
            name = None
        elif texts > 1 and isinstance(following, ImagePart) and part.text.rstrip().endswith(":"):
            name = part.text.strip()[:-1]
            _plain(number, name)
        else:
            words.append(part.text)
    return pictures, ["\n".join(words)]


def _text(number: int, message: ChatMessage) -> str:
    if any(isinstance(part, ImagePart) for part in message.content):
        raise _bad(
            f"messages[{number}]: a picture outside of the first question, where members have not learnt to see one; "
            "begin a new dialogue"
        )
    return "\n".join(part.text for part in message.content)


def _plain(number: int, text: str) -> None:
    """Refuse a text of the user that is empty, or has a sign that models do not read as text."""
    if not text.strip():
        raise _bad(f"messages[{number}]: no text; write a question")
    if word := next(iter(marks(text)), None):
        raise _bad(f"messages[{number}]: {word!r} is a sign that models do not read as text; leave it out")


def _picture(url: str, place: str, limits: Limits) -> bytes:
    """The contents of a data: URL."""
    head, comma, data = url.partition(",")
    if not head[:5].lower() == "data:":
        raise _bad(f"{place}: no data: URL; this server fetches nothing, so {_WAY}", "foreign_url")
    if not comma or not head.lower().endswith(";base64"):
        raise _bad(f"{place}: a data: URL without base64; {_WAY}", "invalid_image")
    try:
        contents = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _bad(f"{place}: no valid base64 after the comma; encode the file again", "invalid_image") from None
    if (pixels := _pixels(contents)) > limits.pixels:
        most = f"{limits.pixels / 1e6:g} megapixels"
        raise _bad(f"{place}: {pixels / 1e6:.1f} megapixels, more than {most}; scale it down", "image_too_large")
    return contents


def _pixels(contents: bytes) -> float:
    """The size that a picture's header claims. It is 0 where there is none; whoever decodes the picture says why."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of large ones, which are judged here
            with Image.open(BytesIO(contents), formats=FORMATS) as picture:
                return picture.width * picture.height
    except Image.DecompressionBombError:  # Pillow itself refuses it by its header
        return float("inf")
    except Exception:  # damaged bytes make decoders raise nearly anything
        return 0


def _bad(message: str, code: str = "invalid_value") -> Refusal:
    return Refusal(400, message, code)


def _invalid(error: ValidationError) -> Refusal:
    """The first complaint about a body, with the field's path."""
    problem = error.errors(include_url=False)[0]
    if problem["type"] == "json_invalid":
        return _bad(f"the body is no JSON: {problem['ctx']['error']}", "invalid_json")
    place = "".join(_steps(problem["loc"])).lstrip(".") or "the body"
    if problem["type"] == "extra_forbidden":
        return _bad(f"{place}: this server does not know it; leave it out", "unknown_parameter")
    if place == "temperature":
        return _bad(
            "temperature: answers are always the most probable ones; set 0, or leave it out", "unsupported_value"
        )
    return _bad(f"{place}: {problem['msg'][0].lower()}{problem['msg'][1:]}"[: 4 * _SHOWN])


def _steps(path: Sequence[str | int]) -> Iterator[str]:
    """A field's path, each step as it is written behind those before."""
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step[:_SHOWN]}"
