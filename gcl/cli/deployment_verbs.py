"""The verbs of deployment: write a member in a format for robots, compare the answers of formats, measure them.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from gcl.cli.arguments import Count, File, Results, Scale, opened
from gcl.deployment.format import FORMATS
from gcl.errors import ConfigError, DataError

if TYPE_CHECKING:  # `gcl --help` does without
    from gcl.evaluation.asked_member import Found

FORMAT_NAMES = tuple(FORMATS)
_Images = Parameter(consume_multiple=True)


def deploy(
    run: str, /, *, to: Path, format: Literal[FORMAT_NAMES], role: str | None = None, replace: bool = False,
    file: File = None, scale: Scale = None, results: Results = Path("results"),
) -> None:  # fmt: skip
    """Write a member in a format that a robot's computer runs.

    The folder appears when it is whole. If the same member is there in the same format, nothing is done.

    For example:

        gcl deploy snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0 --role learner --format openvino --to robot
        gcl deploy results/miniature/checkpoints/snei/sft/qwen3-vl-4b/default/seed0 --format bf16 --to robot

    Args:
        run: Its id (see gcl runs), its folder, or the folder of one of its members.
        to: Folder to write.
        format: Of the weights: float32, bf16, int8, nf4 for transformers; the others for OpenVINO.
        role: The member, where a run has several.
        replace: Replace a folder that another member or format was written to.
    """
    from gcl.deployment.deploy import deploy as write

    found, asked_by = _member(run, role, file, scale, results)
    written = write(found, format, to, run=asked_by, replace=replace)
    if not written:
        print(f"{to}: there already, nothing to do")


def agree(*folders: Path, to: Path, scenes: Count | None = None, file: File = None, scale: Scale = None) -> None:
    """Ask one member in several formats the test questions, score the answers, and count those that differ.

    For example:

        gcl agree robot/float32 robot/bf16 robot/openvino --to agreement.json

    Args:
        folders: Written by gcl deploy. The others are compared with the first, which should be float32.
        to: JSON file to write.
        scenes: So many test scenes, from all parts of the split. By default all.
    """
    from gcl.files import write_json
    from gcl.tasks.deployed_answers import agreement

    if not folders:
        raise ConfigError("name the folders that gcl deploy has written, float32 first")
    report = agreement(opened(file, scale), folders, scenes)
    write_json(to, report)
    for found in report["folders"]:
        mean = sum(found["scores"].values()) / len(found["scores"])
        print(
            f"{found['folder']}: {found['different']} of {found['asked']} answers differ, {report['header']} {mean:.3f}"
        )


def measure(
    *folders: Path, to: Path | None = None, repetitions: Count = 5, scenes: Count = 3, width: Count = 1280,
    height: Count = 720, threads: Count = 1, image: Annotated[tuple[Path, ...], _Images] = (),
    scratch: Path = Path("scratch/measure"),
) -> None:  # fmt: skip
    """Measure deployed members here: time, tokens, memory, energy, each with a 95 % interval over repetitions.

    Each repetition is a process of its own, and the folders take turns. After an interruption the same command continues.

    For example:

        gcl measure robot/float32 robot/openvino --threads 4 --to measured.json

    Args:
        folders: Written by gcl deploy.
        to: JSON file to write.
        repetitions: Processes for each folder.
        scenes: Pictures in each repetition. One more warms up.
        width: Of the pictures that a robot sends.
        height: Of these pictures.
        threads: That a runtime may use.
        image: Pictures of any size; by default one of noise.
        scratch: Folder for the repetitions that are done.
    """
    from gcl.deployment.measure import Measurement, as_text
    from gcl.deployment.measure import measure as measured
    from gcl.files import write_json

    if not folders:
        raise ConfigError("name the folders that gcl deploy has written")
    if absent := [path for path in image if not path.is_file()]:
        raise DataError(f"{absent[0]}: no such picture")
    how = Measurement(repetitions=repetitions, scenes=scenes, width=width, height=height, threads=threads)
    with measured(folders, how, image, scratch) as report:
        if to is not None:
            write_json(to, report)
        print(as_text(report))


def _member(
    run: str, role: str | None, file: Path | None, scale: str | None, results: Path
) -> tuple["Found", str | None]:
    """The member that is meant, and the run that asks it."""
    from gcl.evaluation.asked_member import find_member

    if Path(run).is_dir():
        folder = Path(run) / role if role and (Path(run) / role).is_dir() else Path(run)
        found = find_member(str(folder))
        if found.file is None:
            raise ConfigError(f"{run}: a base model; name the run that asks it, such as snei/base/MODEL/default/seed0")
        if role not in (None, found.file.role):
            raise ConfigError(f"--role {role}: {folder} holds the {found.file.role} of its run; leave --role out")
        return found, None
    from gcl.experiment.methods.registry import find_run
    from gcl.tasks.deployed_answers import run_member

    experiment = opened(file, scale)
    return run_member(experiment, find_run(experiment, run), role, results)


VERBS = (deploy, agree, measure)
