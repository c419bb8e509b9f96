"""States and pictures of planning tasks, and miniature models for them. Their runs are those of runs.smk."""

from gcl.workflow.planning_plan import PlanningPlan

PLANNING = PlanningPlan(PLAN.experiment)


wildcard_constraints:
    task="|".join(PLANNING.tasks),
    level=r"\d+",


rule planning_cell:
    """States of one task and level, no state twice; train, validation and test differ."""
    input:
        PLANNING.public,
    output:
        PLAN.here.some_states("{task}", "{level}"),
    log:
        PLAN.here.log("planning", "states-{task}-{level}"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("states"),
        counts=PLANNING.counts,
        seed=PLANNING.settings.seed.value,
    message:
        "Draw states of {wildcards.task} {wildcards.level}"
    shell:
        "gcl planning generate --task {wildcards.task} --level {wildcards.level} {params.counts}"
        " --seed {params.seed} --to {output:q} > {log:q} 2>&1"


rule planning_import:
    """A public test set."""
    input:
        source=PLANNING.source,
    output:
        PLAN.here.some_states("{task}", "public"),
    log:
        PLAN.here.log("planning", "states-{task}-public"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("public_states"),
        format=PLANNING.public_format,
    message:
        "Import the public test set of {wildcards.task}"
    shell:
        "gcl planning import --format {params.format} {input.source:q} --to {output:q} > {log:q} 2>&1"


rule planning_states:
    """All states in one file."""
    input:
        PLANNING.cells,
        PLANNING.public,
    output:
        PLAN.here.states,
    log:
        PLAN.here.log("planning", "states"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("all_states"),
    message:
        "Gather the states of all tasks"
    shell:
        "gcl planning gather {input:q} --to {output:q} > {log:q} 2>&1"


rule planning_pictures:
    """A picture of every state."""
    input:
        states=PLAN.here.states,
    output:
        directory(PLAN.here.state_pictures),
    log:
        PLAN.here.log("planning", "pictures"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("pictures"),
        size=PLANNING.picture_size,
    message:
        "Draw pictures of the states"
    shell:
        "gcl planning render --states {input.states:q} {params.size} --out {output:q} > {log:q} 2>&1"


rule planning:
    """MGSD and its controls: the table, and the same as a figure."""
    input:
        PLAN.table(PLANNING_TABLE),
        PLAN.figure(PLANNING_FIGURE),
