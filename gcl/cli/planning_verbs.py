"""The verbs of `gcl planning`: states and pictures of planning tasks.

Libraries that draw are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter, validators

from gcl.cli.arguments import Count, CountOrNone
from gcl.errors import DataError
from gcl.files import atomic_folder, write_text

_Size = Parameter(group=Group("Size", validator=validators.mutually_exclusive))


def generate(
    *, task: Literal["frozenlake", "maze", "minibehaviour"], level: Count, seed: int, to: Path,
    train: CountOrNone = 0, val: CountOrNone = 0, test: CountOrNone = 0, corners: bool = False,
    exclude: tuple[Path, ...] = (),
) -> None:  # fmt: skip
    """Draw states of one task and level, no state twice.

    For example:

        gcl planning generate --task maze --level 4 --train 1500 --val 25 --test 250 --seed 1 --to maze-4.jsonl
        gcl planning generate --task frozenlake --level 3 --train 1500 --seed 1 --exclude vsp.jsonl --to frozenlake-3.jsonl

    Args:
        task: Of which kind.
        level: Cells along a side; the paper has 3 to 8 (frozenlake), 3 to 6 (maze), 5 and 6 (minibehaviour).
        seed: Of all that is drawn.
        to: JSONL file to write.
        train: States to train on.
        val: States to choose settings on.
        test: States to test on.
        corners: frozenlake: leave start and goal in the corners. By default they are anywhere, two moves apart or more.
        exclude: A file of states that must not come, such as a public test set; can be repeated.
    """
    from gcl.planning import cells
    from gcl.planning.states_file import read_records, summary, write_records

    excluded = {record.state.state_hash for path in exclude for record in read_records(path)}
    counts = {"train": train, "val": val, "test": test}
    records = cells.generate(task, level, counts, seed, corners=corners, exclude=excluded)
    write_records(to, records)
    print(summary(records))


def import_(source: Path, /, *, format: Literal["vsp", "visualplanning"], to: Path) -> None:
    """Check a public test set's states and write them.

    For example:

        gcl planning import --format vsp ~/Downloads/VSP-main/maze/task-main/maps --to vsp.jsonl
        gcl planning import --format visualplanning test_dataset.jsonl --to visualplanning.jsonl

    Args:
        source: VSP's folder of maps, or a JSONL file.
        format: vsp: its FrozenLake maps; visualplanning: its MiniBehaviour test set.
        to: JSONL file to write.
    """
    from gcl.planning.public_sets import import_states
    from gcl.planning.states_file import summary, write_records

    records = import_states(format, source)
    write_records(to, records)
    print(summary(records))


def gather(states: list[Path], /, *, to: Path) -> None:
    """Put several files of states into one, whole or not at all.

    For example:

        gcl planning gather maze-3.jsonl maze-4.jsonl --to states.jsonl

    Args:
        states: JSONL files, as generate and import write them.
        to: JSONL file to write.
    """
    write_text(to, "".join(path.read_text(encoding="utf-8") for path in states))


def render(
    *, states: Path, out: Path, native: Annotated[bool, _Size] = False,
    cell_pixels: Annotated[Count | None, _Size] = None, pixels: Annotated[Count, _Size] = 256,
) -> None:  # fmt: skip
    """Draw a picture of every state of a file.

    For example:

        gcl planning render --states maze-4.jsonl --out pictures
        gcl planning render --states vsp.jsonl --out vsp --native

    Args:
        states: JSONL, as generate and import write it.
        out: Folder for one `<id>.png` a state.
        native: frozenlake: as gymnasium draws it, 64 pixels a cell.
        cell_pixels: Along a side of each cell.
        pixels: Along a side.
    """
    from tqdm import tqdm

    from gcl.errors import raise_all
    from gcl.planning import state_pictures
    from gcl.planning.frozenlake import FrozenLake
    from gcl.planning.native import native as drawn_natively
    from gcl.planning.states_file import read_records

    records = read_records(states)
    if native:
        others = [f"{r.id}: {r.state.task}; leave out --native" for r in records if not isinstance(r.state, FrozenLake)]
        raise_all(others, f"{states}: only FrozenLake has a picture of gymnasium's")
    _check_replaceable(out)
    with atomic_folder(out) as work:
        for record in tqdm(records, desc="drawing", unit="picture", mininterval=2):
            size = cell_pixels * record.state.size if cell_pixels else pixels
            picture = drawn_natively(record.state) if native else state_pictures.render(record.state, size)
            state_pictures.save_picture(picture, work / f"{record.id}.png")


def _check_replaceable(folder: Path) -> None:
    """Refuse to put pictures in the place of a folder that holds anything else.

    Raises:
        DataError: naming what else there is.
    """
    others = [path for path in folder.iterdir() if path.suffix != ".png"] if folder.is_dir() else []
    if others:
        raise DataError(f"{folder}: holds more than pictures, such as {others[0].name}; choose another folder, this one "
                        "would be replaced")  # fmt: skip


VERBS = (generate, import_, gather, render)
