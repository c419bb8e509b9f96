"""The Snakemake workflow catalog finds what it looks for, and plans the same jobs with it."""

import yaml
from conftest import ROOT
from workflow_project import copy_project


def test_the_catalogs_snakefile_plans_the_same_jobs(tmp_path):
    project = copy_project(tmp_path)
    assert project.jobs("headline", "--snakefile", "workflow/Snakefile") == project.jobs("headline")


def test_the_entry_has_the_catalogs_fields():
    entry = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    deployment = entry["usage"]["software-stack-deployment"]
    assert set(deployment) == {"conda", "apptainer", "apptainer+conda", "report"}
    assert all(isinstance(value, bool) for value in deployment.values())
