"""Build one table or figure by name, for `gcl report`: `build(experiment, "table1", results, stem)`.

`table_of()` gives a table as an object, with the same builders.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gcl.errors import ConfigError
from gcl.experiment.schema import Experiment
from gcl.reporting.figures.arm_figures import components_figure, planning_figure
from gcl.reporting.figures.control_gains import control_gains_figure
from gcl.reporting.figures.gains import gains_figure
from gcl.reporting.figures.sweeps import line_figure, temperature_figure
from gcl.reporting.metrics import Metrics, load_metrics, sources
from gcl.reporting.tables.before_after import before_after_table
from gcl.reporting.tables.controls import best_controls_table, controls_table, exchange_table, rates_table
from gcl.reporting.tables.families import families_table
from gcl.reporting.tables.markup import write_table
from gcl.reporting.tables.paper_tables import component_table, group_table
from gcl.reporting.tables.planning_table import planning_table
from gcl.reporting.tables.result_table import ResultTable
from gcl.reporting.tables.scaling import scaling_table
from gcl.workflow.targets import PLANNING_FIGURE, PLANNING_TABLE, TARGETS


def _encoders_table(experiment: Experiment, metrics: Metrics, results: Path) -> ResultTable:
    from gcl.reporting.tables.encoder_table import encoders_table  # imports torch

    return encoders_table(experiment, metrics, results)


TABLE_BUILDERS: dict[str, Callable[[Experiment, Metrics, Path], ResultTable]] = {
    "headline": lambda e, m, _: component_table(e, "headline", ["snei"], m, exchanged=True),
    "before_after": lambda e, m, _: before_after_table(e, m),
    "table1": lambda e, m, _: group_table(e, "table1", "snei", m),
    "table2": lambda e, m, _: component_table(e, "table2", list(e.groups), m),
    "table3": lambda e, m, _: group_table(e, "table3", "muson", m),
    "controls": lambda e, m, _: controls_table(e, m),
    "rates": lambda e, m, _: rates_table(e, "rates", m),
    "exchange_rates": lambda e, m, _: rates_table(e, "exchange_rates", m),
    "exchange_planning_rates": lambda e, m, _: rates_table(e, "exchange_planning_rates", m),
    "exchange": lambda e, m, results: exchange_table(e, "exchange", m, results),
    "exchange_planning": lambda e, m, results: exchange_table(e, "exchange_planning", m, results),
    "controls_best": lambda e, m, _: best_controls_table(e, m),
    "scaling": lambda e, m, _: scaling_table(e, m),
    "families": lambda e, m, _: families_table(e, m),
    "encoders": _encoders_table,
    PLANNING_TABLE: lambda e, m, _: planning_table(e, m),
}
FIGURE_BUILDERS: dict[str, Callable[[Experiment, Metrics, Path], Any]] = {
    "components": lambda e, m, stem: components_figure(e, "snei", m, stem),
    "control_gains": control_gains_figure,
    "gains": gains_figure,
    "fig2": lambda e, m, stem: line_figure(e, "fig2", m, stem),
    "fig3": lambda e, m, stem: line_figure(e, "fig3", m, stem),
    "fig4": lambda e, m, stem: temperature_figure(e, "fig4", m, stem),
    "fig7": lambda e, m, stem: temperature_figure(e, "fig7", m, stem),
    PLANNING_FIGURE: planning_figure,
}


def build(experiment: Experiment, name: str, results: Path, stem: Path) -> None:
    """Read the metrics behind a table or figure and write its files beside each other under `stem`.

    Raises:
        ConfigError: if there is no such table or figure.
        DataError: if metrics are missing, broken or not comparable.
    """
    if name not in TARGETS:
        raise ConfigError(f"no table or figure {name!r}; use one of {', '.join(TARGETS)}")
    if name in TABLE_BUILDERS:
        write_table(table_of(experiment, name, results), stem)
    else:
        metrics = _metrics(experiment, name, results)
        FIGURE_BUILDERS[name](experiment, metrics, stem)


def table_of(experiment: Experiment, name: str, results: Path) -> ResultTable:
    """Make a table of the metrics files as they are now.

    Raises:
        DataError: if metrics are missing, broken or not comparable.
    """
    metrics = _metrics(experiment, name, results)
    table = TABLE_BUILDERS[name](experiment, metrics, results)
    used = {run: metrics[run] for row in table.rows for run in row.runs}
    if any(column.paper for column in table.columns):
        from gcl.reporting.reproduce import with_verdicts  # imports scipy's distributions

        table = with_verdicts(table, experiment.report.margin.value)
    return table.model_copy(update={"sources": sources(results, used)})


def _metrics(experiment: Experiment, name: str, results: Path) -> Metrics:
    """The metrics behind a table or figure.

    Raises:
        ConfigError: if the configuration lacks its inputs.
        DataError: if a file is missing or broken.
    """
    target = TARGETS[name]
    target.check(experiment)
    return load_metrics(results, experiment.scale, target.metrics(experiment))
