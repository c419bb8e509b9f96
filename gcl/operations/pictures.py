"""How many pictures the inputs of a training have: `most_pictures(run, experiment)`."""

from functools import cache
from pathlib import Path

from gcl.data.annotations import read_json
from gcl.data.raw import FILE
from gcl.experiment.places import places
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment


def most_pictures(run: RunSpec, experiment: Experiment) -> int | None:
    """Pictures of the scene that has most of them; None where the data is not here. Other tasks have one picture."""
    if run.dataset not in experiment.datasets:
        return 1
    file = places(experiment).raw(run.dataset) / FILE
    return _most(file) if file.is_file() else None


@cache  # a plan asks for every run of a data set
def _most(file: Path) -> int:
    lists = (record.fields.get("images", [None]) for record in read_json(file, []))
    return max((len(images) for images in lists if isinstance(images, list)), default=1)
