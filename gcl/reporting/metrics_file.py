"""A run's metrics file, results/<scale>/metrics/<run id>.json: `read_metrics(path)` gives a `MetricsFile`.

The models are the file's schema, as far as reports depend on it.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gcl.errors import DataError

# Scores are stored with six digits; those of one text in two batches may differ in the last.
SAME = 1e-5


class Interval(BaseModel):
    """A mean over `n` test scenarios and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


class Item(BaseModel):
    """One test scenario: its scores by name. Means are macro means over groups, if items have groups."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    id: str
    group: str | None = None
    level: int | None = None

    @property
    def scores(self) -> dict[str, float]:
        """By name."""
        return self.__pydantic_extra__


class HeldOutItem(BaseModel):
    """One held-out question: tokens of its answer, and sums over them."""

    id: str
    tokens: int
    cross_entropy: float
    right: float


class HeldOutMetrics(BaseModel):
    """How much a member still can of what it could before: means per token by name, and what they are made from."""

    summary: dict[str, Interval]
    items: list[HeldOutItem]


class MemberMetrics(BaseModel):
    """One member: means by name, scores of scenarios, and numbers of odd answers by turn or name."""

    role: str
    model: str
    summary: dict[str, Interval]
    items: list[Item]
    empty: dict[str, int] = {}
    unfinished: dict[str, int] = {}
    unscorable: dict[str, int] = {}
    held_out: HeldOutMetrics | None = None

    @model_validator(mode="after")
    def _items_have_what_the_summary_has(self) -> "MemberMetrics":
        names = self.summary.keys()
        for item in self.items:
            if lacking := names - item.scores.keys():
                raise ValueError(f"{self.role}: {item.id} has no {', '.join(sorted(lacking))}")
        return self


class ConstantAnswer(BaseModel):
    """The most frequent reference of the ranking score's turn, and the score of giving it for every scene."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    text: str

    @property
    def score(self) -> tuple[str, float]:
        """Its name and value."""
        return next(iter(self.__pydantic_extra__.items()))


class CodeHashes(BaseModel):
    """Hashes of the code that made the numbers; None for the training of a published model."""

    training: str | None
    evaluation: str


class Provenance(BaseModel):
    """The causes of the numbers. A published model has no training."""

    training: str | None
    spec: dict[str, Any] | None = None
    spec_sha256: str | None
    code_sha256: CodeHashes
    manifests: dict[str, str | None]
    metric_models: dict[str, str]
    predictions_sha256: str
    checkpoints: dict[str, str]
    start: dict[str, str | None] = {}
    score: dict[str, Any] = {}
    environment: dict[str, Any] = {}


class MetricsFile(BaseModel):
    """A whole file; it may have more keys."""

    scale: str
    run: str
    members: list[MemberMetrics]
    constant_answer: ConstantAnswer | None = None
    provenance: Provenance

    def member(self, role: str) -> MemberMetrics:
        """The member of a role."""
        return next(member for member in self.members if member.role == role)


def read_metrics(path: Path) -> MetricsFile:
    """Read one metrics file, whatever configuration it was made with.

    Raises:
        DataError: if it is missing, or no metrics file; without the path.
    """
    try:
        return MetricsFile.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise DataError("no such file") from None
    except ValidationError as error:
        problem = error.errors()[0]
        if problem["type"] == "json_invalid":
            raise DataError(f"not valid JSON: {problem['ctx']['error']}") from None
        field = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise DataError(f"not a metrics file: {field}: {problem['msg']}") from None
