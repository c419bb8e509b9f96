"""Verbs about the whole experiment: its settings and runs, its costs, its state.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter, validators

from gcl.cli.arguments import Changes, Count, CountOrNone, Json, Positive, Results, Scale, opened
from gcl.errors import ConfigError

# A third of an A100's bfloat16 peak (312), as well-tuned trainings reach. An RTX 8000 has a peak of 130 in float16.
TFLOPS = 100.0

_Instead = Parameter(group=Group("Instead", validator=validators.mutually_exclusive))


def settings(*, as_json: Json = False, schema: Path | None = None) -> None:
    """List every setting with its origin.

    For example:

        gcl settings --json > settings.json

    Args:
        schema: Instead: write the JSON Schema of config.yaml, for editors.
    """
    from gcl.experiment.checks import warnings
    from gcl.experiment.json_schema import config_schema
    from gcl.experiment.load import replaced
    from gcl.experiment.load import settings as all_settings
    from gcl.experiment.notes import notes
    from gcl.files import write_json

    if schema:
        write_json(schema, config_schema())
        return
    experiment = opened()
    rows = [dict(zip(("setting", "value", "origin", "note"), row, strict=True)) for row in all_settings(experiment)]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        value = json.dumps(row["value"], ensure_ascii=False)
        value = value if len(value) <= 60 else f"{value[:57]}..."
        print(f"{row['setting']:<42} {value:<62} {row['origin']}: {row['note']}")
    for line in warnings(experiment):
        print(f"warning: {line}", file=sys.stderr)
    for line in notes(replaced()):
        print(f"note: {line}", file=sys.stderr)


def runs(run: str | None = None, /) -> None:
    """List all runs, or print one.

    For example:

        gcl runs snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0

    Args:
        run: Id of a run, to print its specification.
    """
    from gcl.experiment.grid import all_runs
    from gcl.experiment.methods.registry import find_run

    experiment = opened()
    print(find_run(experiment, run).model_dump_json(indent=2) if run else "\n".join(all_runs(experiment)))


def plan(
    *targets: str, memory: Annotated[str | None, _Instead] = None, disk: Annotated[bool, _Instead] = False,
    scale: Scale = None, results: Results = Path("results"), tflops: Positive = TFLOPS, tokens: Count | None = None,
    pictures: CountOrNone | None = None, as_json: Json = False, changes: Changes = (),
) -> None:  # fmt: skip
    """Say what would run, why, and what it takes; nothing is started.

    For example:

        gcl plan table1 --scale paper
        gcl plan --memory snei/sft/qwen3-vl-4b/default/seed0 --set processes=4

    Args:
        targets: As for snakemake; without any: all.
        memory: Memory per GPU of the run with this id (see gcl runs).
        disk: Disk for the checkpoints of all runs.
        tflops: 10^12 operations a second that a GPU keeps up, where nothing was measured.
        tokens: With --memory: longest input, images included, if you know it.
        pictures: With --memory: most pictures of an input. By default those of the data, or 1 where it is not here.
    """

    experiment = opened(scale=scale)
    if memory:
        from gcl.experiment.execution import changed, execution_spec
        from gcl.experiment.methods.registry import find_run

        run, execution = find_run(experiment, memory), changed(execution_spec(experiment.execution), changes)
        from gcl.operations.memory import memory_plan
        from gcl.operations.model_sizes import model_configs

        configs, notes = model_configs(run, experiment)
        from gcl.operations.pictures import most_pictures

        pictures = most_pictures(run, experiment) if pictures is None else pictures
        if pictures is None:
            notes = [*notes, f"the data of {run.dataset} is not here: one picture an input is assumed (see --pictures)"]
            pictures = 1
        needed = memory_plan(run, execution, configs, tokens, notes, pictures)
        print(json.dumps(needed.to_dict(), indent=2) if as_json else needed.table())
    elif disk:
        from gcl.experiment.grid import all_runs
        from gcl.operations.versioning import disk_plan

        print(disk_plan(experiment, all_runs(experiment).values(), Path()))
    else:
        from gcl.operations import dry_run

        planned = dry_run.plan(experiment, list(targets) or ["all"], tflops, results)
        print(json.dumps(planned.to_dict(), indent=2) if as_json else planned)


def status(
    *runs: str, every: Annotated[bool, Parameter(name="--all")] = False,
    as_json: Json = False, scale: Scale = None,
) -> None:  # fmt: skip
    """Say where every run stands: done, running, queued, failed, and why.

    For example:

        gcl status --scale paper

    Args:
        runs: Ids of these runs only; without any: all (see gcl runs).
        every: List runs that are done or to do, too.
    """
    from gcl.experiment.grid import all_runs
    from gcl.experiment.methods.registry import find_run
    from gcl.operations import status

    experiment = opened(scale=scale)
    chosen = [find_run(experiment, run) for run in runs] or list(all_runs(experiment).values())
    found = status.status(experiment, chosen)
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        print(status.show(found, every=every or bool(runs)))


def doctor(
    *, slurm: str = "", here: bool = False,
    as_json: Json = False, scale: Scale = None,
) -> None:  # fmt: skip
    """Check this machine and a compute node before GPUs are spent.

    For example:

        gcl doctor --scale paper --slurm='--partition=gpu --account=lab'

    Args:
        slurm: Options of srun, for the check of a node.
        here: Only this machine: what the job on the node does.
    """
    from gcl.operations import doctor

    experiment = opened(scale=scale)
    findings = []
    for finding in doctor.here(experiment, Path()) if here else doctor.examine(experiment, Path(), slurm.split()):
        findings.append(finding)
        if not as_json:
            print(finding, flush=True)
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    elif bad := sum(finding.level == "bad" for finding in findings):
        raise ConfigError(f"{bad} of {len(findings)} checks are bad: mend these before you train")


VERBS = (settings, runs, plan, status, doctor)
