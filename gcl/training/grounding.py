"""Ground a miniature backbone: build it untrained, let it caption drawn scenes for a while, save a checkpoint.

Without this a tiny random model would spend the whole of fine-tuning on learning to see and to form sentences. It is the
project's own trainer with a group of one.
"""

import json
from pathlib import Path

from gcl.data.drawing.datasets import read_captions
from gcl.data.encoding import Encoder
from gcl.experiment.closure import code_sha256
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.grounding_spec import GroundingSpec
from gcl.files import atomic_folder, sha256_file, sha256_files, sha256_text, write_json
from gcl.models.miniature import build_model, build_preprocessor
from gcl.training.export import export_member
from gcl.training.feeds import References
from gcl.training.lease import FinishedElsewhere
from gcl.training.member import Member
from gcl.training.trainer import scratch_folder, trained_group


def ground_backbone(spec: GroundingSpec, captions: Path, vocabulary: Path, output: Path, scratch: Path) -> None:
    """Write the grounded backbone's checkpoint folder, whole or not at all.

    Args:
        spec: architecture and pre-training.
        captions: folder that `gcl data generate captions` wrote.
        vocabulary: JSON file that `gcl backbone vocabulary` wrote.
        output: checkpoint folder to be made.
        scratch: root of the folders of unfinished trainings.
    """
    run = spec.run
    (member_spec,) = run.members
    scenarios = read_captions(captions)
    pictures = sha256_files((path for path in captions.rglob("*") if path.is_file()), captions)
    data = sha256_text(f"{pictures} {sha256_file(vocabulary)}")

    def load() -> list[Member]:
        pixels = (run.training.pixels[0], run.training.pixels[1])
        words = json.loads(vocabulary.read_text(encoding="utf-8"))
        preprocessor = build_preprocessor(spec.architecture.family, words, pixels)
        backbone = build_model(spec.architecture, preprocessor, run.seed)
        encoder = Encoder(preprocessor, run.training.system)
        return [Member(member_spec, run.training, backbone, encoder, semantic_size=None, seed=run.seed)]

    code = code_sha256("backbones")
    own = scratch_folder(scratch, run, data, code)
    feed = References([scene.exchange(question) for scene in scenarios for question in run.feed.shown[0].questions])
    trained = trained_group(load, feed, run, data, code, ExecutionSpec(loggers=[]), own)
    try:
        with trained as (engine, lease, _), atomic_folder(output) as work:
            (member,) = engine.members
            export_member(engine, member, run, work, {"data": f"{len(scenarios)} captioned scenes"})
            write_json(work / "grounding.json", spec.model_dump())
            lease.check()
    except FinishedElsewhere as finished:
        if not (output / "grounding.json").is_file():
            raise
        print(finished)
