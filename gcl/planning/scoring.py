"""Scores of plans and readings: `score_answer(record, text)` for one answer, `metrics(...)` for a file of them.

The rules are those of MGSD's released evaluation. A plan succeeds if it reaches the goal without an illegal action. Actions
after the goal do not count. A text without a plan fails. A move off the grid is illegal in every task. But MGSD's training
reward and gymnasium allow such a move in FrozenLake. `success_staying` follows these two.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcl.errors import DataError
from gcl.evaluation.bootstrap import mean_interval
from gcl.planning import perception
from gcl.planning.plans import read_plan
from gcl.planning.states_file import StateRecord

PLAN_SCORES = ("parsed", "success", "success_staying", "optimal", "illegal")


@dataclass(frozen=True)
class Scored:
    """One answer's scores.

    Attributes:
        id: of the state.
        task, level: its cell of the evaluation.
        scores: by name, each 0 or 1.
    """

    id: str
    task: str
    level: int
    scores: Mapping[str, float]


def score_answer(record: StateRecord, text: str) -> Scored:
    """Score a plan in a model's words.

    Returns:
        The scores `PLAN_SCORES`. parsed: a plan was found. optimal: success with the fewest actions. illegal: an action
        was illegal. Without a plan all are 0.
    """
    plan = read_plan(text, record.state.task)
    if plan is None:
        return _scored(record, dict.fromkeys(PLAN_SCORES, False))
    outcome = record.state.simulate(plan)
    staying = record.state.simulate(plan, off_grid="stay")
    optimal = outcome.success and outcome.steps == len(record.plan)
    values = (True, outcome.success, staying.success, optimal, outcome.fault is not None)
    return _scored(record, dict(zip(PLAN_SCORES, values, strict=True)))


def score_reading(record: StateRecord, text: str) -> Scored:
    """Score numbered answers to the questions of `perception`, each by its key, and `all` together."""
    correct = perception.score(record.state, text)
    return _scored(record, correct | {"all": all(correct.values())})


def rates(scored: Sequence[Scored], resamples: int) -> dict[str, dict[str, dict[str, float | int]]]:
    """Rates with 95 % intervals.

    Args:
        scored: all plans, or all readings.
        resamples: of the bootstrap.

    Returns:
        Rates by group and score. Groups are each task, each "task level", "all", and "macro". "macro" is the unweighted mean
        of the tasks' rates, the paper's headline. It leaves out scores that some task does not have.

    Raises:
        DataError: if `scored` is empty.
    """
    if not scored:
        raise DataError("no answers to score; generate some first")
    groups: dict[str, list[Scored]] = defaultdict(list)
    for one in scored:
        for name in ("all", one.task, f"{one.task} {one.level}"):
            groups[name].append(one)
    by_group = {name: _each(group, lambda values: mean_interval(values, resamples)) for name, group in groups.items()}
    common = set.intersection(*(set(by_group[one.task]) for one in scored))
    weights = macro_weights([one.task for one in scored])
    by_group["macro"] = {
        score: mean_interval([w * one.scores[score] for w, one in zip(weights, scored, strict=True)], resamples)
        for score in sorted(common)
    }
    return by_group


def macro_weights(tasks: Sequence[str]) -> list[float]:
    """Weights of states, by the task of each. The weighted mean over states is the unweighted mean of the tasks' means."""
    counts = Counter(tasks)
    return [len(tasks) / (len(counts) * counts[task]) for task in tasks]


def metrics(records: Sequence[StateRecord], answers: Sequence[Mapping[str, str]], resamples: int) -> dict[str, Any]:
    """Rates with intervals, and every answer's scores.

    Args:
        records: the states.
        answers: one line of the answers file for each state, all of one view and kind.
        resamples: of the bootstrap.

    Returns:
        view, asked, rates (see `rates`), empty and unfinished (numbers of such answers), items.

    Raises:
        DataError: if an answer is missing, unknown or double, or does not say whether it ended. Also if kinds are mixed.
    """
    kinds = {(line["view"], line["asked"]) for line in answers}
    if len(kinds) != 1:
        raise DataError(f"answers of {len(kinds)} kinds in one file; score each view and question by itself")
    ((view, asked),) = kinds
    if any("ended" not in line for line in answers):
        raise DataError("answers of an earlier version, which do not say whether they ended; generate them anew")
    texts = {line["id"]: line["text"] for line in answers}
    ids = [record.id for record in records]
    if len(texts) < len(answers) or set(texts) != set(ids):
        different = sorted(set(texts) ^ set(ids))
        reason = f"missing or unknown: {', '.join(different[:3])}" if different else "some states have two"
        raise DataError(f"the answers are not those of these states ({reason}); generate them anew")
    score = score_answer if asked == "plan" else score_reading
    scored = [score(record, texts[record.id]) for record in records]
    counts = {
        "empty": sum(not line["text"].strip() for line in answers),
        "unfinished": sum(not line["ended"] for line in answers),
    }
    items = [{"id": one.id, "task": one.task, "level": one.level, **one.scores} for one in scored]
    return {"view": view, "asked": asked, "rates": rates(scored, resamples), **counts, "items": items}


def _scored(record: StateRecord, scores: Mapping[str, bool]) -> Scored:
    values = {name: float(value) for name, value in scores.items()}
    return Scored(record.id, record.state.task, record.state.size, values)


def _each(
    group: Iterable[Scored], summary: Callable[[list[float]], dict[str, float | int]]
) -> dict[str, dict[str, float | int]]:
    values: dict[str, list[float]] = defaultdict(list)
    for one in group:
        for name, value in one.scores.items():
            values[name].append(value)
    return {name: summary(values[name]) for name in sorted(values)}
