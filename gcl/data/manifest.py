"""The contract between the raw data and everything after it: train.tsv and test.tsv name each scene and its hashes.

`write_manifests` makes the two files once the data set has been checked. `load_split` gives training and evaluation the
scenes that a manifest lists. It refuses data that changed since.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from gcl.data.annotations import read_text, shown
from gcl.data.problem import Problem
from gcl.data.raw import read_raw
from gcl.data.scenario import SPLITS, Scenario
from gcl.errors import DataError, raise_all
from gcl.experiment.dialogue import Dialogue
from gcl.files import write_text

HEADER = ("id", "image", "image_sha256", "text_sha256")


def write_manifests(scenarios: Sequence[Scenario], root: Path, folder: Path) -> None:
    """Write train.tsv and test.tsv into `folder`. Paths of pictures are relative to the raw folder `root`."""
    for split in SPLITS:
        rows = [
            (scenario.id, _paths(scenario, root), scenario.pictures_sha256, scenario.text_sha256)
            for scenario in sorted(scenarios, key=lambda scenario: scenario.id)
            if scenario.split == split
        ]
        write_text(folder / f"{split}.tsv", "".join("\t".join(row) + "\n" for row in (HEADER, *rows)))


def _paths(scenario: Scenario, root: Path) -> str:
    """The pictures of a scene, for people: only their hash is read again."""
    return ", ".join(picture.path.relative_to(root).as_posix() for picture in scenario.pictures)


def check_counts(scenarios: Sequence[Scenario], expected: Mapping[str, int], dataset: str) -> None:
    """Refuse a data set that is not of the size the experiment was planned for."""
    found = {split: sum(scenario.split == split for scenario in scenarios) for split in expected}
    if found == dict(expected):
        return

    def words(counts: Mapping[str, int]) -> str:
        return ", ".join(f"{count} {split}" for split, count in counts.items())

    raise DataError(
        f"{dataset}: found {words(found)} scenes, expected {words(expected)}; complete the data, or change "
        f"datasets.{dataset}.scenarios in config.yaml or workflow/scales/<scale>.yaml"
    )


def check_current(root: Path, folder: Path, dialogue: Dialogue) -> None:
    """Refuse a raw folder that was edited since its manifests in `folder` were made, by a `DataError`.

    Quick: pictures older than those are not read.
    """
    for split in SPLITS:
        path = folder / f"{split}.tsv"
        load_split(root, path, dialogue, trusted_until=path.stat().st_mtime)


def load_split(root: Path, manifest_path: Path, dialogue: Dialogue, *, trusted_until: float = 0.0) -> list[Scenario]:
    """Read the scenes of one split, in the order of its manifest. Refuse scenes that changed since the check.

    Pictures last changed before `trusted_until` (seconds since 1970) are not read.

    Raises:
        DataError: if the manifest is broken, or lists other scenes, pictures or texts than the data set has.
    """
    split = manifest_path.stem
    if split not in SPLITS:
        raise DataError(f"{manifest_path}: the name says no split; manifests are called train.tsv and test.tsv")
    rows = read_manifest(manifest_path)
    # Pictures were decoded when the manifest was made. Equal hashes mean equal pictures.
    scenarios = read_raw(root, dialogue, check_images=False)
    scenes = {scenario.id: scenario for scenario in scenarios if scenario.split == split}
    problems = [f"{shown(id)}: in the manifest, but not in the {split} split" for id in rows if id not in scenes]
    problems += [f"{shown(id)}: in the {split} split, but not in the manifest" for id in scenes if id not in rows]
    for id, (image_sha256, text_sha256) in rows.items():
        if id in scenes:
            changes = _changes(scenes[id], image_sha256, text_sha256, trusted_until)
            problems += [f"{shown(id)}: {what}" for what in changes]
    raise_all(problems, f"{manifest_path} does not match {root} (restore the data, or {_remedy(manifest_path)})")
    return [scenes[id] for id in rows]


def _changes(scenario: Scenario, image_sha256: str, text_sha256: str, trusted_until: float) -> list[str]:
    changes = []
    try:
        # A picture that was moved here keeps its old mtime, but not its ctime.
        statuses = [picture.path.stat() for picture in scenario.pictures]
        newest = max(
            (time for status in statuses for time in (status.st_mtime, status.st_ctime)), default=trusted_until
        )
        if newest >= trusted_until and scenario.pictures_sha256 != image_sha256:
            paths = " or ".join(str(picture.path) for picture in scenario.pictures) or "the list of pictures"
            changes.append(f"image_sha256: {paths} has changed")
    except OSError as error:
        changes.append(f"image: {error.filename} cannot be read ({error.strerror})")
    if scenario.text_sha256 != text_sha256:
        changes.append("text_sha256: a question, an answer, a picture's name or the action has changed")
    return changes


def read_manifest(path: Path) -> dict[str, tuple[str, str]]:
    """Image hash and text hash by id, in the order of the file. Raises DataError for a broken manifest."""
    problems: list[Problem] = []
    remedy = _remedy(path)
    text = read_text(path, problems)
    raise_all([f"{problem} or {remedy}" for problem in problems], str(path.parent))
    header, *lines = text.removesuffix("\n").split("\n")
    if header.split("\t") != list(HEADER):
        raise DataError(f"{path}:1: header is {shown(header)} instead of {' '.join(HEADER)}, tab-separated; {remedy}")
    rows: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(lines, start=2):
        cells = line.split("\t")
        if len(cells) != len(HEADER):
            what = f"{len(cells)} columns instead of {len(HEADER)}"
            problems.append(Problem(f"{path.name}:{number}", "", what, remedy))
        elif cells[0] in rows:
            problems.append(Problem(f"{path.name}:{number}", "", f"id {shown(cells[0])} stands there twice", remedy))
        else:
            rows[cells[0]] = (cells[2], cells[3])
    raise_all(problems, str(path.parent))
    return rows


def _remedy(path: Path) -> str:
    name = path.parent.name
    return f"rebuild the manifest: dvc repro manifest@{name} (drawn data: snakemake {path} -R manifest --cores 1)"
