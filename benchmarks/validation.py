"""Time of `gcl data validate`: whole validations of photograph-like JPEGs, by number of processes.

    python benchmarks/validation.py                                  # 4,000 pictures of 1280 x 720, about two minutes
    python benchmarks/validation.py --pictures 400 --repeats 3 --processes 1 2 4 --to validation.json

Pictures are noise over blurred blocks and rectangles, all different. Their words are drawn scenes. The files were just
written, so they are read from memory, not from a disk.
"""

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from gcl.data.drawing import language
from gcl.data.drawing.constellation import ACTIONS, sample_scene
from gcl.data.drawing.datasets import SPEAKERS
from gcl.data.raw import scene_record
from gcl.data.validation.validate import validate
from gcl.experiment.dialogue import AskedTurn, Dialogue
from gcl.files import write_jsonl

TEST_SHARE = 0.2


def draw(rng: np.random.Generator, noise: np.ndarray) -> Image.Image:
    """One picture of the noise's size; detail and noise make a JPEG of about 300 bytes per thousand pixels."""
    height, width = noise.shape[:2]
    blocks = rng.integers(0, 256, (9, 16, 3), dtype=np.uint8)
    picture = Image.fromarray(blocks).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for x, y in rng.integers(0, (width, height), (20, 2)).tolist():
        colour = tuple(rng.integers(0, 256, 3).tolist())
        pen.rectangle((x, y, x + width // 12, y + height // 6), fill=colour)
    shifted = np.roll(noise, rng.integers(0, height), axis=0)
    return Image.fromarray((np.asarray(picture, dtype=np.int16) + shifted).clip(0, 255).astype(np.uint8))


def write(root: Path, count: int, size: tuple[int, int]) -> int:
    """Write a raw folder of `count` scenes; returns the bytes of its pictures."""
    rng, words = np.random.default_rng(0), random.Random(0)
    noise = rng.normal(0, 12, (size[1], size[0], 3)).astype(np.int16)
    (root / "images").mkdir()
    records = []
    for k in range(count):
        image = f"images/{k:05d}.jpg"
        draw(rng, noise).save(root / image, quality=90)
        scene = sample_scene(words)
        turns = {
            "perception": language.perceive(scene, words),
            "prediction": language.predict(scene, words),
            "reasoning": language.reason(scene, words),
            "action": scene.action,
            "explanation": language.explain(scene, words),
        }
        split = "test" if k < TEST_SHARE * count else "train"
        records.append(
            scene_record(str(k), [(image, None)], split, {turn: (None, text) for turn, text in turns.items()}, None)
        )
    write_jsonl(root / "scenarios.jsonl", records)
    return sum(path.stat().st_size for path in (root / "images").iterdir())


def measure(root: Path, processes: int, repeats: int) -> dict:
    """Median time of whole validations with their reports."""
    turns = [AskedTurn(name=turn, question=f"{turn}?") for turn in SPEAKERS]
    dialogue = Dialogue(turns=turns, action="action", actions=list(ACTIONS))
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        validation = validate("benchmark", root, dialogue, None, processes, telling=("perception", "reasoning"))
        validation.text(), validation.to_dict()
        page = validation.html()
        seconds.append(time.perf_counter() - start)
        if validation.errors:
            raise SystemExit(validation.text())
    median = statistics.median(seconds)
    return {
        "processes": processes, "seconds": median, "pictures_per_second": validation.summary.pictures / median,
        "page_bytes": len(page.encode()),
    }  # fmt: skip


def hardware() -> dict:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"cpu": cpu, "cores": os.cpu_count(), "load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4000, help="how many (default: %(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=[1280, 720], help="width and height")
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1, 2], help="numbers to try (default: %(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=1, help="timed runs, of which the median counts")
    parser.add_argument("--to", type=Path, help="write the results as JSON")
    options = parser.parse_args()
    machine = hardware()
    with tempfile.TemporaryDirectory() as folder:
        total = write(Path(folder), options.pictures, tuple(options.size))
        mean = total / options.pictures
        print(f"{machine}\n{options.pictures} pictures of {options.size}, {mean / 1000:.0f} kB each\n", flush=True)
        print(f"{'processes':>9}{'seconds':>10}{'pictures/s':>12}{'page kB':>10}", flush=True)
        results = []
        for processes in options.processes:
            results.append(measure(Path(folder), processes, options.repeats))
            row = results[-1]
            print(
                f"{processes:>9}{row['seconds']:>10.1f}{row['pictures_per_second']:>12.0f}{row['page_bytes'] / 1000:>10.0f}",
                flush=True,
            )
    if options.to:
        settings = {key: getattr(options, key) for key in ("pictures", "size", "processes", "repeats")}
        settings["mean_bytes"] = mean
        text = json.dumps({"hardware": machine, "settings": settings, "results": results}, indent=2)
        options.to.write_text(text + "\n")


if __name__ == "__main__":
    main()
