"""A feed in which a member answers, and all members are compared on its tokens.

This is MGSD's second stage (arXiv 2606.06076; its code calls it OPCD). The group is [student, teacher]. The teacher is
frozen. It sees the same question with the state in symbols instead of the picture.

At every step the first member rolls out answers to its prompts. All members then predict these very tokens, never the
decoded text again, each behind its own prompt. `gcl.objective` makes the loss from them.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from gcl.data.encoding import chunks, collate
from gcl.data.scenario import Exchange
from gcl.errors import CheckpointError
from gcl.experiment.places import start_weights
from gcl.experiment.runs import RunSpec
from gcl.objective.events import Slice
from gcl.training.alignment import Alignment
from gcl.training.batches import LocalBatch
from gcl.training.engine import Engine
from gcl.training.feeds import Feed, Step
from gcl.training.rollout import roll_out

Judge = Callable[[int, str], Mapping[str, int]]
Draw = Callable[[Sequence[Exchange], Sequence[int]], list[list[int]]]


class OnPolicy(Feed):
    """Tasks without reference answers.

    Attributes:
        views: per member, all tasks as that member sees them; the first member's are `exchanges`.
        author: number of the member who answers: 0, the student; another one makes the training off-policy.
        supervised: whether the answers are references, to be made more probable. Only those of another author should be.
        temperature: of the student's draws. Probabilities are compared at the members' own tau, so 1 wherever those are.
        max_new_tokens: longest answer.
        rollouts: the engine that draws: "plain" (generation by the training engine) or "vllm".
        judge: gives counts for the log from an answer's text and the index of its task; None: nothing is counted.
    """

    def __init__(
        self,
        views: Sequence[Sequence[Exchange]],
        *,
        temperature: float,
        max_new_tokens: int,
        author: int = 0,
        supervised: bool = False,
        rollouts: str = "plain",
        judge: Judge | None = None,
    ) -> None:
        if any(len(view) != len(views[0]) for view in views):
            raise ValueError("members have different numbers of tasks; give each its view of the same ones")
        self.views, self.exchanges, self.author, self.supervised = views, views[0], author, supervised
        self.temperature, self.max_new_tokens = temperature, max_new_tokens
        self.rollouts, self.judge = rollouts, judge

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
        author = engine.members[self.author]
        if not isinstance(alignment.compared, Slice):
            raise CheckpointError(
                f"{spec.id}: members split texts into unlike tokens, so one cannot predict the tokens that another has "
                "drawn; group models of one tokenizer"
            )
        draw, renew = self._drawing(engine, spec, alignment.compared.vocabulary)
        for number, batch in enumerate(batches, start=done + 1):
            passes, facts = [], Counter()
            if number == done + 1 or not author.spec.frozen:
                renew()
            for indices in chunks(batch, spec.training.micro_batch):
                passes.append(self._pass(engine, indices, partial(_seed, spec.seed, number), draw, facts))
            totals: Counter[str] = Counter()
            for part in engine.world.collect(facts):
                totals.update(part)  # adding counters would drop zeros
            means = {f"rollout_{name}": value / len(batch) for name, value in sorted(totals.items())}
            yield Step(iter(passes), (totals["tokens"],) * len(engine.members), totals["tokens"], means)

    def _drawing(self, engine: Engine, spec: RunSpec, vocabulary: int) -> tuple[Draw, Callable[[], None]]:
        """A function that draws answers, and one to call when the author's weights have changed."""
        author, processes = engine.members[self.author], engine.world.size
        settings = {"temperature": self.temperature, "vocabulary": vocabulary, "max_new_tokens": self.max_new_tokens}
        if self.rollouts == "plain":
            synced = engine.divided_weights and processes > 1
            return partial(roll_out, author, synced=synced, **settings), lambda: None
        from gcl.training.rollout_vllm import VLLM

        rows = -(-spec.training.micro_batch // processes)
        copy = VLLM(
            author,
            start=start_weights(spec, author.spec),
            processes=processes,
            questions=self.views[self.author],
            rows=rows,
            **settings,
        )
        return copy.roll_out, lambda: copy.push(engine.weights(author))

    def _pass(
        self, engine: Engine, indices: Sequence[int], seed: Callable[[int], int], draw: Draw, facts: Counter[str]
    ) -> LocalBatch:
        """This process's part of one pass; counts of its answers are added to `facts`."""
        world, author = engine.world, engine.members[self.author]
        shares = [indices[rank :: world.size] for rank in range(world.size)]
        # A process without a share answers, too, since generation may need all processes; its answer supervises nothing.
        own = shares[world.rank] or indices[:1]
        drawn = draw([self.views[self.author][i] for i in own], [seed(i) for i in own])
        if not shares[world.rank]:
            drawn = [[] for _ in drawn]
        for index, answer in zip(own, drawn, strict=True):
            facts["tokens"] += len(answer)
            if self.judge is not None and answer:
                text = author.encoder.preprocessor.tokenizer.decode(answer, skip_special_tokens=True)
                facts.update(self.judge(index, text))
        members = [
            collate(
                [member.encoder.prompt(view[i], answer) for i, answer in zip(own, drawn, strict=True)],
                member.encoder,
                left_padded=False,
            )
            for member, view in zip(engine.members, self.views, strict=True)
        ]
        return LocalBatch(members, [len(share) for share in shares])


def _seed(run: int, step: int, task: int) -> int:
    """The seed of one answer. Torch's generator for CPUs looks at 32 bits alone, so larger numbers would repeat."""
    return zlib.crc32(f"{run} {step} {task}".encode())
