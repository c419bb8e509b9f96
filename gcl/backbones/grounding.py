"""Ground a miniature backbone: build it untrained, let it caption drawn scenes for a while, save a checkpoint.

Without this a tiny random model would spend the whole of fine-tuning on learning to see and to form sentences. It is the
project's own trainer with a group of one.
"""

import json
from pathlib import Path

from gcl.backbones.miniature import build_model, build_preprocessor
from gcl.data.encoding import Encoder
from gcl.data.miniature.generate import read_captions
from gcl.files import atomic_folder, write_json
from gcl.runs import GroundingSpec
from gcl.training.log import LossLog
from gcl.training.loop import train_group
from gcl.training.member import Member
from gcl.training.run import seed_everything


def ground_backbone(spec: GroundingSpec, captions: Path, vocabulary: Path, output: Path) -> None:
    """Write the grounded backbone's checkpoint folder, whole or not at all.

    Args:
        spec: architecture and pre-training.
        captions: folder that `gcl data generate captions` wrote.
        vocabulary: JSON file that `gcl backbone vocabulary` wrote.
        output: checkpoint folder to be made.
    """
    run = spec.run
    (member_spec,) = run.members
    pixels = (run.training.pixels[0], run.training.pixels[1])
    preprocessor = build_preprocessor(
        spec.architecture.family, json.loads(vocabulary.read_text(encoding="utf-8")), pixels
    )
    seed_everything(run.seed)
    backbone = build_model(spec.architecture, preprocessor, run.seed)
    member = Member(member_spec, backbone, Encoder(preprocessor, run.training.system), semantic_size=None)
    with atomic_folder(output) as work:
        with LossLog(work / "log") as log:
            train_group([member], read_captions(captions), run, log)
        member.save(work)
        write_json(work / "grounding.json", spec.model_dump())
