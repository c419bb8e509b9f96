"""The process that warm jobs are forked from: `python -m gcl.cli.fork_server <socket> <its descriptor>`; warm.py starts it.

It knows libraries alone, no module of this package. So a job runs, and records, the code that is on the disk when it starts.
"""

import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gcl.cli.warm import STARTED

LIBRARIES = (
    *("torch", "pandas", "scipy.stats", "matplotlib.figure", "sentence_transformers", "bert_score"),
    *("transformers.models.auto.modeling_auto", "transformers.models.bert.modeling_bert"),
    *(f"transformers.models.{name}.modeling_{name}" for name in ("qwen2_5_vl", "qwen3_vl")),
)


def serve(listener: socket.socket, address: Path) -> Sequence[str] | None:
    """Fork a process for every job until standard input is closed.

    Returns:
        In a process that is to run a job, the words of its command line; in the server None.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for supervisors
    gc.disable()
    for name in LIBRARIES:
        if select.select([sys.stdin], [], [], 0)[0]:
            break  # nobody is left to wait for
        with suppress(ImportError):
            importlib.import_module(name)
    gc.freeze()  # forked processes share these pages
    gc.enable()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            shutil.rmtree(address.parent, ignore_errors=True)
            return None
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return _supervised(connection)
        connection.close()


def _supervised(connection: socket.socket) -> Sequence[str]:
    """Fork once more. The parent passes signals on and sends the status, and never returns; the child gets the words."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb", buffering=0) as lines:
            job = json.loads(lines.readline())
    except (OSError, ValueError):
        os._exit(1)  # the job was killed before it could say all
    gone, going = os.pipe()
    if (child := os.fork()) == 0:
        connection.close()
        os.close(gone)  # the other end closes when this process is gone
        os.set_inheritable(going, False)
        return _become(job, descriptors)
    os.close(going)
    with suppress(OSError):
        connection.sendall(STARTED)
    while True:
        ready, _, _ = select.select([connection, gone], [], [])
        if gone in ready:
            break
        asked = connection.recv(1)
        os.kill(child, asked[0] if asked else signal.SIGKILL)
        if not asked:
            break
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with suppress(OSError):
        connection.sendall(bytes([status if status >= 0 else 128 - status]))
    os._exit(0)


def _become(job: dict[str, Any], descriptors: Sequence[int]) -> Sequence[str]:
    """Take the place of the process that asked: its files, folder, environment and words."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = ["gcl", *job["words"]]
    return job["words"]


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[2])) as inherited:
        words = serve(inherited, Path(sys.argv[1]))
    if words is not None:
        from gcl.cli.main import main

        sys.exit(main(words))
