"""The verbs to look at a scene and at trainings that are under way.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from gcl.cli.arguments import File, Results, Scale, Scratch, known_data, opened


def show(
    *, scene: str | None = None, dataset: str | None = None,
    runs: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, None))] = (),
    to: Path | None = None, file: File = None, scale: Scale = None, results: Results = Path("results"),
) -> None:  # fmt: skip
    """Show one test scene through the pipeline, on a page of one file.

    It has the picture, all answers beside the references, where the members of a group differ token by token, and where GSL
    pools. Nobody picks the scene for you: without --scene it is the first of the test split.

    For example:

        gcl show --scene 00265 --scale miniature
        gcl show --runs snei/sft/qwen3-vl-4b/default/seed0 snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/drl/seed0

    Args:
        scene: Id of a test scene; data/<scale>/manifests/<dataset>/test.tsv lists them.
        dataset: Of the scene. By default the first of config.yaml, or that of the runs.
        runs: Ids of runs whose members answer. The first group among them is looked into. By default the headline's.
        to: Page to write. By default results/<scale>/scenes/<dataset>/<scene>.html, to which the page of all results links.
    """
    from gcl.errors import ConfigError
    from gcl.experiment.methods.registry import find_run

    experiment = opened(file, scale)
    found = [find_run(experiment, run) for run in runs]
    if dataset is not None:
        known_data(experiment, dataset)
        if found and found[0].dataset != dataset:
            raise ConfigError(f"--dataset {dataset}: the runs are of {found[0].dataset}; leave out one of the two")

    from gcl.experiment.places import places
    from gcl.files import write_text
    from gcl.reporting.page.scene import group_of, headline_runs, scene_id, shown_scene
    from gcl.reporting.page.scene_page import scene_page

    found = found or headline_runs(experiment, dataset or next(iter(experiment.groups)))
    group = group_of(found, experiment)
    chosen = scene_id(experiment, group.dataset, scene)
    if scene is None:
        print(f"scene {chosen}, the first of the test split; --scene ID shows another", file=sys.stderr)
    to = to or places(experiment, results).scene(group.dataset, chosen)
    write_text(to, scene_page(experiment, shown_scene(experiment, chosen, found, results)))
    print(to)


def watch(
    *runs: str, once: bool = False, file: File = None, scale: Scale = None, results: Results = Path("results"),
    scratch: Scratch = Path("scratch"),
) -> None:  # fmt: skip
    """Show the curves of trainings in the terminal, live.

    Losses, learning rates, steps a second and the time left, until all are done. q or Ctrl-C ends the watching, and no
    training. Where the output is no terminal, the present state is printed once.

    For example:

        gcl watch
        gcl watch snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0
        gcl watch results/miniature/checkpoints/snei --once

    Args:
        runs: Ids of runs, also such as have not started; or folders with logs below them. By default all that are under way.
        once: Print the present state and end.
    """
    from gcl.experiment.places import places
    from gcl.operations.watch import snapshot
    from gcl.operations.watch import watch as follow
    from gcl.operations.watched_run import find_runs

    experiment = opened(file, scale)
    found = find_runs(runs, places(experiment, results), scratch)
    rates = _rates(experiment)
    if once or not sys.stdout.isatty():
        snapshot(found, rates)
    else:
        follow(found, rates)


def _rates(experiment: Any) -> Any:
    """Learning rates of a watched run; none of one that is not of this experiment."""
    from gcl.errors import ConfigError
    from gcl.experiment.methods.registry import find_run
    from gcl.operations.learning_rates import learning_rates

    def rates(run: Any) -> dict[str, list[float]]:
        try:
            return learning_rates(find_run(experiment, run.name), run.steps, run.records) if run.steps else {}
        except ConfigError:
            return {}

    return rates


VERBS = (show, watch)
