"""`gcl reproduce`: each score is judged against its own counterpart, and all that differs is said."""

import json
import random
import shutil
from types import SimpleNamespace

import pytest
from fake_metrics import experiment_with, fake_metrics, write_metrics

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.files import read_json, write_json
from gcl.reporting.build import build, table_of
from gcl.reporting.reproduce import PUBLISHED, reproduce
from gcl.reporting.tables.result_table import Score
from gcl.workflow.plan import Plan


def quick(experiment):
    """The same with few resamples."""
    evaluation = experiment.evaluation
    few = evaluation.bootstrap.model_copy(update={"value": 50})
    return experiment.model_copy(update={"evaluation": evaluation.model_copy(update={"bootstrap": few})})


SEEDS = quick(experiment_with(seeds=(0, 1, 2)))
PAPER = quick(experiment_with("paper", seeds=(0, 1, 2)))


def shaken(experiment, scale: float, shift: float = 0.0, number: int = 0):
    """Metrics whose trainings scatter."""

    def score(run, role: str) -> float:
        return 0.6 + shift + random.Random(f"{run.id} {role} {number}").gauss(0, scale)

    return fake_metrics(experiment, score)


def made(folder, metrics, experiment=SEEDS, name: str = "table2"):
    """The results folder with one table of these metrics."""
    results = folder / "results"
    place = results_at(experiment.scale, results)
    shutil.rmtree(place.root, ignore_errors=True)
    write_metrics(results, metrics)
    place.tables.mkdir(parents=True)
    build(experiment, name, results, place.table(name))
    return results


def kept(results, experiment=SEEDS) -> None:
    """Make the tables that are here the reference."""
    place = results_at(experiment.scale, results)
    shutil.copytree(place.tables, place.reference, dirs_exist_ok=True)


def test_a_table_has_the_same_digits_as_itself(tmp_path):
    results = made(tmp_path, shaken(SEEDS, 0.01))
    kept(results)
    (found,) = reproduce(SEEDS, [], results)
    assert found.counts == {"same digits": len(found.cells), "agrees": 0, "differs": 0, "cannot tell": 0}
    assert (
        len(found.cells) == 12 * 5 + 12 * 6 and not found.notes
    )  # scores of SNEI and of MUSON, with held-out questions
    assert str(found).startswith(f"table2: 132 scores against {results}/reference/miniature/table2.provenance.json")


def test_other_digits_with_small_scatter_agree_and_shifted_ones_differ(tmp_path):
    kept(made(tmp_path, shaken(SEEDS, 0.01)))
    (found,) = reproduce(SEEDS, ["table2"], made(tmp_path, shaken(SEEDS, 0.01, number=1)))
    assert found.counts["agrees"] == 122 and found.counts["same digits"] == 10  # trained fakes have one accuracy
    (found,) = reproduce(SEEDS, ["table2"], made(tmp_path, shaken(SEEDS, 0.01, shift=0.1)))
    assert found.counts["differs"] == 120
    assert str(found).count("differs      snei, ") == 60
    (found,) = reproduce(SEEDS, ["table2"], made(tmp_path, shaken(SEEDS, 0.2, number=1)))
    assert found.counts["cannot tell"] > 40 and "trainings a cell would tell" in str(found)


def test_each_cell_is_judged_against_its_own(tmp_path):
    kept(made(tmp_path, fake_metrics(SEEDS)))
    changed = fake_metrics(SEEDS)
    for name, content in changed.items():
        if "/gsl/" in name and name.startswith("muson"):
            member = next(member for member in content["members"] if member["role"] == "guide")
            for item in member["items"]:
                item["action_f1"] += 0.2
    (found,) = reproduce(SEEDS, ["table2"], made(tmp_path, changed))
    odd = [cell for cell in found.cells if cell.verdict.word != "same digits"]
    assert [(cell.row, cell.column) for cell in odd] == [("muson, GCL: GSL, qwen3-vl-4b, guide", "Action-F1")]
    assert odd[0].verdict.difference == pytest.approx(0.2)


def test_one_seed_cannot_tell(tmp_path):
    one = quick(experiment_with())
    kept(made(tmp_path, shaken(one, 0.01), one), one)
    (found,) = reproduce(one, ["table2"], made(tmp_path, shaken(one, 0.01, number=1), one))
    assert found.counts["cannot tell"] == 132 and "2 trainings a cell would tell" in str(found)


def test_other_code_settings_and_rows_are_noted(tmp_path):
    results = made(tmp_path, fake_metrics(SEEDS))
    kept(results)
    path = results_at("miniature", results).reference / "table2.provenance.json"
    table = read_json(path)
    table["rows"].pop(0)
    for source in list(table["sources"].values())[:3]:
        source["code"]["training"] = "another"
    next(iter(table["sources"].values()))["spec"] = "another"
    write_json(path, table)
    (found,) = reproduce(SEEDS, ["table2"], results)
    assert [*found.notes] == [
        "1 rows are only here: snei, base model, qwen2.5-vl-3b, learner",
        "1 of 40 trainings were made with other settings than the reference's",
        "3 of 40 trainings were made with other code than the reference's",
    ]


def test_published_values_are_the_reference_at_paper_scale(tmp_path):
    results = made(tmp_path, fake_metrics(PAPER), PAPER)
    (found,) = reproduce(PAPER, [], results)
    assert found.reference == PUBLISHED and len(found.cells) == 60
    table = table_of(PAPER, "table2", results)
    cells = [cell for row in table.rows for cell in row.cells.values() if isinstance(cell, Score)]
    shown = [cell.verdict for cell in cells if cell.paper is not None]
    assert sorted(shown) == sorted(cell.verdict.word for cell in found.cells) and {*shown} > {"differs"}
    assert all(cell.verdict is None for cell in cells if cell.paper is None)
    place = results_at("paper", results)
    assert (
        ", differs)" in place.table("table2", ".md").read_text()
        and "action_f1_verdict" in place.table("table2", ".csv").read_text()
    )


def test_what_is_missing_is_named(tmp_path):
    results = made(tmp_path, fake_metrics(SEEDS))
    with pytest.raises(DataError, match=r"no table that has a reference in .*reference/miniature"):
        reproduce(SEEDS, [], results)
    with pytest.raises(DataError, match=r"table2: neither .*table2.provenance.json nor published values are there"):
        reproduce(SEEDS, ["table2"], results)
    with pytest.raises(DataError, match=r"table1: no such table here; make it with: snakemake .*tables/table1.md"):
        reproduce(SEEDS, ["table1"], results)
    kept(results)
    path = results_at("miniature", results).reference / "table2.provenance.json"
    path.write_text(json.dumps({"table": "table2"}))
    with pytest.raises(DataError, match="of an earlier version"):
        reproduce(SEEDS, ["table2"], results)
    (found,) = reproduce(SEEDS, [], results)  # others may still be compared
    assert not found.cells and "of an earlier version" in found.notes[0]


def test_another_margin_builds_tables_again():
    report = SEEDS.report
    wide = report.model_copy(update={"margin": report.margin.model_copy(update={"value": 0.1})})
    plans = [Plan(one) for one in (SEEDS, SEEDS.model_copy(), SEEDS.model_copy(update={"report": wide}))]
    now, again, other = (plan.report_json(SimpleNamespace(name="table2")) for plan in plans)
    assert now == again != other
