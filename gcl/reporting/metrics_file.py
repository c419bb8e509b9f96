"""A run's metrics file, results/<scale>/metrics/<run id>.json: `read_metrics(path)` gives a `MetricsFile`.

The models are the file's schema, as far as reports depend on it.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gcl.errors import DataError
from gcl.experiment.mgsd_runs import is_planning

# Scores are stored with six digits; what one text scores in two batches may differ in the last.
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
    """One test scenario: its scores by metric, and whether the action is right. Means are macro means over groups, if
    items have groups."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float] = Field(init=False)

    id: str
    group: str | None = None
    action_correct: bool | None = None

    @property
    def scores(self) -> dict[str, float]:
        """By metric; an action is right or wrong, 1 or 0, where the data set has a closed list."""
        right = {} if self.action_correct is None else {"action_accuracy": float(self.action_correct)}
        return self.__pydantic_extra__ | right


class MemberMetrics(BaseModel):
    """One member: means by metric (None for accuracy without a closed list of actions), scores of scenarios, and
    numbers of odd answers by turn or metric."""

    role: str
    model: str
    summary: dict[str, Interval | None]
    items: list[Item]
    empty: dict[str, int] = {}
    unfinished: dict[str, int] = {}
    unscorable: dict[str, int] = {}

    @model_validator(mode="after")
    def _items_have_what_the_summary_has(self) -> "MemberMetrics":
        names = {name for name, interval in self.summary.items() if interval is not None}
        for item in self.items:
            if lacking := names - item.scores.keys():
                raise ValueError(f"{self.role}: {item.id} has no {', '.join(sorted(lacking))}")
        return self


class ConstantAnswer(BaseModel):
    """The most frequent reference action, and what giving it for every scene would score."""

    text: str
    action_f1: float


class CodeHashes(BaseModel):
    """Hashes of the code that made the numbers; of a published model no training is known."""

    training: str | None
    evaluation: str


class Provenance(BaseModel):
    """What the numbers were made from. A published model has no training."""

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
    """A whole file; more keys are welcome."""

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
        return parse_metrics(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError("no such file") from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"]) or "the file"
        raise DataError(f"not a metrics file: {field}: {problem['msg']}") from None
    except ValueError as error:
        raise DataError(f"not valid JSON: {error}") from None


def parse_metrics(content: Any) -> MetricsFile:
    """The model of a file's content. Of planning tasks: one member, whose items are grouped by task."""
    if not (isinstance(content, dict) and is_planning(str(content.get("run")))):
        return MetricsFile.model_validate(content)
    method, models = (*content["run"].split("/"), "", "")[1:3]
    items = content.get("items")
    if isinstance(items, list) and all(isinstance(item, dict) for item in items):
        scores = [{name: value for name, value in item.items() if name not in ("task", "level")} for item in items]
        items = [{"group": item.get("task")} | values for item, values in zip(items, scores, strict=True)]
    member = {
        "role": "student" if method == "mgsd" else "solo", "model": models.split("+")[0], "summary": {}, "items": items,
    }  # fmt: skip
    return MetricsFile.model_validate(content | {"members": [member]})
