"""From states to samples: `source(spec, records, pictures)` for a training, `planning` and `reading` for one question."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from gcl.data.scenario import Exchange
from gcl.experiment.mgsd_runs import PlanningSpec
from gcl.experiment.mgsd_schema import Question, View
from gcl.planning import perception
from gcl.planning.scoring import score_answer
from gcl.planning.states_file import StateRecord
from gcl.planning.views import perception_prompt, prompt, response
from gcl.training.feeds import References, Source
from gcl.training.member_file import Questions
from gcl.training.on_policy import OnPolicy


def picture_questions(
    spec: PlanningSpec, view: View, records: Sequence[StateRecord], batch_size: int, max_new_tokens: int
) -> Questions:
    """What a member is asked about a picture after its training: by task, the question that it was trained with.

    Args:
        spec: the training.
        view: what the member sees there; one that saw no picture has no question.
        records: states of the training split.
        batch_size: pictures answered together.
        max_new_tokens: longest answer.
    """
    view = "image" if spec.pictured else view
    asked: Question = {"reading": "reading", "plan": "answer"}.get(spec.kind, view)
    first = {record.state.task: record for record in reversed(records)}
    shown = {task: exchange(record, asked, Path()) for task, record in sorted(first.items())}
    told = asked.endswith("+plan") or asked == "symbols"  # such a question holds the state, or its plan
    return Questions(
        about=f"planning tasks ({spec.kind}, seen as {view}): {', '.join(shown)}",
        questions={} if told else {task: one.question for task, one in shown.items()},
        one_fits=True,
        batch_size=batch_size,
        max_new_tokens=max_new_tokens,
    )


def source(spec: PlanningSpec, records: Sequence[StateRecord], pictures: Path, rollouts: str = "plain") -> Source:
    """The samples of a training.

    Args:
        spec: the training.
        records: states of the training split.
        pictures: folder with `<id>.png` of each.
        rollouts: what draws the answers of a distillation, "plain" or "vllm".
    """
    if spec.kind == "distillation":
        views = [[planning(record, view, pictures) for record in records] for view in spec.views]
        return OnPolicy(
            views,
            temperature=spec.temperature,
            max_new_tokens=spec.max_new_tokens,
            author=spec.author,
            supervised=spec.author != 0,
            rollouts=rollouts,
            judge=partial(_judge, records),
        )
    if spec.kind == "reading":
        return References([reading(record, pictures) for record in records])
    form = "answer" if spec.kind == "plan" else "map, route, answer"
    shown = [planning(record, view, pictures, form) for record in records for view in spec.views]
    shown += [planning(record, "image", pictures, form) for record in _spread(records, spec.pictured)]
    shown += [reading(record, pictures) for record in _spread(records, spec.read)]
    return References(shown)


def planning(record: StateRecord, view: View, pictures: Path, form: str = "map, route, answer") -> Exchange:
    """The task of finding a plan, as one view shows it, with the reference response."""
    shown = prompt(record, view, form)
    picture = pictures / f"{record.id}.png" if shown.image else None
    return Exchange(f"{record.id}/{view}", picture, shown.text, response(record, form))


def exchange(record: StateRecord, question: Question, pictures: Path) -> Exchange:
    """A state as it is asked about, with the reference answer."""
    if question == "reading":
        return reading(record, pictures)
    if question == "answer":
        return planning(record, "image", pictures, question)
    return planning(record, question, pictures)


def reading(record: StateRecord, pictures: Path) -> Exchange:
    """All questions about a picture, with the reference answers."""
    shown = perception_prompt(record)
    return Exchange(f"{record.id}/reading", pictures / f"{record.id}.png", shown.text, perception.answer(record.state))


def _spread(records: Sequence[StateRecord], count: int) -> list[StateRecord]:
    """So many of the records, of all tasks and levels, which stand one after another."""
    count = min(count, len(records))
    return [records[k * len(records) // count] for k in range(count)]


def _judge(records: Sequence[StateRecord], index: int, text: str) -> Mapping[str, int]:
    scores = score_answer(records[index], text).scores
    return {name: int(scores[name]) for name in ("parsed", "success", "optimal")}
