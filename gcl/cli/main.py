"""The `gcl` command: `main()` reads a command line, runs one verb and gives the exit status.

A verb is a function in one of the files beside this one. Its signature and docstring are its parser and its help. An error
that a user can mend is one line a mistake on standard error. Its status is 2; there is no traceback.
"""

import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from gcl import __version__
from gcl.cli import (
    base_model_verbs,
    data_verbs,
    deployment_verbs,
    look_verbs,
    planning_verbs,
    publishing_verbs,
    report_verbs,
    run_verbs,
    serving_verbs,
    setting_verbs,
    warm,
)
from gcl.errors import GCLError
from gcl.files import STDIN


def _shown(default: object) -> str | None:
    """A default in help; None for an empty one."""
    return None if default is None or default is False or default in ("", ()) else str(default)


# It misses an optional kernel at its import, which peft does for it.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

app = App(
    name="gcl",
    help="Group Competitive Learning for vision-language models.",
    help_format="plaintext",
    version=f"gcl {__version__}",
    version_flags="--version",
    default_parameter=Parameter(negative=(), show_default=_shown),
)
for verbs in (setting_verbs, run_verbs, deployment_verbs, serving_verbs, report_verbs, look_verbs, publishing_verbs):
    for verb in verbs.VERBS:
        app.command(verb)
for name, verbs, text in (
    ("data", data_verbs, "Make and check data."),
    ("base-model", base_model_verbs, "Make miniature base models, which follow instructions."),
    ("planning", planning_verbs, "States of planning tasks, and their pictures."),
):
    app.command(group := App(name=name, help=text, version_flags=()))
    for verb in verbs.VERBS:
        group.command(verb)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # The parser takes a lone dash for an option.
        known = [STDIN if word == "-" else word for word in words]
        run, given, _ = app.parse_args(known, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _fail(" ".join(str(error).split()))
    if run.__name__ == "help_print" and not {"--help", "-h"} & {*words}:
        return _fail(f"say what to do; `{' '.join(['gcl', *words])} --help` lists all verbs")
    if (status := warm.run(words)) is not None:
        return status
    # Libraries look at these when they are imported, which the verbs do.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # A scheduler's warning ends the program like any other exit: temporary files are removed on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        run(*given.args, **given.kwargs)
    except GCLError as error:
        return _fail(str(error))
    except BrokenPipeError:  # the reader of our output has seen enough
        return 0
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = error.filename or given.arguments.get("to") or "the disk"
            return _fail(f"no space left while writing {where}; free some and run again, nothing half-written was kept")
        if error.errno in (errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR):
            return _fail(f"{error.filename}: {error.strerror}; check the path and its permissions")
        raise
    return 0


def _fail(message: str) -> int:
    print(f"gcl: error: {message}", file=sys.stderr)
    return 2
