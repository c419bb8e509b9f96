"""The headline in words: numbers of the table alone, and honest whichever way they go."""

import re

import pytest
from fake_metrics import experiment_with, fake_metrics, typed, write_metrics

from gcl.errors import DataError
from gcl.reporting.build import build
from gcl.reporting.paragraph import paragraph, write_paragraph
from gcl.reporting.tables.before_after import before_after_table
from gcl.reporting.tables.markup import markdown
from gcl.reporting.tables.paper_tables import component_table
from gcl.reporting.tables.result_table import Difference, ResultTable

MINIATURE = experiment_with()


def headline(experiment=MINIATURE) -> ResultTable:
    return component_table(experiment, "headline", ["snei"], typed(fake_metrics(experiment)))


def with_gain(table: ResultTable, role: str, mean: float, low: float, high: float, p: float) -> ResultTable:
    """The same with another difference between the full method and SFT, in the first score of a role."""
    for row in table.rows:
        if row.cells["role"] == role and row.cells["method"].endswith("AGO"):
            cell = row.cells["action_f1"]
            new = cell.model_copy(update={"gain": Difference(mean=mean, low=low, high=high, p=p)})
            row.cells["action_f1"] = new
    return table


@pytest.mark.parametrize(
    ("low", "high", "p", "says", "never"),
    [
        (0.1, 0.3, 0.0001, "It beats SFT.", "does not beat"),
        (0.1, 0.3, 0.04, "It is above SFT, but this does not survive the correction", "It beats SFT"),
        (-0.1, 0.3, 0.0001, "It does not beat SFT: the interval contains zero", "It beats SFT"),
        (-0.3, -0.1, 0.0001, "It does not beat SFT: it is worse.", "It beats SFT"),
        (-0.3, -0.1, 0.9, "it is worse, but this does not survive", "It beats SFT"),
        (0.0, 0.0, 1.0, "It does not beat SFT", "It beats SFT"),
    ],
)
def test_the_verdict_is_that_of_the_interval_and_the_corrected_p(low, high, p, says, never):
    table = headline()
    for role in ("learner", "guide"):
        with_gain(table, role, (low + high) / 2, low, high, p)
    text = "\n".join(paragraph(table))
    assert text.count(says) == 2 and never not in text


def test_p_is_corrected_over_all_comparisons_of_the_paragraph():
    table = with_gain(with_gain(headline(), "learner", 0.2, 0.1, 0.3, 0.002), "guide", 0.1, -0.1, 0.3, 0.9)
    cells = [row.cells for row in table.rows if row.cells["method"].endswith("AGO")]
    others = [cell.gain.p for each in cells for name, cell in each.items() if getattr(cell, "gain", None)]
    smaller = sum(p < 0.002 for p in others)
    expected = min(
        1.0,
        max(
            [
                (len(others) - smaller) * 0.002,
                *((len(others) - k) * p for k, p in enumerate(sorted(others)) if p < 0.002),
            ]
        ),
    )
    text = "\n".join(paragraph(table))
    assert f"difference +0.200, 95 % interval [+0.100, +0.300], 1 seed, Holm p = {expected:.3f}" in text
    assert f"corrected by Holm for the {len(others)} comparisons" in text


def test_every_number_stands_in_the_table():
    table = headline()
    known = set(re.findall(r"\d\.\d{3}", markdown(table)))
    gains = {
        f"{abs(getattr(cell.gain, part)):.3f}"
        for row in table.rows
        for cell in row.cells.values()
        if getattr(cell, "gain", None)
        for part in ("mean", "low", "high")
    }
    said = [re.sub(r"Holm p [=<] \S+", "", sentence) for sentence in paragraph(table)]
    assert set(re.findall(r"\d\.\d{3}", "\n".join(said))) <= known | gains


def test_miniature_numbers_are_called_so_and_those_of_the_paper_are_not():
    small, paper = "\n".join(paragraph(headline())), "\n".join(paragraph(headline(experiment_with("paper"))))
    assert small.count("On snei at miniature scale") == 2
    assert small.endswith("Miniature scale: drawn scenes and tiny models; not comparable with the paper.")
    assert "miniature" not in paper.lower() and "On snei, SFT of the learner" in paper


def test_one_training_is_told_of_and_several_are_counted():
    assert "With one training each" in "\n".join(paragraph(headline()))
    several = "\n".join(paragraph(headline(experiment_with(seeds=[0, 1, 2]))))
    assert "over 3 trainings and 2 test scenes" in several and "With one training" not in several


def test_every_data_set_of_table_2_has_its_sentences():
    metrics = typed(fake_metrics(MINIATURE))
    text = "\n".join(paragraph(component_table(MINIATURE, "table2", ["snei", "muson"], metrics)))
    assert text.count("On snei ") == text.count("On muson ") == 2


def test_a_table_that_compares_other_things_is_refused():
    with pytest.raises(
        DataError, match=r"no row of GCL: GSL . DRL . AGO that is compared with SFT; use table headline"
    ):
        paragraph(before_after_table(MINIATURE, typed(fake_metrics(MINIATURE))))


def test_it_is_written_as_text_and_as_latex_from_the_table_as_it_is(tmp_path):
    with pytest.raises(DataError, match="no such table; make it with: snakemake"):
        write_paragraph(MINIATURE, tmp_path / "results", tmp_path / "paragraph")
    write_metrics(tmp_path / "results", fake_metrics(MINIATURE))
    build(MINIATURE, "headline", tmp_path / "results", tmp_path / "results/miniature/tables/headline")
    write_paragraph(MINIATURE, tmp_path / "results", tmp_path / "paragraph")
    text, code = (tmp_path / f"paragraph{suffix}" for suffix in (".txt", ".tex"))
    assert "SFT of the learner (qwen2.5-vl-3b) reaches Action-F1 0.600" in text.read_text()
    assert "95 \\% interval" in code.read_text() and code.read_text().startswith("% from table headline\n")
