"""Errors that a user can repair: each says what is wrong, where, and what to do.

The command line prints them as one line and exits with status 2. Any other error is a defect of the program.
"""

from collections.abc import Sequence


class GCLError(Exception):
    """A mistake in the input, the configuration or the machine, with a message for the user."""


class ConfigError(GCLError):
    """A setting is missing, misspelt or contradicts another one."""


class DataError(GCLError):
    """A data set, a manifest or an image is invalid."""


class CheckpointError(GCLError):
    """A model folder cannot be loaded, or two models cannot compete with each other."""


class TrainingError(GCLError):
    """A training must stop: infinite loss, no memory, another copy at work, or a wrong checkpoint to resume from."""


def raise_all(problems: Sequence[object], heading: str, limit: int = 20) -> None:
    """Raise one `DataError` that lists the first `limit` problems and counts the rest; do nothing without problems."""
    if not problems:
        return
    rest = len(problems) - limit
    lines = [*map(str, problems[:limit]), *([f"... and {rest} more"] if rest > 0 else [])]
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    raise DataError(f"{heading}: {count}\n  " + "\n  ".join(lines))
