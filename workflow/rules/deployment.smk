"""Members for robots: in several formats, with their answers, times, memory and energy."""

from gcl.workflow.deployment_plan import (
    DEPLOYMENT_FIGURE,
    DEPLOYMENT_TABLE,
    DeploymentPlan,
)

DEPLOYMENT = DeploymentPlan(PLAN.experiment)


wildcard_constraints:
    role="[a-z0-9_]+",
    format="|".join(DEPLOYMENT.formats),


rule deploy:
    """One member in one format."""
    input:
        PLAN.answering,
    output:
        directory(PLAN.at.deployed("{run}", "{role}", "{format}")),
    log:
        PLAN.at.log("deploy", "{run}/{role}/{format}"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("deployment"),
        experiment=PLAN.resolved,
        run=PLAN.run_json,
    message:
        "Deploy {wildcards.run} {wildcards.role} as {wildcards.format}"
    shell:
        "gcl deploy {wildcards.run:q} --role {wildcards.role} --format {wildcards.format}"
        " --experiment {params.experiment} --to {output:q} > {log:q} 2>&1"


rule agree:
    """The answers of one member in all formats to test questions."""
    input:
        folders=DEPLOYMENT.of_member,
        data=PLAN.inputs("test"),
    output:
        PLAN.at.agreement("{run}", "{role}"),
    log:
        PLAN.at.log("agree", "{run}/{role}"),
    conda:
        "../envs/gcl.yaml"
    threads: 1 if PLAN.drawn else workflow.cores or 1
    resources:
        gpu=0 if PLAN.drawn else 1,
    params:
        code=PLAN.code("agreement"),
        experiment=PLAN.resolved,
        scenes=DEPLOYMENT.scenes(),
        score=PLAN.score_json,
    message:
        "Compare the formats of {wildcards.run} {wildcards.role}"
    shell:
        "gcl agree {input.folders:q} --experiment {params.experiment} {params.scenes} --to {output:q} > {log:q} 2>&1"


rule measure:
    """Time, memory and energy of all members in all formats, in turn. Nothing else runs meanwhile."""
    input:
        folders=DEPLOYMENT.folders(),
        agreements=DEPLOYMENT.agreements(),
    output:
        PLAN.here.measured,
    log:
        PLAN.here.log("measure", "all"),
    conda:
        "../envs/gcl.yaml"
    threads: workflow.cores or 1
    resources:
        gpu=0 if PLAN.drawn else 1,
    params:
        code=PLAN.code("measurement"),
        measurement=DEPLOYMENT.measurement(),
    message:
        "Measure all deployed members"
    shell:
        "gcl measure {input.folders:q} {params.measurement} --to {output:q} > {log:q} 2>&1"


rule deployment_table:
    """Score against latency, memory and energy."""
    input:
        DEPLOYMENT.agreements(),
        PLAN.here.measured,
    output:
        report(
            multiext(str(PLAN.here.table(DEPLOYMENT_TABLE)), ".csv", ".md"),
            caption="../report/table.rst",
            category="Tables",
            subcategory=DEPLOYMENT_TABLE,
        ),
        multiext(str(PLAN.here.table(DEPLOYMENT_TABLE)), ".tex", ".provenance.json"),
    log:
        PLAN.here.log("tables", DEPLOYMENT_TABLE),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        settings=DEPLOYMENT.report_json(),
        stem=lambda w, output: Path(output[0]).with_suffix(""),
    message:
        "Table deployment"
    shell:
        "gcl report deployment --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


rule deployment_figure:
    """The same as a figure."""
    input:
        DEPLOYMENT.agreements(),
        PLAN.here.measured,
    output:
        PLAN.figure(DEPLOYMENT_FIGURE),
    log:
        PLAN.here.log("figures", DEPLOYMENT_FIGURE),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        settings=DEPLOYMENT.report_json(),
        stem=lambda w, output: Path(output[0]).with_suffix(""),
    message:
        "Figure tradeoff"
    shell:
        "gcl report tradeoff --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


rule deployment:
    """Members for robots: the table, and the same as a figure."""
    input:
        rules.deployment_table.output,
        rules.deployment_figure.output,
