"""Time and peak memory of the head with an index of shared events beside a slice of leading ids.

    python benchmarks/head_events.py                            # small, on the CPU, about two minutes
    python benchmarks/head_events.py --device cuda --rows 8192 --hidden 2048 2560 --to events.json

All compare the same number of rows. Tokens of the second member stand in random order, which is the worst case for an index.
Each candidate has a process of its own for memory. For times they take turns in one process, in changing order. So other
work on the machine affects all alike, and the ratio within each round counts.
"""

import argparse
import json
import resource
import statistics
from pathlib import Path

import torch
from head import forked, hardware, step
from torch import Tensor

from gcl.objective.events import Compared, Events, Slice
from gcl.objective.head import chunk_rows, competitive_head

# Share of the vocabulary that both members know.
SHARED = {"slice": 1.0, "index, nearly all shared": 0.995, "index, half shared": 0.5}
TAUS = [3.0, 2.0]


def compared(name: str, vocabulary: int, device: torch.device) -> Compared:
    """The slice or the events of a candidate."""
    if name == "slice":
        return Slice(vocabulary)
    shared = int(SHARED[name] * vocabulary)
    generator = torch.Generator().manual_seed(0)
    ids = [torch.randperm(vocabulary, generator=generator)[:shared] for _ in TAUS]
    return Events((ids[0].sort().values, ids[1]), (vocabulary, vocabulary)).to(device)


def inputs(options: argparse.Namespace, vocabulary: int, rows: int) -> tuple[list[Tensor], Tensor]:
    """Hidden states and heads of two members, whose logits have standard deviation 3, and labels."""
    device = torch.device(options.device)
    generator = torch.Generator(device).manual_seed(0)
    leaves = []
    for width in options.hidden:
        for height, scale in ((rows, 1.0), (vocabulary, 3.0 / width**0.5)):
            leaf = scale * torch.randn(height, width, generator=generator, device=device)
            leaves.append(leaf.bfloat16().requires_grad_())
    return leaves, torch.randint(0, vocabulary, (rows,), generator=generator, device=device)


def loss_of(how: Compared):
    """The group's loss of both members, in bfloat16 as a training has it."""

    def loss(leaves: list[Tensor], labels: Tensor) -> Tensor:
        counts = {"tokens": [len(labels)] * 2, "positions": len(labels), "precision": torch.bfloat16}
        return competitive_head(leaves[0::2], leaves[1::2], [labels] * 2, TAUS, drl_weight=0.4, compared=how, **counts)[
            0
        ]

    return loss


def peak_bytes(options: argparse.Namespace, name: str) -> int:
    """Memory above the inputs."""
    cuda = options.device.startswith("cuda")
    # Imports and libraries do not count as the candidate's memory.
    step(loss_of(compared(name, 256, torch.device(options.device))), *inputs(options, 256, 8))
    loss = loss_of(compared(name, options.vocabulary, torch.device(options.device)))
    case = inputs(options, options.vocabulary, options.rows)
    if cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    else:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    for _ in range(2):
        step(loss, *case)
    after = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return after - before


def seconds(options: argparse.Namespace) -> dict[str, list[float]]:
    """Of every round; each begins with another candidate, and the first one warms up."""
    case = inputs(options, options.vocabulary, options.rows)
    losses = {name: loss_of(compared(name, options.vocabulary, torch.device(options.device))) for name in SHARED}
    found: dict[str, list[float]] = {name: [] for name in SHARED}
    for number in range(options.repeats + 1):
        names = [*SHARED][number % len(SHARED) :] + [*SHARED][: number % len(SHARED)]
        for name in names:
            taken = step(losses[name], *case)
            if number:
                found[name].append(taken)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default: %(default)s)")
    parser.add_argument("--rows", type=int, default=256, help="supervised tokens (default: %(default)s)")
    parser.add_argument("--vocabulary", type=int, default=151936, help="height of both heads (default: %(default)s)")
    parser.add_argument("--hidden", type=int, nargs=2, default=[64, 96], help="widths of the members")
    parser.add_argument("--repeats", type=int, default=9, help="timed rounds, of which the median counts")
    parser.add_argument("--to", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    machine, chunk = hardware(options.device), chunk_rows([options.vocabulary] * 2, torch.device(options.device))
    print(f"{machine}\n{options.rows} rows in chunks of {chunk}, {options.vocabulary} ids, widths {options.hidden}\n")
    peaks, taken = {name: forked(peak_bytes, options, name) for name in SHARED}, seconds(options)
    print(f"{'candidate':<26}{'seconds':>9}{'times':>7}{'least to most':>16}{'peak MiB':>10}{'times':>7}")
    results = []
    for name in SHARED:
        each = sorted(a / b for a, b in zip(taken[name], taken["slice"], strict=True))
        result = {
            "candidate": name, "shared": SHARED[name], "seconds": statistics.median(taken[name]),
            "time_ratio": statistics.median(each), "least": each[0], "most": each[-1],
            "peak_bytes": peaks[name], "memory_ratio": peaks[name] / peaks["slice"],
        }  # fmt: skip
        results.append(result)
        print(
            f"{name:<26}{result['seconds']:>9.3f}{result['time_ratio']:>7.2f}{each[0]:>8.2f} to {each[-1]:.2f}"
            f"{peaks[name] / 2**20:>10.0f}{result['memory_ratio']:>7.2f}",
            flush=True,
        )
    if options.to:
        names = ("device", "rows", "vocabulary", "hidden", "repeats")
        settings = {key: getattr(options, key) for key in names} | {"chunk": chunk}
        text = json.dumps({"hardware": machine, "settings": settings, "results": results}, indent=2)
        options.to.write_text(text + "\n")


if __name__ == "__main__":
    main()
