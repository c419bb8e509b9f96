"""Scores of a plan or a reading: `score_plan(state, text)` and `score_reading(state, text)`, each score 0 or 1.

The rules are those of MGSD's released evaluation. A plan succeeds if it reaches the goal without an illegal action. Actions
after the goal do not count. A text without a plan fails. A move off the grid is illegal in every task. But MGSD's training
reward and gymnasium allow such a move in FrozenLake. `success_staying` follows these two.
"""

from functools import cache

from gcl.planning import perception
from gcl.planning.plans import read_plan
from gcl.planning.state import PlanningState

PLAN_SCORES = ("parsed", "success", "success_staying", "optimal", "illegal")


def score_plan(state: PlanningState, text: str) -> dict[str, float]:
    """Score a plan in a model's words.

    Returns:
        The scores `PLAN_SCORES`. parsed: a plan was found. optimal: success with the fewest actions. illegal: an action
        was illegal. Without a plan all are 0.
    """
    plan = read_plan(text, state.task)
    if plan is None:
        return dict.fromkeys(PLAN_SCORES, 0.0)
    outcome, staying = state.simulate(plan), state.simulate(plan, off_grid="stay")
    optimal = outcome.success and outcome.steps == _shortest(state)
    values = (True, outcome.success, staying.success, optimal, outcome.fault is not None)
    return {name: float(value) for name, value in zip(PLAN_SCORES, values, strict=True)}


def score_reading(state: PlanningState, text: str) -> dict[str, float]:
    """Score numbered answers to the questions of `perception`, each by its key, and `all` together."""
    correct = perception.score(state, text)
    return {name: float(value) for name, value in correct.items()} | {"all": float(all(correct.values()))}


@cache
def _shortest(state: PlanningState) -> int | None:
    """Actions of a shortest plan."""
    plan = state.solve()
    return None if plan is None else len(plan)
