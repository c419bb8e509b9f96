"""Group Competitive Learning: joint fine-tuning of competing vision-language models, as a reproducible workflow.

    from gcl import PairTrainer, load_member, read_frame

The package names three things for other programs, see docs/api.md. Each is imported when it is asked for, since each needs
other libraries. The objective is in `gcl.objective`.
"""

import sys
from typing import Any

from gcl.errors import MissingLibraries

__version__ = "0.1.0"
__all__ = ["PairTrainer", "load_member", "read_frame"]

sys.meta_path.append(MissingLibraries())


def __getattr__(name: str) -> Any:
    if name == "PairTrainer":
        from gcl.training.pair_trainer import PairTrainer

        return PairTrainer
    if name == "load_member":
        from gcl.deployment.loaded_member import load_member

        return load_member
    if name == "read_frame":
        from gcl.reporting.tables.frame import read_frame

        return read_frame
    raise AttributeError(f"module 'gcl' has no attribute {name!r}")
