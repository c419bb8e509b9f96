"""Measure deployed folders on this machine: `with measure(folders, how, pictures, scratch) as report: as_text(report)`.

A repetition is a process of its own, forked from one that has imported the libraries. All folders have their first
repetition, then their second. So a machine that becomes slower hits all alike. Each repetition is kept as soon as it is
done, and the same command continues after an interruption.
"""

import math
import multiprocessing
import platform
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from statistics import mean, stdev
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from scipy import stats
from tqdm import tqdm

from gcl.deployment.deployment_manifest import Manifest, read_manifest
from gcl.deployment.format import FORMATS
from gcl.deployment.measured_process import MEASURES, measured
from gcl.errors import CheckpointError
from gcl.experiment.provenance import environment, hardware
from gcl.experiment.types import Count, Strict
from gcl.files import canonical_json, read_json, sha256_file, sha256_text, write_json

_SHOWN = {
    "first_token_s": ("first token, s", 3), "tokens_per_s": ("tokens/s", 1), "action_s": ("action, s", 3),
    "turns_s": ("all turns, s", 3), "memory_mib": ("memory, MiB", 0), "energy_j": ("energy, J", 2),
}  # fmt: skip


class Measurement(Strict):
    """How folders are measured.

    Attributes:
        repetitions: processes for each folder.
        scenes: pictures in each of them.
        width, height: of the pictures.
        threads: that a runtime may use.
    """

    repetitions: Count = 5
    scenes: Count = 3
    width: Count = 1280
    height: Count = 720
    threads: Count = 1


@contextmanager
def measure(
    folders: Sequence[Path], how: Measurement, pictures: Sequence[Path], scratch: Path
) -> Iterator[dict[str, Any]]:
    """Measure folders and give the report. Repetitions are kept until the block has ended well, so write the report there.

    Args:
        folders: written by `gcl deploy`.
        how: many times, how large, how wide.
        pictures: that robots may see, of any size; without one a picture of noise is used.
        scratch: folder for the repetitions that are done.

    Raises:
        CheckpointError: if a folder cannot be loaded, or its process ends without a word, as it does for want of memory.
    """
    manifests = {folder: read_manifest(folder) for folder in folders}
    seen = [sha256_file(picture) for picture in pictures]
    kept = {folder: scratch / f"{_key(folder, manifest, how, seen)}.json" for folder, manifest in manifests.items()}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gcl.deployment.measured_process"])
    with (
        TemporaryDirectory() as place,
        tqdm(total=how.repetitions * len(folders), desc="measuring", unit="repetition", mininterval=2) as bar,
    ):
        shown = _resized(pictures, how, Path(place))
        for number in range(how.repetitions):
            for folder in folders:
                done = _done(kept[folder])
                if len(done) <= number:
                    write_json(kept[folder], [*done, _in_a_process(context, folder, shown, how.threads)])
                bar.update()
    found = [_record(folder, manifests[folder], _done(kept[folder])) for folder in folders]
    yield {"machine": hardware(), "settings": how.model_dump(), "folders": found}
    for path in kept.values():
        path.unlink(missing_ok=True)


def interval(values: Sequence[float | None]) -> dict[str, float | None] | None:
    """Geometric mean and 95 % interval by Student's t of the logarithms, since no time is below zero.

    None where a value is missing, or zero, as of a counter that is too coarse; no interval of a single value.
    """
    if any(not value for value in values):
        return None
    logs = [math.log(value) for value in values]
    middle, low, high = mean(logs), None, None
    if len(logs) > 1:
        half = float(stats.t.ppf(0.975, len(logs) - 1)) * stdev(logs) / len(logs) ** 0.5
        low, high = math.exp(middle - half), math.exp(middle + half)
    return {"mean": math.exp(middle), "low": low, "high": high}


def as_text(report: dict[str, Any]) -> str:
    """The report as a table of aligned columns."""
    rows = [["folder", "format", "size, MiB", *(header for header, _ in _SHOWN.values())]]
    for found in report["folders"]:
        cells = [_cell(found["measures"][name], digits) for name, (_, digits) in _SHOWN.items()]
        rows.append([found["folder"], found["format"], f"{found['size'] / 2**20:.2f}", *cells])
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _cell(value: dict[str, float | None] | None, digits: int) -> str:
    if value is None:
        return "not told"
    text = f"{value['mean']:.{digits}f}"
    return text if value["low"] is None else f"{text} [{value['low']:.{digits}f}, {value['high']:.{digits}f}]"


def _in_a_process(context: Any, folder: Path, pictures: list[Path], threads: int) -> dict[str, float | None]:
    try:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return pool.submit(measured, folder, pictures, threads).result()
    except BrokenProcessPool:
        raise CheckpointError(
            f"{folder}: its process ended without a word, as for want of memory; leave this folder out, or free memory"
        ) from None


def _key(folder: Path, manifest: Manifest, how: Measurement, pictures: list[str]) -> str:
    """Repetitions of the same folder and pictures, measured alike on the same machine, go together."""
    libraries = environment() | FORMATS[manifest.format].libraries()
    told = [str(folder.resolve()), manifest.sha256, how.model_dump(), pictures, platform.node(), hardware(), libraries]
    return sha256_text(canonical_json(told))[:16]


def _done(path: Path) -> list[dict[str, float | None]]:
    return read_json(path) if path.is_file() else []


def _record(folder: Path, manifest: Manifest, done: Sequence[dict[str, float | None]]) -> dict[str, Any]:
    names = ("run", "role", "model", "format", "libraries", "sha256", "size")
    values = {name: [repetition[name] for repetition in done] for name in MEASURES}
    return {
        "folder": str(folder),
        **{name: getattr(manifest, name) for name in names},
        "measures": {name: interval(found) for name, found in values.items()},
        "repetitions": values,
    }


def _resized(pictures: Sequence[Path], how: Measurement, place: Path) -> list[Path]:
    """One picture for each scene, and one before them, in the size that a robot sends."""
    found = []
    for number in range(how.scenes + 1):
        if pictures:
            with Image.open(pictures[number % len(pictures)]) as opened:
                picture = opened.convert("RGB").resize((how.width, how.height))
        else:
            picture = Image.effect_noise((how.width, how.height), 64).convert("RGB")
        found.append(place / f"{number}.png")
        picture.save(found[-1])
    return found
