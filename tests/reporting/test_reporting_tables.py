"""Tables: the right run in every cell, intervals and daggers, paper values only where they belong, four files."""

import pandas as pd
import pytest
from fake_metrics import constant, experiment_with, fake_metrics, frame, typed, write_metrics

from gcl.errors import DataError
from gcl.files import sha256_file
from gcl.reporting.build import build
from gcl.reporting.estimates import BASE, METHODS
from gcl.reporting.metrics import sources
from gcl.reporting.tables.assemble import MARKS_NOTE
from gcl.reporting.tables.markup import write_table
from gcl.reporting.tables.paper_tables import component_table, group_table
from gcl.reporting.tables.result_table import ResultTable

MINIATURE = experiment_with()
PAPER = experiment_with("paper")
DATASETS = ["snei", "muson"]
SNEI_PAIR = "qwen2.5-vl-3b+qwen3-vl-4b"


def by_variant(run, role):
    """A different score in every cell of Table 2."""
    if run.feed is None:
        return 0.2
    methods = ["default", "gsl", "drl", "gco", "full"]
    if run.variant not in methods:
        return 0.1
    return 0.5 + 0.05 * methods.index(run.variant) + (0.01 if run.members[-1].model == "qwen3-vl-4b" else 0)


def components(metrics, experiment=MINIATURE, datasets=DATASETS) -> ResultTable:
    return component_table(experiment, "table2", datasets, typed(metrics))


def groups(metrics, experiment=MINIATURE) -> ResultTable:
    return group_table(experiment, "table1", "snei", typed(metrics))


def written(folder, table, metrics) -> dict[str, str]:
    write_metrics(folder / "results", metrics)
    found = sources(folder / "results", typed(metrics))
    write_table(table.model_copy(update={"sources": found}), folder / "table")
    return {path.name.removeprefix("table."): path.read_text() for path in folder.glob("table.*")}


def test_component_rows_are_methods_by_role_in_the_papers_order():
    found = frame(components(fake_metrics(MINIATURE)))
    methods = [*BASE.values(), *METHODS.values()]
    expected = [(d, method, role) for d in DATASETS for method in methods for role in ("learner", "guide")]
    assert list(found[["dataset", "method", "role"]].itertuples(index=False, name=None)) == expected
    assert set(found["model"][found["role"] == "guide"]) == {"qwen3-vl-4b"}


def test_every_component_cell_comes_from_its_own_run():
    table = components(fake_metrics(MINIATURE, by_variant), datasets=["snei"])
    assert list(frame(table)["action_f1"].round(3)) == [
        0.2,
        0.2,
        0.5,
        0.51,
        0.56,
        0.56,
        0.61,
        0.61,
        0.66,
        0.66,
        0.71,
        0.71,
    ]
    assert table.rows[1].runs == ["snei/base/qwen3-vl-4b/default/seed0"]
    assert table.rows[4].runs == [
        f"snei/gcl/{SNEI_PAIR}/gsl/seed0",
        "snei/sft/qwen2.5-vl-3b/default/seed0",
    ]


def test_accuracy_stands_only_where_actions_are_a_closed_list():
    metrics = fake_metrics(MINIATURE)
    assert "action_accuracy" not in frame(components(metrics, datasets=["snei"]))
    both = frame(components(metrics))
    assert both["action_accuracy"].notna().tolist() == [False] * 12 + [True] * 12


def test_group_rows_hold_scores_gains_and_temperatures():
    found = frame(groups(fake_metrics(MINIATURE, lambda run, role: 0.2 if run.feed is None else constant(run, role))))
    assert len(found) == 12
    assert found["base_learner"].tolist() == found["base_guide"].tolist() == [0.2] * 12
    assert not [name for name in found if name.startswith("base") and "gain" in name]
    row = found.iloc[6]
    assert (row["regime"], row["learner"], row["guide"]) == ("B", "qwen2.5-vl-3b", "qwen3-vl-2b")
    assert (row["tau_learner"], row["tau_guide"]) == (2.0, 3.0)
    assert (row["sft_learner"], row["sft_guide"], row["gcl_learner"], row["gcl_guide"]) == (0.6, 0.6, 0.8, 0.7)
    assert (row["gcl_learner_low"], row["gcl_learner_high"]) == pytest.approx((0.78, 0.82))
    assert (row["gain_learner"], row["gain_guide"]) == pytest.approx((0.2, 0.1))


@pytest.mark.parametrize(
    ("differences", "mark", "tex"),
    [
        ((0.05, 0.1), "↑", r"$\uparrow$"),
        ((-0.05, -0.1), "↓", r"$\downarrow$"),
        ((-0.1, 0.1), "†", r"$^\dagger$"),
        ((0.0, 0.0), "†", r"$^\dagger$"),
    ],
)
def test_a_mark_says_whether_the_paired_interval_excludes_zero(tmp_path, differences, mark, tex):
    """The learner's mean and interval stay those of its control: only scenario by scenario can they be told apart."""
    metrics = fake_metrics(MINIATURE, lambda run, role: 0.6)
    for content in metrics.values():
        for member in content["members"]:
            if member["role"] == "learner":
                for item, difference in zip(member["items"], differences, strict=True):
                    item["action_f1"] += difference
    table = groups(metrics)
    assert frame(table)["gcl_learner_gain"].round(9).tolist() == [round(sum(differences) / 2, 9)] * 12
    files = written(tmp_path, table, metrics)
    assert files["md"].count(f"0.600 [0.580, 0.620] {mark} |") == (
        24 if differences == (0.0, 0.0) else 12 + 12 * (mark == "†")
    )
    assert MARKS_NOTE.format(control="the same model's SFT control") in files["md"]
    assert tex in files["tex"]


def test_baselines_never_carry_a_mark():
    found = frame(components(fake_metrics(MINIATURE, lambda run, role: 0.6)))
    assert found["action_f1_gain"].isna().tolist() == found["method"].isin(["SFT", "base model"]).tolist()


def test_paper_values_are_hidden_at_miniature_scale(tmp_path):
    metrics = fake_metrics(MINIATURE)
    table = groups(metrics)
    files = written(tmp_path, table, metrics)
    assert not [name for name in frame(table) if "paper" in name or "difference" in name]
    assert "0.968" not in files["csv"] + files["md"] + files["tex"]
    assert (
        "**Miniature scale: drawn scenes and tiny models; not comparable with the paper. "
        "The paper's values are hidden (set report.paper_values to show them).**"
    ) in files["md"]
    assert r"(set report.paper\_values to show them)" in files["tex"]


def test_paper_values_stand_beside_ours_at_paper_scale(tmp_path):
    metrics = fake_metrics(PAPER)
    table = groups(metrics, PAPER)
    row = frame(table).iloc[1]
    assert (row["gcl_learner_paper"], row["gcl_learner_difference"]) == pytest.approx((0.968, 0.8 - 0.968))
    files = written(tmp_path, table, metrics)
    assert "| 0.968 (−0.168) |" in files["md"]
    assert "0.968 ($-$0.168) &" in files["tex"]
    assert "Miniature" not in files["md"] + files["tex"]
    assert frame(components(metrics, PAPER))["reasoning_cos_paper"].iloc[23] == 0.980


def test_paper_values_shown_on_request_keep_the_warning(tmp_path):
    experiment = experiment_with(paper_values=True)
    metrics = fake_metrics(experiment)
    files = written(tmp_path, groups(metrics, experiment), metrics)
    assert "not comparable with the paper. The paper's values are shown only because" in files["md"]
    assert "0.968" in files["md"]


def test_several_seeds_are_pooled_in_every_cell(tmp_path):
    experiment = experiment_with(seeds=[0, 1])
    metrics = fake_metrics(experiment, lambda run, role: 0.5 + 0.2 * run.seed)
    table = components(metrics, experiment, ["snei"])
    assert frame(table)["action_f1"].tolist() == pytest.approx([0.5] * 2 + [0.6] * 10)
    assert frame(table)["action_f1_low"].tolist()[2:] == pytest.approx([0.6 - 1.27062] * 10, rel=1e-3)
    assert [row.seeds for row in table.rows] == [1] * 2 + [2] * 10, "a base model has no seeds"
    assert len(table.rows[4].runs) == 4
    assert "2 seeds, both trainings and scenarios drawn again" in written(tmp_path, table, metrics)["md"]


def test_runs_of_different_code_do_not_share_a_table():
    metrics = fake_metrics(MINIATURE)
    metrics[f"snei/gcl/{SNEI_PAIR}/full/seed0"]["provenance"]["code_sha256"]["evaluation"] = "e2"
    for table in (components, groups):
        with pytest.raises(DataError, match="evaluation code"):
            table(metrics)


def test_a_run_outside_the_table_cannot_spoil_it():
    metrics = fake_metrics(MINIATURE)
    metrics[f"snei/gcl/{SNEI_PAIR}/full-ratio4/seed0"]["provenance"]["code_sha256"]["evaluation"] = "e2"
    groups(metrics)


def test_csv_holds_numbers_to_four_decimals_and_says_its_scale(tmp_path):
    metrics = fake_metrics(MINIATURE, lambda run, role: 0.123456)
    files = written(tmp_path, groups(metrics), metrics)
    found = pd.read_csv(tmp_path / "table.csv")
    assert found["gcl_learner"].tolist() == [0.1235] * 12
    assert set(found["scale"]) == {"miniature"}
    assert "0.12345" not in files["csv"]


def test_markdown_shows_title_cells_and_notes(tmp_path):
    metrics = fake_metrics(MINIATURE)
    table = components(metrics)
    text = written(tmp_path, table.model_copy(update={"notes": [*table.notes, "My note."]}), metrics)["md"]
    assert text.startswith("# What each part of GCL adds (Table 2)\n")
    cell = "0.600 [0.580, 0.620]"
    assert f"| snei | SFT | qwen2.5-vl-3b | learner | {cell} | {cell} | {cell} | – |" in text
    assert "95 % percentile bootstrap interval over test scenarios (snei: 2, muson: 2); one seed." in text
    assert text.endswith("- My note.\n")


def test_tex_has_rules_the_same_cells_and_no_bare_special_character(tmp_path):
    metrics = fake_metrics(MINIATURE)
    table = components(metrics)
    for row in table.rows[:12]:
        row.cells["dataset"] = "s_1 & 50% #{x}~^\\$"
    text = written(tmp_path, table.model_copy(update={"notes": [*table.notes, "a < b"]}), metrics)["tex"]
    name = r"s\_1 \& 50\% \#\{x\}\textasciitilde{}\textasciicircum{}\textbackslash{}\$"
    assert f"{name} & SFT & qwen2.5-vl-3b & learner & 0.600 [0.580, 0.620] & " in text
    assert r"95 \% percentile" in text
    assert r"a $<$ b\par" in text
    assert text.count(r"\midrule") == 2
    assert r"\begin{tabular}{llllrrrrrr}" in text


def test_provenance_names_files_hashes_and_checkpoints_of_every_row(tmp_path):
    metrics = fake_metrics(MINIATURE)
    table = components(metrics)
    record = ResultTable.model_validate_json(written(tmp_path, table, metrics)["provenance.json"])
    assert record.rows == table.rows and record.columns == table.columns
    row = record.rows[5]
    assert record.identity(row) == {"dataset": "snei", "method": "GCL: GSL", "model": "qwen3-vl-4b", "role": "guide"}
    assert row.cells["action_f1"].gain.mark == "better"
    sources = [record.sources[run] for run in row.runs]
    files = [source.file for source in sources]
    assert files == [
        f"results/miniature/metrics/snei/gcl/{SNEI_PAIR}/gsl/seed0.json",
        "results/miniature/metrics/snei/sft/qwen3-vl-4b/default/seed0.json",
    ]
    assert [source.sha256 for source in sources] == [sha256_file(tmp_path / file) for file in files]
    assert sources[0].checkpoints["guide"] == f"weights of snei/gcl/{SNEI_PAIR}/gsl/seed0 guide"


def test_answers_that_are_empty_unfinished_or_unreadable_are_told_of(tmp_path):
    metrics = {run: content for run, content in fake_metrics(MINIATURE).items() if run.startswith("snei")}
    first = metrics["snei/sft/qwen2.5-vl-3b/default/seed0"]["members"][0]
    first |= {"empty": {"action": 2}, "unfinished": {"action": 1, "perception": 2}, "unscorable": {"action_f1": 4}}
    write_metrics(tmp_path / "results", metrics)
    build(MINIATURE, "headline", tmp_path / "results", tmp_path / "table")
    text = (tmp_path / "table.md").read_text()
    assert "2 are empty and score 0, 3 did not end before the longest length, 4 cannot be read by" in text


def test_nothing_is_told_of_answers_where_all_is_well(tmp_path):
    write_metrics(tmp_path / "results", fake_metrics(MINIATURE))
    build(MINIATURE, "headline", tmp_path / "results", tmp_path / "table")
    assert "did not end" not in (tmp_path / "table.md").read_text()
