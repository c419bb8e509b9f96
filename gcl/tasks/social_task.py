"""Social navigation: scenes with pictures and a dialogue of several turns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from gcl.data.manifest import load_split, read_manifest
from gcl.data.scenario import Exchange, Query, Scenario
from gcl.errors import DataError
from gcl.experiment.data_spec import DataSpec
from gcl.experiment.runs import SAME, RunSpec
from gcl.experiment.schema import Evaluation
from gcl.experiment.types import Context, Pictures
from gcl.files import sha256_file
from gcl.training.member_file import Questions


class SocialTask:
    """A data set of scenes.

    Args:
        settings: how members are asked.
        data: how the raw folder is read.
        manifests: folder of its manifests.
        context: what a question says of those before it.
    """

    def __init__(self, settings: Evaluation, data: DataSpec, manifests: Path, context: Context = "none") -> None:
        self.settings, self.data, self.manifests, self.context = settings, data, manifests, context
        self.items = cache(self._items)

    def _items(self, split: str) -> Sequence[Scenario]:
        return load_split(Path(self.data.root), self.manifests / f"{split}.tsv", self.data)

    def ids(self, split: str) -> list[str]:
        """Ids of a split in the order of its manifest."""
        return list(read_manifest(self.manifests / f"{split}.tsv"))

    def queries(self, split: str, turns: Sequence[str], pictures: Pictures) -> list[Query]:
        """All questions about a split, turn by turn."""
        scenes = self.items(split)
        if pictures == "exchanged":
            scenes = with_exchanged_pictures(scenes)
        return [
            Query(
                turn,
                scene.id,
                self.exchange(scene, turn),
                self._facts(scene, turn),
                scene.before(turn) if self.context == "full" else (),
            )
            for turn in turns
            for scene in scenes
        ]

    def _facts(self, scene: Scenario, turn: str) -> dict[str, str]:
        """The label, where actions are a closed list: the reference of accuracy."""
        return {"label": scene.action} if turn == self.data.action and scene.action is not None else {}

    def exchange(self, item: Scenario, question: str) -> Exchange:
        """A turn of a scene, in its context."""
        return item.exchange(question, self.context)

    def judged(self, item: Scenario, question: str, view: str) -> Exchange:
        """A turn as a judge sees it, whose view is a context: with "full" it reads the reference dialogue before."""
        return item.exchange(question, self.context if view == SAME else view)

    def data_sha256(self, split: str) -> str:
        """Hash of the manifest, which has the hashes of all pictures and texts."""
        return sha256_file(self.manifests / f"{split}.tsv")

    def judge(self, item: Scenario, text: str) -> Mapping[str, int]:
        """No counts, since no text is right or wrong before it is scored."""
        return {}

    def asked(self, run: RunSpec, member: int) -> Questions:
        """All turns, whoever is asked."""
        return self.all_turns()

    def all_turns(self) -> Questions:
        """The questions of the data set, as the evaluation asks them."""
        return Questions(
            about=f"the data set {self.data.name}",
            questions=self.data.questions,
            action=self.data.action,
            actions=self.data.actions,
            batch_size=self.settings.batch_size.value,
            max_new_tokens=self.settings.max_new_tokens.value,
        )


def with_exchanged_pictures(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The same scenes, each with the pictures of another one. Only a model that looks can notice this control.

    All pictures of a scene move together. They move on by about half of the scenes, since neighbours may be frames of one
    moment.

    Raises:
        DataError: if some scene would keep its pictures however far they move.
    """
    count, hashes = len(scenarios), [scenario.pictures_sha256 for scenario in scenarios]
    for distance in range(count // 2, count):
        others = [(k + distance) % count for k in range(count)]
        if all(hashes[k] != hashes[other] for k, other in enumerate(others)):
            return [
                replace(scenario, pictures=scenarios[other].pictures)
                for scenario, other in zip(scenarios, others, strict=True)
            ]
    raise DataError("pictures cannot be exchanged: too many scenes share one; give the test scenes their own pictures")
