"""The page in a real browser, headless Chromium: it shows everything, asks no network, and works from the keyboard.

Screenshots are in the test's folder, or in $GCL_ARTIFACTS.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_metrics import experiment_with
from page_case import RESULTS, finished_with_costs

from gcl.files import write_text
from gcl.reporting.page.page import page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
pytestmark = pytest.mark.slow

MINIATURE = experiment_with()
SECTIONS = ("summary", "tables", "figures", "curves", "gallery", "settings", "costs", "environment")
NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """The machine's own Chromium, from Debian's packages if need be; the test is skipped where there is none."""
    for _ in range(2):
        if found := next(filter(None, map(shutil.which, NAMES)), None):
            return found
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            break
        for step in (["update", "--quiet"], ["install", "--yes", "--quiet", "--no-install-recommends", "chromium"]):
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(["apt-get", *step], capture_output=True, env=environment, check=False)
    pytest.skip("no Chromium; as root on Debian or Ubuntu: apt-get install chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a finished experiment, as a file."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        finished_with_costs(MINIATURE)
        write_text("report.html", page(MINIATURE, RESULTS))
    return (folder / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    path = find_chromium()
    with playwright.sync_playwright() as started:
        # Root has no sandbox in a container; the page is our own.
        chromium = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, address):
    """Open the page in a window of some size; afterwards nothing has been complained of or asked for."""
    heard, contexts = [], []

    def open_page(width=1280, colours="light"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=colours, reduced_motion="reduce"
        )
        contexts.append(context)
        view = context.new_page()
        view.on("console", lambda message: heard.append(message.text))
        view.on("pageerror", lambda error: heard.append(str(error)))
        view.on("request", lambda request: request.url.startswith(("file:", "data:")) or heard.append(request.url))
        view.goto(address)
        return view

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


def keep(view, name: str, tmp_path: Path) -> None:
    folder = Path(os.environ.get("GCL_ARTIFACTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    view.screenshot(path=folder / f"report-{name}.png", full_page=True)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everything_is_there_and_fits(opened, tmp_path, width, colours):
    view = opened(width, colours)
    keep(view, f"{width}-{colours}", tmp_path)
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    for section in SECTIONS:
        box = view.locator(f"section#{section}").bounding_box()
        assert box["height"] > 100 and len(view.locator(f"section#{section}").inner_text()) > 100
    images = view.evaluate(
        "[...document.images].map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.clientWidth])"
    )
    assert len(images) > 40 and all(complete and min(sizes) > 0 for complete, *sizes in images)


def test_tab_reaches_a_score_and_shows_where_it_comes_from(opened, tmp_path):
    view = opened()
    box = view.locator("#popover")
    assert box.is_hidden()
    for _ in range(40):
        view.keyboard.press("Tab")
        if view.evaluate("document.activeElement.matches('td[data-from]')"):
            break
    assert box.is_visible()
    for text in ("results/miniature/metrics/", "SHA-256", "checkpoint", "snakemake --cores 2", "gcl trace headline:1:"):
        assert text in box.inner_text()
    first = box.inner_text()
    view.keyboard.press("ArrowDown")
    assert box.inner_text() != first and box.is_visible()
    keep(view, "provenance", tmp_path)
    place = box.bounding_box()
    assert place["x"] >= 0 and place["x"] + place["width"] <= 1280
    view.keyboard.press("Escape")
    assert box.is_hidden()


def test_the_pointer_can_go_into_the_box(opened):
    view = opened()
    view.locator("td[data-from]").first.hover()
    view.locator("#popover").hover()
    view.wait_for_timeout(400)
    assert view.locator("#popover").is_visible()
    view.mouse.move(1, 1)
    view.locator("#popover").wait_for(state="hidden")


def test_the_first_stop_of_tab_skips_to_the_results(opened):
    view = opened()
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.textContent") == "Skip to the results"
    view.keyboard.press("Enter")
    assert view.evaluate("document.activeElement.id") == "main"


def test_filters_leave_what_fits(opened):
    view = opened()
    form, scenes = view.locator("form[data-filters=scenes]"), view.locator("#scenes [data-item]:visible")
    every = scenes.count()
    form.locator("[name=set]").select_option("muson")
    some = scenes.count()
    assert 0 < some < every
    assert form.locator("output").inner_text() == f"{some} of {every} shown"
    form.locator("[name=outcome]").select_option("both wrong")
    assert 0 < scenes.count() < some
    form.locator("[name=text]").focus()
    view.keyboard.type("no scene has these words")
    assert scenes.count() == 0
    assert view.locator("#scenes h3:visible").count() == 0
    rows = view.locator("#settings-rows [data-item]:visible")
    listed = rows.count()
    view.locator("[name=origin]").select_option("inferred")
    assert 0 < rows.count() < listed


def test_it_prints(opened, tmp_path):
    view = opened()
    view.emulate_media(media="print")
    assert view.locator("nav").is_hidden() and view.locator("form").first.is_hidden()
    keep(view, "print", tmp_path)
    assert view.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_can_be_read_on_its_ground(opened, colours):
    """WCAG AA: 4.5 to 1 for every colour of text on what it stands on."""
    view = opened(colours=colours)
    pairs = view.evaluate(
        """() => {
          const style = getComputedStyle(document.documentElement);
          const get = name => style.getPropertyValue(name).trim();
          return ["--text", "--quiet", "--link"].flatMap(a => ["--page", "--card", "--warn"].map(b => [get(a), get(b)]));
        }"""
    )

    def light(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for ink, ground in pairs:
        low, high = sorted((light(ink), light(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)
