"""Parts of schemas: `Strict` models, `Setting` with its origin, kinds of numbers, and types that several sections share."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gcl.files import canonical_json

ORIGINS = ("paper", "inferred", "assumed")
# The picture that members see with a test scene: its own, or that of another scene, as a control.
Pictures = Literal["own", "exchanged"]
# The turns before a question, as members read them: not at all, the questions alone, or with answers.
Context = Literal["none", "questions", "full"]
# Whose answers these are when a member is tested: its own ones, or those of the data.
Earlier = Literal["own", "reference"]
# 4-bit weights of teachers, and of models that adapters adapt.
Quantization = Literal["nf4"] | None
# AdamW8bit keeps the two moments of each weight in 8 bits (bitsandbytes).
Optimizer = Literal["AdamW", "AdamW8bit"]
T = TypeVar("T")
S = TypeVar("S", bound="Strict")
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # as large as numpy's can be


class Strict(BaseModel):
    """Rejects unknown keys and silent conversions: text is never read as a number, and a number is finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Spec(Strict):
    """A specification that a job is given."""

    @property
    def json(self) -> str:
        """One spelling; it triggers a rerun when it changes."""
        return canonical_json(self.model_dump())


class Setting(Strict, Generic[T]):
    """A value and where it comes from; exactly one of the three origins is given."""

    value: T
    paper: str | None = None
    inferred: str | None = None
    assumed: str | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> "Setting[T]":
        if sum(getattr(self, name) is not None for name in ORIGINS) != 1:
            raise ValueError(f"give exactly one origin: {', '.join(ORIGINS)}")
        return self

    @property
    def origin(self) -> tuple[str, str]:
        """Kind of origin and its explanation."""
        kind = next(name for name in ORIGINS if getattr(self, name) is not None)
        return kind, getattr(self, kind)


class Lora(Strict):
    """Low-rank adapters on every linear layer of the language model, instead of training the weights themselves.

    Attributes:
        vision: whether every linear layer of the vision tower's blocks has some, too.
    """

    rank: Count
    alpha: Positive
    vision: bool = False


class HeldOutQuestions(Strict):
    """Questions with answers that no model of the experiment was trained on.

    Attributes:
        folder: with test.jsonl and its pictures, in the form of an instruction set.
        questions: so many of them, from all parts of the file.
    """

    folder: str
    questions: Count


class ValidationSplit(Strict):
    """Training scenes that are held out. Losses on them are computed during the training.

    Attributes:
        share: of the training scenes.
        every: optimizer steps between two validations. The last step has one, too.
        keep: the weights that the training leaves, those of the `best` validated step or the `last` ones.
    """

    share: Annotated[float, Field(gt=0, lt=1)]
    every: Count
    keep: Literal["best", "last"]
