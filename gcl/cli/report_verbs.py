"""The verbs that read results.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import json
from pathlib import Path
from typing import Literal

from gcl.cli.arguments import Count, File, Json, Results, Scale, opened
from gcl.workflow.targets import FIGURES, TABLES

REPORTS = (*TABLES, *FIGURES, "costs", "deployment", "tradeoff", "gallery", "page", "paragraph")


def compare(
    a: str, b: str, /, *, members: tuple[str, str] | None = None, worst: Count = 5, as_json: Json = False,
    scale: Scale = None, results: Results = Path("results"),
) -> None:  # fmt: skip
    """Say how two scored runs differ, scene by scene.

    For example:

        gcl compare snei/sft/qwen3-vl-4b/default/seed0 snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0

    Args:
        a: A run: its id (see gcl runs), or its metrics file.
        b: The other run.
        members: Compare this member of A with that one of B. By default every model that is in both.
        worst: List so many of the scenes that differ most in the first metric.
    """
    from gcl.reporting.trace.compare import compare
    from gcl.reporting.trace.scored import read_scored, scored_path

    experiment = opened(scale=scale)
    scored = [read_scored(scored_path(run, experiment, results)) for run in (a, b)]
    resamples = experiment.evaluation.bootstrap.value
    found = compare(*scored, members=members, worst=worst, resamples=resamples)
    print(json.dumps(found.to_dict(), indent=2) if as_json else found)


def reproduce(
    *tables: Literal[TABLES], as_json: Json = False, scale: Scale = None, results: Results = Path("results"),
) -> None:  # fmt: skip
    """Say whether tables here agree with those of the project, or with published values, score by score.

    For example:

        gcl reproduce
        gcl reproduce headline controls

    Args:
        tables: Names; by default all that are here and have a reference.
    """
    from gcl.reporting.reproduce import reproduce

    found = reproduce(opened(scale=scale), tables, results)
    print(json.dumps([one.to_dict() for one in found], indent=2) if as_json else "\n".join(map(str, found)))


def trace(cell: str, /, *, as_json: Json = False, scale: Scale = None, results: Results = Path("results")) -> None:
    """Follow a number of a table back to its causes.

    For example:

        gcl trace headline
        gcl trace headline:learner/full:action_f1

    Args:
        cell: TABLE:ROW:COLUMN, the row by number or by words joined by /. A table alone lists its rows and columns.
    """
    from gcl.errors import raise_all
    from gcl.reporting.trace.trace import rows, show_rows, trace

    experiment = opened(scale=scale)
    if ":" not in cell:
        listed = rows(experiment, cell, results)
        print(json.dumps(listed, indent=2) if as_json else show_rows(listed))
        return
    found = trace(experiment, cell, results)
    print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False) if as_json else found, flush=True)
    raise_all([str(link) for link in found.broken], f"{found.cell} cannot be relied on")


def crate(*, to: Path, scale: Scale = None, results: Results = Path("results")) -> None:
    """Pack all tables and what led to them as an RO-Crate.

    For example:

        gcl crate --scale paper --to gcl-paper.zip

    Args:
        to: Zip to write.
    """
    from gcl.reporting.trace.crate import write_crate

    write_crate(opened(scale=scale), results, to)


def report(
    name: Literal[REPORTS], /, *, to: Path, file: File = None, scale: Scale = None, results: Results = Path("results"),
) -> None:  # fmt: skip
    """Build one table or figure from metrics files, a page of all, or the headline as a paragraph of words.

    For example:

        gcl report table1 --results results --to results/miniature/tables/table1
        gcl report page --to results/miniature/report.html

    Args:
        name: Of the table or figure.
        to: Path of the files to write, without suffix; of the page with it.
    """
    experiment = opened(file, scale)
    if name == "costs":
        from gcl.operations.costs import write_costs

        write_costs(results, experiment.scale, to)
    elif name == "deployment":
        from gcl.reporting.tables.deployment_table import deployment_table
        from gcl.reporting.tables.markup import write_table

        write_table(deployment_table(experiment, results), to)
    elif name == "tradeoff":
        from gcl.reporting.figures.tradeoff import tradeoff_figure

        tradeoff_figure(experiment, results, to)
    elif name == "gallery":
        from gcl.reporting.figures.gallery import write_gallery

        write_gallery(experiment, results, to)
    elif name == "page":
        from gcl.files import write_text
        from gcl.reporting.page.page import page

        write_text(to, page(experiment, results))
    elif name == "paragraph":
        from gcl.reporting.paragraph import write_paragraph

        write_paragraph(experiment, results, to)
    else:
        from gcl.reporting.build import build

        build(experiment, name, results, to)


VERBS = (compare, reproduce, trace, crate, report)
