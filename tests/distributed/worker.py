"""Train every case of a JSON file, one after the other, in these processes. workers.py starts it."""

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

os.environ.update(DS_ACCELERATOR="cpu", HF_HUB_OFFLINE="1")
sys.path.insert(0, str(Path(__file__).parents[1]))  # it starts outside of pytest, which would do this

import torch
from deepspeed.runtime.zero import partition_parameters
from group_case import train_scenes

from gcl.data.scenario import Picture, Scenario, Turn
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec
from gcl.files import write_json
from gcl.training import precision, repartition, trainer, zero
from gcl.training.checkpoint import Checkpoints
from gcl.training.engine import Engine
from gcl.training.engines import make_engine
from gcl.training.log import LossLog
from gcl.training.loop import Stopped

all_gather = partition_parameters._dist_allgather_fn
write, resume, prepare = LossLog.write, Checkpoints.resume, repartition._prepare


def read_scenarios(path: Path) -> list[Scenario]:
    """What `write_cases` of group_case.py wrote."""
    return [
        Scenario(
            s["id"],
            (Picture(Path(s["image"])),),
            {t: Turn(*words) for t, words in s["turns"].items()},
            "train",
            s["action"],
        )
        for s in json.loads(path.read_text())
    ]


def noting(path: Path) -> Callable[..., Engine]:
    """An engine's maker that also writes the dtypes in which frozen weights are held, and those that ZeRO-3 sends have."""

    def make(*arguments: Any) -> Engine:
        engine = make_engine(*arguments)
        dtypes: dict[str, set[str]] = {"frozen": set(), "sent": set()}

        def note(name: str, dtype: torch.dtype) -> None:
            dtypes[name].add(str(dtype))
            write()

        def write() -> None:
            path.write_text(json.dumps({key: sorted(found) for key, found in dtypes.items()}))

        write()
        for member in engine.members:
            for parameter in member.parameters():
                if not parameter.requires_grad:
                    note("frozen", getattr(parameter, "ds_tensor", parameter).dtype)

        def gather(shares: torch.Tensor, *rest: Any) -> Any:
            note("sent", shares.dtype)
            return all_gather(shares, *rest)

        partition_parameters._dist_allgather_fn = gather
        return engine

    return make


def stopping(step: int | None) -> Callable[..., None]:
    """A log's `write` that has this process stopped, as by SLURM, after a step."""

    def note(self: LossLog, done: int, values: dict[str, float]) -> None:
        write(self, done, values)
        if done == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return note


def saving_again(folder: Path | None) -> Callable[..., int]:
    """A `resume` that at once saves into a folder what it has loaded."""

    def load(self: Checkpoints) -> int:
        step = resume(self)
        if folder and step:
            if self.engine.world.main:
                folder.mkdir(parents=True)
            self.engine.world.barrier()
            self.engine.save(folder)
            write_json(folder / f"loss-scale.{self.engine.world.rank}.json", self.engine.loss_scale.state())
        return step

    return load


def dying(member: int | None) -> Callable[..., None]:
    """A `_prepare` that kills this process while it divides the checkpoint of a member anew."""
    numbers = count(1)

    def fail(*arguments: Any) -> None:
        if next(numbers) == member:
            os.kill(os.getpid(), signal.SIGKILL)
        prepare(*arguments)

    return fail


def main() -> None:
    torch.set_num_threads(1)
    gc.freeze()  # what is imported already: half a second less for each collection
    folder = Path(sys.argv[1])
    scenarios = read_scenarios(folder / "scenarios.json")
    for name, case in json.loads((folder / "cases.json").read_text()).items():
        spec, execution = RunSpec(**case["run"]), ExecutionSpec(**case["execution"])
        if name == os.environ.get("GCL_SENT_WHOLE"):
            zero._send_rounded = lambda member: None
        trainer.make_engine = noting(folder / f"{name}.{os.environ.get('RANK', 0)}.dtypes")
        precision.INITIAL = case.get("initial_scale", precision.INITIAL)
        LossLog.write = stopping(case.get("stop_after"))
        Checkpoints.resume = saving_again(folder / "again" / name if case.get("save_again") else None)
        repartition._prepare = dying(case.get("dies_at"))
        try:
            left = len(scenarios) - case.get("held_out", 0)
            train_scenes(
                spec,
                scenarios[:left],
                "data",
                execution,
                folder / "two" / name,
                folder / "scratch" / name,
                teachers=folder / "teachers" if execution.teachers == "cached" else None,
                held_out=scenarios[left:],
            )
        except Stopped:
            if "stop_after" not in case:
                raise
        except Exception:
            (folder / f"{name}.{os.environ.get('RANK', 0)}.error").write_text(traceback.format_exc())
            raise
        gc.collect()
