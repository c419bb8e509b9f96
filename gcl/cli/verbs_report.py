"""The verbs of the `gcl` command that read results and say what is in them: functions of parsed options.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import argparse
import json

from gcl.errors import raise_all
from gcl.experiment.load import experiment_here
from gcl.experiment.schema import Experiment
from gcl.files import write_text
from gcl.workflow.targets import FIGURES, TABLES


def compare(options: argparse.Namespace) -> None:
    from gcl.reporting.trace.compare import compare
    from gcl.reporting.trace.scored import read_scored, scored_path

    experiment = experiment_here(options.scale)
    a, b = (read_scored(scored_path(run, experiment, options.results)) for run in options.runs)
    resamples = experiment.evaluation.bootstrap.value
    found = compare(a, b, members=options.members, worst=options.worst, resamples=resamples)
    print(json.dumps(found.to_dict(), indent=2) if options.json else found)


def trace(options: argparse.Namespace) -> None:
    from gcl.reporting.trace.trace import rows, show_rows, trace

    experiment = experiment_here(options.scale)
    if ":" not in options.cell:
        listed = rows(experiment, options.cell, options.results)
        print(json.dumps(listed, indent=2) if options.json else show_rows(listed))
        return
    found = trace(experiment, options.cell, options.results)
    print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if options.json else found, flush=True)
    raise_all([str(link) for link in found.broken], f"{found.cell} cannot be relied on")


def crate(options: argparse.Namespace) -> None:
    from gcl.reporting.trace.crate import write_crate

    write_crate(experiment_here(options.scale), options.results, options.to)


def report(options: argparse.Namespace) -> None:
    experiment = experiment_here()
    if options.name in _OTHERS:
        _OTHERS[options.name](experiment, options)
        return
    from gcl.reporting.build import build

    build(experiment, options.name, options.results, options.to)


def _costs(experiment: Experiment, options: argparse.Namespace) -> None:
    from gcl.operations.costs import write_costs

    write_costs(options.results, experiment.scale, options.to)


def _gallery(experiment: Experiment, options: argparse.Namespace) -> None:
    from gcl.reporting.figures.gallery import write_gallery

    write_gallery(experiment, options.results, options.to)


def _page(experiment: Experiment, options: argparse.Namespace) -> None:
    from gcl.reporting.page.page import page

    write_text(options.to, page(experiment, options.results))


_OTHERS = {"costs": _costs, "gallery": _gallery, "page": _page}
REPORTS = (*TABLES, *FIGURES, *_OTHERS)
