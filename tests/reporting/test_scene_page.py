"""`gcl show`: a trained pair's scene on one page, with the evaluation's answers and the inside of the pair."""

import re
import shutil
from html import unescape
from types import SimpleNamespace

import pytest
from browser_case import SECONDS, find_chromium, keep, readable
from conftest import ROOT
from experiment_case import PAIR, on_small_backbones, write_experiment
from raw_case import raw_record

from gcl.cli.main import main
from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw
from gcl.experiment.data_spec import data_spec
from gcl.experiment.load import load_resolved
from gcl.experiment.places import places
from gcl.files import read_jsonl, write_jsonl


@pytest.fixture(scope="module")
def trained(experiment, backbones, scenarios, tmp_path_factory):
    """A pair, trained on eight scenes; what it says about the other four; the base models are there, no SFT is."""
    folder = tmp_path_factory.mktemp("shown")
    values = on_small_backbones(folder, backbones, epochs=2)
    file = write_experiment(folder / "experiment.json", experiment, values)
    results, root = folder / "results", folder / "raw/snei"
    (root / "images").mkdir(parents=True)
    for scenario in scenarios:
        shutil.copy(scenario.pictures[0].path, root / "images" / f"{scenario.id}.png")
    splits = ["train"] * 8 + ["test"] * 4
    write_jsonl(root / "scenarios.jsonl", [raw_record(s, split) for s, split in zip(scenarios, splits, strict=True)])
    resolved = load_resolved(file)
    data = data_spec(resolved, "snei")
    write_manifests(read_raw(root, data), root, folder / "manifests/snei")
    job, generated = [PAIR, "--experiment", str(file)], folder / "predictions.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        to = str(results / "miniature/checkpoints" / PAIR)
        assert main(["train", *job, "--scratch", str(folder / "scratch"), "--to", to]) == 0
        assert main(["generate", *job, "--results", str(results), "--to", str(generated)]) == 0
    return SimpleNamespace(
        folder=folder,
        file=file,
        experiment=resolved,
        results=results,
        scenarios=scenarios,
        answers=read_jsonl(generated),
    )


@pytest.fixture
def show(trained, monkeypatch, capsys):
    """Run `gcl show`; returns the exit status, the page, and standard error."""
    monkeypatch.chdir(ROOT)

    def run(*words):
        where = ["--experiment", str(trained.file), "--results", str(trained.results)]
        where += ["--to", str(trained.folder / "page.html")]
        (trained.folder / "page.html").unlink(missing_ok=True)
        status = main(["show", *where, *words])
        page = trained.folder / "page.html"
        return status, page.read_text() if page.is_file() else "", capsys.readouterr().err

    return run


def test_the_page_has_the_answers_of_the_evaluation_and_names_absent_runs(trained, show):
    status, page, said = show()
    assert status == 0
    text = unescape(page)
    first = trained.scenarios[8]
    assert f"scene {first.id}, the first of the test split; --scene ID shows another" in said
    for turn in first.turns.values():
        assert turn.question in text and turn.answer in text
    for record in (r for r in trained.answers if r["id"] == first.id):
        assert record["text"] in text, record
    assert "not trained here: snakemake --cores 2" in text and "snei/sft/qwen3-vl-4b/default/seed0.json" in text
    assert page.count("of the weight on the pictures") == 2 * 5 and 'id="no-heads"' not in page
    assert "of the weight lies on this picture, on 3 rows of 5 tokens" in page
    assert not re.search(r"""(src|href)=["'](?!#|data:)""", page) and "://" not in re.sub(r"data:[^\"]+", "", page)


def test_a_scene_can_be_named_and_an_unknown_one_is_refused(trained, show):
    status, page, said = show("--scene", trained.scenarios[10].id)
    assert status == 0 and trained.scenarios[10].turns["action"].answer in unescape(page) and "the first" not in said
    status, _, said = show("--scene", trained.scenarios[0].id)
    assert status == 2 and "no test scene of snei" in said and "lists all 4, such as" in said


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--runs", "snei/sft/qwen3-vl-4b/default/seed0"], "no group of several members among them"),
        (["--runs", PAIR, "muson/sft/qwen3-vl-4b/default/seed0"], "runs of snei and muson; name runs of one data set"),
        (["--runs", "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"], "planning has no scenes"),
        (["--runs", PAIR, "--dataset", "muson"], "the runs are of snei; leave out one of the two"),
        (["--runs", PAIR.replace("full", "drl")], "no such folder; make it with: snakemake"),
    ],
)
def test_runs_that_cannot_be_shown_are_refused(show, words, expected):
    status, page, said = show(*words)
    assert status == 2 and not page and expected in said


def test_without_the_heads_the_page_says_where_they_should_be(trained, show):
    kept = places(trained.experiment, trained.results).checkpoints(PAIR) / "learner" / "semantic_head"
    kept.rename(kept.with_name("away"))
    guide = kept.parents[1] / "guide" / "semantic_head"
    guide.rename(guide.with_name("away"))
    try:
        status, page, _ = show("--runs", PAIR)
        assert status == 0 and 'id="no-heads"' in page and "of the weight on the pictures" not in page
        guide.mkdir()
        (guide / "model.safetensors").write_bytes(b"no weights")
        assert "not a semantic head" in show("--runs", PAIR)[2]
        shutil.rmtree(guide)
    finally:
        kept.with_name("away").rename(kept)
        guide.with_name("away").rename(guide)


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 1024, 1920])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_the_page_works_in_a_browser(trained, show, tmp_path, width, colours):
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'"
    )
    assert show("--runs", PAIR)[0] == 0
    heard = []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours)
        context.set_default_timeout(SECONDS * 1000)
        view = context.new_page()
        view.on("console", lambda message: heard.append(message.text))
        view.on("pageerror", lambda error: heard.append(str(error)))
        view.goto((trained.folder / "page.html").as_uri())
        keep(view, f"scene-{width}-{colours}", tmp_path)
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        assert readable(view, ["--text", "--quiet", "--link"], ["--page", "--card", "--warn"])
        assert readable(view, ["--text"], ["--heat"]), "words on the strongest colour"
        line = view.locator("ol.tokens").first
        assert line.locator("li[tabindex='0']").count() == 1, "one stop of Tab"
        line.locator("li").first.focus()
        value = line.locator("li").first.locator(".value")
        assert value.evaluate("node => getComputedStyle(node).opacity") == "1"
        view.keyboard.press("ArrowRight")
        assert line.locator("li").nth(1).evaluate("node => node === document.activeElement")
        assert value.evaluate("node => getComputedStyle(node).opacity") == "0"
        view.keyboard.press("End")
        assert "(end)" in view.evaluate("document.activeElement.textContent")
        view.emulate_media(media="print")
        assert line.locator(".value").first.evaluate("node => getComputedStyle(node).position") == "static"
        browser.close()
    assert heard == []
