"""Rate and memory of `gcl data import`, side by side for JSONL, JSON, CSV and Parquet.

    python benchmarks/importing.py                                    # 20,000 records of each, about a minute
    python benchmarks/importing.py --records 100000 --to benchmarks/results/importing.json

Each format has the same scenes, with five answers of two sentences. Many records share a picture, so reading is measured and
not decoding. `--pictures` as large as `--records` measures both. Every import runs in its own process.
"""

import argparse
import csv
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml
from PIL import Image

from gcl.experiment.dialogue import AskedTurn, Dialogue

TURNS = ("perception", "prediction", "reasoning", "action", "explanation")
FORMATS = ("jsonl", "json", "csv", "parquet")
ANSWER = "Somebody walks towards us on the left side of the path. The right side will stay free for number"


def rows(records: int, pictures: int) -> Iterator[dict[str, str]]:
    for number in range(records):
        answers = {turn: f"{ANSWER} {number} ({turn})." for turn in TURNS}
        split = "test" if number % pictures % 5 == 0 else "train"
        yield {"id": f"s{number}", "image": f"images/{number % pictures}.png", "split": split, **answers}


def write_pictures(folder: Path, pictures: int) -> None:
    (folder / "images").mkdir(parents=True)
    for number in range(pictures):
        Image.new("RGB", (32, 24), (number % 256, number // 256 % 256, 7)).save(folder / "images" / f"{number}.png")


def write_rows(path: Path, records: int, pictures: int) -> None:
    """Write one file of all records, in the format of its suffix."""
    if path.suffix == ".parquet":
        import datasets

        datasets.disable_progress_bars()
        table = {name: [row[name] for row in rows(records, pictures)] for name in next(rows(1, 1))}
        datasets.Dataset.from_dict(table).to_parquet(path)
        return
    with path.open("w", encoding="utf-8", newline="") as stream:
        if path.suffix == ".csv":
            writer = csv.DictWriter(stream, list(next(rows(1, 1))))
            writer.writeheader()
            writer.writerows(rows(records, pictures))
        elif path.suffix == ".json":
            stream.write("[" + ",\n".join(json.dumps(row, indent=1) for row in rows(records, pictures)) + "]")
        else:
            stream.writelines(json.dumps(row) + "\n" for row in rows(records, pictures))


def write_mapping(path: Path, file: str) -> None:
    mapping = {
        "format": "table",
        "files": [file],
        "columns": {name: name for name in ("id", "image", *TURNS)},
        "split": {"column": "split", "words": {"train": "train", "test": "test"}},
    }
    path.write_text(yaml.safe_dump(mapping, sort_keys=False))


def measure(source: Path, format: str) -> dict:
    """Import one format in this process."""
    from gcl.data.importing.importer import import_source

    write_mapping(source / f"{format}.yaml", f"scenes.{format}")
    turns = [AskedTurn(name=turn, question=f"{turn}?") for turn in TURNS]
    dialogue = Dialogue(turns=turns, action="action", actions=None)
    with tempfile.TemporaryDirectory() as folder:
        summary = import_source("muson", source, source / f"{format}.yaml", Path(folder) / "raw", dialogue)
    count, size = sum(summary.scenes.values()), (source / f"scenes.{format}").stat().st_size / 2**20
    return {"format": format, "file_mib": size, "records": count, "seconds": summary.seconds, "peak_mib": peak_mib()}


def peak_mib() -> float:
    """Largest resident memory of this process. getrusage would also count that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def run_alone(source: Path, format: str) -> dict:
    command = [sys.executable, __file__, "--source", str(source), "--format", format]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        raise SystemExit(process.stderr)
    return json.loads(process.stdout.splitlines()[-1])


def hardware() -> dict[str, str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"cpu": cpu, "python": platform.python_version()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="in each format (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=1000, help="that they share (default: %(default)s)")
    parser.add_argument("--to", type=Path, help="write the results as JSON")
    parser.add_argument("--source", type=Path, help="with --format: import from this folder, print the result as JSON")
    parser.add_argument("--format", choices=FORMATS)
    options = parser.parse_args()
    if options.format:
        print(json.dumps(measure(options.source, options.format)))
        return
    print(f"{options.records} records, {options.pictures} pictures\n")
    print("{:<10}{:>10}{:>10}{:>14}{:>12}".format("format", "file MiB", "seconds", "records / s", "peak MiB"))
    results = []
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        write_pictures(source, options.pictures)
        for format in FORMATS:
            write_rows(source / f"scenes.{format}", options.records, options.pictures)
            result = run_alone(source, format)
            results.append(result)
            rate = result["records"] / result["seconds"]
            print(
                f"{format:<10}{result['file_mib']:>10.1f}{result['seconds']:>10.1f}{rate:>14.0f}"
                f"{result['peak_mib']:>12.0f}",
                flush=True,
            )
    if options.to:
        settings = {"records": options.records, "pictures": options.pictures}
        text = json.dumps({"hardware": hardware(), "settings": settings, "results": results}, indent=2)
        options.to.write_text(text + "\n")


if __name__ == "__main__":
    main()
