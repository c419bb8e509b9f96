"""Raw data and its manifests. At paper scale the raw folders are the user's; at miniature scale they are drawn."""

if PLAN.drawn:

    rule draw:
        """Draw a miniature data set in its raw format."""
        input:
            code=code_files("drawing"),
        output:
            directory(f"{PLAN.data}/raw/{{dataset}}"),
        log:
            "logs/draw/{dataset}.log",
        conda:
            "../envs/gcl.yaml"
        params:
            data=PLAN.data_json,
            scenes=PLAN.scenarios,
            seed=PLAN.experiment.drawing.seed.value,
        message:
            "Draw {wildcards.dataset}"
        shell:
            "gcl data generate {wildcards.dataset} --data {params.data:q} --seed {params.seed}"
            " --train {params.scenes[train]} --test {params.scenes[test]} --to {output} > {log} 2>&1"

    rule captions:
        """Draw and caption the scenes that miniature backbones are grounded in."""
        input:
            code=code_files("drawing"),
        output:
            directory(f"{PLAN.data}/captions"),
        log:
            "logs/captions.log",
        conda:
            "../envs/gcl.yaml"
        params:
            scenes=PLAN.experiment.drawing.captions.value,
            seed=PLAN.experiment.drawing.seed.value,
        message:
            "Draw and caption {params.scenes} scenes for grounding"
        shell:
            "gcl data generate captions --train {params.scenes} --seed {params.seed} --to {output} > {log} 2>&1"


rule manifest:
    """Check every scene and write the contract with everything downstream."""
    input:
        raw=PLAN.raw_folder,
        code=code_files("manifest"),
    output:
        train=f"{PLAN.data}/manifests/{{dataset}}/train.tsv",
        test=f"{PLAN.data}/manifests/{{dataset}}/test.tsv",
    log:
        "logs/manifest/{dataset}.log",
    conda:
        "../envs/gcl.yaml"
    params:
        data=PLAN.data_json,
        scenes=PLAN.scenarios,
        folder=lambda w, output: Path(output.train).parent,
    message:
        "Check {wildcards.dataset} and write its manifests"
    shell:
        "gcl data manifest --data {params.data:q} --train {params.scenes[train]} --test {params.scenes[test]}"
        " --to {params.folder} > {log} 2>&1"
