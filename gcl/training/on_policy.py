"""A feed in which a member answers, and all members are compared on its tokens.

This is MGSD's second stage (arXiv 2606.06076; its code calls it OPCD). The group is [student, teacher]. The teacher is
frozen. It sees the same question with the state in symbols instead of the picture.

At every step the first member rolls out answers to its prompts, and all members predict them. `gcl.objective` makes the loss
from their outputs.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from gcl.data.encoding import chunks
from gcl.data.scenario import Exchange
from gcl.errors import CheckpointError
from gcl.experiment.runs import RunSpec
from gcl.objective.events import Slice
from gcl.training.alignment import Alignment
from gcl.training.answering import Answering, Draws, Judge
from gcl.training.engine import Engine
from gcl.training.feeds import Feed, Part, Step


class OnPolicy(Feed):
    """Tasks without reference answers.

    Attributes:
        views: per member, all tasks as that member sees them; the first member's are `exchanges`.
        author: number of the member who answers: 0, the student; another one makes the training off-policy.
        supervised: whether the answers are references, to be made more probable. Only those of another author should be.
        drawing: how answers are drawn.
        judge: gives counts for the log from an answer's text and the index of its task; None: nothing is counted.
    """

    def __init__(
        self,
        views: Sequence[Sequence[Exchange]],
        drawing: Draws,
        *,
        author: int = 0,
        supervised: bool = False,
        judge: Judge | None = None,
    ) -> None:
        if any(len(view) != len(views[0]) for view in views):
            raise ValueError("members have different numbers of tasks; give each its view of the same ones")
        self.views, self.exchanges, self.author, self.supervised = views, views[0], author, supervised
        self.drawing, self.judge = drawing, judge

    @property
    def about(self) -> str:
        return f"{len(self.exchanges)} tasks without answers"

    def steps(
        self,
        engine: Engine,
        spec: RunSpec,
        batches: Sequence[Sequence[int]],
        *,
        done: int,
        alignment: Alignment,
        workers: int,
    ) -> Iterator[Step]:
        if not isinstance(alignment.compared, Slice):
            raise CheckpointError(
                f"{spec.id}: members split texts into unlike tokens, so one cannot predict the tokens that another has "
                "drawn; group models of one tokenizer"
            )
        answering = Answering(engine, spec, alignment, self.views, self.drawing, self.judge)
        for number, batch in enumerate(batches, start=done + 1):
            if number == done + 1 or not engine.members[self.author].spec.frozen:
                answering.renew(self.author)
            counts: Counter[str] = Counter()
            passes = answering.passes(self.author, batch, self.views, number, counts)
            totals = answering.totals(counts)
            inputs = [len(indices) for indices in chunks(batch, spec.training.micro_batch)]
            tokens, positions = answering.tokens(totals), totals["positions"]
            part = Part(iter(passes), inputs, tokens, positions, spec.objective, self.supervised)
            yield Step([part], rollout_facts(totals, len(batch)))


def rollout_facts(totals: Counter[str], answers: int) -> dict[str, float]:
    """Numbers for the log: so many answers, and means over them."""
    named = (name for name in sorted(totals) if not name.startswith(("tokens_", "positions")))
    return {"rollout_answers": answers} | {f"rollout_{name}": totals[name] / answers for name in named}
