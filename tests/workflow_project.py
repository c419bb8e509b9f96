"""Run the real Snakemake on a copy of the project."""

import os
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml
from conftest import ROOT
from warm_python import run_module

PARTS = ("Snakefile", "config.yaml", "workflow", "gcl", "base_models", "pyproject.toml")
NEW_BYTECODE = shutil.ignore_patterns("*.pyc.*")  # that another process is writing now


@dataclass
class Project:
    """A copy of the project whose own sources its jobs import."""

    root: Path

    def snakemake(self, *arguments: str, check: bool = True) -> str:
        """Run Snakemake on two cores and return everything it said."""
        result = run_module("snakemake", ["--cores", "2", "--nocolor", *arguments], self.root)
        output = result.stdout + result.stderr
        assert not check or result.returncode == 0, output[-5000:]
        return output

    def jobs(self, *arguments: str) -> Counter[str]:
        """How many jobs of each rule a call would run."""
        output = self.snakemake("--dry-run", *arguments)
        table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", output, flags=re.M | re.S)
        counts = re.findall(r"^(\w+) +(\d+)$", table[1], re.M) if table else []
        return Counter({name: int(count) for name, count in counts})

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, cwd=self.root, env=environment, text=True, capture_output=True, check=False)

    def edit(self, name: str, change) -> None:
        """Change a YAML file in place."""
        path = self.root / name
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content, sort_keys=False))


def copy_project(root: Path) -> Project:
    """Copy what the workflow needs to `root`; with bytecode, which no longer counts for a module that a test edits."""
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, root / part, ignore=NEW_BYTECODE)
        else:
            shutil.copy2(ROOT / part, root / part)
    return Project(root)
