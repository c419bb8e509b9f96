"""Members answer during a training: `Answering(engine, spec, alignment, questions, ...)` draws their tokens.

All members then predict these very tokens, each behind its own prompt. Members of one tokenizer never see the decoded text.
Others must: they read the author's text in tokens of their own, and are compared where the texts agree
(gcl/training/alignment.py). An author that others read draws no special tokens but the end, since these have no text.

Who draws, and what, follows from the step and the sample alone. So neither the number of processes nor a restart matters.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from gcl.data.encoding import Sample, chunks, collate
from gcl.data.scenario import Exchange
from gcl.experiment.places import start_weights
from gcl.experiment.runs import RunSpec
from gcl.objective.events import Slice
from gcl.training.alignment import Alignment
from gcl.training.batches import LocalBatch
from gcl.training.engine import Engine
from gcl.training.member import Member
from gcl.training.rollout import roll_out

Judge = Callable[[int, str], Mapping[str, int]]
Draw = Callable[[Sequence[Exchange], Sequence[int]], list[list[int]]]


@dataclass(frozen=True)
class Draws:
    """How answers are drawn.

    Attributes:
        temperature: of the draws. Probabilities are compared at the members' own tau, so 1 wherever those are.
        max_new_tokens: longest answer.
        rollouts: the engine that draws: "plain" (generation by the training engine) or "vllm".
    """

    temperature: float
    max_new_tokens: int
    rollouts: str = "plain"


class Answering:
    """Draws answers and makes the passes in which all members predict them.

    Args:
        engine: holds the members, in the state in which they answer.
        spec: the run.
        alignment: the tokens and positions that are compared, on the CPU.
        questions: per member, all samples as it sees them when it answers.
        drawing: how it answers; None: it repeats the reference answers.
        judge: gives counts for the log from an answer's text and the index of its sample; None: nothing is counted.
    """

    def __init__(
        self,
        engine: Engine,
        spec: RunSpec,
        alignment: Alignment,
        questions: Sequence[Sequence[Exchange]],
        drawing: Draws | None,
        judge: Judge | None = None,
    ) -> None:
        self._engine, self._spec, self._alignment = engine, spec, alignment
        self._questions, self._drawing, self._judge = questions, drawing, judge
        self._draws: dict[int, tuple[Draw, Callable[[], None]]] = {}

    def renew(self, author: int) -> None:
        """Say that an author's weights have changed; every process must."""
        if self._drawing:
            self._drawn_by(author)[1]()

    def passes(
        self, author: int, indices: Sequence[int], views: Sequence[Sequence[Exchange]], step: int, facts: Counter[str]
    ) -> list[LocalBatch]:
        """This process's part of the passes of one author's answers.

        Args:
            author: number of the member who answers.
            indices: of the samples, over all processes.
            views: per member, all samples as it sees them when it predicts the answer.
            step: number of the step.
            facts: counts of this process's answers are added: tokens_<k> of each member, compared positions, tokens, cut
                and empty answers, and those of the judge.
        """
        found = []
        for part in chunks(indices, self._spec.training.micro_batch):
            shares = [part[rank :: self._engine.world.size] for rank in range(self._engine.world.size)]
            # A process without a share answers, too, since generation may need all processes. Nothing is learnt from it.
            own = shares[self._engine.world.rank] or part[:1]
            drawn = self._answers(author, own, step)
            found.append(self._pass(author, own, drawn, views, shares, facts))
        return found

    def totals(self, facts: Counter[str]) -> Counter[str]:
        """The counts of all processes together; every process must ask."""
        totals: Counter[str] = Counter()
        for part in self._engine.world.collect(facts):
            totals.update(part)  # adding counters would drop zeros
        return totals

    def tokens(self, totals: Counter[str]) -> tuple[int, ...]:
        """Per member the number of tokens that it predicts."""
        return tuple(totals[f"tokens_{k}"] for k in range(len(self._engine.members)))

    def _answers(self, author: int, own: Sequence[int], step: int) -> list[list[int]]:
        asked = [self._questions[author][i] for i in own]
        if self._drawing is None:
            encoder = self._engine.members[author].encoder
            return [encoder.answer(exchange.answer) for exchange in asked]
        return self._drawn_by(author)[0](asked, [_seed(self._spec.seed, step, i, author) for i in own])

    def _pass(
        self,
        author: int,
        own: Sequence[int],
        drawn: Sequence[list[int]],
        views: Sequence[Sequence[Exchange]],
        shares: Sequence[Sequence[int]],
        facts: Counter[str],
    ) -> LocalBatch:
        members, mine = self._engine.members, shares[self._engine.world.rank]
        heard = [[self._heard(author, k, answer) for answer in drawn] for k in range(len(members))]
        for number, index in enumerate(mine):
            answer = drawn[number]
            facts["tokens"] += len(answer)
            facts["cut"] += answer[-1] != members[author].encoder.end_token
            facts["empty"] += answer[:1] == [members[author].encoder.end_token]
            facts.update({f"tokens_{k}": len(own[number]) for k, own in enumerate(heard)})
            if self._judge is not None:
                tokenizer = members[author].encoder.preprocessor.tokenizer
                facts.update(self._judge(index, tokenizer.decode(answer, skip_special_tokens=True)))
        rows = self._alignment.rows([m.encoder for m in members], [answers[: len(mine)] for answers in heard])
        facts["positions"] += _positions(rows, drawn[: len(mine)])
        batches = []
        for k, (member, view, answers) in enumerate(zip(members, views, heard, strict=True)):
            prompts = [
                member.encoder.prompt(view[i], answer if mine else []) for i, answer in zip(own, answers, strict=True)
            ]
            batches.append(collate(prompts + self._companion(k, view, own[0]), member.encoder, left_padded=False))
        return LocalBatch(batches, [len(share) for share in shares], rows)

    def _companion(self, member: int, view: Sequence[Exchange], sample: int) -> list[Sample]:
        """A question that supervises nothing, with a picture, for a member that learns and now sees none.

        Several processes wait for the gradients of all weights, or gather them, and so for those of the vision tower.
        """
        shown, seen = self._questions[member][sample], view[sample]
        blind = shown.pictures and not seen.pictures and not self._spec.members[member].frozen
        if not blind or self._engine.world.size == 1:
            return []
        return [self._engine.members[member].encoder.prompt(shown, [])]

    def _heard(self, author: int, member: int, answer: list[int]) -> list[int]:
        """The tokens of an answer as a member writes them; one that was cut gets an end, which is compared with nothing."""
        texts = self._alignment.texts
        if texts is None or member == author:
            return answer
        text = b"".join(texts[author][token] or b"" for token in answer).decode(errors="replace")
        return self._engine.members[member].encoder.answer(text.removeprefix(self._engine.members[author].encoder.lead))

    def _drawn_by(self, author: int) -> tuple[Draw, Callable[[], None]]:
        """A function that draws an author's answers, and one to call when its weights have changed."""
        if author not in self._draws:
            self._draws[author] = self._make_draw(author)
        return self._draws[author]

    def _make_draw(self, number: int) -> tuple[Draw, Callable[[], None]]:
        engine, compared, drawing = self._engine, self._alignment.compared, self._drawing
        author, processes = engine.members[number], engine.world.size
        settings = {
            "temperature": drawing.temperature,
            "max_new_tokens": drawing.max_new_tokens,
            "vocabulary": compared.vocabulary if isinstance(compared, Slice) else compared.vocabularies[number],
            "silent": self._silent(number, author),
        }
        if drawing.rollouts == "plain":
            synced = engine.divided_weights and processes > 1
            return partial(roll_out, author, synced=synced, **settings), lambda: None
        from gcl.training.rollout_vllm import VLLM

        copy = VLLM(
            author,
            start=start_weights(self._spec, author.spec),
            processes=processes,
            questions=self._questions[number],
            rows=-(-self._spec.training.micro_batch // processes),
            **settings,
        )
        return copy.roll_out, lambda: copy.push(engine.weights(author.backbone))

    def _silent(self, number: int, author: Member) -> list[int]:
        """Tokens without a text, which an author does not draw if others read it."""
        if self._alignment.texts is None:
            return []
        texts = self._alignment.texts[number]
        return [token for token, text in enumerate(texts) if text is None and token != author.encoder.end_token]


def _positions(rows: Sequence[Tensor] | None, drawn: Iterable[Sequence[int]]) -> int:
    """Rows that are compared: all tokens, if none are named."""
    return sum(map(len, drawn)) if rows is None else len(rows[0])


def _seed(run: int, step: int, sample: int, author: int) -> int:
    """The seed of one answer. Torch's generator for CPUs looks at 32 bits alone, so larger numbers would repeat."""
    return zlib.crc32(f"{run} {step} {sample}{f' {author}' if author else ''}".encode())
