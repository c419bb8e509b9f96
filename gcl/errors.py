"""The one family of errors that a user can mend: each says what is wrong, where, and what to do.

The command line prints them as one line and exits with status 2; anything else is a defect of the program.
"""

from collections.abc import Sequence


class GCLError(Exception):
    """A mistake in the input, the configuration or the machine; the message is written for the user."""


class ConfigError(GCLError):
    """A setting is missing, misspelt or contradicts another one."""


class DataError(GCLError):
    """A data set, a manifest or an image is not what it should be."""


class CheckpointError(GCLError):
    """A model folder cannot be loaded, or two models cannot compete with each other."""


class TrainingError(GCLError):
    """A training cannot go on, or must not: no finite loss, no memory, another copy at work, an unfit resume checkpoint."""


def raise_all(problems: Sequence[str], heading: str, limit: int = 20) -> None:
    """Raise one `DataError` that lists the first `limit` problems and counts the rest; do nothing if there are none."""
    if not problems:
        return
    rest = len(problems) - limit
    lines = [*problems[:limit], *([f"... and {rest} more"] if rest > 0 else [])]
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    raise DataError(f"{heading}: {count}\n  " + "\n  ".join(lines))
