"""All metrics by name: `METRICS`. They come from the folder scorers/ and from planning_scores.py.

`score_names(turns, listed)` names the scores of a data set, `header(name)` spells such a name for people.
"""

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from gcl.evaluation.planning_scores import PLANNING_SCORERS
from gcl.evaluation.scorer import Scorer
from gcl.experiment.asked import ScoredTurn, scored_turns
from gcl.experiment.schema import Experiment

_FILES = sorted((Path(__file__).parent / "scorers").glob("[!_]*.py"))
_FOUND: dict[str, type[Scorer]] = {
    file.stem: import_module(f"gcl.evaluation.scorers.{file.stem}").SCORER for file in _FILES
}
METRICS = dict(sorted((_FOUND | PLANNING_SCORERS).items(), key=lambda entry: (entry[1].place, entry[0])))


def turn_of(name: str) -> str:
    """The turn whose answers a score is of; empty if it is no score's name."""
    metric = max((metric for metric in METRICS if name.endswith(f"_{metric}")), key=len, default=None)
    return name.removesuffix(f"_{metric}") if metric else ""


def header(name: str) -> str | None:
    """The paper's spelling of a score, such as Action-F1 for action_f1; None if it is no score's name."""
    turn = turn_of(name)
    suffix = METRICS[name.removeprefix(f"{turn}_")].suffix if turn else ""
    return f"{turn.replace('_', ' ').capitalize()}{suffix}" if turn else None


def ranking(experiment: Experiment, dataset: str) -> tuple[str, str]:
    """Name and header of the score by which models and scenes of a data set are ranked: its first one."""
    name = scores_of(experiment, dataset)[0]
    return name, str(header(name))


def score_names(turns: Iterable[ScoredTurn], listed: bool) -> dict[str, tuple[str, str]]:
    """Turn and metric of every score by name, in the order of columns. The first one ranks.

    Args:
        turns: of a data set.
        listed: whether its actions are a closed list.
    """
    turns = list(turns)
    return {
        f"{turn.name}_{metric}": (turn.name, metric)
        for metric, scorer in METRICS.items()
        for turn in turns
        if metric in turn.metrics and (listed or not scorer.listed)
    }


def scores_of(experiment: Experiment, *datasets: str) -> list[str]:
    """Names of the scores that some data sets have, in the order of columns."""
    found = {
        name: metric
        for dataset in datasets
        for name, (_, metric) in score_names(
            scored_turns(experiment, dataset), experiment.datasets[dataset].actions.value is not None
        ).items()
    }
    return sorted(found, key=lambda name: list(METRICS).index(found[name]))
