"""Time of a short job that starts cold, and forked from a process that has imported the libraries (gcl/cli/warm.py).

    python benchmarks/start.py                                       # 10 rounds, about two minutes
    python benchmarks/start.py --rounds 5 --to start.json

The job is `gcl predict`: a miniature base model answers one question about one picture. Cold and warm take turns.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from gcl.cli import warm
from gcl.files import write_json

MODEL = Path(__file__).parents[1] / "base_models" / "qwen3-vl-4b"


def seconds(picture: Path, environment: dict[str, str]) -> float:
    """Time of one job."""
    words = ["predict", "--checkpoint", str(MODEL), "--image", str(picture), "--question", "What is ahead?"]
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "gcl", *words], env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def main() -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--to", type=Path, help="JSON file to write")
    options = parser.parse_args()
    cold = {name: value for name, value in os.environ.items() if name != warm.ADDRESS} | {
        "OMP_NUM_THREADS": warm.THREADS
    }
    os.environ.pop(warm.ADDRESS, None)
    warm.start()
    warmed = cold | {warm.ADDRESS: os.environ[warm.ADDRESS]}
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.png"
        Image.new("RGB", (96, 64), "grey").save(picture)
        seconds(picture, warmed)  # waits until the libraries are imported
        rounds = [(seconds(picture, cold), seconds(picture, warmed)) for _ in range(options.rounds)]
    ratios = sorted(first / second for first, second in rounds)
    found = {
        "cold_seconds": statistics.median(first for first, _ in rounds),
        "warm_seconds": statistics.median(second for _, second in rounds),
        "ratio": statistics.median(ratios),
        "ratio_quartiles": [ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]],
        "rounds": options.rounds,
        "machine": {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()},
    }
    low, high = found["ratio_quartiles"]
    medians = f"cold {found['cold_seconds']:.2f} s, warm {found['warm_seconds']:.2f} s"
    print(f"{medians}, ratio {found['ratio']:.1f} ({low:.1f} to {high:.1f})")
    if options.to:
        write_json(options.to, found)


if __name__ == "__main__":
    main()
