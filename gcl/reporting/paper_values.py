"""The published numbers: `paper_component()`, `paper_group()`, `paper_point()`, and `paper_planning()` of MGSD.

Each returns None unless the paper has a number for exactly this setting. The numbers were copied by hand into paper/*.csv.
Each has its place in the paper, and a note where it is doubtful. components.csv is Table 2, groups.csv Tables 1 and 3.
sweeps.csv has the printed points of Figs. 2, 3, 4 and 7: tables and text were read, not the plots. planning.csv is MGSD's
headline, of which no table could be read.
"""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from gcl.errors import DataError, raise_all
from gcl.evaluation.metric_registry import ranking
from gcl.experiment.schema import Experiment, Group, Pair

# Names in the paper; an experiment may have more.
_Dataset = Literal["snei", "muson"]
_Model = Literal["qwen3-vl-2b", "qwen2.5-vl-3b", "qwen3-vl-4b", "qwen2.5-vl-7b", "qwen3-vl-8b"]
_Role = Literal["learner", "guide"]
_Score = Annotated[float, Field(ge=0, le=1)]
_Tau = Annotated[float, Field(gt=0)]
_Text = Annotated[str, Field(min_length=1)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


Line = TypeVar("Line", bound=_Line)


class ComponentValue(_Line):
    """A line of components.csv: one member in one pair of rows of Table 2."""

    dataset: _Dataset
    variant: Literal["sft", "gsl", "drl", "gco", "full"]
    model: _Model
    role: _Role
    action_f1: _Score
    perception_cos: _Score
    reasoning_cos: _Score
    place: _Text
    note: str


class GroupValue(_Line):
    """A line of groups.csv: a row of Table 1 or 3. The paper's names stand beside those of the models meant."""

    dataset: _Dataset
    regime: Literal["A", "B"]
    learner_as_printed: _Text
    guide_as_printed: _Text
    learner: _Model
    guide: _Model
    tau_learner: _Tau
    tau_guide: _Tau
    sft_learner: _Score
    sft_guide: _Score
    gcl_learner: _Score
    gain_learner: FiniteFloat
    gcl_guide: _Score
    gain_guide: FiniteFloat
    place: _Text
    note: str

    @model_validator(mode="after")
    def _adds_up(self) -> "GroupValue":
        # The paper prints every gain: a digit that was copied wrongly shows.
        for role in ("learner", "guide"):
            sft, gcl, gain = (getattr(self, f"{name}_{role}") for name in ("sft", "gcl", "gain"))
            if abs(gcl - sft - gain) > 1e-6:
                raise ValueError(f"gcl_{role} {gcl} is not sft_{role} {sft} and gain_{role} {gain} together")
        return self


class PointValue(_Line):
    """A line of sweeps.csv: one member at one point. The paper may lack its coordinates, or its value."""

    figure: Literal["fig2a", "fig2b", "fig3a", "fig3b", "fig4", "fig7"]
    dataset: _Dataset
    learner: _Model
    guide: _Model
    setting: Literal["gsl_weight", "drl_weight", "lr_ratio", "tau"]
    coordinates: Annotated[tuple[FiniteFloat, ...], BeforeValidator(lambda cell: cell.split("/") if cell else [])]
    role: _Role
    metric: Literal["action_f1"]
    value: Annotated[_Score | None, BeforeValidator(lambda cell: None if cell == "" else cell)]
    place: _Text
    note: str


class PlanningValue(_Line):
    """A line of planning.csv: the macro mean of one model before and after MGSD."""

    model: Literal["qwen3-vl-4b", "qwen3-vl-8b"]
    run: Literal["base", "full"]
    success: _Score
    place: _Text
    note: str


FILES = {
    ComponentValue: "components.csv", GroupValue: "groups.csv", PointValue: "sweeps.csv", PlanningValue: "planning.csv",
}  # fmt: skip


def paper_values_shown(experiment: Experiment) -> bool:
    """Whether published values are shown: as configured, by default only at paper scale.

    They are never shown where another score ranks than the published one.
    """
    datasets = [name for name in get_args(_Dataset) if name in experiment.datasets]
    if any(ranking(experiment, name)[0] != "action_f1" for name in datasets):
        return False
    choice = experiment.report.paper_values.value
    return experiment.scale == "paper" if choice is None else choice


def paper_component(dataset: str, variant: str, pair: Pair, role: str, metric: str) -> float | None:
    """Table 2.

    Args:
        variant: "sft", "gsl", "drl", "gco" or "full".
    """
    rows = {row.role: row for row in _lines(ComponentValue, dataset=dataset, variant=variant)}
    same_pair = rows and all(rows[name].model == getattr(pair, name) for name in ("learner", "guide"))
    return getattr(rows[role], metric, None) if same_pair else None


def paper_group(dataset: str, group: Group, method: str, role: str) -> float | None:
    """Tables 1 (snei) and 3 (muson).

    Args:
        method: "sft" or "gcl".
    """
    taus = {"tau_learner": group.tau[0], "tau_guide": group.tau[1]}
    found = _lines(GroupValue, dataset=dataset, learner=group.learner, guide=group.guide, **taus)
    return getattr(found[0], f"{method}_{role}") if found else None


def paper_point(sweep: str, pair: Pair, coordinates: Mapping[str, float], role: str) -> float | None:
    """A point of Figs. 2, 3, 4 or 7. Some are named without their coordinates; those are never found."""
    place = tuple(coordinates.values())
    found = _lines(PointValue, figure=sweep, learner=pair.learner, guide=pair.guide, coordinates=place, role=role)
    return found[0].value if found else None


def paper_planning(model: str, run: str) -> float | None:
    """MGSD's headline.

    Args:
        run: as of an arm of `planning.arms`: "base" or "full".
    """
    found = _lines(PlanningValue, model=model, run=run)
    return found[0].success if found else None


def _lines(kind: type[Line], **wanted: Any) -> list[Line]:
    """The lines that have all of these cells."""
    return [line for line in published(kind) if all(getattr(line, name) == cell for name, cell in wanted.items())]


@cache
def published(kind: type[Line]) -> Sequence[Line]:
    """The lines of one of the package's files."""
    name = FILES[kind]
    return read_rows(name, (files("gcl.reporting") / "paper" / name).read_text(encoding="utf-8"), kind)


def read_rows(name: str, text: str, kind: type[Line]) -> Sequence[Line]:
    """Read a file's text, and check every cell.

    Args:
        name: of the file, for messages.
        kind: its columns, in order.

    Raises:
        DataError: lists every cell that cannot be right, by line and column.
    """
    header, *lines = [*csv.reader(text.splitlines())] or [[]]
    columns = list(kind.model_fields)
    if header != columns:
        raise DataError(f"{name}: the columns are {', '.join(header)}; they must be {', '.join(columns)}")
    rows: list[Line] = []
    problems = []
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(columns):
            problems.append(f"line {number}: {len(cells)} cells; write {len(columns)}, with quotes around commas")
            continue
        try:
            rows.append(kind.model_validate(dict(zip(columns, cells, strict=True))))
        except ValidationError as error:
            problems += [f"line {number}{_explain(problem)}" for problem in error.errors()]
    raise_all(problems, f"published values in {name}")
    return rows


def _explain(problem: Mapping[str, Any]) -> str:
    """Column, cell and remedy of one of Pydantic's errors; of one about a whole line, its message."""
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return f": {message}"
    return f", {problem['loc'][0]}: {problem['input']!r} is not possible; {message[:1].lower()}{message[1:]}"
