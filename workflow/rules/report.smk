"""Tables and figures from metrics files, and the targets that name them."""


rule table:
    """One table as CSV, Markdown, LaTeX, and where each row comes from."""
    input:
        metrics=PLAN.metrics,
        code=code_files("reporting"),
    output:
        multiext(
            "results/{scale}/tables/{name}", ".csv", ".md", ".tex", ".provenance.json"
        ),
    log:
        "logs/{scale}/tables/{name}.log",
    wildcard_constraints:
        name="|".join(TABLES),
    conda:
        "../envs/gcl.yaml"
    params:
        settings=PLAN.report_json,
        stem="results/{scale}/tables/{name}",
    message:
        "Table {wildcards.name}"
    shell:
        "gcl report {wildcards.name} --to {params.stem} > {log} 2>&1"


rule figure:
    """One figure as PNG and SVG."""
    input:
        metrics=PLAN.metrics,
        code=code_files("reporting"),
    output:
        multiext("results/{scale}/figures/{name}", ".png", ".svg"),
    log:
        "logs/{scale}/figures/{name}.log",
    wildcard_constraints:
        name="|".join(FIGURES),
    conda:
        "../envs/gcl.yaml"
    params:
        settings=PLAN.report_json,
        stem="results/{scale}/figures/{name}",
    message:
        "Figure {wildcards.name}"
    shell:
        "gcl report {wildcards.name} --to {params.stem} > {log} 2>&1"


rule costs:
    """What every training took: time, GPUs, memory, attempts. Differs from one run of the workflow to the next."""

    # Not the records themselves: one that was lost is not worth a training.
    input:
        PLAN.all_metrics(),
    output:
        multiext(f"results/{PLAN.scale}/tables/costs", ".csv", ".md"),
    log:
        f"logs/{PLAN.scale}/tables/costs.log",
    conda:
        "../envs/gcl.yaml"
    params:
        stem=lambda w, output: Path(output[0]).with_suffix(""),
    message:
        "Table of costs"
    shell:
        "gcl report costs --to {params.stem} > {log} 2>&1"


rule headline:
    """Table 2 on SNEI, and the same as a figure."""
    input:
        PLAN.table("headline"),
        PLAN.figure("components"),


rule table1:
    """All groups on SNEI."""
    input:
        PLAN.table("table1"),


rule table2:
    """What each part of the objective adds, on both data sets."""
    input:
        PLAN.table("table2"),


rule table3:
    """All groups on MUSON."""
    input:
        PLAN.table("table3"),


rule figures:
    """Figures 2, 3, 4 and 7."""
    input:
        [PLAN.figure(name) for name in FIGURES],
