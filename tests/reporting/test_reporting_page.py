"""The page: everything of the tables is on it, word for word and escaped; what is missing is named."""

import re
from html.parser import HTMLParser
from itertools import pairwise
from types import SimpleNamespace

import pytest
from fake_metrics import experiment_with
from page_case import HOSTILE, RESULTS, built, finished, finished_with_costs, tables

from gcl.errors import DataError
from gcl.experiment.places import results_at
from gcl.files import write_json, write_text
from gcl.reporting.page.page import page, scene_pages
from gcl.reporting.page.page_tables import MarkCount, count_marks, page_table
from gcl.reporting.page.summary import _against_control, _controls
from gcl.reporting.tables.markup import cell_text, shown_columns
from gcl.reporting.tables.result_table import Difference, ResultRow, read_table
from gcl.workflow.targets import FIGURES

MINIATURE = experiment_with()
WARNING = "Miniature scale: drawn scenes and tiny models; not comparable with the paper."


class Reader(HTMLParser):
    """Elements with their attributes, and the texts of cells."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The page of a finished experiment, and the experiment's folder."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        finished_with_costs(MINIATURE)
        yield page(MINIATURE, RESULTS)


def test_every_table_is_there_cell_by_cell(whole):
    texts = set(Reader(whole).texts)
    for name in tables():
        table = built(MINIATURE, name)
        assert table.rows
        for row in table.rows:
            assert {cell_text(column, paper, row.cells[column.name]) for column, paper in shown_columns(table)} <= texts


def test_every_score_names_its_sources(whole):
    reader = Reader(whole)
    ids = {attributes["id"] for _, attributes in reader.elements if "id" in attributes}
    cells = [cell for cell in reader.all("td") if "data-from" in cell]
    assert len(cells) > 100
    for cell in cells:
        assert cell["aria-describedby"] == cell["data-from"] and cell["data-from"] in ids and cell["tabindex"] == "0"
    table = built(MINIATURE, "headline")
    source = table.sources[table.rows[4].runs[0]]
    for text in (source.file, source.sha256[:16], source.checkpoints["learner"][:16]):
        assert text in whole
    assert f"snakemake --cores 2 {source.file}" in whole
    assert "gcl trace headline:5:COLUMN" in whole


def test_a_baseline_in_a_table_of_groups_has_only_its_own_runs(whole):
    table = page_table(built(MINIATURE, "table1"))
    row = next(row for row in table.rows if row[2].text == "qwen2.5-vl-3b" and row[3].text == "qwen3-vl-4b")
    by_header = {header: cell for (header, _), cell in zip(table.headers, row, strict=True)}
    runs = {sources.id: [source.run for source in sources.runs] for sources in table.sources}
    assert runs[by_header["SFT guide"].sources] == ["snei/sft/qwen3-vl-4b/default/seed0"]
    assert "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0" in runs[by_header["GCL guide"].sources]


def test_figures_curves_and_gallery_are_inside_with_words_for_each(whole):
    reader = Reader(whole)
    images = reader.all("img")
    assert len(images) > len(FIGURES) + 6
    assert all(image["src"].startswith("data:image/") for image in images)
    assert all(len(image["alt"]) > 20 for image in images)
    named = [image["alt"] for image in images if "highest 0." in image["alt"]]
    assert sum("Action-F1 of" in words for words in named) == len(FIGURES) - 1
    assert sum("Success of 12 arms" in words for words in named) == 1


def test_the_share_of_every_loss_is_shown_and_a_weak_one_is_warned_of(whole):
    assert '<h3 id="pulls">What pulls</h3>' in whole
    warned = re.findall(
        r'<p class="warning">(.*?) a weight, and less than a thousandth of the gradient of the (\w+)', whole
    )
    assert set(warned) == {("GSL has", "guide")}
    run = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b"
    assert f'<code>{run}/full</code></th><td>learner</td><td class="number">1</td><td class="number">33 %</td>' in whole


def test_nothing_asks_a_network_or_another_file(whole):
    reader = Reader(whole)
    policy = next(m["content"] for m in reader.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:")
    links = [attributes.get(name) for _, attributes in reader.elements for name in ("src", "href", "action", "data")]
    assert all(link.startswith(("#", "data:")) for link in links if link)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", whole)


def test_words_of_models_stay_words(whole):
    reader = Reader(whole)
    assert len(reader.all("script")) == 2
    assert HOSTILE not in whole and HOSTILE in reader.texts
    assert any(HOSTILE in image["alt"] for image in reader.all("img"))
    assert "A &lt;fast&gt; CPU" in whole


def test_the_gallery_leads_to_a_scenes_own_page_or_says_how_to_make_it(whole, tmp_path):
    assert "<code>gcl show --dataset snei --scene s" in whole
    chosen = {"snei": [SimpleNamespace(dataset="snei", id=id) for id in ("a/b c", "d")]}
    write_text(results_at("miniature", tmp_path).scene("snei", "a/b c"), "")
    found = scene_pages(chosen, tmp_path, "miniature")
    assert found == {("snei", "a/b c"): "scenes/snei/a%252Fb%2520c.html", ("snei", "d"): ""}


def test_headings_do_not_skip_a_level_and_tables_have_captions_and_scopes(whole):
    reader = Reader(whole)
    levels = [int(tag[1]) for tag, _ in reader.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert len(reader.all("table")) == len(reader.all("caption"))
    assert all(cell.get("scope") in ("col", "row") for cell in reader.all("th"))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_miniature_page_says_so_in_every_section_with_results(whole):
    sections = re.split(r'<section id="', whole)[1:]
    named = {section.split('"')[0]: section for section in sections}
    assert list(named) == ["summary", "tables", "figures", "curves", "gallery", "settings", "costs", "environment"]
    for name in ("tables", "figures", "curves", "gallery", "costs"):
        assert WARNING in named[name]
    assert WARNING in whole[: whole.index("<main")]


def test_where_trainings_ran_and_from_which_commit(whole):
    assert f"commit {'c' * 40}, with changes that are not committed" in whole
    assert "2 cores, 16 GiB, no GPU, Linux" in whole


def test_what_is_not_built_is_named_with_what_to_type(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page(MINIATURE, RESULTS)
    assert "No table has been built." in text
    assert "snakemake --cores 2 results/miniature/tables/table1.md" in text
    assert "gcl report costs --to" in text
    assert "No losses here of snei/sft/qwen2.5-vl-3b/default/seed0" in text
    assert "No data set has both runs" in text


def test_the_page_of_one_table_shows_it_and_names_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished(MINIATURE, ("headline",), curves_and_gallery=False)
    text = page(MINIATURE, RESULTS)
    assert "What each part of GCL adds on SNEI (Table 2)" in text
    assert "results/miniature/tables/table3.md" in text and "results/miniature/tables/headline.md" not in text


def test_a_table_of_an_earlier_version_is_refused_with_the_command(tmp_path):
    write_json(tmp_path / "miniature/tables/headline.provenance.json", {"title": "t", "scale": "miniature", "rows": []})
    with pytest.raises(DataError, match=r"snakemake --cores 2 results/miniature/tables/headline\.md --force"):
        read_table(tmp_path, "miniature", "headline")


def test_outcomes_count_the_marks_of_the_table(whole):
    table = built(MINIATURE, "headline")
    found = {counted.header: counted for counted in count_marks(table)}
    gains = [row.cells["action_f1"].gain for row in table.rows if not row.exchanged]
    assert len(gains) == 12 < len(table.rows)
    counts = [sum(gain is not None and gain.mark == mark for gain in gains) for mark in ("better", "worse", "open")]
    assert [found["Action-F1"].better, found["Action-F1"].worse, found["Action-F1"].open] == counts
    assert found["Action-F1"].rows == 8


def test_controls_are_counted_after_correction(whole):
    rows = [("SFT", None, None), ("GSL", 0.1, 0.04), ("DRL", -0.2, 0.001), ("both", 0.01, 0.5)]
    table = built(MINIATURE, "controls")
    listed = [
        ResultRow(
            cells={"arm": arm, "gain_rate": gain and Difference(mean=gain, low=gain, high=gain, p=p), "p_rate": p},
            seeds=5, scenarios=2, runs=[],
        )
        for arm, gain, p in rows
    ]  # fmt: skip
    (sentence,) = _controls(table.model_copy(update={"rows": listed}))
    assert "over 5 seeds, 2 of 3 arms differ in Action-F1 at a level of 0.05" in sentence
    assert sentence.endswith("GSL +0.100 (p = 0.040); DRL −0.200 (p = 0.001).")
    (sentence,) = _controls(table.model_copy(update={"rows": [listed[0], listed[3]]}))
    assert "none of 1 arms differs" in sentence and sentence.endswith("their number.")


@pytest.mark.parametrize(
    "better, worse, unsure, expected",
    [
        (0, 8, 0, "No GCL row beats its SFT control in F; 8 of 8 are worse."),
        (0, 1, 7, "No GCL row beats its SFT control in F; 1 of 8 is worse, 7 cannot be told apart from it."),
        (1, 0, 7, "1 of 8 GCL rows beats its SFT control in F; none is worse, 7 cannot be told apart from it."),
        (3, 2, 3, "3 of 8 GCL rows beat their SFT controls in F; 2 of 8 are worse, 3 cannot be told apart from it."),
        (8, 0, 0, "All 8 GCL rows beat their SFT controls in F; none is worse."),
    ],
)
def test_the_summary_says_what_the_counts_say(better, worse, unsure, expected):
    assert _against_control(MarkCount("F", better, worse, unsure)) == expected


def test_several_seeds_and_paper_scale(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = experiment_with("paper", seeds=(0, 1))
    finished(experiment, ("headline", "components"), curves_and_gallery=False)
    text = page(experiment, RESULTS)
    assert "2 seeds" in text.split('<section id="tables"')[0]
    assert "iniature" not in text.split('<h2 id="settings-title">')[0]
