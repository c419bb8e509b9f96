"""Miniature base models: instructions, a vocabulary, untrained models. Runs of rule train make base models of them."""

if PLAN.makes_base_models:

    rule instructions:
        """Draw scenes and states, and ask questions of many kinds about them."""
        input:
            states=PLAN.here.states,
        output:
            directory(PLAN.here.instructions),
        log:
            PLAN.here.log("base_models", "instructions"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("instructions"),
            experiment=PLAN.resolved,
            settings=PLAN.base_models_json("seed", "instructions", "levels"),
        message:
            "Write the instruction set"
        shell:
            "gcl base-model instructions --experiment {params.experiment} --states {input.states:q} --to {output:q}"
            " > {log:q} 2>&1"

    rule unseen:
        """Draw a few questions that the base models were not trained on: they show what a training makes them forget."""
        input:
            states=PLAN.here.states,
        output:
            directory(PLAN.here.unseen),
        log:
            PLAN.here.log("base_models", "unseen"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("unseen"),
            experiment=PLAN.resolved,
            settings=PLAN.base_models_json("seed", "instructions", "levels"),
            questions=PLAN.held_out_questions(),
        message:
            "Write held-out questions"
        shell:
            "gcl base-model unseen --experiment {params.experiment} --states {input.states:q}"
            " --questions {params.questions} --to {output:q} > {log:q} 2>&1"

    rule base_vocabulary:
        """Train the tokenizer of all miniature base models."""
        input:
            instructions=PLAN.here.instructions,
        output:
            PLAN.here.vocabulary,
        log:
            PLAN.here.log("base_models", "vocabulary"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("base_vocabulary"),
            experiment=PLAN.resolved,
            settings=PLAN.base_models_json("seed", "vocabulary"),
        message:
            "Train the tokenizer of the base models"
        shell:
            "gcl base-model vocabulary --experiment {params.experiment} --instructions {input.instructions:q}"
            " --to {output:q} > {log:q} 2>&1"

    rule untrained:
        """Build a miniature model with random weights."""
        input:
            vocabulary=PLAN.here.vocabulary,
        output:
            directory(PLAN.here.untrained("{model}")),
        log:
            PLAN.here.log("base_models", "build-{model}"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("untrained"),
            experiment=PLAN.resolved,
            architecture=PLAN.architecture,
            settings=PLAN.base_models_json("seed"),
        message:
            "Build an untrained {wildcards.model}"
        shell:
            "gcl base-model build {wildcards.model} --experiment {params.experiment} --vocabulary {input.vocabulary:q}"
            " --to {output:q} > {log:q} 2>&1"

    rule base_models:
        """All base models, trained and scored on held-out instructions. `gcl base-model publish` keeps one."""
        input:
            PLAN.base_model_scores(),
