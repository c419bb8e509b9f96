"""Start the processes of a training: `ensure(execution)` becomes torchrun where there have to be several.

torchrun runs this very command once per process. On one node it is enough. On several nodes this command first becomes srun,
which starts it once on each node; there it becomes torchrun. So it has to be called in a SLURM job, outside of a step (`mpi`
in workflow/rules/runs.smk). `leave()` ends the connection of the processes.
"""

import os
import shutil
import sys
from collections.abc import Mapping

from gcl.errors import ConfigError
from gcl.experiment.execution import ExecutionSpec

# Where the first node listens. Jobs that share it must not meet; system services and outgoing connections use other numbers.
PORTS = range(20_000, 30_000)
_STEP = "GCL_STEP"  # set in the step that this command starts


def ensure(execution: ExecutionSpec) -> None:
    """Go on if one process is enough, or this is one of several. Otherwise start them in place of this one.

    Raises:
        ConfigError: if several nodes are wanted outside of a SLURM job.
    """
    # DeepSpeed wants to be started by torchrun even where it is alone. The variable is in each of torchrun's processes.
    if (execution.processes == 1 and execution.engine == "plain") or "TORCHELASTIC_RUN_ID" in os.environ:
        return
    command = [sys.executable, "-m", "gcl", *sys.argv[1:]]
    if execution.nodes > 1 and _STEP not in os.environ:
        if "SLURM_JOB_ID" not in os.environ or shutil.which("srun") is None:
            raise ConfigError(
                f"execution.nodes is {execution.nodes}: this needs a SLURM job with as many nodes; use "
                "`snakemake --profile slurm`, or set execution.nodes to 1"
            )
        os.environ[_STEP] = "1"
        os.execvp("srun", [*srun(execution, os.environ), *command])
    here = execution.processes // execution.nodes
    # Of the threads that this job has (Snakemake says them there), each process gets its share.
    os.environ["OMP_NUM_THREADS"] = str(max(1, _threads(os.environ) // here))
    # The dashes keep torchrun from reading our options as short forms of its own.
    os.execv(sys.executable, [*torchrun(execution, os.environ), "-m", "--", *command[2:]])


def leave() -> None:
    """Part from the other processes, if there are any, at the end of the work.

    A process that ends while its messenger threads run is sometimes aborted by the C++ runtime.
    """
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def srun(execution: ExecutionSpec, environment: Mapping[str, str]) -> list[str]:
    """One task on each node, with the CPUs of the job; the GPUs of its nodes come by themselves."""
    tasks = [f"--nodes={execution.nodes}", f"--ntasks={execution.nodes}", "--ntasks-per-node=1"]
    # One lost process ends the training. Otherwise srun would wait for the others, who wait for the lost one.
    return ["srun", *tasks, f"--cpus-per-task={_threads(environment)}", "--cpu-bind=no", "--kill-on-bad-exit=1"]


def torchrun(execution: ExecutionSpec, environment: Mapping[str, str]) -> list[str]:
    """torchrun for the processes of this node. The first node, where srun was called, is where all meet."""
    launcher = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nproc-per-node={execution.processes // execution.nodes}",
    ]
    # A checkpoint of large models takes longer than torchrun's usual patience with processes it has told to stop.
    launcher.append("--shutdown-timeout=600")
    if execution.nodes == 1:
        return [*launcher, "--standalone"]
    port = PORTS[int(environment["SLURM_JOB_ID"]) % len(PORTS)]
    return [
        *launcher,
        f"--nnodes={execution.nodes}",
        f"--node-rank={environment['SLURM_NODEID']}",
        f"--master-addr={environment['SLURM_LAUNCH_NODE_IPADDR']}",
        f"--master-port={port}",
    ]


def _threads(environment: Mapping[str, str]) -> int:
    return int(environment.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
