"""A finished experiment that never ran, for the page and its parts: metrics, answers, losses, pictures, tables, figures."""

import random
from collections.abc import Iterable
from pathlib import Path

from fake_metrics import exchanged, fake_file, fake_planning, social_runs, write_metrics
from PIL import Image
from turns_case import TURNS

from gcl.data.manifest import write_manifests
from gcl.data.raw import read_raw, scene_record
from gcl.experiment.data_spec import data_spec
from gcl.experiment.places import places, results_at
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import sha256_file, write_json, write_jsonl
from gcl.operations.costs import write_costs
from gcl.reporting.build import build
from gcl.reporting.figures.curves import losses_path
from gcl.reporting.figures.gallery import write_gallery
from gcl.reporting.tables.result_table import ResultTable, read_table
from gcl.workflow.plan import Plan
from gcl.workflow.targets import FIGURES, TABLES, TARGETS

SCENES = 30
RESULTS = Path("results")
HOSTILE = "<script>alert('scene')</script> & \"turn\" left"


def finished(experiment: Experiment, names: Iterable[str] | None = None, curves_and_gallery: bool = True) -> None:
    """Write everything into the present folder, as `snakemake all` leaves it.

    Args:
        names: tables and figures to build (default: all that need no encoder).
        curves_and_gallery: whether losses and the gallery are there as well; to draw them takes long.
    """
    metrics = {run.id: scored(run, experiment) for run in social_runs(experiment)}
    answered = {run.id: run for run in TARGETS["encoders"].runs(experiment)}
    for dataset in experiment.groups:
        draw_scenes(experiment, dataset)
        answered |= {run.id: run for run in Plan(experiment).gallery_runs(dataset)}
    for run in answered.values():
        write_jsonl(results_at(run.scale, RESULTS).predictions(run.id), answers(run))
        metrics[run.id]["provenance"]["predictions_sha256"] = sha256_file(
            results_at(run.scale, RESULTS).predictions(run.id)
        )
    write_metrics(RESULTS, metrics | exchanged(metrics, experiment, loss=0.2))
    for run in TARGETS["headline"].runs(experiment) if curves_and_gallery else ():
        write_jsonl(losses_path(RESULTS, run.scale, run.id), measured(losses(run)))
    write_metrics(RESULTS, fake_planning(experiment))
    for name in [*tables(), *FIGURES] if names is None else names:
        build(
            experiment, name, RESULTS, RESULTS / experiment.scale / ("tables" if name in TABLES else "figures") / name
        )
    if curves_and_gallery:
        write_gallery(experiment, RESULTS, RESULTS / experiment.scale / "figures" / "gallery")


def finished_with_costs(experiment: Experiment) -> None:
    """The same, and what the headline's trainings took."""
    finished(experiment)
    for run in TARGETS["headline"].runs(experiment):
        record(experiment, run.id)
    write_costs(RESULTS, experiment.scale, RESULTS / experiment.scale / "tables/costs")


def tables() -> list[str]:
    """All tables but the one that scores answers anew, which takes minutes."""
    return [name for name in TABLES if name != "encoders"]


def scored(run: RunSpec, experiment: Experiment) -> dict:
    """A metrics file over `SCENES` scenes whose scores differ from run to run."""
    content, rng = fake_file(run, experiment), random.Random(run.id)
    for member in content["members"]:
        scores = [round(rng.random(), 6) for _ in range(SCENES)]
        member["items"] = [
            {"id": f"s{k}"} | {name: float(score > 0.5) if "accuracy" in name else score for name in member["summary"]}
            for k, score in enumerate(scores)
        ]
        mean = sum(scores) / SCENES
        interval = {"mean": mean, "low": mean - 0.1, "high": mean + 0.1, "n": SCENES}
        member["summary"] = dict.fromkeys(member["summary"], interval)
    content["provenance"]["environment"] = {
        "training": {"python": "3.11", "torch": "2.0"},
        "scoring": {"python": "3.12"},
    }
    return content


def answers(run: RunSpec) -> list[dict]:
    """What every member said; one scene's words are dangerous to a page that does not escape them."""
    said = {"action": ["Stop and wait.", "Go straight on.", "Make a left turn.", "Hm.", HOSTILE]}
    return [
        {"role": member.role, "turn": turn, "id": f"s{k}", "question": f"{turn}?", "reference": "Move Forward Right"}
        | {"text": said.get(turn, ["One thing."])[k % len(said.get(turn, [1]))], "ended": True}
        | ({"label": "Move Forward Right"} if turn == "action" else {})
        for member in run.members
        for turn in TURNS
        for k in range(SCENES)
    ]


def losses(run: RunSpec) -> list[dict]:
    """A training of 60 steps; in the third an overflow left no gradient norm."""
    components = {f"sft_{member.role}": 5.0 for member in run.members}
    weights = {"gsl": run.objective.gsl_weight, "drl": run.objective.drl_weight}
    components |= {name: start for name, start in {"gsl": 2.0, "drl": 1.0}.items() if weights[name]}
    norms = {f"norm_{member.role}": 3.0 for member in run.members}
    return [
        {"step": step, "loss": 1.0}
        | {name: start / step for name, start in components.items()}
        | ({"skipped": 1.0} if step == 3 else {name: start / step for name, start in norms.items()})
        for step in range(1, 61)
    ]


def measured(records: list[dict]) -> list[dict]:
    """The same, with the pull of every loss at the last step; GSL pulls at the guide a thousandth as much as it should."""
    *before, last = records
    names = [f"{loss}_{role}" for loss in ("gsl", "drl") if loss in last for role in ("learner", "guide")]
    roles = [name.removeprefix("sft_") for name in last if name.startswith("sft_")]
    names += [f"sft_{role}" for role in roles]
    return [*before, last | {f"pull_{name}": 1e-4 if name == "gsl_guide" else 1.0 for name in names if len(roles) > 1}]


def draw_scenes(experiment: Experiment, dataset: str) -> None:
    """Pictures, scenarios.jsonl and manifests of one data set; the training split has one scene."""
    data = data_spec(experiment, dataset)
    root, action = Path(data.root), (data.actions or ["Go straight on."])[0]
    records = []
    for k in range(SCENES + 1):
        id, split = (f"s{k}", "test") if k < SCENES else ("t", "train")
        (root / "images").mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (140, 84), (40 + 5 * k, 90, 120)).save(root / "images" / f"{id}.png")
        turns = {turn: (None, action if turn == "action" else "One thing.") for turn in TURNS}
        records.append(scene_record(id, [(f"images/{id}.png", None)], split, turns, None))
    write_jsonl(root / "scenarios.jsonl", records)
    write_manifests(read_raw(root, data), root, places(experiment).manifests(dataset))


def record(experiment: Experiment, run: str) -> None:
    """What one training took."""
    hardware = {"system": "Linux", "cpu": "A <fast> CPU", "cores": 2, "memory_mib": 16384, "gpus": []}
    attempt = {"gpus": 0, "node": "n1", "job": "7", "hardware": hardware, "git": {"commit": "c" * 40, "dirty": True}}
    sums = {"gpu_hours": 0.0, "seconds": 60.0, "peak_gpu_memory_mib": 0, "peak_memory_mib": 512, "attempts": [attempt]}
    write_json(RESULTS / experiment.scale / "records" / f"{run}.json", {"run": run, "costs": sums})


def built(experiment: Experiment, table: str) -> ResultTable:
    """A table as it was written."""
    return read_table(RESULTS, experiment.scale, table)
