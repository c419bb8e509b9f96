"""Figures: same numbers, same bytes; the scale is written in; crosses only where the paper has a point to show."""

from contextlib import contextmanager
from functools import cache

import pytest
from fake_metrics import constant, experiment_with, fake_metrics, typed
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from pdf_parts import parts

from gcl.errors import DataError
from gcl.reporting.figures import arm_figures, control_gains, gains, sweeps
from gcl.reporting.figures.canvas import FORMATS, GREY, LOOKS, canvas

MINIATURE = experiment_with()
DRAW = {
    "components": lambda e, m, stem: arm_figures.components_figure(e, "snei", m, stem),
    "control_gains": lambda e, m, stem: control_gains.control_gains_figure(e, m, stem),
    "gains": lambda e, m, stem: gains.gains_figure(e, m, stem),
    "weights": lambda e, m, stem: sweeps.line_figure(e, "fig2", m, stem),
    "ratios": lambda e, m, stem: sweeps.line_figure(e, "fig3", m, stem),
    "fig4": lambda e, m, stem: sweeps.temperature_figure(e, "fig4", m, stem),
    "fig7": lambda e, m, stem: sweeps.temperature_figure(e, "fig7", m, stem),
}


AT_PAPER_SCALE = [name for name in DRAW if name != "gains"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Draw a figure and hand it over as Matplotlib sees it; the same one is drawn once, for time's sake."""
    folder, kept = tmp_path_factory.mktemp("figures"), []

    @contextmanager
    def keeping(*arguments):
        with canvas(*arguments) as figure:
            kept.append(figure)
            yield figure

    @cache
    def metrics(scale, score):
        experiment = experiment_with(scale)
        return experiment, typed(fake_metrics(experiment, score))

    @cache
    def once(name, scale, score):
        experiment, found = metrics(scale, score)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(arm_figures, "canvas", keeping)
            patch.setattr(control_gains, "canvas", keeping)
            patch.setattr(gains, "canvas", keeping)
            patch.setattr(sweeps, "canvas", keeping)
            DRAW[name](experiment, found, folder / scale / score.__name__ / name)
        return kept[-1]

    def draw(name, scale="miniature", score=constant):
        return once(name, scale, score)  # the same key, whether or not what is usual is written out

    draw.folder = folder / "miniature" / constant.__name__
    return draw


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def crosses(figure):
    lines = [line for axes in figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert all(line.get_color() == GREY for line in lines)
    return {(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines}


@pytest.mark.parametrize("name", DRAW)
def test_the_same_metrics_give_the_same_bytes(drawn, name, tmp_path):
    drawn(name)
    DRAW[name](MINIATURE, typed(fake_metrics(MINIATURE)), tmp_path / name)
    for suffix in FORMATS:
        first, second = (folder / f"{name}{suffix}" for folder in (drawn.folder, tmp_path))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", DRAW)
def test_the_pdf_is_of_vectors_with_truetype_fonts_and_no_date(drawn, name):
    drawn(name)
    found = parts(drawn.folder / f"{name}.pdf")
    assert (found.images, found.fonts["Type3"], found.dated) == (0, 0, False)
    assert found.fonts["CIDFontType2"] and found.embedded


def test_pictures_type_3_fonts_and_dates_would_be_found(tmp_path):
    figure = Figure()
    figure.subplots().imshow([[0, 1]])
    figure.savefig(tmp_path / "usual.pdf")
    found = parts(tmp_path / "usual.pdf")
    assert found.images and found.fonts["Type3"] and found.dated and not found.embedded


@pytest.mark.parametrize("name", DRAW)
def test_miniature_figures_say_so(drawn, name):
    assert drawn(name).get_suptitle().startswith("Miniature scale")
    assert name not in AT_PAPER_SCALE or drawn(name, "paper").get_suptitle() == ""


@pytest.mark.parametrize(
    ("name", "scale"), [*((name, "miniature") for name in DRAW), *((name, "paper") for name in AT_PAPER_SCALE)]
)
def test_nothing_is_clipped_or_drawn_over_the_small_print(drawn, name, scale):
    figure = drawn(name, scale)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer, page = canvas.get_renderer(), figure.bbox
    boxes = [axes.get_tightbbox(renderer) for axes in figure.axes]
    small = next(text for text in figure.texts if text.get_text().startswith("Intervals")).get_window_extent(renderer)
    for box in [*boxes, small]:
        assert page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1
        assert page.y0 - 1 <= box.y0 and box.y1 <= page.y1 + 1
    assert min(box.y0 for box in boxes) >= small.y1


def test_roles_keep_their_colour_and_shape(drawn):
    assert {role: (look.colour, look.marker) for role, look in LOOKS.items()} == {
        "learner": ("#D55E00", "o"),
        "guide": ("#0072B2", "s"),
    }
    found = {
        (to_hex(line.get_color()).upper(), line.get_marker())
        for axes in drawn("weights").axes
        for line in axes.lines
        if line.get_marker() in "os"
    }
    assert found == {("#D55E00", "o"), ("#0072B2", "s")}


def test_components_have_both_baselines_and_every_method(drawn):
    axes = drawn("components", score=lambda run, _: 0.8 if run.members[-1].model == "qwen3-vl-4b" else 0.7).axes[0]
    dashed = {line.get_xdata()[0]: line.get_color() for line in axes.lines if line.get_linestyle() == "--"}
    assert dashed == {0.7: LOOKS["learner"].colour, 0.8: LOOKS["guide"].colour}
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ["SFT", "GCL: GSL", "GCL: DRL", "GCL: GSL + DRL", "GCL: GSL + DRL + AGO"]


def test_a_line_passes_through_its_runs_with_their_intervals(drawn):
    def score(run, role):
        return run.objective.gsl_weight / 2 + (0.1 if role == "guide" else 0) if run.objective else 0.5

    axes = drawn("weights", score=score).axes[0]
    learner, guide = (next(line for line in axes.lines if line.get_marker() == mark) for mark in "os")
    assert list(learner.get_ydata()) == pytest.approx([0, 0.25, 0.5])
    assert list(guide.get_ydata()) == pytest.approx([0.1, 0.35, 0.6])
    bar = axes.containers[0].lines[2][0].get_segments()[1]
    assert bar[:, 1].tolist() == pytest.approx([0.23, 0.27])
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0", "0.5", "1"]


def test_heat_cells_stand_at_their_own_temperatures(drawn):
    def score(run, role):
        taus = [member.tau for member in run.members]
        return taus[0] / 10 + taus[-1] / 100

    figure = drawn("fig4", score=score)
    learner = figure.axes[0]
    place = next(text.get_position() for text in learner.texts if text.get_text() == "0.320")
    column, row = (int(coordinate) for coordinate in place)
    assert [label.get_text() for label in learner.get_xticklabels()][column] == "2"
    assert [label.get_text() for label in learner.get_yticklabels()][row] == "3"
    assert learner.collections[0].get_array()[row, column] == pytest.approx(0.32)
    (frame,) = learner.patches
    assert (int(frame.get_x()), int(frame.get_y())) == (column, row)


@pytest.mark.parametrize("name", DRAW)
def test_miniature_figures_hide_the_papers_points(drawn, name):
    figure = drawn(name)
    assert not crosses(figure)
    assert not [text for text in [*texts(figure), *(t.get_text() for t in figure.texts)] if "×" in text]


def test_published_points_are_crosses_at_paper_scale(drawn):
    both_panels = drawn("weights", "paper")
    assert crosses(both_panels) == {
        *((0.0, y) for y in (0.832, 0.722, 0.818, 0.821)),
        *((x, y) for x in (0.4, 0.5) for y in (0.908, 0.857)),
        *((0.8, y) for y in (0.906, 0.737)),
    }
    assert "×: printed in the paper." in both_panels.texts[-1].get_text()
    components = crosses(drawn("components", "paper"))
    assert (0.968, 3.87) in components
    assert len(components) == 10


def test_heat_cells_quote_the_paper_at_the_published_temperatures(drawn):
    assert [text.split("\n")[-1] for text in texts(drawn("fig4", "paper")) if "×" in text] == ["× 0.968", "× 0.914"]


@pytest.mark.parametrize("name", ["ratios", "fig7"])
def test_points_the_paper_does_not_place_are_not_drawn(drawn, name):
    figure = drawn(name, "paper")
    assert not crosses(figure)
    assert not [text for text in figure.texts if "×" in text.get_text()]


def test_runs_of_different_code_do_not_share_a_figure(tmp_path):
    for name, run in (
        ("components", "snei/sft/qwen3-vl-4b/default/seed0"),
        ("weights", "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/gco-drl0.8/seed0"),
        ("fig7", "snei/gcl/qwen3-vl-2b+qwen3-vl-4b/full-tau2-2/seed0"),
    ):
        metrics = fake_metrics(MINIATURE)
        metrics[run]["provenance"]["code_sha256"]["training"] = "t2"
        with pytest.raises(DataError, match="training code"):
            DRAW[name](MINIATURE, typed(metrics), tmp_path / name)
        assert not list(tmp_path.iterdir())


def test_every_control_has_its_gains_and_the_first_arm_none(drawn):
    arms = [arm.name for arm in MINIATURE.controls.arms.value]
    (axes,) = drawn("control_gains").axes
    assert [label.get_text() for label in axes.get_yticklabels()] == arms[1:]
    marks = {line.get_label(): [] for line in axes.lines if line.get_marker() in "os"}
    for line in axes.lines:
        if line.get_marker() in "os":
            marks[line.get_label()].append(round(float(line.get_ydata()[0])))
    ours, best = marks["at the paper's rates"], marks["each at its own best rate"]
    assert ours == list(range(len(arms) - 1))
    assert [arms[1:][place] for place in best] == [arm for arm in arms[1:] if arm in MINIATURE.controls.best.value]
