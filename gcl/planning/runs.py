"""Trainings of MGSD as data: a `PlanningSpec` says who sees what of the tasks, `source(spec, records, pictures)` makes it.

Every stage and every control is one of four kinds:

    reading        stage 1, grounding: questions about the picture, answered from the state
    response       supervised fine-tuning on reference responses; of words alone it makes the miniature base models
    plan           the same on answer blocks alone: the control that skips what is in between
    distillation   stage 2: what `author` writes, scored by all members, each behind its own view
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import model_validator

from gcl.data.scenario import Exchange
from gcl.planning import perception
from gcl.planning.on_policy import OnPolicy
from gcl.planning.records import StateRecord
from gcl.planning.scoring import score_answer
from gcl.planning.views import View, perception_prompt, prompt, response
from gcl.runs import RunSpec
from gcl.training.source import References, Source

Kind = Literal["reading", "response", "plan", "distillation"]


class PlanningSpec(RunSpec):
    """A training on planning tasks.

    Attributes:
        kind: see the module.
        views: what each member sees, in the order of members; with `response` or `plan` and one member there may be several,
            which are all shown. Readings are always of the picture.
        author: number of the member who writes, in a distillation.
        temperature: of what it writes.
        max_new_tokens: longest answer.
    """

    kind: Kind
    views: list[View]
    author: int = 0
    temperature: float = 1.0
    max_new_tokens: int = 256

    @model_validator(mode="after")
    def _fits(self) -> "PlanningSpec":
        members = len(self.members)
        if self.kind == "distillation":
            if members < 2 or len(self.views) != members:
                raise ValueError("a distillation has two members or more, and a view for each")
            if not self.author < members or self.objective is None or not self.temperature > 0:
                raise ValueError(
                    "a distillation needs an author among its members, an objective, and a temperature > 0"
                )
        elif members != 1 or not self.views:
            raise ValueError(f"{self.kind}: one member learns, from one view or several")
        return self


def source(spec: PlanningSpec, records: Sequence[StateRecord], pictures: Path) -> Source:
    """The samples of a training.

    Args:
        spec: the training.
        records: states of the training split.
        pictures: folder with `<id>.png` of each.
    """
    if spec.kind == "distillation":
        views = [[planning(record, view, pictures) for record in records] for view in spec.views]
        return OnPolicy(
            views,
            temperature=spec.temperature,
            max_new_tokens=spec.max_new_tokens,
            author=spec.author,
            supervised=spec.author != 0,
            judge=partial(_judge, records),
        )
    if spec.kind == "reading":
        return References([reading(record, pictures) for record in records])
    form = "answer" if spec.kind == "plan" else "map, route, answer"
    return References([planning(record, view, pictures, form) for record in records for view in spec.views])


def planning(record: StateRecord, view: View, pictures: Path, form: str = "map, route, answer") -> Exchange:
    """The task of finding a plan, as one view shows it, with the reference response."""
    shown = prompt(record, view, form)
    picture = pictures / f"{record.id}.png" if shown.image else None
    return Exchange(f"{record.id}/{view}", picture, shown.text, response(record, form))


def reading(record: StateRecord, pictures: Path) -> Exchange:
    """All questions about a picture, with the reference answers."""
    shown = perception_prompt(record)
    return Exchange(f"{record.id}/reading", pictures / f"{record.id}.png", shown.text, perception.answer(record.state))


def _judge(records: Sequence[StateRecord], index: int, text: str) -> Mapping[str, int]:
    scores = score_answer(records[index], text).scores
    return {name: int(scores[name]) for name in ("parsed", "success", "optimal")}
