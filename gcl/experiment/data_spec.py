"""How a data set's raw folder is read: `data_spec(experiment, dataset)`."""

from gcl.experiment.places import places
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Strict
from gcl.files import canonical_json


class DataSpec(Strict):
    """How a data set's raw folder is read: what training and generation need besides the manifest."""

    name: str
    root: str
    questions: dict[str, str]
    actions: list[str] | None

    @property
    def json(self) -> str:
        """One spelling; it triggers a rerun when it changes."""
        return canonical_json(self.model_dump())


def data_spec(experiment: Experiment, dataset: str) -> DataSpec:
    """Where one data set lies and how it is read."""
    settings = experiment.datasets[dataset]
    return DataSpec(
        name=dataset,
        root=str(places(experiment).raw(dataset)),
        questions=experiment.prompt.questions.value,
        actions=settings.actions.value,
    )
