"""A feed with reference answers, of which members also answer a share themselves: method `exchange` (docs/exchange.md).

At every step an author, or each of several, draws answers to a share of the samples. All members predict the author's
tokens, from the view of a judge. The divergence between them pulls the author to its judges, or all to each other, beside
the losses on references. A member's loss is a mean over the tokens from which it learns: those of all answers, or its own.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from gcl.data.encoding import chunks
from gcl.data.scenario import Exchange
from gcl.errors import CheckpointError
from gcl.experiment.runs import ExchangeFeed, RunSpec
from gcl.objective.drl import SAMPLED
from gcl.objective.events import Events
from gcl.training.alignment import Alignment
from gcl.training.answering import Answering, Draws, Judge
from gcl.training.engine import Engine
from gcl.training.feeds import Part, References, Step
from gcl.training.on_policy import rollout_facts


class OwnAnswers(References):
    """Samples with reference answers, some of which members answer.

    Args:
        exchanges: the samples, as every author sees them.
        judged: the same samples as a judge sees them, who may know more.
        settings: who answers how much, and who learns from it.
        rollouts: the engine that draws: "plain" or "vllm".
        judge: gives counts for the log from an answer's text and the index of its sample; None: nothing is counted.
        held_out: samples of the validation.
    """

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        judged: Sequence[Exchange],
        settings: ExchangeFeed,
        rollouts: str = "plain",
        judge: Judge | None = None,
        held_out: Sequence[Exchange] = (),
    ) -> None:
        super().__init__(exchanges, held_out)
        if len(judged) != len(exchanges):
            raise ValueError("authors and judges have different numbers of samples; give both the same ones")
        self.judged, self.settings, self.rollouts, self.judge = judged, settings, rollouts, judge

    @property
    def about(self) -> str:
        how = "answer" if self.settings.answers == "own" else "repeat"
        return f"{super().about}, of which members {how} {self.settings.share:.0%} themselves"

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
        settings, members = self.settings, engine.members
        if settings.objective.divergence in SAMPLED and isinstance(alignment.compared, Events):
            raise CheckpointError(
                f"{spec.id}: {settings.objective.divergence} needs the drawn token of every member, but these split texts "
                "into unlike tokens; use another divergence, or group models of one tokenizer"
            )
        drawing = None
        if settings.answers == "own":
            drawing = Draws(settings.temperature, settings.max_new_tokens, self.rollouts)
        answering = Answering(engine, spec, alignment, [self.exchanges] * len(members), drawing, self.judge)
        warmup = round(settings.warmup * (done + len(batches)))
        references = super().steps(engine, spec, batches, done=done, alignment=alignment, workers=workers)
        for number, (batch, step) in enumerate(zip(batches, references, strict=True), start=done + 1):
            share = round(settings.share * len(batch)) if number > warmup else 0
            authors = self._authors(batch[:share], spec, number)
            if not authors:
                yield step
                continue
            passes, totals, together = {}, {}, Counter[str]()
            for author, indices in authors.items():
                answering.renew(author)
                views = [self.exchanges if k == author else self.judged for k in range(len(members))]
                counts: Counter[str] = Counter()
                passes[author] = answering.passes(author, indices, views, number, counts)
                totals[author] = answering.totals(counts)
                together.update(totals[author])
            if settings.pulled == "all":
                totals = dict.fromkeys(authors, together)
            answered = [
                Part(
                    iter(passes[author]),
                    [len(part) for part in chunks(indices, spec.training.micro_batch)],
                    answering.tokens(totals[author]),
                    totals[author]["positions"],
                    settings.objective,
                    supervised=settings.likelihood,
                    pulled=self._pulled(author, spec),
                    name="exchange",
                )
                for author, indices in authors.items()
            ]
            answers = sum(map(len, authors.values()))
            yield Step([*step.parts, *answered], rollout_facts(together, answers) if drawing else {})

    def _authors(self, chosen: Sequence[int], spec: RunSpec, step: int) -> dict[int, list[int]]:
        """Who answers which samples: a function of the step. One author draws all of a step in one batch."""
        learning = [k for k, member in enumerate(spec.members) if not member.frozen]
        if not chosen:
            return {}
        if self.settings.authors == "first":
            return {0: list(chosen)}
        if self.settings.authors == "all":
            return {k: list(chosen) for k in learning}
        return {learning[step % len(learning)]: list(chosen)}

    def _pulled(self, author: int, spec: RunSpec) -> tuple[bool, ...] | None:
        if self.settings.pulled == "all":
            return None
        return tuple(k == author for k in range(len(spec.members)))
