"""Planning tasks: states with a picture. Members plan from one of several views, or read the picture."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from gcl.data.scenario import Exchange, Picture, Query
from gcl.errors import ConfigError, DataError
from gcl.experiment.planning_schema import VIEWS, PlanningEvaluation
from gcl.experiment.runs import SAME, RolloutFeed, RunSpec
from gcl.experiment.types import Pictures
from gcl.files import sha256_files, sha256_text
from gcl.planning import perception
from gcl.planning.scoring import score_plan
from gcl.planning.states_file import StateRecord, read_records
from gcl.planning.views import perception_prompt, prompt, response
from gcl.training.member_file import Questions


class PlanningTask:
    """States of FrozenLake, Maze and MiniBehaviour.

    Args:
        settings: how members are asked.
        states: file of all states.
        pictures: folder with `<id>.png` of each.
        tested: the states that split "test" has: "test", or "val" for choosing settings.
    """

    def __init__(self, settings: PlanningEvaluation, states: Path, pictures: Path, tested: str = "test") -> None:
        self.settings, self.states, self.pictures, self.tested = settings, states, pictures, tested
        self.items = cache(self._items)

    def _items(self, split: str) -> Sequence[StateRecord]:
        drawn_as = self.tested if split == "test" else split
        found = [record for record in read_records(self.states) if record.split == drawn_as]
        if not found:
            raise DataError(f"{self.states}: no states of split {drawn_as}; draw some")
        return found

    def ids(self, split: str) -> list[str]:
        """Ids of a split in the order of the file."""
        return [item.id for item in self.items(split)]

    def queries(self, split: str, turns: Sequence[str], pictures: Pictures) -> list[Query]:
        """All questions about a split, one kind after the other. Scores need the state. Means need its task."""
        if pictures != "own":
            raise ConfigError("pictures of planning tasks are not exchanged; use --pictures own")
        return [
            Query(
                turn,
                item.id,
                self.exchange(item, turn),
                {"state": item.state.text(), "group": item.state.task, "level": item.state.size},
            )
            for turn in turns
            for item in self.items(split)
        ]

    def exchange(self, item: StateRecord, question: str) -> Exchange:
        """A state as a view shows it. "answer" asks for the plan alone, from the picture. "reading" asks for all in it."""
        picture = (Picture(self.pictures / f"{item.id}.png"),)
        if question == "reading":
            return Exchange(f"{item.id}/reading", picture, perception_prompt(item).text, perception.answer(item.state))
        view, form = (question, "map, route, answer") if question in VIEWS else ("image", "answer")
        shown = prompt(item, view, form)
        return Exchange(f"{item.id}/{view}", picture if shown.image else (), shown.text, response(item, form))

    def judged(self, item: StateRecord, question: str, view: str) -> Exchange:
        """A question as a judge sees it."""
        return self.exchange(item, question if view == SAME else view)

    def data_sha256(self, split: str) -> str:
        """Hash of all states and of the split's pictures.

        Raises:
            DataError: if a picture is missing.
        """
        files = [self.pictures / f"{item.id}.png" for item in self.items(split)]
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise DataError(
                f"{missing[0]}: no such picture ({len(missing)} are missing); run gcl planning render --states "
                f"{self.states} --out {self.pictures}"
            )
        return sha256_text(f"{sha256_files([self.states], self.states.parent)} {sha256_files(files, self.pictures)}")

    def judge(self, item: StateRecord, text: str) -> Mapping[str, int]:
        """Scores of a text as a plan."""
        scores = score_plan(item.state, text)
        return {name: int(scores[name]) for name in ("parsed", "success", "optimal")}

    def asked(self, run: RunSpec, member: int) -> Questions:
        """By task, the question that it was trained with about a picture; none if it saw no picture."""
        feed = run.feed
        seen = (
            [feed.views[member]]
            if isinstance(feed, RolloutFeed)
            else [question for shown in feed.shown for question in shown.questions]
        )
        question = next((one for one in seen if one in ("image", "image+plan")), seen[0])
        told = question.endswith("+plan") or question == "symbols"  # such a question holds the state, or its plan
        first = {item.state.task: item for item in reversed(self.items("train"))}
        shown = {task: self.exchange(item, question).question for task, item in sorted(first.items())}
        return Questions(
            about=f"planning tasks ({run.method}, asked for: {question}): {', '.join(shown)}",
            questions={} if told else shown,
            one_fits=True,
            batch_size=self.settings.batch_size.value,
            max_new_tokens=self.settings.max_new_tokens.value,
        )
