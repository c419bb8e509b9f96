"""A small copy of the project whose jobs run on a private SLURM, and what is asked of that SLURM."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import yaml
from cluster import Cluster
from conftest import ROOT
from raw_case import draw_raw
from workflow_project import Project, copy_project

from gcl.experiment.data_spec import data_spec
from gcl.experiment.schema import Experiment

QUICK = Path(__file__).with_name("quick_snakemake.py")
RUN = "snei/sft/qwen2.5-vl-3b/default/seed0"
METRICS = f"results/miniature/metrics/{RUN}.json"
CHECKPOINT = f"results/miniature/checkpoints/{RUN}"
LOG = f"logs/miniature/train/{RUN}.log"
PARTITIONS = {"main": {"max_runtime": 240}, "urgent": {"max_runtime": 1440, "max_gpu": 8}}
LIMIT = 900  # seconds after which a Snakemake that should have ended is one that hangs, on a busy machine, too
# Takes the place of what the paper's models would need: each job only notes what it is given.
NOTES = {
    "gcl/training/launch.py": """

def ensure(execution):
    pass
""",
    "gcl/tasks/jobs.py": """

def train(experiment, run, execution, output, record=None, scratch=SCRATCH):
    output.mkdir(parents=True)
    for path in (record, output / "seen.json"):
        write_json(path, dict(os.environ))


def generate(experiment, run, output, pictures="own", results=RESULTS):
    write_json(output, dict(os.environ))
""",
}


def shrink_experiment(config: dict) -> None:
    """One row of Table 2 besides the two baselines."""
    config["components"]["rows"]["value"] = ["full"]


def shrink_scale(scale: dict) -> None:
    """Trainings of some seconds, with many checkpoints."""
    scale["datasets"]["snei"]["scenarios"]["value"] = {"train": 16, "test": 4}
    scale["seeds"]["value"] = [0]
    scale["training"]["epochs"] = {"value": 12, "assumed": "test"}
    scale["execution"]["save_every"]["value"] = 5
    scale["evaluation"]["max_new_tokens"]["value"] = 8


class SlurmProject(Project):
    """A copy of the project, on a cluster, in an empty home."""

    def __init__(self, root: Path, cluster: Cluster) -> None:
        super().__init__(root)
        self.cluster = cluster
        self.home = root.parent / f"{root.name}-home"
        self.home.mkdir(exist_ok=True)
        self.variables: dict[str, str] = {}  # of the environment

    @property
    def environment(self) -> dict[str, str]:
        ours = {"HOME": str(self.home), "PYTHONPATH": str(self.root), "PYTHONDONTWRITEBYTECODE": "1"}
        return self.cluster.environment | ours | self.variables

    def begin(self, *arguments: str, command: tuple[str, ...] = (str(QUICK),)) -> "Invocation":
        """Start `snakemake --profile slurm ARGUMENTS`."""
        return Invocation(self, [sys.executable, *command, "--nocolor", "--profile", "slurm", *arguments])

    def slurm(self, *arguments: str) -> str:
        """Run it; returns what it said."""
        invocation = self.begin(*arguments)
        assert invocation.wait() == 0, invocation.output[-5000:]
        return invocation.output

    def do(self, command: str) -> str:
        """Run a command line as a user types it; returns what it said."""
        path = f"{Path(sys.executable).parent}:{self.environment['PATH']}"
        environment = self.environment | {"PATH": path}
        options = {"cwd": self.root, "env": environment, "text": True, "capture_output": True, "timeout": LIMIT}
        done = subprocess.run(command, shell=True, check=False, **options)
        assert done.returncode == 0, f"{command}\n{(done.stdout + done.stderr)[-5000:]}"
        return done.stdout + done.stderr

    def file(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def jobs(self) -> list[dict[str, str]]:
        """All jobs of this project, as `scontrol show job` has them, oldest first."""
        blocks = self.cluster.run("scontrol", "--oneliner", "show", "job").splitlines()
        found = [
            dict(re.findall(r"(\S+?)=(.*?) *(?= \S+?=|$)", block)) for block in blocks if block.startswith("JobId=")
        ]
        return [job for job in found if job["WorkDir"] == str(self.root)]

    def training(self) -> dict[str, str]:
        """The newest job that trains."""
        return [job for job in self.jobs() if job["Comment"].startswith("rule_train")][-1]

    def trainings(self) -> list[psutil.Process]:
        """The processes that train now, oldest first."""
        found = []
        for process in self.cluster.strays():
            with contextlib.suppress(psutil.Error):  # ended meanwhile
                if process.cwd() == str(self.root) and re.search(r"bin/gcl\0train\0", "\0".join(process.cmdline())):
                    found.append(process)
        return sorted(found, key=psutil.Process.create_time)

    def note_instead_of_training(self) -> None:
        """From now on."""
        for name, text in NOTES.items():
            with (self.root / name).open("a") as module:
                module.write(text)

    def resumed(self) -> int:
        """From which step on the last training went."""
        return int(re.search(rf"{RUN}: .*? (\d+)/\d+ \[", self.file(LOG).decode())[1])


class Invocation:
    """A running Snakemake. The plugin has bugs by which it waits for ever, so that none is waited for without a limit."""

    def __init__(self, project: SlurmProject, command: list[str]) -> None:
        self._project = project
        self._log = project.root / f"snakemake-{time.time_ns()}.txt"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=project.root, env=project.environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait(self, seconds: float = LIMIT) -> int:
        """Its exit status.

        Raises:
            AssertionError: if it hangs.
        """
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still running after {seconds} s:\n{self.output[-5000:]}") from None

    def until(self, what: str, condition: Callable[[], object], seconds: float = 120) -> None:
        """Wait for something to happen while it runs.

        Raises:
            AssertionError: if it ends before, or it takes too long.
        """
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended before {what}:\n{self.output[-5000:]}"
            assert time.monotonic() < deadline, f"not after {seconds} s: {what}\n{self.output[-5000:]}"
            time.sleep(0.1)

    def pause_training(self) -> psutil.Process:
        """Stop the training in its tracks once it has a checkpoint, so that what happens next happens half-way."""
        project, scratch = self._project, self._project.root / "scratch"
        self.until("a checkpoint", lambda: any(scratch.glob(f"{RUN}/*/checkpoints/step-*")))
        [training] = project.trainings()
        training.send_signal(signal.SIGSTOP)
        return training


def slurm_project(root: Path, cluster: Cluster) -> SlurmProject:
    """A small copy of the project, with the shipped profile."""
    project = SlurmProject(copy_project(root).root, cluster)
    shutil.copytree(ROOT / "slurm", root / "slurm")
    project.edit("config.yaml", shrink_experiment)
    project.edit("workflow/scales/miniature.yaml", shrink_scale)
    return project


def paper_project(root: Path, cluster: Cluster, experiment: Experiment) -> SlurmProject:
    """The same at paper scale: little data, no models, and two partitions to choose from."""
    project = slurm_project(root, cluster)
    scenes = {"train": 2, "test": 1}
    project.edit(
        "config.yaml", lambda config: [one["scenarios"].update(value=scenes) for one in config["datasets"].values()]
    )
    for dataset in ("snei", "muson"):
        draw_raw(data_spec(experiment, dataset), scenes, 3, root / "data/raw" / dataset)
    partitions = project.home / "partitions.yaml"
    partitions.write_text(yaml.safe_dump({"partitions": PARTITIONS}))
    project.variables |= {"SNAKEMAKE_SLURM_PARTITIONS": str(partitions), "SBATCH_ACCOUNT": "robots"}
    return project
