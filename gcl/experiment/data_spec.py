"""How a data set's raw folder is read: `data_spec(experiment, dataset)`."""

from gcl.experiment.dialogue import Dialogue, dialogue_of
from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Spec


class DataSpec(Dialogue, Spec):
    """How a data set's raw folder is read: the inputs of training and generation besides the manifest."""

    name: str
    root: str


def data_spec(experiment: Experiment, dataset: str) -> DataSpec:
    """Where one data set lies and how it is read."""
    root = str(places(experiment).raw(dataset))
    return DataSpec(name=dataset, root=root, **dict(dialogue_of(experiment, dataset)))
