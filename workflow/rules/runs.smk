"""Every run is the same three jobs: train the group, let its members answer the test questions, score the answers."""


rule train:
    """Train one group: a model alone, a GCL group, or a stage of MGSD."""
    input:
        data=PLAN.inputs("train"),
        starts=PLAN.starts,
    output:
        checkpoints=PLAN.retained(directory(PLAN.at.checkpoints("{run}")), temp),
        record=PLAN.at.record("{run}"),
    log:
        PLAN.at.log("train", "{run}"),
    conda:
        "../envs/gcl.yaml"
    # A training at paper scale has the whole machine; on two cores two miniature ones run side by side.
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        **PLAN.training_resources(),
    params:
        code=PLAN.run_code("training"),
        experiment=PLAN.resolved,
        run=PLAN.training_json,
        data=PLAN.read_json,
    message:
        f"Train {{wildcards.run}} (threads: {{threads}}, GPUs: {PLAN.gpus})"
    shell:
        "gcl train {wildcards.run:q} --experiment {params.experiment}"
        " --record {output.record:q} --to {output.checkpoints:q} > {log:q} 2>&1"


rule generate:
    """Greedy answers of the members to every test question."""
    input:
        data=PLAN.inputs("test"),
        held_out=PLAN.held_out,
        checkpoints=PLAN.answering,
    output:
        PLAN.at.predictions("{run}"),
    log:
        PLAN.at.log("generate", "{run}"),
    conda:
        "../envs/gcl.yaml"
    # On one machine all would answer on the same GPU, so at paper scale one does at a time.
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        gpu=0 if PLAN.drawn else 1,
    params:
        code=PLAN.run_code("generation"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        data=PLAN.read_json,
        asked=PLAN.evaluation_json,
        pictures="own",
    message:
        "Answer with {wildcards.run} (threads: {threads}, GPUs: {resources.gpu})"
    shell:
        "gcl generate {wildcards.run:q} --experiment {params.experiment} --pictures {params.pictures}"
        " --to {output:q} > {log:q} 2>&1"


# The control of table headline: the same questions about the picture of another scene. Nothing is trained for it.
use rule generate as generate_exchanged with:
    output:
        PLAN.at.predictions("{run}/exchanged"),
    log:
        PLAN.at.log("generate", "{run}/exchanged"),
    params:
        code=PLAN.run_code("generation"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        data=PLAN.read_json,
        asked=PLAN.evaluation_json,
        pictures="exchanged",
    message:
        "Answer with {wildcards.run}, pictures exchanged (threads: {threads}, GPUs: {resources.gpu})"


rule score:
    """Metrics of the members, with the scores of every item and intervals."""
    input:
        predictions=PLAN.at.predictions("{run}"),
        held_out=PLAN.held_out,
        checkpoints=PLAN.answering,
        train=PLAN.inputs("train"),
        test=PLAN.inputs("test"),
    output:
        metrics=ensure(PLAN.at.metrics("{run}"), non_empty=True),
        summary=ensure(PLAN.at.summary("{run}"), non_empty=True),
    log:
        PLAN.at.log("score", "{run}"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.run_code("scoring"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        score=PLAN.score_json,
        pictures="own",
    message:
        "Score {wildcards.run}"
    shell:
        "gcl score {wildcards.run:q} --experiment {params.experiment} --pictures {params.pictures}"
        " --summary {output.summary:q} --to {output.metrics:q} > {log:q} 2>&1"


use rule score as score_exchanged with:
    input:
        predictions=PLAN.at.predictions("{run}/exchanged"),
        checkpoints=PLAN.answering,
        train=PLAN.inputs("train"),
        test=PLAN.inputs("test"),
    output:
        metrics=ensure(PLAN.at.metrics("{run}/exchanged"), non_empty=True),
        summary=ensure(PLAN.at.summary("{run}/exchanged"), non_empty=True),
    log:
        PLAN.at.log("score", "{run}/exchanged"),
    params:
        code=PLAN.run_code("scoring"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        score=PLAN.score_json,
        pictures="exchanged",
    message:
        "Score {wildcards.run}, pictures exchanged"
