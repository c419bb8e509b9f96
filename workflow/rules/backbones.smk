"""Miniature backbones; at paper scale models come from the hub or a local folder, and these rules do not exist."""

if PLAN.drawn:

    rule vocabulary:
        """Train the tokenizer that all miniature backbones share."""
        output:
            PLAN.here.vocabulary(),
        log:
            PLAN.here.log("ground", "vocabulary"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("vocabulary"),
            experiment=PLAN.resolved,
            words=PLAN.vocabulary_json(),
        message:
            "Train the miniature tokenizer"
        shell:
            "gcl backbone vocabulary --experiment {params.experiment} --to {output:q} > {log:q} 2>&1"

    rule ground:
        """Build a miniature backbone and ground it in captions of scenes that are in no data set."""
        input:
            captions=PLAN.here.captions,
            vocabulary=PLAN.here.vocabulary(),
        output:
            directory(PLAN.here.backbone("{model}")),
        log:
            PLAN.here.log("ground", "{model}"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("backbones"),
            experiment=PLAN.resolved,
            spec=PLAN.grounding_json,
        message:
            "Build and ground the miniature {wildcards.model}"
        shell:
            "gcl backbone ground {wildcards.model} --experiment {params.experiment} --captions {input.captions:q}"
            " --vocabulary {input.vocabulary:q} --to {output:q} > {log:q} 2>&1"
