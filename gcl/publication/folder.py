"""A member as a folder for the hub and for archives: `make_folder(...)` writes it, `check_whole(folder)` says if it is one.

    README.md             the model card
    *.safetensors, ...    weights, tokenizer and processor as the training left them; adapter/ where there is one
    metrics.json          scores of every test item
    training.json         specification, versions, hashes, costs
    losses.jsonl          of every step
    ro-crate.zip          the run as a Workflow Run RO-Crate
    .zenodo.json          metadata for a deposit at Zenodo
    SHA256SUMS            hashes of all other files; it is written last

A copy of the folder is whole if it has SHA256SUMS and agrees with it.
"""

import re
import shutil
from pathlib import Path

from gcl.errors import ConfigError, raise_all
from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.files import atomic_folder, sha256_file, write_json, write_text
from gcl.publication.citation import read_citation
from gcl.publication.licence import licence_of
from gcl.publication.model_card import about, model_card
from gcl.publication.trained import LOSSES, TrainedMember
from gcl.publication.zenodo import deposit
from gcl.reporting.paragraph import TABLE, paragraph
from gcl.reporting.tables.result_table import read_table
from gcl.reporting.trace.crate import write_run_crate

SUMS = "SHA256SUMS"
_RECORDED = ("run", "spec", "data", "start", "weights", "code_sha256", "environment")
_COSTS = ("gpu_hours", "seconds", "peak_memory_mib", "peak_gpu_memory_mib")  # not the attempts, which name machines


def make_folder(experiment: Experiment, results: Path, member: TrainedMember, to: Path, repo: str | None) -> None:
    """Write the folder, whole or not at all; call it in the project's folder. The same files give the same bytes.

    Args:
        to: a new or empty folder, or one that this function made.
        repo: where it goes on the hub, for the card.

    Raises:
        ConfigError: if `to` is something else.
        DataError: if CITATION.cff is missing or broken.
    """
    if to.exists() and not (to / SUMS).is_file() and (not to.is_dir() or any(to.iterdir())):
        raise ConfigError(f"{to}: there is something else; choose a new folder with --to")
    citation, licence = read_citation(), licence_of(member)
    table = read_table(results, experiment.scale, TABLE)
    compared = paragraph(table) if table and member.run.id in table.sources else []
    with atomic_folder(to) as work:
        for source in sorted(filter(Path.is_file, member.folder.rglob("*"))):
            target = work / source.relative_to(member.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
        write_text(work / "README.md", model_card(member, licence, citation, compared, repo))
        shutil.copyfile(places(experiment, results).metrics(member.run.id), work / "metrics.json")
        if member.losses:
            shutil.copyfile(member.folder.parent / LOSSES, work / LOSSES)
        facts = {name: member.record[name] for name in _RECORDED}
        costs = {name: member.record["costs"][name] for name in _COSTS}
        write_json(work / "training.json", {"role": member.spec.role} | facts | {"costs": costs})
        write_run_crate(experiment, results, member.run, work / "ro-crate.zip")
        write_json(work / ".zenodo.json", deposit(member, citation, licence, about(member)))
        sums = {path: sha256_file(work / path) for path in _files(work)}
        write_text(work / SUMS, "".join(f"{digest}  {path}\n" for path, digest in sums.items()))


def check_whole(folder: Path) -> dict[str, int]:
    """Sizes of all files in bytes.

    Raises:
        ConfigError: if it was not made by `make_folder()`, or not to its end.
        DataError: listing files that are missing, changed or new.
    """
    if not (folder / SUMS).is_file():
        raise ConfigError(f"{folder}: no {SUMS} in it, so it is not whole; make it again with gcl publish")
    lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    matches = [re.fullmatch(r"([0-9a-f]{64})  (.+)", line) for line in lines]
    listed = {match[2]: match[1] for match in matches if match}
    problems = [f"{SUMS}:{number}: no hash and name" for number, match in enumerate(matches, start=1) if not match]
    there = _files(folder)
    problems += [f"{name}: missing" for name in listed if name not in there]
    problems += [f"{name}: not listed" for name in there if name not in listed]
    problems += [f"{name}: changed" for name in there if listed.get(name, "") not in ("", sha256_file(folder / name))]
    raise_all(problems, f"{folder} is not as gcl publish made it; make it again")
    return {name: (folder / name).stat().st_size for name in [*there, SUMS]}


def _files(folder: Path) -> list[str]:
    """All files but the one with their hashes."""
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return [name for name in found if name != SUMS]
