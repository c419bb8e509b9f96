"""Raw data and its manifests. Drawn data is made, imported and checked here; real data is the user's and DVC's."""

if PLAN.draws_data:

    rule draw:
        """Draw a miniature data set in the shape in which the real one is downloaded."""
        output:
            directory(PLAN.here.source("{dataset}")),
        log:
            PLAN.here.log("draw", "{dataset}"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("drawing"),
            experiment=PLAN.resolved,
            data=PLAN.data_json,
            scenes=PLAN.scenarios,
            kind=PLAN.kind_of_data,
            seed=PLAN.experiment.drawing.seed.value,
        message:
            "Draw {wildcards.dataset}"
        shell:
            "gcl data generate {params.kind} --experiment {params.experiment} --seed {params.seed}"
            " --train {params.scenes[train]} --test {params.scenes[test]} --to {output:q} > {log:q} 2>&1"

    rule import_data:
        """Turn it into a raw folder, as people do with real data."""
        input:
            source=PLAN.here.source("{dataset}"),
            mapping=PLAN.mapping,
        output:
            directory(PLAN.here.raw("{dataset}")),
        log:
            PLAN.here.log("import", "{dataset}"),
        conda:
            "../envs/gcl.yaml"
        params:
            code=PLAN.code("importing"),
            experiment=PLAN.resolved,
            data=PLAN.data_json,
        message:
            "Import {wildcards.dataset}"
        shell:
            "gcl data import {wildcards.dataset} {input.source:q} --mapping {input.mapping:q}"
            " --experiment {params.experiment} --to {output:q} > {log:q} 2>&1"


rule manifest:
    """Check every scene and write the contract with everything downstream."""

    # Real data: only a missing manifest is made here. When data or code change, `dvc repro` makes it again, and what has
    # the same bytes as before then causes nothing downstream, which Snakemake alone could not tell.
    input:
        raw=PLAN.raw_folder,
    output:
        train=PLAN.here.manifest("{dataset}", "train"),
        test=PLAN.here.manifest("{dataset}", "test"),
    log:
        PLAN.here.log("manifest", "{dataset}"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("manifest") if PLAN.draws_data else None,
        experiment=PLAN.resolved,
        settings=PLAN.manifest_json,
    message:
        "Check {wildcards.dataset} and write its manifests"
    shell:
        "gcl data manifest {wildcards.dataset} --experiment {params.experiment} > {log:q} 2>&1"
