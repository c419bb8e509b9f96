"""Training curves: one panel a component, one scale a component, and a word on every run whose losses are gone."""

import base64

import pytest
from fake_metrics import experiment_with
from page_case import losses

from gcl.files import write_jsonl
from gcl.reporting.figures import curves as module
from gcl.reporting.figures.curves import COMPONENTS, curves, losses_path
from gcl.workflow.targets import TARGETS

MINIATURE = experiment_with(seeds=(0, 1))
RUNS = [run for run in TARGETS["headline"].runs(MINIATURE) if run.feed is not None]


def written(folder, runs=RUNS, change=lambda records: records):
    for run in runs:
        write_jsonl(losses_path(folder, run.scale, run.id), change(losses(run)))
    return folder


def test_every_run_has_a_panel_for_each_of_its_components(tmp_path):
    rows, missing = curves(RUNS, written(tmp_path))
    assert not missing and len(rows) == len(RUNS) / 2  # seeds share a row
    titles = {row.run: [panel.title for panel in row.panels] for row in rows}
    assert titles["snei/sft/qwen3-vl-4b/default"] == [COMPONENTS["sft"], COMPONENTS["norm"]]
    assert titles["snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full"] == [
        COMPONENTS[name] for name in ("sft", "gsl", "drl", "norm")
    ]
    for row in rows:
        for panel in row.panels:
            assert panel.uri.startswith("data:image/svg+xml;base64,")
            assert panel.alt.startswith(f"{row.run}: {panel.title} over 60 steps, smoothed: ")


def test_the_words_have_the_numbers_of_the_ends(tmp_path):
    rows, _ = curves(RUNS[:1], written(tmp_path, RUNS[:1], lambda records: [r | {"sft_solo": 2.0} for r in records]))
    assert rows[0].panels[0].alt.endswith("solo from 2 to 2.")


def kept(monkeypatch):
    """The figures that are saved from now on."""
    drawn = []

    class Kept(module.Figure):
        def savefig(self, *arguments, **options):
            drawn.append(self)
            super().savefig(*arguments, **options)

    monkeypatch.setattr(module, "Figure", Kept)
    return drawn


def test_members_differ_by_colour_and_by_line(tmp_path, monkeypatch):
    drawn = kept(monkeypatch)
    rows, _ = curves(RUNS, written(tmp_path))
    both = [figure for figure in drawn if figure.axes[0].get_legend()]
    assert both and len(both) == sum(COMPONENTS["sft"] == p.title for row in rows for p in row.panels[:1]) * 2 - 4
    for figure in both:
        lines = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
        assert lines["learner"] == ("#D55E00", "-") and lines["guide"] == ("#0072B2", "--")
    limits = {}
    for figure in drawn:
        limits.setdefault(figure.axes[0].get_title("left"), set()).add(figure.axes[0].get_ylim())
    assert all(len(found) == 1 for found in limits.values())


def test_what_a_student_writes_is_drawn_as_shares(tmp_path, monkeypatch):
    shares = {"rollout_success": 0.25, "rollout_parsed": 1.0, "rollout_tokens": 90.0}
    drawn = kept(monkeypatch)
    rows, _ = curves(RUNS[:1], written(tmp_path, RUNS[:1], lambda records: [r | shares for r in records]))
    assert rows[0].panels[-1].alt.endswith("success from 0.25 to 0.25; parsed from 1 to 1.")
    assert drawn[-1].axes[0].get_ylim() == (-0.02, 1.02)


def test_losses_on_held_out_samples_are_dots_beside_the_members_line(tmp_path, monkeypatch):
    def validated(records):
        for k, record in enumerate(records):
            if k % 20 == 19:
                record |= {f"val_{name}": 4.0 for name in list(record) if name.startswith(("sft", "drl"))}
        records[-1] |= {"val_sft_solo": 3.0, "val_sft_learner": 3.0}
        return records

    run = next(run for run in RUNS if run.objective.drl_weight)
    drawn = kept(monkeypatch)
    rows, missing = curves([run], written(tmp_path, [run], validated))
    assert not missing and [panel.title for panel in rows[0].panels] == [COMPONENTS[n] for n in ("sft", "drl", "norm")]
    sft = drawn[0]
    dots = {figure: [line for line in figure.axes[0].lines if line.get_marker() == "."] for figure in drawn}
    assert [len(dots[figure]) for figure in drawn] == [2, 1, 0]
    assert [line.get_color() for line in dots[sft]] == ["#D55E00", "#0072B2"]
    assert list(dots[sft][0].get_xdata()) == [20, 40, 60] and list(dots[sft][0].get_ydata()) == [4.0, 4.0, 3.0]
    assert "held out from 4 to 3; guide from" in rows[0].panels[0].alt
    assert "held out" in [text.get_text() for text in sft.axes[0].get_legend().get_texts()]


def test_runs_without_losses_are_named(tmp_path):
    rows, missing = curves(RUNS, written(tmp_path, RUNS[:1]))
    assert len(rows) == 1 and missing == [run.id for run in RUNS[1:]]


@pytest.mark.parametrize("steps", [1, 2, 5000])
def test_short_and_long_trainings_can_be_drawn(tmp_path, steps):
    records = [{"step": k + 1, "sft_solo": 1.0, "norm_solo": 1.0} for k in range(steps)]
    rows, _ = curves(RUNS[:1], written(tmp_path, RUNS[:1], lambda _: records))
    assert len(base64.b64decode(rows[0].panels[0].uri.split(",")[1])) < 60_000
