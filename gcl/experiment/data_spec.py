"""How a data set's raw folder is read: `data_spec(experiment, dataset)`."""

from gcl.experiment.dialogue import Dialogue, dialogue_of
from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.files import canonical_json


class DataSpec(Dialogue):
    """How a data set's raw folder is read: the inputs of training and generation besides the manifest."""

    name: str
    root: str

    @property
    def json(self) -> str:
        """One spelling; it triggers a rerun when it changes."""
        return canonical_json(self.model_dump())


def data_spec(experiment: Experiment, dataset: str) -> DataSpec:
    """Where one data set lies and how it is read."""
    root = str(places(experiment).raw(dataset))
    return DataSpec(name=dataset, root=root, **dict(dialogue_of(experiment, dataset)))
