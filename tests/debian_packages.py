"""Debian's packages for tests: `install("chromium")` as root on Debian or Ubuntu."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path


def install(*packages: str) -> str | None:
    """Install packages; one process at a time, since apt-get refuses to wait for another.

    Returns:
        None if they are installed, otherwise the reason why not.
    """
    command = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"not installed; as root on Debian or Ubuntu: {' '.join(command)}"
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    with (Path(tempfile.gettempdir()) / "gcl-tests-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for step in (["apt-get", "update", "--quiet"], command):
            done = subprocess.run(step, text=True, capture_output=True, env=environment, check=False)
            if done.returncode:
                return f"{' '.join(step)}: {done.stderr.strip()[-1000:]}"
    return None
