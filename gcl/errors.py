"""Errors that a user can repair: each says what is wrong, where, and what to do.

The command line prints them as one line and exits with status 2. Any other error is a defect of the program.

`pip install gcl` installs few libraries, and extras the others. `MissingLibraries` turns the import of an absent one into an
error that names its extra. The package puts it behind Python's own finders, so it is asked where all of them have failed.
"""

import re
import sys
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


class MissingLibrary(GCLError, ModuleNotFoundError):
    """A library of an extra is not installed. Code that expects an `ImportError` can catch it as one."""


class MissingLibraries:
    """The last of `sys.meta_path`: explains absent libraries to modules of gcl. Imports by others fail as ever."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Called by the machinery of imports.

        Raises:
            MissingLibrary: if a module of gcl imports the library, and an extra has it.
        """
        frame = sys._getframe(1)
        # Its name until somebody imports importlib, and after that.
        while frame and frame.f_globals.get("__name__") in ("_frozen_importlib", "importlib._bootstrap"):
            frame = frame.f_back
        importer = frame.f_globals.get("__name__", "") if frame else ""
        if importer.startswith("gcl.") and (advice := missing(name)):
            raise MissingLibrary(advice, name=name)


def missing(library: str) -> str | None:
    """How to get a library that is not here: its extras and pip's command; None if no extra has it.

    Args:
        library: name of the module or of the distribution.
    """
    from importlib import metadata  # here, since every verb imports this module, and few need it

    try:
        listed = metadata.requires("gcl") or []
    except metadata.PackageNotFoundError:  # sources that nobody has installed
        return None
    found = [re.fullmatch(r"""([\w.-]+).*extra == ["']([\w-]+)["'].*""", line) for line in listed]
    extras = [one[2] for one in found if one and _normal(one[1]) == _normal(library.partition(".")[0])]
    commands = " or ".join(f"pip install 'gcl[{extra}]'" for extra in extras)
    return f"{library} is not installed; it comes with {commands}" if extras else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def raise_all(problems: Sequence[object], heading: str, limit: int = 20) -> None:
    """Raise one `DataError` that lists the first `limit` problems and counts the rest; do nothing without problems."""
    if not problems:
        return
    rest = len(problems) - limit
    lines = [*map(str, problems[:limit]), *([f"... and {rest} more"] if rest > 0 else [])]
    count = f"{len(problems)} problem" + ("s" if len(problems) > 1 else "")
    raise DataError(f"{heading}: {count}\n  " + "\n  ".join(lines))
