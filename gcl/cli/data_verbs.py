"""The verbs of `gcl data`: draw, look at, import and check data, and write its manifests.

Heavy libraries are imported inside, so that `gcl --help` and mistakes in arguments answer at once.
"""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from gcl.cli.arguments import Count, CountOrNone, File, Scale, known_data, opened
from gcl.errors import ConfigError, DataError
from gcl.files import write_json, write_text


def generate(
    name: Literal["snei", "muson"], /, *, train: Count, seed: int, to: Path, test: CountOrNone = 0,
    stream: str | None = None, tuning: bool = False, file: File = None,
) -> None:  # fmt: skip
    """Draw a miniature data set, as if it had been downloaded.

    For example:

        gcl data generate snei --train 265 --test 60 --seed 7 --to data/miniature/source/snei

    Args:
        name: The data set to draw.
        train: Scenes to train on.
        seed: Of all that is drawn.
        to: Folder to make.
        test: Scenes to test on.
        stream: Another name draws other scenes. By default it is the data set's name.
        tuning: Scenes to choose settings on, unlike those of any test split.
    """
    from gcl.data.drawing.datasets import write_dataset

    questions = known_data(opened(file), name).questions
    write_dataset(name, {"train": train, "test": test}, questions, seed, to, stream=stream, tuning=tuning)


def inspect(
    source: Path, /, *, data_set: Annotated[str | None, Parameter(name="--for")] = None, to: Path | None = None,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Show what a download holds, and propose how to import it.

    For example:

        gcl data inspect ~/Downloads/MUSON --to muson.yaml

    Args:
        source: Folder or annotation file.
        data_set: The data set of config.yaml that it is to be: its turns, actions and sizes count.
            By default the turns are those of the first one.
        to: Write the proposed mapping here, for you to confirm.
    """
    from gcl.data.importing.inspect import inspect_source
    from gcl.data.importing.proposal import Known
    from gcl.experiment.dialogue import dialogue_of

    experiment = opened(scale=scale)
    datasets = experiment.datasets
    if data_set not in {None, *datasets}:
        raise ConfigError(f"unknown data set {data_set!r}; use one of {', '.join(datasets)} (see config.yaml)")
    known = {name: Known(data.actions.value, data.scenarios.value.model_dump()) for name, data in datasets.items()}
    inspection = inspect_source(source, dialogue_of(experiment, data_set), known, data_set)
    print(inspection.text())
    if inspection.mapping is None:
        raise DataError(inspection.reason)
    if to:
        write_text(to, inspection.mapping)
        print(f"\nProposed mapping: {to}. Check every line, then give it to `gcl data import --mapping`.")


def import_(
    kind: str, source: Path, /, *, mapping: Path, to: Path, show: Count = 20, scale: Scale = None, file: File = None
) -> None:
    """Turn a download into a raw folder of the pipeline.

    For example:

        gcl data import muson ~/Downloads/MUSON --mapping muson.yaml --to data/raw/muson

    Args:
        kind: llava, socialnav-sub, or a data set of config.yaml, whose turns and actions then hold.
            The others have the turns of the first data set.
        source: Folder or annotation file.
        mapping: As `gcl data inspect` proposes it.
        to: Raw folder to make, usually `data/raw/<data set>`.
        show: Mistakes to list.
    """
    from gcl.data.importing.importer import KINDS, import_source
    from gcl.experiment.dialogue import dialogue_of

    experiment = opened(file, scale)
    datasets = experiment.datasets
    if kind not in {*datasets, *KINDS}:
        known = ", ".join(dict.fromkeys([*datasets, *KINDS]))
        raise ConfigError(f"unknown kind of data {kind!r}; use one of {known}, or add it to config.yaml")
    print(import_source(kind, source, mapping, to, dialogue_of(experiment, kind), show))


def validate(
    name: str | None = None, /, *, folder: Path | None = None, json: Path | None = None, html: Path | None = None,
    scale: Scale = None,
) -> None:  # fmt: skip
    """Check a raw folder for all that would spoil a result.

    For example:

        gcl data validate muson --scale paper --html muson.html
        gcl data validate --folder data/raw/other

    Args:
        name: A data set of config.yaml.
        folder: This raw folder. Without NAME any size will do, and actions are those of its import's KIND.
        json: Write everything as JSON, too.
        html: Write a page with sampled scenes, too.
    """
    from gcl.data.importing.importer import kind_of_import
    from gcl.data.validation.validate import validate
    from gcl.evaluation.readers import readers
    from gcl.experiment.data_spec import data_spec
    from gcl.experiment.dialogue import dialogue_of, scored_by

    experiment = opened(scale=scale)
    if name is None and folder is None:
        raise ConfigError(f"name a data set ({', '.join(experiment.datasets)}), or a folder: --folder DIR")
    if name is not None:
        known_data(experiment, name)
    kind = name or kind_of_import(folder)
    root = folder or Path(data_spec(experiment, kind).root)
    # A folder of its own may have any size.
    expected = experiment.datasets[name].scenarios.value.model_dump() if name else None
    dialogue, telling = dialogue_of(experiment, kind), scored_by(experiment, kind, "cos")
    limits, uncounted = readers(experiment, kind)
    noted = {"telling": telling, "readers": limits, "uncounted": uncounted}
    validation = validate(name or root.name, root, dialogue, expected, **noted)
    print(validation.text())
    if json:
        write_json(json, validation.to_dict())
    if html:
        write_text(html, validation.html())
    if validation.errors:
        raise DataError(f"{root}: errors: {len(validation.errors)}; mend them, nothing can be trained on this")


def manifest(name: str, /, *, scale: Scale = None, file: File = None) -> None:
    """Check a raw folder and write train.tsv and test.tsv.

    For example:

        gcl data manifest snei --scale paper

    Args:
        name: A data set of config.yaml.
    """
    from gcl.data.manifest import check_counts, write_manifests
    from gcl.data.raw import read_raw
    from gcl.experiment.places import places

    experiment = opened(file, scale)
    data = known_data(experiment, name)
    scenarios = read_raw(Path(data.root), data)
    check_counts(scenarios, experiment.datasets[data.name].scenarios.value.model_dump(), data.name)
    write_manifests(scenarios, Path(data.root), places(experiment).manifests(data.name))


VERBS = (generate, inspect, import_, validate, manifest)
