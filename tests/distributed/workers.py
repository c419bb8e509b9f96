"""Processes that train cases (worker.py), and start at once: each is forked from one that has imported everything.

`Workers(folder, 2)` starts them as torchrun would, with its variables. test_command.py shows that the real one does, too.
"""

import multiprocessing
import os
import socket
import sys
import time
from multiprocessing import connection
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FAMILIES = ("qwen2_5_vl", "qwen3_vl", "smolvlm")
# All that takes seconds to import. No test is changed by it: worker.py imports the same, and more.
LIBRARIES = ["gcl.training.trainer", "gcl.training.zero", "gcl.training.plain", "peft", "bitsandbytes", "torch._dynamo"]
LIBRARIES += [f"transformers.models.{family}.modeling_{family}" for family in FAMILIES]


class Workers:
    """Processes that train all cases of a folder together. Their output goes to output.txt there."""

    def __init__(self, folder: Path, processes: int = 2, variables: dict[str, str] | None = None) -> None:
        self.folder = folder
        variables = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **(variables or {})}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        world = {
            "WORLD_SIZE": processes,
            "LOCAL_WORLD_SIZE": processes,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        variables |= {name: str(value) for name, value in world.items()}
        ranks = [{"RANK": str(k), "LOCAL_RANK": str(k)} for k in range(processes)]
        FORKS.set_forkserver_preload(LIBRARIES)  # here, since programs under test fork from such a server, too
        self._processes = [FORKS.Process(target=_work, args=(folder, variables | rank)) for rank in ranks]
        for process in self._processes:
            process.start()

    def poll(self) -> int | None:
        """None while some work; then the first exit code that is not 0. If one fails, the others are killed."""
        codes = [process.exitcode for process in self._processes]
        if failed := [code for code in codes if code]:
            self.kill()
            return failed[0]
        return None if None in codes else 0

    def wait(self, seconds: float = 900) -> int:
        """The exit code; TimeoutError if it takes longer."""
        deadline = time.time() + seconds
        while (code := self.poll()) is None:
            if time.time() > deadline:
                self.kill()
                raise TimeoutError(f"no end after {seconds} s\n{self.said()}")
            connection.wait([p.sentinel for p in self._processes if p.exitcode is None], timeout=1)
        return code

    def kill(self) -> None:
        """All at once, as when a node dies."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.join()

    def said(self) -> str:
        """Reasons for a failure: errors of cases, or the end of the output."""
        errors = "\n".join(path.read_text() for path in self.folder.glob("*.error"))
        return errors or (self.folder / "output.txt").read_text()[-4000:]


def _work(folder: Path, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    output = os.open(folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.path.insert(0, str(Path(__file__).parent))
    import worker

    sys.argv = ["worker.py", str(folder)]
    worker.main()
