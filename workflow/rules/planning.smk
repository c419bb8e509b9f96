"""MGSD: states and pictures of planning tasks, both stages and their controls, answers, scores."""

from gcl.workflow.mgsd_plan import PlanningPlan

PLANNING = PlanningPlan(PLAN.experiment)


wildcard_constraints:
    task="|".join(PLANNING.tasks),
    level=r"\d+",
    question=PLANNING.question_pattern,
    task_run=r"planning/\w+/[^/]+/\w+/seed\d+",


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
            architecture=PLANNING.architecture,
            pixels=PLANNING.settings.pixels.value,
        message:
            "Build an untrained miniature {wildcards.model}"
        shell:
            "gcl planning build --architecture {params.architecture:q} --vocabulary {input.vocabulary:q}"
            " --pixels {params.pixels} --to {output:q} > {log:q} 2>&1"


rule planning_train:
    """One stage, or a control."""
    input:
        states=f"{PLANNING.folder}/states.jsonl",
        pictures=f"{PLANNING.folder}/pictures",
        start=PLANNING.start,
    output:
        checkpoints=PLAN.retained(
            directory("results/{scale}/checkpoints/{task_run}"), temp
        ),
        record="results/{scale}/records/{task_run}.json",
    log:
        "logs/{scale}/train/{task_run}.log",
    conda:
        "../envs/gcl.yaml"
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        **PLAN.training_resources(),
    params:
        code=PLAN.code("planning"),
        spec=PLANNING.spec_json,
    message:
        "Train {wildcards.task_run}"
    shell:
        "gcl planning train --spec {params.spec:q} --states {input.states:q} --pictures {input.pictures:q}"
        " --record {output.record:q} --to {output.checkpoints:q} > {log:q} 2>&1"


rule planning_answer:
    """Greedy answers of one member to all that it is asked about every test state; a file for each question."""
    input:
        states=f"{PLANNING.folder}/states.jsonl",
        pictures=f"{PLANNING.folder}/pictures",
        checkpoint=PLANNING.answering,
    output:
        directory("results/{scale}/predictions/{task_run}"),
    log:
        "logs/{scale}/generate/{task_run}.log",
    conda:
        "../envs/gcl.yaml"
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        gpu=0 if PLAN.drawn else 1,
    params:
        code=PLAN.code("answering"),
        who=PLANNING.answer_arguments,
    message:
        "Ask {wildcards.task_run}"
    shell:
        "gcl planning answer {params.who} --states {input.states:q} --pictures {input.pictures:q}"
        " --to {output:q} > {log:q} 2>&1"


rule planning_score:
    """Success, optimal, parsed and illegal rates with intervals; or how many readings are exact."""
    input:
        states=f"{PLANNING.folder}/states.jsonl",
        answers="results/{scale}/predictions/{task_run}",
        checkpoint=PLANNING.answering,
    output:
        ensure("results/{scale}/metrics/{task_run}/{question}.json", non_empty=True),
    log:
        "logs/{scale}/score/{task_run}/{question}.log",
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("plans"),
        who=PLANNING.score_arguments,
        resamples=PLAN.experiment.evaluation.bootstrap.value,
    message:
        "Score {wildcards.task_run}, {wildcards.question}"
    shell:
        "gcl planning score {params.who} --answers {input.answers:q}/{wildcards.question:q}.jsonl --states {input.states:q}"
        " --resamples {params.resamples} --to {output:q} > {log:q} 2>&1"


rule planning:
    """MGSD and its controls: the table, and the same as a figure."""
    input:
        PLAN.table(PLANNING_TABLE),
        PLAN.figure(PLANNING_FIGURE),
