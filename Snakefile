# The paper as a workflow. `snakemake --cores 2 headline` for the main result, `all` for everything; see README.md.
from snakemake.utils import min_version

min_version("9.20")


include: "workflow/rules/common.smk"


# For Snakemake's own reports and archives. The rules go by PLAN, which has read it before, by stricter rules.
configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/data.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/planning.smk"
include: "workflow/rules/base_models.smk"
include: "workflow/rules/deployment.smk"


# Not worth a job of a cluster: on one core each takes less than a minute, mostly seconds. The others train or use models.
localrules:
    all,
    headline,
    before_after,
    scaling,
    families,
    table1,
    table2,
    table3,
    controls,
    rates,
    figures,
    draw,
    import_data,
    manifest,
    table,
    figure,
    gallery,
    costs,
    report_page,
    paragraph,
    planning,
    planning_cell,
    planning_import,
    planning_states,
    planning_pictures,
    instructions,
    unseen,
    base_vocabulary,
    untrained,
    base_models,
    deployment_table,
    deployment_figure,
    deployment,
    exchange,
    exchange_rates,


rule all:
    default_target: True
    input:
        rules.headline.input,
        rules.before_after.input,
        rules.table1.input,
        rules.table2.input,
        rules.table3.input,
        rules.controls.input,
        rules.figures.input,
        rules.costs.output,
        rules.report_page.output,
