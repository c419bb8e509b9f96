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
        f"{PLANNING.folder}/states/{{task}}-{{level}}.jsonl",
    log:
        "logs/planning/states/{task}-{level}.log",
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
        f"{PLANNING.folder}/states/{{task}}-public.jsonl",
    log:
        "logs/planning/states/{task}-public.log",
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
        f"{PLANNING.folder}/states.jsonl",
    log:
        "logs/planning/states.log",
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
        states=f"{PLANNING.folder}/states.jsonl",
    output:
        directory(f"{PLANNING.folder}/pictures"),
    log:
        "logs/planning/pictures.log",
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("pictures"),
        size=PLANNING.picture_size,
    message:
        "Draw pictures of the states"
    shell:
        "gcl planning render --states {input.states:q} {params.size} --out {output:q} > {log:q} 2>&1"


if PLAN.drawn:

    rule planning_vocabulary:
        """Train the tokenizer of the miniature models for planning tasks."""
        input:
            states=f"{PLANNING.folder}/states.jsonl",
        output:
            "results/miniature/backbones/planning/vocabulary.json",
        log:
            "logs/miniature/planning/vocabulary.log",
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("planning_vocabulary"),
            size=PLANNING.settings.vocabulary.value,
            system=PLANNING.settings.system.value,
        message:
            "Train the miniature tokenizer for planning tasks"
        shell:
            "gcl planning vocabulary --states {input.states:q} --size {params.size} --system {params.system:q}"
            " --to {output:q} > {log:q} 2>&1"

    rule planning_build:
        """Build an untrained miniature model."""
        input:
            vocabulary="results/miniature/backbones/planning/vocabulary.json",
        output:
            directory("results/miniature/backbones/planning/{model}"),
        log:
            "logs/miniature/planning/build/{model}.log",
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("planning_backbones"),
            experiment=PLAN.resolved,
            architecture=PLANNING.architecture,
            pixels=PLANNING.settings.pixels.value,
        message:
            "Build an untrained miniature {wildcards.model}"
        shell:
            "gcl planning build {wildcards.model} --experiment {params.experiment} --vocabulary {input.vocabulary:q}"
            " --pixels {params.pixels} --to {output:q} > {log:q} 2>&1"


rule planning:
    """MGSD and its controls: the table, and the same as a figure."""
    input:
        PLAN.table(PLANNING_TABLE),
        PLAN.figure(PLANNING_FIGURE),
