"""Test scenes with the members' actions, failures included: `gallery(experiment, dataset, results)` draws them.

This project's form of the paper's Figure 6. Nobody picks scenes by hand: `RULE` says how they are chosen, and the same
results give the same scenes. `write_gallery()` draws them as a figure; the page of all results shows them with their words.
"""

import hashlib
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure
from PIL import Image

from gcl.data.html import picture_uri
from gcl.data.images import load_picture
from gcl.data.manifest import load_split
from gcl.errors import DataError
from gcl.evaluation.metric_registry import ranking, turn_of
from gcl.evaluation.scorers.accuracy import NO_ACTION
from gcl.experiment.actions import label_of, named_action
from gcl.experiment.data_spec import DataSpec, data_spec
from gcl.experiment.dialogue import CHOOSING
from gcl.experiment.places import places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import SCALES, Experiment
from gcl.files import atomic_path
from gcl.reporting.figures.arrows import MARKS, draw
from gcl.reporting.figures.canvas import FORMATS, STYLE
from gcl.reporting.metrics import load_metrics, read_answers
from gcl.reporting.metrics_file import SAME, Item
from gcl.workflow.plan import Plan

EACH = 6  # scenes of each of the three kinds, for each data set
RULE = (
    f"Of each data set's test scenes: the {EACH} with the largest gain of the GCL learner (full objective) over the same "
    f"model's SFT, the {EACH} with the largest loss, and {EACH} of the rest in the order of a hash of their ids, which "
    "knows nothing of scores. Gains are in the data set's first score, such as Action-F1. Equal gains are ordered by that "
    "hash, too. Of several seeds the first is shown."
)
KINDS = {"gain": "Largest gains", "loss": "Largest losses", "drawn": "Drawn by hash"}


@dataclass(frozen=True)
class GalleryScene:
    """One chosen scene.

    Attributes:
        kind: why it was chosen, a key of `KINDS`.
        score: header of the score that ranks scenes.
        sft, gcl: this score of both.
        outcome: "gained", "lost" or "equal", by it.
        correct: where actions are a closed list "both right", "both wrong", "only SFT right", "only GCL right"; else None.
        actions: by ground truth, SFT and GCL, with the label where the words are more than that. Where no turn names
            actions, their answers in the turn of the score.
        turns: name, question and the three answers of every turn.
        picture: the last one, with the actions drawn in; None where it is not there, or the scene has none.
    """

    dataset: str
    id: str
    kind: str
    score: str
    sft: float
    gcl: float
    outcome: str
    correct: str | None
    actions: Mapping[str, str]
    turns: Sequence[tuple[str, str, Mapping[str, str]]]
    picture: Image.Image | None

    @property
    def uri(self) -> str | None:
        """The picture as a data URI."""
        return None if self.picture is None else picture_uri(self.picture, 82)


def gallery(experiment: Experiment, dataset: str, results: Path) -> list[GalleryScene]:
    """Choose scenes of one data set by `RULE` and draw them.

    Raises:
        DataError: if metrics or answers of the two runs are missing or do not belong together.
    """
    here, (sft, gcl) = places(experiment, results), Plan(experiment).gallery_runs(dataset)
    metrics = load_metrics(results, experiment.scale, {run.id: run for run in (sft, gcl)})
    members = [metrics[run.id].member(role) for run, role in ((sft, "solo"), (gcl, "learner"))]
    items = [{item.id: item for item in member.items} for member in members]
    for run in (sft, gcl):
        if not (path := here.predictions(run.id)).is_file():
            raise DataError(f"{path}: no such file; make it with: snakemake --cores 2 {path}")
    answers = [read_answers(here.predictions(run.id), role) for run, role in ((sft, "solo"), (gcl, "learner"))]
    if not items[0].keys() == items[1].keys() <= answers[0].keys() & answers[1].keys():
        raise DataError(f"{sft.id} and {gcl.id}: not the same scenes in metrics and predictions; make both again")
    images, data, score = _images(experiment, dataset), data_spec(experiment, dataset), ranking(experiment, dataset)
    gains = {i: items[1][i].scores[score[0]] - items[0][i].scores[score[0]] for i in items[0]}
    return [
        _scene(data, score, id, kind, [by_id[id] for by_id in items], [a[id] for a in answers], images.get(id))
        for id, kind in choose(dataset, gains)
    ]


def choose(dataset: str, gains: Mapping[str, float], each: int = EACH) -> list[tuple[str, str]]:
    """Ids and kinds of the scenes to show, by `RULE`.

    Args:
        gains: score of GCL - SFT by scene.
    """
    mixed = sorted(gains, key=lambda scene: hashlib.sha256(f"{dataset}/{scene}".encode()).hexdigest())
    gained = [scene for scene in sorted(mixed, key=lambda i: -gains[i]) if gains[scene] > SAME][:each]
    lost = [scene for scene in sorted(mixed, key=lambda i: gains[i]) if gains[scene] < -SAME][:each]
    rest = [scene for scene in mixed if scene not in {*gained, *lost}][:each]
    return [(scene, kind) for kind, scenes in zip(KINDS, (gained, lost, rest), strict=True) for scene in scenes]


def write_gallery(experiment: Experiment, results: Path, stem: Path) -> None:
    """Draw the gallery of all data sets whose runs are finished as `stem`.png and `stem`.pdf.

    Raises:
        DataError: if those of no data set are.
    """
    scenes = [
        scene for dataset in gallery_datasets(experiment, results) for scene in gallery(experiment, dataset, results)
    ]
    if not scenes:
        raise DataError(
            f"{results}: no data set has both runs of the gallery; make one with: snakemake --cores 2 headline"
        )
    groups = {(s.dataset, s.kind): [o for o in scenes if (o.dataset, o.kind) == (s.dataset, s.kind)] for s in scenes}
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(2.1 * EACH, 2.35 * len(groups)), layout="constrained")
        if warning := SCALES[experiment.scale]:
            figure.suptitle(warning, x=0.01, ha="left", fontsize=8, fontweight="bold", color="0.25")
        grid = figure.subplots(len(groups), EACH, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for line, ((dataset, kind), row) in zip(grid, groups.items(), strict=True):
            for axes, scene in zip(line, row, strict=False):
                _panel(axes, scene)
            line[0].set_title(f"{dataset}: {KINDS[kind].lower()}\n{line[0].get_title('left')}", fontweight="bold")
        small = f"T ground truth, S SFT, G GCL; both are the learner. Numbers: the first score of SFT → GCL. {RULE}"
        figure.supxlabel(textwrap.fill(small, 34 * EACH), x=0.01, ha="left", fontsize=7, color="0.25")
        for suffix in (".png", ".pdf"):
            with atomic_path(f"{stem}{suffix}") as temporary:
                figure.savefig(temporary, dpi=120, metadata=FORMATS[suffix])


def gallery_datasets(experiment: Experiment, results: Path) -> list[str]:
    """Data sets for which both runs have been scored."""
    here, plan = places(experiment, results), Plan(experiment)

    def scored(run: RunSpec) -> bool:
        return here.metrics(run.id).is_file() and here.predictions(run.id).is_file()

    return [dataset for dataset in experiment.groups if all(map(scored, plan.gallery_runs(dataset)))]


def _panel(axes: Any, scene: GalleryScene) -> None:
    if scene.picture is not None:
        axes.imshow(scene.picture)
    axes.set_title(f"{scene.id}: {scene.sft:.2f} → {scene.gcl:.2f}", fontsize=7)
    words = [
        f"{MARKS[source].letter}  {textwrap.shorten(s, 44, placeholder=' …')}" for source, s in scene.actions.items()
    ]
    axes.text(0, -0.04, "\n".join(words), transform=axes.transAxes, va="top", fontsize=6.5)


def _scene(
    data: DataSpec,
    score: tuple[str, str],
    scene: str,
    kind: str,
    items: Sequence[Item],
    answers: Sequence[Mapping[str, Mapping[str, str]]],
    image: Path | None,
) -> GalleryScene:
    sft, gcl = (item.scores[score[0]] for item in items)
    naming, closed = data.action or turn_of(score[0]), data.actions
    right = [item.scores.get(f"{naming}_{CHOOSING}") for item in items]
    turns = [
        (turn, answers[0][turn]["question"], {
            "ground truth": answers[0][turn]["reference"], "SFT": answers[0][turn]["text"], "GCL": answers[1][turn]["text"],
        })
        for turn in data.names
    ]  # fmt: skip
    actions = next(said for turn, _, said in turns if turn == naming)
    means = actions
    if closed is not None:  # the label beside what was said, as scoring reads it
        means = {source: named_action(text, closed) or NO_ACTION for source, text in actions.items()}
        means["ground truth"] = answers[0][naming]["label"]
        actions = {
            source: text if label_of(text, closed) else f"{text} [{means[source]}]" for source, text in actions.items()
        }
    outcome = "gained" if gcl - sft > SAME else "lost" if gcl - sft < -SAME else "equal"
    names = {(1, 1): "both right", (0, 0): "both wrong", (1, 0): "only SFT right"}
    correct = None if None in right else names.get((right[0], right[1]), "only GCL right")
    picture = None if image is None else draw(load_picture(image)[0], means)
    return GalleryScene(data.name, scene, kind, score[1], sft, gcl, outcome, correct, actions, turns, picture)


def _images(experiment: Experiment, dataset: str) -> dict[str, Path]:
    """The last picture of each scene, verified; none where the data is not here, as where only results were copied."""
    data, manifest = data_spec(experiment, dataset), places(experiment).manifests(dataset) / "test.tsv"
    if not manifest.is_file() or not Path(data.root).is_dir():
        return {}
    scenes = load_split(Path(data.root), manifest, data)
    return {scene.id: scene.pictures[-1].path for scene in scenes if scene.pictures}
