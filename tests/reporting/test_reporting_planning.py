"""MGSD's table: macro means, each arm against the one it names, and no file that does not belong."""

import math
from pathlib import Path

import pandas as pd
import pytest
from fake_metrics import experiment_with, fake_planning, frame, typed, write_metrics
from pdf_parts import parts

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.experiment.planning_arms import rows
from gcl.files import read_json, write_json
from gcl.reporting.build import build
from gcl.reporting.figures.canvas import FORMATS
from gcl.reporting.metrics import load_metrics
from gcl.reporting.tables.planning_table import planning_table
from gcl.workflow.targets import TARGETS

EXPERIMENT = experiment_with()
FIRST = EXPERIMENT.planning.models.value[0]
GROUNDED, DISTILLED = "stage 1", "stages 1 and 2 (MGSD)"


def better_after_stage_2(asked, task, k):
    """Half of the lakes, no maze, every room; after stage 2 all mazes, too."""
    return {"frozenlake": float(k < 2), "maze": float("mgsd" in asked.run), "minibehaviour": 1.0}[task]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    metrics = typed(fake_planning(EXPERIMENT, better_after_stage_2))
    return frame(planning_table(EXPERIMENT, metrics)).set_index(["model", "arm"])


def test_scores_are_means_of_the_tasks_means_and_paired_with_the_named_arm(table):
    before, after = (table.loc[(FIRST, arm)] for arm in (GROUNDED, DISTILLED))
    assert before["success"] == pytest.approx((0.5 + 0 + 1) / 3) and after["success"] == pytest.approx(
        (0.5 + 1 + 1) / 3
    )
    assert (before["frozenlake"], before["maze"], after["maze"], after["minibehaviour"]) == (0.5, 0, 1, 1)
    assert after["success_gain"] == pytest.approx(1 / 3) and after["maze_gain"] == 1 and after["frozenlake_gain"] == 0
    assert after["against"] == GROUNDED and before["success_gain"] == 0
    assert after["reading"] == pytest.approx((1 / 4 + 1 / 2 + 1 / 2) / 3)
    assert math.isnan(after["illegal_gain"]), "of fewer illegal plans an arrow would point the wrong way"


def test_who_sees_no_picture_reads_none_and_a_base_model_is_compared_with_nobody(table):
    told = table.loc[(FIRST, "base model, told the state")]
    assert math.isnan(told["reading"]) and math.isnan(told["success_gain"]) and told["against"] == "–"


def test_every_row_names_the_files_behind_it(table):
    assert table.loc[(FIRST, DISTILLED)]["runs"].split() == [
        f"planning/mgsd/{FIRST}+{FIRST}/full/seed0",
        f"planning/reading/{FIRST}/default/seed0",  # what it is compared with
    ]
    assert len(table) == len(rows(EXPERIMENT))


def test_of_several_seeds_each_is_paired_and_the_base_model_serves_all():
    seeds = EXPERIMENT.planning.seeds.model_copy(update={"value": [0, 1, 2]})
    planning = EXPERIMENT.planning.model_copy(update={"seeds": seeds})
    experiment = EXPERIMENT.model_copy(update={"planning": planning})
    metrics = fake_planning(experiment, better_after_stage_2)
    table = frame(planning_table(experiment, typed(metrics))).set_index(["model", "arm"])
    after, stage_1 = table.loc[(FIRST, DISTILLED)], table.loc[(FIRST, GROUNDED)]
    assert (after["seeds"], after["scenarios"], len(after["runs"].split())) == (3, 8, 6)
    assert after["success_gain"] == pytest.approx(1 / 3) and stage_1["success_gain"] == 0


def test_the_papers_values_stand_beside_what_they_are_of():
    experiment = experiment_with("paper")
    table = frame(planning_table(experiment, typed(fake_planning(experiment)))).set_index(["model", "arm"])
    values = {(model, arm): row["success_paper"] for (model, arm), row in table.iterrows() if row["success_paper"] > 0}
    assert values == {
        ("qwen3-vl-4b", "base model"): 0.112, ("qwen3-vl-4b", DISTILLED): 0.305,
        ("qwen3-vl-8b", "base model"): 0.172, ("qwen3-vl-8b", DISTILLED): 0.356,
    }  # fmt: skip
    base = table.loc[("qwen3-vl-4b", "base model")]
    assert base["success_difference"] == pytest.approx(base["success"] - 0.112)


def test_table_and_figure_are_written(tmp_path):
    write_metrics(tmp_path, fake_planning(EXPERIMENT, better_after_stage_2))
    build(EXPERIMENT, "planning", tmp_path, tmp_path / "planning")
    build(EXPERIMENT, "plans", tmp_path, tmp_path / "plans")
    text = (tmp_path / "planning.md").read_text()
    assert text.startswith("# MGSD") and "miniature" in text.lower() and "than what the row is compared with" in text
    assert "SFT control" not in text and "| Read right |" in text
    assert all((tmp_path / f"plans{suffix}").stat().st_size > 10_000 for suffix in FORMATS)
    assert parts(tmp_path / "plans.pdf").images == 0


def edit(path: Path, **changes: object) -> None:
    write_json(path, read_json(path) | changes)


@pytest.mark.parametrize(
    ("breaking", "problem"),
    [
        (lambda path: path.unlink(), "no such file"),
        (lambda path: edit(path, members=[{"role": "solo"}]), "not a metrics file: members.0.model: Field required"),
        (lambda path: edit(path, run="planning/other"), "of another run, planning/other"),
        (
            lambda path: edit(path, provenance=read_json(path)["provenance"] | {"spec_sha256": "0"}),
            "made with other settings than the present configuration",
        ),
    ],
)
def test_a_file_that_does_not_belong_is_named_with_its_remedy(tmp_path, breaking, problem):
    write_metrics(tmp_path, fake_planning(EXPERIMENT))
    path = results_at("miniature", tmp_path).metrics(rows(EXPERIMENT)[4].runs[0])
    breaking(path)
    with pytest.raises(DataError, match=f"{path}: {problem}.*snakemake --cores 2"):
        load_metrics(tmp_path, "miniature", TARGETS["planning"].metrics(EXPERIMENT))


def test_files_of_other_states_are_not_put_into_one_table():
    metrics = fake_planning(EXPERIMENT)
    odd = next(iter(metrics))
    metrics[odd]["provenance"]["manifests"]["test"] = "others"
    with pytest.raises(DataError, match=f"{odd} and .* differ in the test manifest of planning"):
        planning_table(EXPERIMENT, typed(metrics))
