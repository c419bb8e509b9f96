"""Jobs start warm: each is forked from one process that has imported the libraries already (fork_server.py).

The workflow calls `start()` where jobs are short and imports would take most of their time. `gcl` then calls `run(words)`
before it imports anything heavy. Without a server, or if it does not answer, a job starts as always.

A job that is killed takes its process with it, and a signal to it arrives there.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ADDRESS = "GCL_WARM"  # environment variable: the server's socket
THREADS = "1"  # of each job; torch reads the number when it is imported
STARTED = b"+"


def start() -> None:
    """Start a server that lives as long as this process, and name it to all processes that this one starts."""
    if sys.platform != "linux" or ADDRESS in os.environ:
        return  # elsewhere, libraries do not survive a fork
    address = Path(tempfile.mkdtemp(prefix="gcl-")) / "jobs"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen(64)  # jobs wait here until the libraries are imported
        ours, theirs = os.pipe()
        environment = os.environ | {"OMP_NUM_THREADS": THREADS, "TOKENIZERS_PARALLELISM": "false"}
        subprocess.Popen(
            [sys.executable, "-m", "gcl.cli.fork_server", str(address), str(listener.fileno())],
            stdin=ours, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[listener.fileno()], env=environment,
        )  # fmt: skip
    os.close(ours)
    os.set_inheritable(theirs, False)  # it closes when this process ends, and the server sees that
    os.environ[ADDRESS] = str(address)


def run(words: Sequence[str]) -> int | None:
    """Run `gcl` with these words in a forked process, and return its exit status; None where there is no server."""
    address = os.environ.get(ADDRESS)
    if not address or os.environ.get("OMP_NUM_THREADS") != THREADS:
        return None
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(address)
            socket.send_fds(server, [STARTED], [0, 1, 2])
            environment = {name: value for name, value in os.environ.items() if name != ADDRESS}
            job = {"words": list(words), "folder": str(Path.cwd()), "environment": environment}
            server.sendall(json.dumps(job).encode() + b"\n")
            if server.recv(1) != STARTED:
                return None
        except OSError:
            return None
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the job as well
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
            signal.signal(number, lambda number, _: server.sendall(bytes([number])))
        answer = server.recv(1)
        return answer[0] if answer else 1
