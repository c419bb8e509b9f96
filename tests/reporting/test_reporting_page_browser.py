"""The page in a real browser, headless Chromium: it shows everything, asks no network, and works from the keyboard.

Screenshots are in the test's folder, or in $GCL_ARTIFACTS.
"""

import pytest
from browser_case import SECONDS, becomes, find_chromium, keep, readable
from fake_metrics import experiment_with
from page_case import RESULTS, finished_with_costs

from gcl.files import write_text
from gcl.reporting.page.page import page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -e '.[dev]'")
pytestmark = pytest.mark.slow

MINIATURE = experiment_with()
SECTIONS = ("summary", "tables", "figures", "curves", "gallery", "settings", "costs", "environment")
WIDTHS = (390, 1024, 1920)


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
        context.set_default_timeout(SECONDS * 1000)
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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_everything_is_there_and_fits(opened, tmp_path, width, colours):
    view = opened(width, colours)
    keep(view, f"report-{width}-{colours}", tmp_path)
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
    keep(view, "report-provenance", tmp_path)
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
    keep(view, "report-print", tmp_path)
    assert view.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_can_be_read_on_its_ground(opened, colours):
    """WCAG AA: 4.5 to 1 for every colour of text on what it stands on."""
    view = opened(colours=colours)
    assert readable(view, ["--text", "--quiet", "--link"], ["--page", "--card", "--warn"])


@pytest.mark.parametrize("colours, other", [("light", "dark"), ("dark", "light")])
def test_the_button_changes_the_colours_and_they_stay(opened, colours, other):
    view = opened(colours=colours)
    ground = "getComputedStyle(document.body).backgroundColor"
    before, button = view.evaluate(ground), view.locator("button.colours")
    assert button.inner_text() == f"{other} colours".capitalize()
    view.keyboard.press("Tab")
    view.keyboard.press("Tab")
    assert view.evaluate("document.activeElement.matches('button.colours')")
    view.keyboard.press("Enter")
    after = view.evaluate(ground)
    assert after != before and button.inner_text() == f"{colours} colours".capitalize()
    view.reload()
    assert view.evaluate(ground) == after
    view.emulate_media(media="print")
    assert button.is_hidden() and becomes(view, f"{ground} === 'rgb(255, 255, 255)'")


@pytest.mark.parametrize("width, beside", [(1024, False), (1400, True), (1920, True)])
def test_wide_screens_have_tables_and_figures_beside_each_other(opened, width, beside):
    view = opened(width)
    tables, figures = (view.locator(f"section#{name}").bounding_box() for name in ("tables", "figures"))
    assert (figures["x"] >= tables["x"] + tables["width"] and figures["y"] == tables["y"]) == beside
    assert not beside or tables["width"] + figures["width"] > 0.85 * width


def test_each_group_of_pictures_has_a_legend(opened):
    view = opened()
    groups = view.locator("#scenes .group")
    assert groups.count() == view.locator("#scenes .group .legend").count() > 1
    text = view.locator(".legend").first.inner_text()
    for word in ("ground truth", "SFT", "GCL", "go that way", "stop", "no direction"):
        assert word in text


@pytest.mark.parametrize("width", WIDTHS)
def test_everything_can_be_reached_and_is_seen_with_the_keyboard_alone(opened, width):
    """Tab goes through the page; every stop has an outline, and tables that are too wide scroll with the arrow keys."""
    view = opened(width)
    wanted = view.evaluate(
        """() => [...document.querySelectorAll("a, button, input, select, summary, .wide, td[tabindex='0']")]
            .filter(node => node.checkVisibility()).length"""
    )
    reached = view.evaluate("() => { window.seen = new Set(); return 0; }")
    for _ in range(wanted + 5):
        view.keyboard.press("Tab")
        reached, outlined = view.evaluate(
            """() => {
              const node = document.activeElement;
              if (node !== document.body) window.seen.add(node);
              return [window.seen.size, node === document.body || parseFloat(getComputedStyle(node).outlineWidth) >= 2];
            }"""
        )
        assert outlined
    assert reached >= wanted
    view.evaluate(
        """() => { window.wide = [...document.querySelectorAll(".wide")].find(n => n.scrollWidth > n.clientWidth + 50);
                   window.wide.focus(); }"""
    )
    view.keyboard.press("ArrowRight")
    assert becomes(view, "window.wide.scrollLeft > 0")
