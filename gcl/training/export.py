"""Every member ends as an ordinary checkpoint folder: `export_member(engine, member, run, folder, facts)`.

It has safetensors weights, configurations of model and generation, processor, model card, and gcl.json (how the member is
asked). `AutoModelForImageTextToText.from_pretrained(folder)` of transformers 4.57 and 5 loads it.

Weights that were divided among processes are put together. LoRA adapters are merged into the weights that they adapt, and
kept beside them in peft's format. GSL's head is in semantic_head/. 16-bit trainings are stored in 16 bits. Where adapters
alone are to be retained, no other weights of the model are written; `gcl.models.backbone.load_trained` puts them together.
"""

import errno
from collections.abc import Mapping
from pathlib import Path

import torch
import yaml
from huggingface_hub import ModelCard, ModelCardData, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForImageTextToText

from gcl.errors import CheckpointError
from gcl.experiment.places import start_weights
from gcl.experiment.runs import MemberSpec, RunSpec
from gcl.experiment.schema import SCALES
from gcl.experiment.weights import Weights
from gcl.files import write_text
from gcl.models.backbone import ADAPTER, load_model, load_trained
from gcl.models.portable import make_portable
from gcl.training.engine import Engine
from gcl.training.member import PRECISIONS, Member
from gcl.training.member_file import Questions, write_member_file
from gcl.training.semantic_heads import save_head


def export_member(
    engine: Engine,
    member: Member,
    run: RunSpec,
    folder: Path,
    facts: Mapping[str, str],
    *,
    asked: Questions | None = None,
    adapters_alone: bool = False,
) -> None:
    """Write the member's folder; every process takes part, the main one writes.

    Args:
        engine: that trained it.
        member: whose weights are written; a frozen one, too, so that a run's folder is complete.
        run: that trained it.
        folder: to be made.
        facts: lines for the model card: data, losses.
        asked: the questions that the member was trained to answer; None for a base model of others.
        adapters_alone: leave out all weights but LoRA adapters; of a frozen member, all.

    Raises:
        OSError: if the disk is full, which safetensors would hide in an error of its own.
    """
    dtype = PRECISIONS[run.training.precision]
    head = {}
    if member.semantic_head is not None:
        head = {name: weight.to("cpu", copy=True) for name, weight in engine.weights(member.semantic_head)}
    adapted = run.training.lora is not None and not member.spec.frozen
    weights = {}
    for name, weight in [] if member.spec.frozen else engine.weights(member.backbone):
        wanted = "lora_" in name if adapted else not adapters_alone
        if engine.world.main and wanted:  # one after the other, so that no device ever holds a whole divided model
            weights[name] = weight.to("cpu", torch.float32 if adapted else dtype, copy=True)
    if not engine.world.main:
        return
    base = start_weights(run, member.spec)
    try:
        if adapted:
            from gcl.models import adapters

            adapters.save(member.backbone, run.training.lora, base, weights, folder / ADAPTER)
        if adapters_alone:
            member.config.save_pretrained(folder)
        elif adapted:
            load_trained(folder, base, dtype).save_pretrained(folder)
        elif member.spec.frozen:  # it may be held in fewer bits than it started with
            load_model(base, dtype).save_pretrained(folder)
        else:
            _save_whole(member, weights, folder, dtype)
        if head:
            save_head(head, folder)
    except SafetensorError as error:
        if "StorageFull" in str(error) or "No space left" in str(error):
            raise OSError(errno.ENOSPC, "no space left on device", str(folder)) from error
        raise
    member.encoder.preprocessor.save(folder)
    make_portable(folder)
    if asked is not None:
        write_member_file(folder, run, member.spec.role, asked)
    write_text(folder / "README.md", str(_card(member.spec, run, facts)))


def _save_whole(member: Member, weights: dict[str, Tensor], folder: Path, dtype: torch.dtype) -> None:
    """Through a model without weights of its own, since the trained one may be divided among processes."""
    with torch.device("meta"):
        whole = AutoModelForImageTextToText.from_config(member.backbone.config, dtype=dtype)
    whole.load_state_dict(weights, strict=False, assign=True)
    whole.tie_weights()
    empty = [name for name, weight in whole.named_parameters() if weight.is_meta]
    if empty:
        raise CheckpointError(
            f"{member.spec.role}: weights are missing in the trained model ({', '.join(empty[:3])}, ...)"
        )
    whole.generation_config = member.backbone.generation_config
    whole.save_pretrained(folder)


def _card(member: MemberSpec, run: RunSpec, facts: Mapping[str, str]) -> ModelCard:
    base = start_weights(run, member)
    licence = _licence(base)
    trained_with = " and ".join(f"{m.model} ({m.role})" for m in run.members if m.role != member.role)
    together = f", together with {trained_with}" if trained_with else ""
    rows = {
        "base model": str(base),
        "learning rate, DRL temperature": f"{member.lr:g}, {member.tau:g}",
        "objective": run.objective.model_dump_json() if len(run.members) > 1 else "supervised only",
        "training": run.training.model_dump_json(exclude={"system"}),
        "seed": str(run.seed),
        **facts,
    }
    warning = "**A miniature model, for testing the workflow only.**\n\n" if SCALES[run.scale] else ""
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    data = ModelCardData(
        license=licence, base_model=base.path if base.revision else None, pipeline_tag="image-text-to-text"
    )
    return ModelCard(
        f"---\n{data.to_yaml()}\n---\n\n# {member.model}, {member.role} of {run.id}\n\n{warning}"
        f"Fine-tuned on {run.dataset}{together} by Group Competitive Learning (variant `{run.variant}`).\n\n"
        f"| | |\n|---|---|\n{table}\n\n"
        f"Licence of the base model: {licence or 'not stated there'}; it binds this model, too. Scores on the test split "
        f"are in `results/{run.scale}/metrics/{run.id}.json`.\n"
    )


def _licence(base: Weights) -> str | None:
    """The licence in the base model's own card; None if it names none or cannot be had."""
    try:
        path = Path(base.path) / "README.md"
        if base.revision is None:
            card = ModelCard.load(path) if path.exists() else None
        else:
            card = ModelCard.load(hf_hub_download(base.path, "README.md", revision=base.revision))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError, ValueError, yaml.YAMLError):
        return None
    # Licences without a common identifier are called "other" and have their name beside it.
    return card and (card.data.get("license_name") or card.data.license)
