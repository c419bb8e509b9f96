"""Social navigation: scenes with a picture and a dialogue of several turns."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from gcl.data.manifest import load_split
from gcl.data.scenario import Exchange, Scenario
from gcl.experiment.data_spec import DataSpec
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Evaluation
from gcl.files import sha256_file
from gcl.training.member_file import Questions


class SocialTask:
    """A data set of scenes.

    Args:
        settings: how members are asked.
        data: how the raw folder is read.
        manifests: folder of its manifests.
    """

    def __init__(self, settings: Evaluation, data: DataSpec, manifests: Path) -> None:
        self.settings, self.data, self.manifests = settings, data, manifests
        self.items = cache(self._items)

    def _items(self, split: str) -> Sequence[Scenario]:
        data = self.data
        return load_split(Path(data.root), self.manifests / f"{split}.tsv", data.questions, data.actions)

    def exchange(self, item: Scenario, question: str) -> Exchange:
        """A turn of a scene."""
        return item.exchange(question)

    def data_sha256(self, split: str) -> str:
        """Hash of the manifest, which has those of all pictures and texts."""
        return sha256_file(self.manifests / f"{split}.tsv")

    def judge(self, item: Scenario, text: str) -> Mapping[str, int]:
        """Nothing is counted: no text is right or wrong before it is scored."""
        return {}

    def asked(self, run: RunSpec, member: int) -> Questions:
        """All turns."""
        return Questions(
            about=f"the data set {self.data.name}",
            questions=self.data.questions,
            actions=self.data.actions,
            batch_size=self.settings.batch_size.value,
            max_new_tokens=self.settings.max_new_tokens.value,
        )
