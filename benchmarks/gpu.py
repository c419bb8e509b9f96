"""Everything that only a GPU can tell, in at most eight minutes and without a network: `make gpu`.

    python benchmarks/gpu.py --to benchmarks/results/gpu.json       # on a GPU
    python benchmarks/gpu.py --sections head adapters-4             # these alone
    python benchmarks/gpu.py --device cpu --minutes 3               # at tiny shapes, to try the script

Sections run one after the other, each in a process of its own. One that does not fit the card, or the time that is left,
is skipped and says so. Weights are random and have published shapes.

    head          the fused head beside plain torch, and beside Liger-Kernel and TRL where they are installed
    gradients     of a pair in bfloat16, against those in float32; two layers of each model
    adapters-4    a pair's joint step beside two supervised ones; adapters over 4-bit weights, as the scale one-gpu
    adapters-16   the same over 16-bit weights
    adamw-8       all weights, AdamW in 8 bits
    full          all weights
    zero-3        adapters, by DeepSpeed with one process
    vllm          tests of answers by vLLM, where it is installed

Steps measure the peak memory, which stands beside the estimate of `gcl plan --memory`.
"""

import argparse
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from head import hardware

FOLDER = Path(__file__).parent
GIB = 2**30
PAIR = "qwen2.5-vl-3b+qwen3-vl-2b"
STEP = ["--pair", PAIR, "--sequential", "--repeats", "5", "--warmup", "2"]
LORA = ["--lora", "16"]
# Arguments of step.py, and the estimate of `gcl plan --memory` in GiB, by section.
STEPS: dict[str, tuple[list[str], int]] = {
    "adapters-4": ([*LORA, "--quantization", "nf4"], 13),
    "adapters-16": (LORA, 20),
    "adamw-8": (["--optimizer", "AdamW8bit"], 71),
    "full": ([], 104),
    "zero-3": ([*LORA, "--set", "engine=deepspeed", "zero_stage=3"], 24),
}
SECTIONS = ("head", "gradients", *STEPS, "vllm")


def command(section: str, options: Namespace, to: Path) -> list[str]:
    """The command line of a section that writes JSON to `to`."""
    tiny, device = options.device == "cpu", ["--device", options.device, "--to", str(to)]
    if section == "head":
        shape = "--rows 64 --vocabulary 512 --hidden 16 24 --repeats 1 --accuracy-rows 8"
        real = "--rows 4096 --vocabulary 151936 --hidden 2048 2560 --repeats 3"
        return [str(FOLDER / "head.py"), *device, *(shape if tiny else real).split()]
    if section == "gradients":
        return [__file__, *device, "--section", section]
    if section == "vllm":
        return ["-m", "pytest", "-q", str(FOLDER.parent / "tests/planning/test_planning_rollout_vllm.py")]
    # Many CPUs multiply bfloat16 slowly.
    small = "--tiny --global-batch 2 --micro-batch 2 --repeats 1 --warmup 0 --precision float32" if tiny else ""
    return [str(FOLDER / "step.py"), *device, *STEP, *STEPS[section][0], *small.split()]


def run(section: str, options: Namespace, to: Path, seconds: float) -> dict[str, Any]:
    """The result of a section, or the reason why there is none."""
    needed = STEPS[section][1] if section in STEPS and options.device == "cuda" else 0
    memory = torch.cuda.get_device_properties(0).total_memory / GIB if options.device == "cuda" else 0
    if needed > memory:
        return {"skipped": f"needs about {needed} GiB, the card has {memory:.0f}"}
    if section == "vllm" and importlib.util.find_spec("vllm") is None:
        return {"skipped": "vLLM is not installed"}
    if seconds < 10:
        return {"skipped": "no time is left"}
    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, *command(section, options, to)],
            env=os.environ | _alone(), cwd=FOLDER.parent, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return {"skipped": f"took longer than the {seconds:.0f} seconds that were left"}
    if done.returncode:
        return {"failed": (done.stderr.strip() or done.stdout.strip())[-600:]}
    found = json.loads(to.read_text()) if to.is_file() else {"passed": done.stdout.strip().splitlines()[-1]}
    return {"seconds": round(time.monotonic() - began, 1), **found}


def _alone() -> dict[str, str]:
    """The variables that torchrun gives a single process; DeepSpeed asks for them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    names = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return names | ({} if torch.cuda.is_available() else {"DS_ACCELERATOR": "cpu"})


def gradients(options: Namespace) -> dict[str, Any]:
    """The distance of each member's whole gradient in bfloat16 from that in float32, by the latter's norm."""
    import step

    shape = {
        "scale": "paper",
        "pair": PAIR,
        "variant": "full",
        "global_batch": 4,
        "micro_batch": 4,
        "layers": 2,
        "set": [],
    }
    unset = dict.fromkeys(("quantization", "optimizer", "lora"))
    found: dict[str, dict[str, torch.Tensor]] = {}
    for precision in ("float32", "bfloat16"):
        chosen = {"device": options.device, "precision": precision, "tiny": options.device == "cpu"}
        subject = step.Subject("pair", step.make_case(Namespace(**shape, **unset, **chosen)), 1)
        subject.gradients(0)
        found[precision] = {
            member.spec.role: torch.cat(
                [p.grad.flatten().cpu() for p in member.trainable().values() if p.grad is not None]
            )
            for member in subject.engine.members
        }
        del subject
        torch.cuda.empty_cache()
    errors = {
        role: float((found["bfloat16"][role] - exact).norm() / exact.norm()) for role, exact in found["float32"].items()
    }
    return {"relative_errors": errors}


def told(section: str, found: dict[str, Any]) -> str:
    """One line about a result."""
    for word in ("skipped", "failed", "passed"):
        if word in found:
            return f"{section:<12} {word}: {found[word]}"
    if section == "gradients":
        return f"{section:<12} " + ", ".join(f"{role} {error:.1e}" for role, error in found["relative_errors"].items())
    if section == "head":
        beside = [f"{each['candidate']} {each['ratio']:.2f}" for each in found["ratios"]]
        return f"{section:<12} times of rivals over the head's: {', '.join(beside)}"
    peak, planned = found["results"]["pair"]["peak_bytes"], found.get("planned_bytes")
    memory = "" if peak is None else f", peak {peak / GIB:.1f} GiB, estimate {planned / GIB:.1f}"
    return f"{section:<12} pair / (learner + guide) {found['ratio']['median']:.3f}{memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda", help="default: %(default)s")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all sections together (default: %(default)s)")
    parser.add_argument(
        "--sections", nargs="+", choices=SECTIONS, default=SECTIONS, help="default: all", metavar="NAME"
    )
    parser.add_argument("--to", type=Path, default=FOLDER / "results" / "gpu.json", help="default: %(default)s")
    parser.add_argument("--section", choices=("gradients",), help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU can be used here; try the script with --device cpu")
    if options.section:
        options.to.write_text(json.dumps(gradients(options)))
        return
    ends = time.monotonic() + 60 * options.minutes
    results: dict[str, Any] = {"hardware": hardware(options.device), "sections": {}}
    print(results["hardware"], flush=True)
    for section in options.sections:
        to = options.to.with_suffix(f".{section}.json")
        results["sections"][section] = found = run(section, options, to, ends - time.monotonic())
        to.unlink(missing_ok=True)
        print(told(section, found), flush=True)
        options.to.write_text(json.dumps(results, indent=2) + "\n")  # at once: whoever lends a card may take it back


if __name__ == "__main__":
    main()
