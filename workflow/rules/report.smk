"""Tables and figures from metrics files, and the targets that name them."""


rule table:
    """One table as CSV, Markdown, LaTeX, and where each row comes from."""
    input:
        metrics=PLAN.metrics,
        predictions=PLAN.predictions,
    output:
        report(
            multiext(str(PLAN.at.table("{name}")), ".csv", ".md"),
            caption="../report/table.rst",
            category="Tables",
            subcategory="{name}",
        ),
        multiext(str(PLAN.at.table("{name}")), ".tex", ".provenance.json"),
    log:
        PLAN.at.log("tables", "{name}"),
    wildcard_constraints:
        name="|".join(name for name in TABLES if name != "encoders"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        settings=PLAN.report_json,
        stem=str(PLAN.at.table("{name}")),
    message:
        "Table {wildcards.name}"
    shell:
        "gcl report {wildcards.name} --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


# It scores answers again, by other models: a job, where the other tables are made on the spot.
use rule table as encoders with:
    wildcard_constraints:
        name="encoders",


rule figure:
    """One figure as PNG, SVG, and PDF for a paper."""
    input:
        metrics=PLAN.metrics,
    output:
        report(
            multiext(str(PLAN.at.figure("{name}")), ".png", ".svg"),
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{name}",
        ),
        PLAN.at.figure("{name}", ".pdf"),
    log:
        PLAN.at.log("figures", "{name}"),
    wildcard_constraints:
        name="|".join(FIGURES),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        settings=PLAN.report_json,
        stem=str(PLAN.at.figure("{name}")),
    message:
        "Figure {wildcards.name}"
    shell:
        "gcl report {wildcards.name} --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


rule costs:
    """What every training took: time, GPUs, memory, attempts. Differs from one run of the workflow to the next."""

    # Not the records themselves: one that was lost is not worth a training.
    input:
        PLAN.all_metrics(),
    output:
        report(
            multiext(str(PLAN.here.table("costs")), ".csv", ".md"),
            caption="../report/costs.rst",
            category="Tables",
            subcategory="costs",
        ),
    log:
        PLAN.here.log("tables", "costs"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        stem=lambda w, output: Path(output[0]).with_suffix(""),
    message:
        "Table of costs"
    shell:
        "gcl report costs --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


rule gallery:
    """Test scenes with what the learner would do, alone and in competition, failures included."""
    input:
        PLAN.gallery_files(),
    output:
        report(
            PLAN.here.figure("gallery", ".png"),
            caption="../report/gallery.rst",
            category="Figures",
            subcategory="gallery",
        ),
        PLAN.here.figure("gallery", ".pdf"),
    log:
        PLAN.here.log("figures", "gallery"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        stem=lambda w, output: Path(output[0]).with_suffix(""),
    message:
        "Gallery of test scenes"
    shell:
        "gcl report gallery --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


rule report_page:
    """All results on one HTML page that needs no network."""

    # Losses are no input: they are in the checkpoints' folders, which need not stay. The page says so where they are gone.
    input:
        [PLAN.table(name) for name in PLAN.tables],
        [PLAN.figure(name) for name in PLAN.figures],
        rules.gallery.output,
        rules.costs.output,
    output:
        report(
            PLAN.here.report,
            caption="../report/page.rst",
            category="Page",
        ),
    log:
        PLAN.here.log("page", "report"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("page"),
        experiment=PLAN.resolved,
        settings=PLAN.page_json(),
    message:
        "Page of all results"
    shell:
        "gcl report page --experiment {params.experiment} --to {output:q} > {log:q} 2>&1"


rule paragraph:
    """Table headline in words, with its numbers filled in."""
    input:
        PLAN.table("headline"),
    output:
        PLAN.here.table("paragraph", ".txt"),
        PLAN.here.table("paragraph", ".tex"),
    log:
        PLAN.here.log("tables", "paragraph"),
    conda:
        "../envs/gcl.yaml"
    params:
        code=PLAN.code("reporting"),
        experiment=PLAN.resolved,
        stem=lambda w, output: Path(output[0]).with_suffix(""),
    message:
        "The headline in words"
    shell:
        "gcl report paragraph --experiment {params.experiment} --to {params.stem:q} > {log:q} 2>&1"


rule headline:
    """Table 2 on SNEI, the same as a figure, and in words."""
    input:
        PLAN.table("headline"),
        PLAN.figure("components"),
        rules.paragraph.output,


rule before_after:
    """Every model before any training of the experiment, and after SFT."""
    input:
        PLAN.table("before_after"),


rule scaling:
    """How the gain depends on the number of training scenes, and on the guide's lead."""
    input:
        PLAN.table("scaling"),
        PLAN.figure("gains"),


rule families:
    """Groups of several families."""
    input:
        PLAN.table("families"),


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


rule controls:
    """Where does the gain come from? At the paper's rates, and each arm at its own best rate."""
    input:
        [PLAN.table(name) for name in PLAN.tables if name.startswith("controls")],
        PLAN.figure("control_gains"),


rule rates:
    """Every arm of the controls at a few rates, on data for choosing: what `controls.best` is taken from."""
    input:
        PLAN.table("rates"),


rule exchange:
    """Members that learn from each other's own answers, on scenes and on planning tasks."""
    input:
        PLAN.table("exchange"),
        PLAN.table("exchange_planning"),


rule exchange_rates:
    """Every arm of the exchange at a few rates, on data for choosing: what `best` of its two tables is taken from."""
    input:
        PLAN.table("exchange_rates"),
        PLAN.table("exchange_planning_rates"),


rule figures:
    """All figures of `all` but MGSD's."""
    input:
        [PLAN.figure(name) for name in PLAN.figures if name != PLANNING_FIGURE],
