"""The reference tables: the headline is of this code, and the age of the others is told."""

import warnings

import pytest
from conftest import ROOT

from gcl.errors import DataError
from gcl.experiment.closure import evaluation_code, run_code
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import results_at
from gcl.experiment.provenance import git
from gcl.reporting.tables.result_table import ResultTable, read_table_file

FOLDER = results_at("miniature", ROOT / "results").reference
OTHERS = sorted(path.name.removesuffix(".provenance.json") for path in FOLDER.glob("*.json"))
OTHERS.remove("headline")


def table(name: str) -> ResultTable:
    return read_table_file(FOLDER / f"{name}.provenance.json", "miniature", name)


def outdated(experiment, found: ResultTable) -> dict[str, list[str]]:
    """Runs of other settings, and of other code, than those of now."""
    odd: dict[str, list[str]] = {"settings": [], "code": []}
    for name, source in found.sources.items():
        run = find_run(experiment, name.removesuffix("/exchanged"))
        made = (source.code.training, source.code.evaluation)
        now = (run_code("training", run) if run.feed is not None else None, evaluation_code(run))
        if source.spec != run.fingerprint:
            odd["settings"].append(name)
        if made != now:
            odd["code"].append(name)
    return odd


def test_the_headline_is_of_this_code_and_these_settings(experiment):
    assert outdated(experiment, table("headline")) == {"settings": [], "code": []}, "make it again: make"


@pytest.mark.parametrize("name", OTHERS)
def test_the_age_of_another_table_is_told(experiment, name):
    """An older table is no mistake, but nobody is to take it for a new one."""
    changed = git(ROOT, "log", "-1", "--format=%cs", "--", f"results/reference/miniature/{name}.provenance.json")
    since = f"table {name}, committed {(changed or 'never').strip()}"
    try:
        found = table(name)
    except DataError as error:
        warnings.warn(f"{since}: {error}", stacklevel=1)
        return
    odd, total = outdated(experiment, found), len(found.sources)
    assert total
    told = f"{total} runs, {len(odd['code'])} of other code, {len(odd['settings'])} of other settings"
    warnings.warn(f"{since}: {told}", stacklevel=1)
