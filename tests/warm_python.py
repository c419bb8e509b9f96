"""`python -m MODULE` in a copy of the project, in a process of its own that need not import Snakemake first.

    run_module("snakemake", ["--dry-run", "all"], root)

Imports take two of five seconds of a dry run. So this file also is a server, one for all tests of a process. It knows
libraries alone, nothing of this project, and forks for every call. The fork imports the sources of the copy.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

LIBRARIES = (
    "snakemake.cli",
    "snakemake.report.html_reporter",
    "snakemake.storage",
    "pydantic",
    "ruamel.yaml",
    "requests",
)


def run_module(module: str, arguments: Sequence[str], root: Path) -> subprocess.CompletedProcess[str]:
    """Run it as `python -m` does in the folder `root`, whose sources come first, and capture what it says."""
    server, environment = _server(), os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.NamedTemporaryFile("w+") as out, tempfile.NamedTemporaryFile("w+") as err:
        call = {"module": module, "arguments": arguments, "root": str(root), "environment": environment}
        call["files"] = [out.name, err.name]
        print(json.dumps(call), file=server.stdin, flush=True)
        status = int(server.stdout.readline())
        out.seek(0), err.seek(0)
        return subprocess.CompletedProcess([module, *arguments], status, out.read(), err.read())


@cache
def _server() -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__],
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    atexit.register(server.communicate)  # the end of its input ends it
    return server


def serve() -> dict[str, Any] | None:
    """Fork for every line of standard input and answer with the exit status.

    Returns:
        In a process that is to run a call, the call; in the server None, once its input has ended.
    """
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.freeze()  # forks share these pages
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    return None


def become(call: dict[str, Any]) -> None:
    """Take the place of `python -m`: files, folder, environment, where modules are looked for, and words."""
    for number, name in enumerate((os.devnull, *call["files"])):
        file = os.open(name, os.O_RDWR)
        os.dup2(file, number)
        os.close(file)
    os.chdir(call["root"])
    os.environ.clear()
    os.environ.update(call["environment"])
    sys.path[0] = call["root"]  # that of this file
    sys.argv = [call["module"], *call["arguments"]]
    runpy.run_module(call["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__" and (given := serve()) is not None:
    become(given)
