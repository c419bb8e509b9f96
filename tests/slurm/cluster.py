"""A private SLURM on this machine: the real munged, slurmctld and one slurmd per virtual node, all in one folder.

    with Cluster(folder) as cluster:                  # in tests
        subprocess.run(["sbatch", ...], env=cluster.environment)

    $ python tests/slurm/cluster.py up FOLDER         # by hand; then `. FOLDER/environment.sh`
    $ python tests/slurm/cluster.py down FOLDER

Two nodes claim 64 CPUs, 250 GB and 8 GPUs each, whatever the machine has. Partition `main` is the default; jobs of partition
`urgent` preempt its jobs. Another SLURM of the machine, and /etc, stay as they are.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # by hand, pytest does not do this
from debian_packages import install

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
NODES, CPUS, MEMORY, GPUS = 2, 64, 250_000, 8
PATIENCE = 60.0  # seconds in which a daemon must start or stop

SLURM_CONF = """
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
# A job that is put back into the queue may not start before its credential has expired; the default is two minutes.
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
TaskPlugin=task/none
# Needs no control groups. A job's process that leaves its family would outlive it; ours have none.
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
# Nodes may claim what the machine does not have.
SlurmdParameters=config_overrides
ReturnToService=2
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=2,sched_min_interval=0,bf_interval=2
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
AccountingStorageType=accounting_storage/none
# Ended jobs are listed until the tests are over; the usual five minutes are enough for the profile.
MinJobAge=3600
SlurmctldTimeout=30
SlurmdTimeout=5
KillWait=30
MessageTimeout=10
UnkillableStepTimeout=300
NodeName=DEFAULT CPUs={cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={cpus} ThreadsPerCore=1 RealMemory={memory}
NodeName=DEFAULT Gres=gpu:rtx8000:{gpus} State=UNKNOWN
{nodes}
PartitionName=DEFAULT Nodes=ALL MaxTime=7-00:00:00 DefaultTime=01:00:00 DefMemPerCPU=1000 State=UP
PartitionName=main Default=YES PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent PriorityTier=10 PreemptMode=OFF
"""

# The executor plugin drops SLURM_CONF before it calls srun, which would then look into /etc.
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""

# This cluster keeps no accounts. What the plugin asks sacct while the controller is away, squeue answers once it is back.
SACCT = """#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = --name ] && name=$2; shift; done
[ -n "$name" ] && exec squeue --states=all --noheader --format='%i|%T' --name "$name"
exit 1
"""


class ClusterError(Exception):
    """The cluster cannot be started or stopped."""


class Cluster:
    """A cluster in a folder of its own; starts when the block begins, leaves nothing running when it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.nodes = [f"n{number}" for number in range(1, NODES + 1)]

    def __enter__(self) -> "Cluster":
        install_slurm()
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def environment(self) -> dict[str, str]:
        """What commands need in order to talk to this cluster."""
        return os.environ | {
            "SLURM_CONF": f"{self.folder}/slurm.conf",
            "PATH": os.pathsep.join([f"{self.folder}/bin", os.environ["PATH"], "/usr/sbin"]),
        }

    def run(self, *command: str, check: bool = True) -> str:
        """A command's output."""
        done = subprocess.run(command, env=self.environment, text=True, capture_output=True, timeout=PATIENCE)
        if check and done.returncode:
            raise ClusterError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    # Start and stop.

    def up(self) -> None:
        """Write the configuration and start every daemon.

        Raises:
            ClusterError: if one does not start, with the end of its log.
        """
        if any(self.process(daemon) for daemon in ("slurmctld", *self.nodes, "munged")):
            raise ClusterError(f"{self.folder}: a cluster runs here already; end it with cluster.py down")
        with contextlib.ExitStack() as undo:
            undo.callback(self.down)
            self._start_all()
            undo.pop_all()

    def _start_all(self) -> None:
        self._write_configuration()
        socket_, key = f"{self.folder}/munge.socket", f"{self.folder}/munge.key"
        files = [f"--socket={socket_}", f"--key-file={key}", f"--pid-file={self.folder}/munged.pid"]
        files += [f"--log-file={self.folder}/munged.log", f"--seed-file={self.folder}/munged.seed"]
        self.run("munged", "--force", *files)
        self.start("slurmctld")
        for node in self.nodes:
            self.start(node)
        self.wait_until_idle()

    def start(self, daemon: str) -> None:
        """Start `slurmctld`, or the slurmd of a node."""
        self.run(*(["slurmctld"] if daemon == "slurmctld" else ["slurmd", "-N", daemon]))
        self._wait(f"{daemon} runs", lambda: self.process(daemon) is not None, [daemon])

    def wait_until_idle(self) -> None:
        """All nodes are there and have nothing to do."""
        self._wait("nodes are idle", self._idle, [*self.nodes, "slurmctld"])

    def stop(self, daemon: str, *, kill: bool = False) -> None:
        """End one daemon, politely or as a crash would."""
        process = self.process(daemon)
        if process is None:
            return
        process.kill() if kill else process.terminate()
        self._wait(f"{daemon} has ended", lambda: self.process(daemon) is None, [daemon])

    def process(self, daemon: str) -> psutil.Process | None:
        """A daemon that runs, if it is really ours: a number in an old file may have become somebody else's process."""
        file = self.folder / f"{daemon}.pid"
        with contextlib.suppress(FileNotFoundError, ValueError, psutil.Error):
            process = psutil.Process(int(file.read_text()))
            if str(self.folder) in f"{process.cmdline()} {process.environ()}":
                return process
        return None

    def down(self) -> None:
        """Cancel all jobs, end all daemons and whatever their jobs left."""
        if self.process("slurmctld"):
            self.run("scancel", "--user", getpass.getuser(), check=False)
            with contextlib.suppress(ClusterError):
                self._wait("jobs are over", lambda: not self.run("squeue", "--noheader", check=False), [], seconds=10)
        for daemon in ["slurmctld", *self.nodes, "munged"]:
            self.stop(daemon)
        for process in self.strays():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def strays(self) -> list[psutil.Process]:
        """Processes of this cluster's jobs, and the daemons that watch over them."""
        return [process for process in psutil.process_iter() if self._is_of_a_job(process)]

    def _is_of_a_job(self, process: psutil.Process) -> bool:
        try:
            environment = process.environ()
            if environment.get("SLURM_CONF") != f"{self.folder}/slurm.conf":
                return False
            return "SLURM_JOB_ID" in environment or process.name() == "slurmstepd"
        except psutil.Error:
            return False

    # Parts.

    def _idle(self) -> bool:
        """A star behind a node's state says that its slurmd has not answered yet."""
        states = self.run("sinfo", "--noheader", "--Node", "--partition=main", "--format=%t", check=False).split()
        return states == ["idle"] * NODES

    def _write_configuration(self) -> None:
        for name in ("bin", "state", "gpus", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(GPUS):  # any device will do, and a link to one is enough
            with contextlib.suppress(FileExistsError):
                (self.folder / f"gpus/gpu{number}").symlink_to("/dev/null")
        port, *ports = free_ports(1 + NODES)
        host = socket.gethostname().split(".")[0]
        place = f"NodeHostname={host} NodeAddr=127.0.0.1"
        nodes = "\n".join(f"NodeName={node} {place} Port={own}" for node, own in zip(self.nodes, ports, strict=True))
        facts = {"folder": self.folder, "host": host, "user": getpass.getuser()}
        claims = {"cpus": CPUS, "memory": MEMORY, "gpus": GPUS}
        (self.folder / "slurm.conf").write_text(SLURM_CONF.format(**facts, **claims, port=port, nodes=nodes))
        gpus = f"NodeName={','.join(self.nodes)} Name=gpu Type=rtx8000 File={self.folder}/gpus/gpu[0-{GPUS - 1}]"
        (self.folder / "gres.conf").write_text(f"AutoDetect=off\n{gpus}\n")
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        for name, text in (("srun", SRUN), ("sacct", SACCT)):
            script = self.folder / "bin" / name
            script.write_text(text.format(folder=self.folder, srun=shutil.which("srun")) if name == "srun" else text)
            script.chmod(0o755)
        variables = f"export SLURM_CONF='{self.folder}/slurm.conf' PATH=\"{self.folder}/bin:$PATH\"\n"
        (self.folder / "environment.sh").write_text(variables)

    def _wait(self, what: str, condition: Callable[[], bool], daemons: list[str], seconds: float = PATIENCE) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = [self.folder / f"{daemon}.log" for daemon in daemons]
                ends = "\n".join(f"{log}:\n{log.read_text()[-1500:]}" for log in logs if log.exists())
                raise ClusterError(f"{self.folder}: not after {seconds:.0f} s: {what}\n{ends}")
            time.sleep(0.05)


def install_slurm() -> None:
    """Install what is missing from Debian's packages.

    Raises:
        ClusterError: if that is not possible here.
    """
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    if all(shutil.which(name, path=path) for name in ("munged", "slurmctld", "slurmd", "sbatch")):
        return
    if reason := install(*PACKAGES):
        raise ClusterError(f"SLURM: {reason}")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def main() -> None:
    try:
        verb, folder = sys.argv[1:]
        act = {"up": Cluster.__enter__, "down": Cluster.down}[verb]
    except (ValueError, KeyError):
        sys.exit("usage: python tests/slurm/cluster.py up|down FOLDER")
    try:
        act(Cluster(Path(folder)))
    except ClusterError as error:
        sys.exit(f"cluster.py: error: {error}")
    if verb == "up":
        print(f"now type: . {Path(folder).absolute()}/environment.sh")


if __name__ == "__main__":
    main()
