"""The checked experiment that all rules share."""

import sys
from pathlib import Path

from gcl.cli import warm
from gcl.experiment.places import KINDS
from gcl.workflow.plan import open_plan
from gcl.workflow.targets import FIGURES, PLANNING_FIGURE, PLANNING_TABLE, TABLES

PLAN = open_plan(workflow)
if workflow.is_main_process:
    PLAN.check()


wildcard_constraints:
    scale=PLAN.scale,
    dataset="|".join(PLAN.experiment.datasets),
    model="|".join(PLAN.experiment.models),
    run=rf"({'|'.join([*PLAN.experiment.datasets, *KINDS])})/[^/]+/[^/]+/[^/]+/seed\d+",


onstart:
    PLAN.write()
    if not PLAN.drawn:
        print(PLAN.disk(), file=sys.stderr)
    elif workflow.is_main_process and workflow.local_exec:
        warm.start()  # jobs take seconds, and imports would be most of them
