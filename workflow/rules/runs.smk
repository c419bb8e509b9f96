"""Every run is the same three jobs: train the group, let its members answer the test questions, score the answers."""


rule train:
    """Train one group: a baseline (one member) or a GCL pair."""
    input:
        manifest=PLAN.train_manifest,
        backbones=PLAN.backbones,
    output:
        checkpoints=PLAN.retained(directory("results/{scale}/checkpoints/{run}"), temp),
        record="results/{scale}/records/{run}.json",
    log:
        "logs/{scale}/train/{run}.log",
    conda:
        "../envs/gcl.yaml"
    # A training at paper scale has the whole machine; on two cores two miniature ones run side by side.
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        **PLAN.training_resources(),
    params:
        code=PLAN.code("training"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        data=PLAN.data_json,
    message:
        f"Train {{wildcards.run}} (threads: {{threads}}, GPUs: {PLAN.gpus})"
    shell:
        "gcl train {wildcards.run:q} --experiment {params.experiment}"
        " --record {output.record:q} --to {output.checkpoints:q} > {log:q} 2>&1"


rule generate:
    """Greedy answers of every member to every test question."""
    input:
        manifest=PLAN.test_manifest,
        checkpoints="results/{scale}/checkpoints/{run}",
    output:
        "results/{scale}/predictions/{run}.jsonl",
    log:
        "logs/{scale}/generate/{run}.log",
    conda:
        "../envs/gcl.yaml"
    # On one machine all would answer on the same GPU, so at paper scale one does at a time.
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        gpu=0 if PLAN.drawn else 1,
    params:
        code=PLAN.code("generation"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        data=PLAN.data_json,
        batch_size=PLAN.experiment.evaluation.batch_size.value,
        max_new_tokens=PLAN.experiment.evaluation.max_new_tokens.value,
        pictures="own",
    message:
        "Answer with {wildcards.run} (threads: {threads}, GPUs: {resources.gpu})"
    shell:
        "gcl generate {wildcards.run:q} --experiment {params.experiment} --pictures {params.pictures}"
        " --to {output:q} > {log:q} 2>&1"


# The control of table headline: the same questions about the picture of another scene. Nothing is trained for it.
use rule generate as generate_exchanged with:
    output:
        "results/{scale}/predictions/{run}/exchanged.jsonl",
    log:
        "logs/{scale}/generate/{run}/exchanged.log",
    params:
        code=PLAN.code("generation"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        data=PLAN.data_json,
        batch_size=PLAN.experiment.evaluation.batch_size.value,
        max_new_tokens=PLAN.experiment.evaluation.max_new_tokens.value,
        pictures="exchanged",
    message:
        "Answer with {wildcards.run}, pictures exchanged (threads: {threads}, GPUs: {resources.gpu})"


rule score:
    """Metrics of every member, with per-scene scores and intervals."""
    input:
        predictions="results/{scale}/predictions/{run}.jsonl",
        checkpoints="results/{scale}/checkpoints/{run}",
        train=PLAN.train_manifest,
        test=PLAN.test_manifest,
    output:
        metrics=ensure("results/{scale}/metrics/{run}.json", non_empty=True),
        summary=ensure("results/{scale}/summary/{run}.json", non_empty=True),
    log:
        "logs/{scale}/score/{run}.log",
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("scoring"),
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
        predictions="results/{scale}/predictions/{run}/exchanged.jsonl",
        checkpoints="results/{scale}/checkpoints/{run}",
        train=PLAN.train_manifest,
        test=PLAN.test_manifest,
    output:
        metrics=ensure("results/{scale}/metrics/{run}/exchanged.json", non_empty=True),
        summary=ensure("results/{scale}/summary/{run}/exchanged.json", non_empty=True),
    log:
        "logs/{scale}/score/{run}/exchanged.log",
    params:
        code=PLAN.code("scoring"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
        score=PLAN.score_json,
        pictures="exchanged",
    message:
        "Score {wildcards.run}, pictures exchanged"
