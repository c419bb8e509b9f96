"""Publish a base model: `publish_base_model(run, here, folder)` writes it in 16 bits, with all that is known of it."""

from collections import defaultdict
from pathlib import Path
from statistics import mean

import torch

from gcl.errors import CheckpointError
from gcl.experiment.places import Places
from gcl.experiment.runs import RunSpec
from gcl.experiment.weights import Weights
from gcl.files import atomic_folder, read_json, read_jsonl, write_json, write_text
from gcl.models.backbone import load_backbone
from gcl.models.portable import make_portable
from gcl.models.preprocessor import load_preprocessor

TRAINING_FILE = "training.json"
_POINTS = 100  # of the curve of losses
FIRST = 20  # steps of the run before, whose losses are kept one by one, so that a test can repeat them


def publish_base_model(run: RunSpec, here: Places, folder: Path) -> None:
    """Write a base model's folder, whole or not at all; an existing one is replaced.

    It holds float16 weights, processor, model card, and training.json: specification, losses, scores of each kind.

    Args:
        run: that trained it.
        here: where its checkpoint and scores are.
        folder: to make.

    Raises:
        CheckpointError: if the run is not trained or not scored.
    """
    (member,) = run.members
    trained, metrics = here.checkpoints(run.id), here.metrics(run.id)
    for path in (trained / "run.json", metrics):
        if not path.is_file():
            raise CheckpointError(f"{path}: no such file; make it with: snakemake base_models")
    record, scores = read_json(trained / "run.json"), read_json(metrics)["members"][0]
    run = RunSpec(**record["spec"])  # as it was trained, whatever the configuration says by now
    source = Weights(path=str(trained / member.role))
    model = load_backbone(source)
    for parameter in model.parameters():  # not buffers: positions need all bits
        parameter.data = parameter.data.half()
    model.config.dtype = torch.float16
    first, losses = (
        [line["loss"] for line in read_jsonl(here.checkpoints(name) / "losses.jsonl")]
        for name in (*run.trained_before, run.id)
    )
    facts = {
        "run": run.model_dump(),
        "code_sha256": record["code_sha256"],
        "data_sha256": record["data"],
        "environment": record["environment"],
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "losses": _curve(losses),
        "first_losses": first[:FIRST],
        "held_out": _by_kind(scores["items"]),
        "weights_sha256_before_rounding": record["weights"][member.role],
    }
    with atomic_folder(folder) as work:
        model.save_pretrained(work)
        load_preprocessor(source).save(work)
        make_portable(work)
        write_json(work / TRAINING_FILE, facts)
        write_text(work / "README.md", _card(member.model, run, facts))


def _curve(losses: list[float]) -> list[dict[str, float]]:
    """Means of equally many steps, with the number of the last one."""
    size = max(1, len(losses) // _POINTS)
    return [
        {"step": min(start + size, len(losses)), "loss": round(mean(losses[start : start + size]), 4)}
        for start in range(0, len(losses), size)
    ]


def _by_kind(items: list[dict]) -> dict[str, dict[str, float]]:
    """Share of right answers and number of questions, by kind."""
    found = defaultdict(list)
    for item in items:
        found[item["group"]].append(item["instruction_right"])
    return {kind: {"right": round(mean(values), 3), "questions": len(values)} for kind, values in sorted(found.items())}


def _card(model: str, run: RunSpec, facts: dict) -> str:
    kinds = "\n".join(
        f"| {kind} | {one['right']:.2f} | {one['questions']} |" for kind, one in facts["held_out"].items()
    )
    training = run.training
    return f"""---
license: apache-2.0
pipeline_tag: image-text-to-text
---

# {model} in miniature

**A miniature base model. It has {facts["parameters"]:,} parameters and stands in for {model}, of which it has no weights.**

It is a small instance of the same model class. Its weights were random, and learned from drawn pictures and questions about
them. It follows instructions about drawn scenes, planning states and words. It never saw the five turns of the data sets, a
constellation of a test split, or a test state.

Trained by `{run.id}`, which continues `{run.trained_before[0]}`:
{training.epochs} epochs in batches of {training.global_batch}, peak rate {run.members[0].lr:g}. Weights are rounded to
float16. `{TRAINING_FILE}` has the specification, the losses, the versions and the hashes.

Right answers to held-out instructions, before rounding:

| kind | right | questions |
|---|--:|--:|
{kinds}
"""
