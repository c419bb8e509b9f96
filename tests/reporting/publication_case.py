"""A project with one trained run that can be published: `trained_project(folder, run_id)`; its weights are only bytes."""

import json
import shutil
from pathlib import Path
from typing import Any

from conftest import ROOT
from fake_metrics import fake_file, fake_planning, write_metrics

from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import PLANNING, kind_of, places
from gcl.experiment.provenance import weights_sha256
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.files import write_json, write_jsonl, write_text
from gcl.training.member_file import Questions, write_member_file

RESULTS = Path("results")
GCL = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0"
SFT = "snei/sft/qwen3-vl-4b/default/seed0"
MGSD = "planning/mgsd/qwen3-vl-4b+qwen3-vl-4b/full/seed0"
TAUGHT = "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/teacher_jsd/seed0"
ASKED = Questions(
    about="the data set snei",
    questions={"perception": "What do you see?", "action": 'What should "the robot" do?'},
    action="action", actions=None, batch_size=4, max_new_tokens=30,
)  # fmt: skip


def trained_project(
    folder: Path, experiment: Experiment, run_id: str, *, licence: str | None = "apache-2.0", model: Path | None = None
) -> RunSpec:
    """Write the project's files and a training's below a folder, which has to be the present one.

    Args:
        licence: in the card of the checkpoint.
        model: folder whose files the members get; by default they get a few bytes.
    """
    for name in ("Snakefile", "config.yaml", "CITATION.cff"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "workflow", folder / "workflow", dirs_exist_ok=True)
    run, here = find_run(experiment, run_id), places(experiment, RESULTS)
    trained, weights = here.checkpoints(run.id), {}
    for member in run.members:
        own = trained / member.role
        if model:
            shutil.copytree(model, own)
        else:
            write_text(own / "model.safetensors", f"weights of the {member.role}" * 1000)
            write_text(own / "tokenizer.json", "{}")
            write_text(own / "processor_config.json", "{}")
        head = f"---\nlicense: {licence}\n---\n" if licence else "---\npipeline_tag: image-text-to-text\n---\n"
        write_text(own / "README.md", f"{head}\n# as exported\n")
        write_member_file(own, run, member.role, ASKED)
        weights[member.role] = weights_sha256(own)
    attempts = [{"started": 0.0, "seconds": 60.0, "node": "workstation"}]
    record: dict[str, Any] = {
        "run": run.id, "spec": run.model_dump(), "data": "d" * 64, "execution": {}, "weights": weights,
        "start": dict.fromkeys(weights, "s" * 64), "code_sha256": "c" * 64, "environment": {"torch": "2"},
        "costs": {
            "gpu_hours": 0.0, "seconds": 60.0, "peak_memory_mib": 100, "peak_gpu_memory_mib": 0, "attempts": attempts,
        },
    }  # fmt: skip
    write_json(trained / "run.json", record)
    write_json(here.record(run.id), record)
    losses = [{"step": k, "loss": 10.0 / k, "gsl": 1.0 / k, "norm_learner": 5.0} for k in range(1, 41)]
    write_jsonl(trained / "losses.jsonl", losses)
    content = fake_planning(experiment)[run.id] if kind_of(run.dataset) == PLANNING else fake_file(run, experiment)
    content = json.loads(json.dumps(content))
    content["provenance"] |= {"training": run.id, "checkpoints": weights}
    write_metrics(RESULTS, {run.id: content})
    return run
