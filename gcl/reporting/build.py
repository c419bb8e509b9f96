"""Build one table or figure by name: `build(experiment, "table1", results, stem)`; what `gcl report` calls."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gcl.errors import ConfigError
from gcl.evaluation.metric_registry import header
from gcl.experiment.schema import Experiment
from gcl.reporting.figures.figures import components_figure, ratio_figure, temperature_figure, weight_figure
from gcl.reporting.metrics import load_metrics, sources
from gcl.reporting.tables.controls import best_controls_table, controls_table, rates_table
from gcl.reporting.tables.looks import looks
from gcl.reporting.tables.planning_table import planning_figure, planning_metrics, planning_table
from gcl.reporting.tables.tables import component_table, group_table, write_table
from gcl.workflow.plan import FIGURES, PLANNING_FIGURE, PLANNING_TABLE, TABLES, Plan

_TITLES = {
    "controls": "Where does the gain come from?",
    "rates": "Action-F1 of every arm at a few rates, on data that is for choosing them alone",
    "controls_best": "Where does the gain come from? Every arm at its own best rate",
    "encoders": "How much Action-F1 depends on its encoder (Table 2 on SNEI)",
    "headline": "What each part of GCL adds on SNEI (Table 2)",
    "table1": "GCL groups on SNEI (Table 1)",
    "table2": "What each part of GCL adds (Table 2)",
    "table3": "GCL groups on MUSON (Table 3)",
    PLANNING_TABLE: "MGSD: planning from pixels, taught by the symbolic state",
}


_ODD_ANSWERS = {
    "empty": "are empty and score 0",
    "unfinished": "did not end before the longest length",
    "unscorable": "cannot be read by the metric's encoder and score 0",
}
_CONTROLS = {"controls": controls_table, "controls_best": best_controls_table, "rates": rates_table}


def build(experiment: Experiment, name: str, results: Path, stem: Path) -> None:
    """Read the metrics behind a table or figure and write its files beside each other under `stem`.

    Raises:
        ConfigError: if there is no such table or figure.
        DataError: if metrics are missing, broken or not comparable.
    """
    if name not in TABLES + FIGURES:
        raise ConfigError(f"no table or figure {name!r}; use one of {', '.join(TABLES + FIGURES)}")
    if name in (PLANNING_TABLE, PLANNING_FIGURE):
        _build_planning(experiment, name, results, stem)
        return
    plan = Plan(experiment)
    metrics = load_metrics(results, experiment.scale, plan.reported_runs(name), plan.exchanged_runs(name))
    if name in TABLES:
        if name in ("table1", "table3"):
            frame = group_table(experiment, "snei" if name == "table1" else "muson", metrics)
        elif name == "encoders":
            from gcl.reporting.tables.encoder_table import encoders_table

            frame = encoders_table(experiment, metrics, results)
        elif name in _CONTROLS:
            frame = _CONTROLS[name](experiment, metrics)
        else:
            headline = name == "headline"
            datasets = ["snei"] if headline else list(experiment.groups)
            frame = component_table(experiment, datasets, metrics, exchanged=headline)
        write_table(
            frame,
            stem,
            _TITLES[name],
            [
                *_floor_notes(metrics),
                *_answer_notes(metrics),
                *_role_notes(frame),
                *_control_notes(frame),
                *_looking_notes(frame),
            ],
            sources(results, metrics),
        )
    elif name == "components":
        components_figure(experiment, "snei", metrics, stem)
    elif name == "fig2":
        weight_figure(experiment, metrics, stem)
    elif name == "fig3":
        ratio_figure(experiment, metrics, stem)
    else:
        temperature_figure(experiment, name, metrics, stem)


def _build_planning(experiment: Experiment, name: str, results: Path, stem: Path) -> None:
    metrics = planning_metrics(experiment, results)
    if name == PLANNING_FIGURE:
        planning_figure(experiment, metrics, stem)
        return
    notes = [
        "Macro means over the tasks. Success: the goal is reached without an illegal action; optimal: in as few actions as "
        "possible; illegal: some action was not legal; read right: no mistake in all questions about a picture. The tasks' "
        "columns are success in each."
    ]
    write_table(planning_table(experiment, metrics), stem, _TITLES[name], notes, sources(results, metrics))


def _floor_notes(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What score a constant answer would get: the floor that a score has to be read against."""
    floors = {run.split("/")[0]: content["constant_answer"] for run, content in metrics.items()}
    return [
        f"The most frequent {name.rpartition('_')[0]}, {floor['text']!r}, given to all scenes has {header(name)} "
        f"{floor[name]:.3f} on {dataset}."
        for dataset, floor in floors.items()
        for name in floor
        if name != "text"
    ]


def _answer_notes(metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How many answers were not scored by what they say: nothing if all were."""
    members = [member for content in metrics.values() for member in content["members"]]
    counts = {kind: sum(sum(member[kind].values()) for member in members) for kind in _ODD_ANSWERS}
    if not any(counts.values()):
        return []
    words = ", ".join(f"{counts[kind]} {what}" for kind, what in _ODD_ANSWERS.items())
    asked = sum(len(member["items"]) * len(member["empty"]) for member in members)
    return [f"Of the {asked} answers behind this table: {words}. Metrics files count them by member."]


def _looking_notes(frame: pd.DataFrame) -> list[str]:
    """How much each member loses with the picture of another scene, with the interval of the paired differences."""
    if "method" not in frame or not (found := looks(frame)):
        return []
    explained = (
        "Pictures exchanged: the same member is asked about the picture of another test scene, and compared with "
        "itself on the right pictures. Nothing was trained for it."
    )
    return [explained, *map(str, found)]


def _control_notes(frame: pd.DataFrame) -> list[str]:
    if "lr_ratio" not in frame:
        return []
    rate = "Rate: peak learning rate of the arm's first member, in that of SFT."
    if "choice" in frame:
        first = frame[frame["choice"] == "best"]
        notes = [
            rate,
            "best: the arm's largest Action-F1; taken: what `controls.best` says, and table controls_best shows.",
        ]
        return [*notes, f"Not as taken: {', '.join(first['arm'])}."] if len(first) else notes
    return [
        f"{rate} Gains in Action-F1 are paired by scenario and seed; p: two-sided bootstrap, corrected by Holm over the "
        "arms of its column.",
    ]


def _role_notes(frame: pd.DataFrame) -> list[str]:
    """Say where the measured baselines would have assigned the roles the other way round (AGO: the worse one learns)."""
    if "sft_learner" not in frame:
        return []
    swapped = frame[frame["sft_learner"] > frame["sft_guide"]]
    if swapped.empty:
        return []
    pairs = ", ".join(f"{row.learner} / {row.guide}" for row in swapped.itertuples())
    return [f"Roles are the paper's. By the baselines measured here the learner is the better model in: {pairs}."]
