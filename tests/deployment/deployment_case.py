"""A member's folder for tests of deployment: an untrained backbone with the file that says how it is asked."""

import shutil
from pathlib import Path

from gcl.files import write_json
from gcl.training.member_file import MEMBER_FILE, MemberFile, Questions

QUESTIONS = {"perception": "What do you see?", "action": "What should the robot do?"}


def make_member(backbone: Path, folder: Path, context: str = "none") -> Path:
    """Copy a backbone, and say how it is asked."""
    shutil.copytree(backbone, folder)
    asked = Questions(about="tests", questions=QUESTIONS, action="action", batch_size=4, max_new_tokens=12)
    file = MemberFile(
        run="snei/sft/m/default/seed0", scale="miniature", role="solo", model="m", base=str(backbone), revision=None,
        lr=1e-3, system="Be brief.", pixels=[784, 50176], precision="float32", context=context, asked=asked,
    )  # fmt: skip
    write_json(folder / MEMBER_FILE, file.model_dump())
    return folder
