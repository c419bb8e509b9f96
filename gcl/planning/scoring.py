"""How good a plan or a reading is: `score_plan(state, text)` and `score_reading(state, text)`, each score 0 or 1.

As the released evaluation of MGSD counts: a plan succeeds if it reaches the goal without an illegal action, what follows the
goal is not looked at, a text without a plan fails, and a move off the grid is illegal in every task. Its training reward,
and gymnasium, let such a move of FrozenLake pass: `success_staying` counts that way.
"""

from functools import cache

from gcl.planning import perception
from gcl.planning.plans import read_plan
from gcl.planning.state import PlanningState

PLAN_SCORES = ("parsed", "success", "success_staying", "optimal", "illegal")


def score_plan(state: PlanningState, text: str) -> dict[str, float]:
    """Score a plan in a model's words.

    Returns:
        parsed: a plan was found; success; success_staying; optimal: success in as few actions as possible; illegal: an
        action was not legal. Without a plan all are 0.
    """
    plan = read_plan(text, state.task)
    if plan is None:
        return dict.fromkeys(PLAN_SCORES, 0.0)
    outcome, staying = state.simulate(plan), state.simulate(plan, off_grid="stay")
    optimal = outcome.success and outcome.steps == _shortest(state)
    values = (True, outcome.success, staying.success, optimal, outcome.fault is not None)
    return {name: float(value) for name, value in zip(PLAN_SCORES, values, strict=True)}


def score_reading(state: PlanningState, text: str) -> dict[str, float]:
    """Score numbered answers to the questions of `perception`: each by its key, and `all` of them."""
    found = perception.score(state, text)
    return {name: float(value) for name, value in found.items()} | {"all": float(all(found.values()))}


@cache
def _shortest(state: PlanningState) -> int | None:
    """Actions of a shortest plan."""
    plan = state.solve()
    return None if plan is None else len(plan)
