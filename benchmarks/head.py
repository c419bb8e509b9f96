"""Time, peak memory and accuracy of the competitive head beside plain torch, Liger-Kernel and TRL.

    python benchmarks/head.py                                   # small, on the CPU, about three minutes
    python benchmarks/head.py --device cuda --rows 8192 --vocabulary 151936 --hidden 2048 2560 --to head.json

    pip install --no-deps --target /tmp/peers trl==1.16.0 liger-kernel==0.8.5 triton==3.7.1
    PYTHONPATH=$PWD:/tmp/peers python benchmarks/head.py        # with Liger-Kernel and TRL

Every candidate has a process of its own for peak memory and accuracy. So memory of one never counts for the next. For
times all take turns in one process, in changing order. So other work on the machine affects all alike. The ratio within
each round counts. Liger-Kernel and TRL have one temperature and give a gradient to the student only. So both
temperatures are 1 here, and accuracy is that of the student's gradient. Beside them the head's teacher is frozen.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl.objective.events import Slice
from gcl.objective.head import competitive_head

DRL_WEIGHT = 0.5
NOTE = (
    "Liger-Kernel and TRL give gradients to the student only and have one temperature, so tau_1 = tau_2 = 1. Errors are "
    "those of the student's gradients against float64 on the same operands. bf16 candidates of Liger-Kernel and TRL return "
    "bf16 gradients; all others return float32. Each error is that of the candidate's own loss, named in its column. Ratios "
    "are medians over rounds in which all candidates take turns in one process. The head computes cross-entropy of both "
    "members wherever DRL is asked for, so beside a rival it does as much or more. On a CPU Liger-Kernel and TRL run their "
    "code in plain torch, uncompiled. Liger-Kernel's cross-entropy is Triton alone, which needs a GPU."
)
T = TypeVar("T")
Leaves = tuple[Tensor, Tensor, Tensor, Tensor]  # student hidden and head, teacher hidden and head
Loss = Callable[[Leaves, Tensor], Tensor]


BOTH, STUDENT, CE, DRL = (2, DRL_WEIGHT), (1, DRL_WEIGHT), (1, 0.0), (0, DRL_WEIGHT)
LOSSES = {BOTH: "2 CE + DRL", STUDENT: "CE + DRL", CE: "CE", DRL: "DRL"}  # members with L_SFT, weight of L_DRL


def head_loss(precision: torch.dtype, terms: tuple[int, float] = BOTH) -> Loss:
    """The head under test; requires_grad of the leaves freezes the teacher."""
    members, weight = terms

    def loss(leaves: Leaves, labels_N: Tensor) -> Tensor:
        leaves = leaves if weight else leaves[:2]  # a group of one
        hidden_ND, head_VD = leaves[0::2], leaves[1::2]
        vocabulary, tokens = len(head_VD[0]), len(labels_N)
        return competitive_head(
            hidden_ND, head_VD, [labels_N] * len(head_VD), [1.0] * len(head_VD), supervised=members > 0,
            drl_weight=weight, compared=Slice(vocabulary), tokens=[tokens] * len(head_VD), positions=tokens,
            precision=precision,
        )[0]  # fmt: skip

    return loss


def torch_loss(precision: torch.dtype, terms: tuple[int, float] = BOTH) -> Loss:
    """Whole logits with autograd, in `precision`, then float32."""
    members, weight = terms

    def loss(leaves: Leaves, labels_N: Tensor) -> Tensor:
        wide = torch.promote_types(precision, torch.float32)
        logits_NV = [
            (h.to(precision) @ w.to(precision).T).to(wide) for h, w in zip(leaves[0::2], leaves[1::2], strict=True)
        ]
        total = sum(F.cross_entropy(z, labels_N) for z in logits_NV[:members])
        if weight:
            logp_NV = [F.log_softmax(z, dim=-1) for z in logits_NV]
            mean_NV = torch.logaddexp(*logp_NV) - torch.log(torch.tensor(2.0))
            kls = [F.kl_div(mean_NV, p, reduction="sum", log_target=True) for p in logp_NV]
            total = total + weight * sum(kls) / 2 / len(labels_N)
        return total

    return loss


def liger_jsd(leaves: Leaves, labels_N: Tensor) -> Tensor:
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    function = LigerFusedLinearJSDLoss(weight_hard_loss=1.0, weight_soft_loss=DRL_WEIGHT, compiled=labels_N.is_cuda)
    return function(*leaves, labels_N)


def liger_cross_entropy(leaves: Leaves, labels_N: Tensor) -> Tensor:
    from liger_kernel.transformers import LigerFusedLinearCrossEntropyLoss

    return LigerFusedLinearCrossEntropyLoss()(leaves[1], leaves[0], labels_N)


def trl_divergence(leaves: Leaves, labels_N: Tensor) -> Tensor:
    from trl.kernels.chunked_divergence import ChunkedDivergenceFunction

    student, teacher = leaves[:2], leaves[2:]
    return DRL_WEIGHT * ChunkedDivergenceFunction.apply(*student, None, *teacher, None, 0.5)[0].mean()


def trl_whole_logits(leaves: Leaves, labels_N: Tensor) -> Tensor:
    from trl.experimental.gkd.gkd_trainer import GKDTrainer

    logits_NV = [h @ w.T for h, w in zip(leaves[0::2], leaves[1::2], strict=True)]
    return DRL_WEIGHT / len(labels_N) * GKDTrainer.generalized_jsd_loss(*logits_NV, beta=0.5, reduction="sum")


# name: (function, terms, dtype of the timed leaves, whether it takes float32 leaves, whether the teacher trains)
CANDIDATES: dict[str, tuple[Loss, tuple[int, float], torch.dtype, bool, bool]] = {
    "head, bf16": (head_loss(torch.bfloat16), BOTH, torch.bfloat16, True, True),
    "head, fp32": (head_loss(torch.float32), BOTH, torch.float32, True, True),
    "head, bf16, frozen teacher": (head_loss(torch.bfloat16), BOTH, torch.bfloat16, True, False),
    "head, fp32, frozen teacher": (head_loss(torch.float32), BOTH, torch.float32, True, False),
    "head, bf16, DRL alone": (head_loss(torch.bfloat16, DRL), DRL, torch.bfloat16, True, False),
    "head, fp32, DRL alone": (head_loss(torch.float32, DRL), DRL, torch.float32, True, False),
    "head, bf16, CE alone": (head_loss(torch.bfloat16, CE), CE, torch.bfloat16, True, False),
    "torch, bf16 logits": (torch_loss(torch.bfloat16), BOTH, torch.bfloat16, True, True),
    "torch, fp32 logits": (torch_loss(torch.float32), BOTH, torch.float32, True, True),
    "Liger JSD, bf16": (liger_jsd, STUDENT, torch.bfloat16, False, False),
    "Liger JSD, fp32": (liger_jsd, STUDENT, torch.float32, True, False),
    "Liger CE, bf16": (liger_cross_entropy, CE, torch.bfloat16, False, False),
    "TRL JSD, bf16": (trl_divergence, DRL, torch.bfloat16, False, False),
    "TRL JSD, fp32": (trl_divergence, DRL, torch.float32, True, False),
    "TRL JSD, whole fp32 logits": (trl_whole_logits, DRL, torch.float32, True, False),
}
# Which head stands beside a rival: it computes at least the rival's terms, with gradients into the same members.
BESIDE = {
    "torch, bf16 logits": "head, bf16",
    "torch, fp32 logits": "head, fp32",
    "Liger JSD, bf16": "head, bf16, frozen teacher",
    "Liger JSD, fp32": "head, fp32, frozen teacher",
    "Liger CE, bf16": "head, bf16, CE alone",
    "TRL JSD, bf16": "head, bf16, DRL alone",
    "TRL JSD, fp32": "head, fp32, DRL alone",
    "TRL JSD, whole fp32 logits": "head, fp32, DRL alone",
}


def inputs(options: argparse.Namespace, rows: int, dtype: torch.dtype, teacher_trains: bool) -> tuple[Leaves, Tensor]:
    """Members whose logits have standard deviation 3, with values that bf16 holds exactly.

    Both members share columns; noise fills each to its own width.
    """
    device = torch.device(options.device)
    generator = torch.Generator(device).manual_seed(0)
    widths, leaves = options.hidden, []
    shared = min(widths) // 2
    draws = [(rows, 1.0), (options.vocabulary, 3.0 / shared**0.5)]
    common = [s * torch.randn(n, shared, generator=generator, device=device) for n, s in draws]
    for member, width in enumerate(widths):
        for base, (n, s) in zip(common, draws, strict=True):
            noise = s * 0.1 * torch.randn(n, width - shared, generator=generator, device=device)
            leaf = torch.cat([base, noise], dim=1).bfloat16().to(dtype)
            leaves.append(leaf.requires_grad_(member == 0 or teacher_trains))
    labels = torch.randint(0, options.vocabulary, (rows,), generator=generator, device=device)
    return tuple(leaves), labels


def errors(options: argparse.Namespace, name: str) -> tuple[float, float]:
    """Relative errors on a few rows: of the value, and the larger one of the student's two gradients."""
    loss, terms, dtype, takes_float32, teacher_trains = CANDIDATES[name]
    rows = min(options.rows, options.accuracy_rows)
    leaves, labels = inputs(options, rows, torch.float32 if takes_float32 else dtype, teacher_trains)
    exact, _ = inputs(options, rows, torch.float64, teacher_trains)
    value, expected = loss(leaves, labels), torch_loss(torch.float64, terms)(exact, labels)
    value.backward()
    expected.backward()
    gaps = [
        ((x.grad.double() - y.grad).norm() / y.grad.norm()).item() for x, y in zip(leaves[:2], exact[:2], strict=True)
    ]
    return abs(value.double() / expected - 1).item(), max(gaps)


def step(loss: Loss, leaves: Leaves, labels: Tensor) -> float:
    """Seconds of forward and backward."""
    for leaf in leaves:
        leaf.grad = None
    if labels.is_cuda:
        torch.cuda.synchronize()
    start = time.perf_counter()
    loss(leaves, labels).backward()
    if labels.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(options: argparse.Namespace, name: str) -> dict:
    """Peak memory above the inputs, and errors; in its own process."""
    loss, terms, dtype, _, teacher_trains = CANDIDATES[name]
    cuda = options.device.startswith("cuda")
    small = argparse.Namespace(**{**vars(options), "vocabulary": 256})
    step(loss, *inputs(small, 8, dtype, teacher_trains))  # imports and libraries do not count as the candidate's memory
    leaves, labels = inputs(options, options.rows, dtype, teacher_trains)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for _ in range(2):
        step(loss, leaves, labels)
    after = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del leaves, labels
    value_error, gradient_error = errors(options, name)
    return {
        "candidate": name, "loss": LOSSES[terms], "gradients": "both" if teacher_trains else "student",
        "peak_bytes": after - before,
        "value_error": value_error, "gradient_error": gradient_error,
    }  # fmt: skip


def take_turns(options: argparse.Namespace, names: list[str]) -> dict[str, list[float]]:
    """Seconds of every round for candidates that all work, in one process; each round begins with another one."""
    cases = {name: inputs(options, options.rows, CANDIDATES[name][2], CANDIDATES[name][4]) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(options.repeats + 1):
        first = number * 5 % len(names)
        for name in names[first:] + names[:first]:
            taken = step(CANDIDATES[name][0], *cases[name])
            for leaf in cases[name][0]:
                leaf.grad = None
            if number:  # the first round warms up
                seconds[name].append(taken)
    return seconds


def ratios(seconds: dict[str, list[float]]) -> list[dict]:
    """Time of each rival over that of the head beside it, within rounds."""
    found = []
    for name, head in BESIDE.items():
        if name in seconds:
            each = sorted(a / b for a, b in zip(seconds[name], seconds[head], strict=True))
            found.append(
                {
                    "candidate": name,
                    "beside": head,
                    "ratio": statistics.median(each),
                    "least": each[0],
                    "most": each[-1],
                }
            )
    return found


def forked(function: Callable[..., T], *arguments: Any) -> T:
    """The result of a function in a process of its own that has imported the program already."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("forkserver")) as own:
        return own.submit(function, *arguments).result()


def alone(function: Callable[..., dict], *arguments: Any) -> dict:
    """The same, or the reason why there is none."""
    try:
        return forked(function, *arguments)
    except Exception as error:  # of any library, or of the process
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        missing = any(f"No module named '{library}" in reason for library in ("liger_kernel", "trl"))
        return {"skipped": "not installed" if missing else reason[:160]}


def hardware(device: str) -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else "none"
    found = {"cpu": cpu, "threads": str(torch.get_num_threads()), "gpu": gpu, "torch": torch.__version__}
    return found | {"load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"}


def show(result: dict) -> None:
    if "skipped" in result:
        print(f"{result['candidate']:<28}{result['skipped']}", flush=True)
        return
    print(
        f"{result['candidate']:<28}{result['loss']:<12}{result['gradients']:<10}"
        f"{result['peak_bytes'] / 2**20:>11.0f}{result['value_error']:>13.1e}{result['gradient_error']:>13.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=2048, help="supervised tokens (default: %(default)s)")
    parser.add_argument("--vocabulary", type=int, default=32768, help="height of both heads (default: %(default)s)")
    parser.add_argument("--hidden", type=int, nargs=2, default=[256, 320], help="width of student and teacher")
    parser.add_argument("--repeats", type=int, default=5, help="timed rounds, of which the median counts")
    parser.add_argument(
        "--accuracy-rows", type=int, default=32, help="rows compared with float64 (default: %(default)s)"
    )
    parser.add_argument("--to", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    machine = hardware(options.device)
    print(f"{machine}\n{options.rows} rows, {options.vocabulary} ids, widths {options.hidden}\n{NOTE}\n")
    titles = ("candidate", "loss", "gradients", "peak MiB", "value error", "grad. error")
    print("{:<28}{:<12}{:<10}{:>11}{:>13}{:>13}".format(*titles))
    results = []
    for name in CANDIDATES:
        results.append({"candidate": name} | alone(measure, options, name))
        show(results[-1])
    working = [result for result in results if "skipped" not in result]
    seconds = alone(take_turns, options, [result["candidate"] for result in working])
    if "skipped" in seconds:
        sys.exit(f"taking turns: {seconds['skipped']}")
    print("\n{:<28}{:>9}".format("candidate", "seconds"))
    for result in working:
        result["seconds"] = statistics.median(seconds[result["candidate"]])
        print(f"{result['candidate']:<28}{result['seconds']:>9.3f}")
    print("\n{:<28}{:<28}{:>7}{:>16}".format("candidate", "beside", "times", "least to most"))
    for each in ratios(seconds):
        print("{candidate:<28}{beside:<28}{ratio:>7.2f}{least:>8.2f} to {most:.2f}".format(**each))
    if options.to:
        settings = {
            key: getattr(options, key) for key in ("device", "rows", "vocabulary", "hidden", "repeats", "accuracy_rows")
        }
        text = json.dumps(
            {"hardware": machine, "settings": settings, "note": NOTE, "results": results, "ratios": ratios(seconds)},
            indent=2,
        )
        options.to.write_text(text + "\n")


if __name__ == "__main__":
    main()
