"""Warm jobs: they say, write and return the same as cold ones, obey the same signals, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT

from gcl.cli.warm import ADDRESS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm jobs are for Linux")

WORKFLOW = """
import os, time
from gcl.cli import warm
warm.start()
print(os.environ[warm.ADDRESS], flush=True)
time.sleep(999)
"""
LONG = ("data", "generate", "snei", "--train", "5000", "--seed", "1", "--to", "scenes")
PATIENCE = 60


def environment(address: str | None = None) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name != ADDRESS}
    found |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return found if address is None else found | {ADDRESS: address}


@pytest.fixture(scope="module")
def workflow():
    """A process that has a server, and its address."""
    command = [sys.executable, "-c", WORKFLOW]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        yield process, process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def address(workflow) -> str:
    return workflow[1]


def gcl(folder: Path, address: str | None, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gcl", *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment(address), text=True, **pipes)


def processes(folder: Path) -> list[int]:
    """Processes whose working folder this is."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder and (entry / "stat").read_text().split()[2] != "Z":
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def eventually(condition) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize(
    "words",
    [
        ("data", "generate", "snei", "--train", "3", "--seed", "1", "--to", "made"),
        ("train", "no/such/run", "--to", "made"),
        ("score",),
        ("settings", "--nonsense"),
    ],
)
def test_a_warm_job_says_writes_and_returns_what_a_cold_one_does(address, tmp_path, words):
    seen = []
    for name, where in (("cold", None), ("warm", address)):
        (folder := tmp_path / name).mkdir()
        (folder / "config.yaml").symlink_to(ROOT / "config.yaml")
        (folder / "workflow").symlink_to(ROOT / "workflow")
        job = gcl(folder, where, *words)
        out, err = job.communicate(timeout=PATIENCE)
        files = {
            path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("made/**/*")) if path.is_file()
        }
        seen.append((job.returncode, out, err.splitlines()[-1:] if job.returncode else [], files))
    assert seen[0] == seen[1]
    assert seen[0][3] or seen[0][0] == 2


def is_server(process: int) -> bool:
    return "gcl.cli.fork_server" in Path(f"/proc/{process}/cmdline").read_text()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_ends_the_job_and_its_process(address, tmp_path, number, status):
    for name in ("config.yaml", "workflow"):
        (tmp_path / name).symlink_to(ROOT / name)
    job = gcl(tmp_path, address, *LONG)
    assert eventually(lambda: list(tmp_path.glob("*/images/00010.png")) + list(tmp_path.glob(".*/images/00010.png")))
    assert any(map(is_server, processes(tmp_path))), "it was cold"
    job.send_signal(number)
    job.communicate(timeout=PATIENCE)
    assert job.returncode == status
    assert eventually(lambda: processes(tmp_path) == []) and not (tmp_path / "scenes").exists()


def test_without_an_answer_a_job_starts_as_always(tmp_path):
    job = gcl(ROOT, str(tmp_path / "nobody"), "train", "no/such/run", "--to", "x")
    assert "'no/such/run' is no run id" in job.communicate(timeout=PATIENCE)[1]
    assert job.returncode == 2


def test_jobs_with_more_threads_start_as_always(workflow, tmp_path):
    from gcl.cli import warm

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ADDRESS, workflow[1])
        patch.setenv("OMP_NUM_THREADS", "4")
        assert warm.run(["--help"]) is None


def test_the_server_ends_with_its_workflow():
    with subprocess.Popen(
        [sys.executable, "-c", WORKFLOW], stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        folder = Path(process.stdout.readline().strip()).parent
        assert folder.is_dir()
        process.kill()
    assert eventually(lambda: not folder.exists())
