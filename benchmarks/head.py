"""Time, peak memory and accuracy of the competitive head beside plain torch, Liger-Kernel and TRL.

    python benchmarks/head.py                                   # small, on the CPU, about two minutes
    python benchmarks/head.py --device cuda --rows 8192 --vocabulary 151936 --hidden 2048 2560 --to head.json

Every candidate runs in its own process, so memory of one never counts for the next. Liger-Kernel and TRL run if they are
installed. Their losses have one temperature and give a gradient to the student only. So both temperatures are 1 here, and
accuracy is that of the student's gradient. The head also runs with a frozen teacher.
"""

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from gcl.objective.head import competitive_head

DRL_WEIGHT = 0.5
NOTE = (
    "Liger-Kernel and TRL give gradients to the student only and have one temperature, so tau_1 = tau_2 = 1. Errors are "
    "those of the student's gradients against float64 on the same operands. bf16 candidates of Liger-Kernel and TRL return "
    "bf16 gradients; all others return float32. Each error is that of the candidate's own loss, named in its column."
)
Leaves = tuple[Tensor, Tensor, Tensor, Tensor]  # student hidden and head, teacher hidden and head
Loss = Callable[[Leaves, Tensor], Tensor]


def head_loss(precision: torch.dtype) -> Loss:
    """The head under test; requires_grad of the leaves freezes the teacher."""

    def loss(leaves: Leaves, labels_N: Tensor) -> Tensor:
        hidden_ND, head_VD = leaves[0::2], leaves[1::2]
        vocabulary, tokens = len(head_VD[0]), len(labels_N)
        return competitive_head(
            hidden_ND, head_VD, labels_N, [1.0, 1.0],
            drl_weight=DRL_WEIGHT, vocabulary=vocabulary, tokens=tokens, precision=precision,
        )[0]  # fmt: skip

    return loss


def torch_loss(precision: torch.dtype, terms: tuple[int, float] = (2, DRL_WEIGHT)) -> Loss:
    """Whole logits with autograd, in `precision`, then float32. Terms: members with L_SFT, weight of L_DRL."""
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


BOTH, STUDENT, CE, DRL = (2, DRL_WEIGHT), (1, DRL_WEIGHT), (1, 0.0), (0, DRL_WEIGHT)
LOSSES = {BOTH: "2 CE + DRL", STUDENT: "CE + DRL", CE: "CE", DRL: "DRL"}
# name: (function, terms, dtype of the timed leaves, whether it takes float32 leaves, whether the teacher trains)
CANDIDATES: dict[str, tuple[Loss, tuple[int, float], torch.dtype, bool, bool]] = {
    "head, bf16": (head_loss(torch.bfloat16), BOTH, torch.bfloat16, True, True),
    "head, fp32": (head_loss(torch.float32), BOTH, torch.float32, True, True),
    "head, bf16, frozen teacher": (head_loss(torch.bfloat16), BOTH, torch.bfloat16, True, False),
    "torch, bf16 logits": (torch_loss(torch.bfloat16), BOTH, torch.bfloat16, True, True),
    "torch, fp32 logits": (torch_loss(torch.float32), BOTH, torch.float32, True, True),
    "Liger JSD, bf16": (liger_jsd, STUDENT, torch.bfloat16, False, False),
    "Liger JSD, fp32": (liger_jsd, STUDENT, torch.float32, True, False),
    "Liger CE, bf16": (liger_cross_entropy, CE, torch.bfloat16, False, False),
    "TRL JSD, bf16": (trl_divergence, DRL, torch.bfloat16, False, False),
    "TRL JSD, fp32": (trl_divergence, DRL, torch.float32, True, False),
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


def measure(options: argparse.Namespace, name: str) -> dict:
    """Median time of forward and backward, peak memory above the inputs, and errors; in its own process."""
    loss, terms, dtype, _, teacher_trains = CANDIDATES[name]
    cuda = options.device.startswith("cuda")

    def step(leaves: Leaves, labels: Tensor) -> float:
        for leaf in leaves:
            leaf.grad = None
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        loss(leaves, labels).backward()
        if cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    small = argparse.Namespace(**{**vars(options), "vocabulary": 256})
    step(*inputs(small, 8, dtype, teacher_trains))  # imports and libraries do not count as the candidate's memory
    leaves, labels = inputs(options, options.rows, dtype, teacher_trains)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    times = [step(leaves, labels) for _ in range(options.repeats)]
    after = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    del leaves, labels
    value_error, gradient_error = errors(options, name)
    return {
        "candidate": name, "loss": LOSSES[terms], "gradients": "both" if teacher_trains else "student",
        "seconds": statistics.median(times), "peak_bytes": after - before,
        "value_error": value_error, "gradient_error": gradient_error,
    }  # fmt: skip


def run_alone(name: str) -> dict:
    """Measure one candidate in a fresh process, or return the reason why it cannot run."""
    command = [sys.executable, __file__, *sys.argv[1:], "--candidate", name]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode == 0:
        return json.loads(process.stdout.splitlines()[-1])
    reason = (process.stderr.strip().splitlines() or [f"ended with {process.returncode}"])[-1]
    missing = any(f"No module named '{library}" in reason for library in ("liger_kernel", "trl"))
    return {"candidate": name, "skipped": "not installed" if missing else reason[:160]}


def hardware(device: str) -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else "none"
    return {"cpu": cpu, "threads": str(torch.get_num_threads()), "gpu": gpu, "torch": torch.__version__}


def show(result: dict) -> None:
    if "skipped" in result:
        print(f"{result['candidate']:<28}{result['skipped']}", flush=True)
        return
    print(
        f"{result['candidate']:<28}{result['loss']:<12}{result['gradients']:<10}{result['seconds']:>9.3f}"
        f"{result['peak_bytes'] / 2**20:>11.0f}{result['value_error']:>13.1e}{result['gradient_error']:>13.1e}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=2048, help="supervised tokens (default: %(default)s)")
    parser.add_argument("--vocabulary", type=int, default=32768, help="height of both heads (default: %(default)s)")
    parser.add_argument("--hidden", type=int, nargs=2, default=[256, 320], help="width of student and teacher")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs, of which the median counts")
    parser.add_argument(
        "--accuracy-rows", type=int, default=32, help="rows compared with float64 (default: %(default)s)"
    )
    parser.add_argument("--to", type=Path, help="write the results as JSON")
    parser.add_argument("--candidate", choices=CANDIDATES, help="measure this one in this process, print it as JSON")
    options = parser.parse_args()
    if options.candidate:
        print(json.dumps(measure(options, options.candidate)))
        return
    machine = hardware(options.device)
    print(f"{machine}\n{options.rows} rows, {options.vocabulary} ids, widths {options.hidden}\n{NOTE}\n")
    titles = ("candidate", "loss", "gradients", "seconds", "peak MiB", "value error", "grad. error")
    print("{:<28}{:<12}{:<10}{:>9}{:>11}{:>13}{:>13}".format(*titles))
    results = []
    for name in CANDIDATES:
        results.append(run_alone(name))
        show(results[-1])
    if options.to:
        settings = {
            key: getattr(options, key) for key in ("device", "rows", "vocabulary", "hidden", "repeats", "accuracy_rows")
        }
        text = json.dumps({"hardware": machine, "settings": settings, "note": NOTE, "results": results}, indent=2)
        options.to.write_text(text + "\n")


if __name__ == "__main__":
    main()
