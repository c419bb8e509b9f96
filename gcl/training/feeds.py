"""Where the batches of a training come from: `References` has answers to be learnt.

`OnPolicy` lets a member write them (on_policy.py), and `OwnAnswers` some of them (own_answers.py).

The loop uses only `Feed`. It gives the list of samples and, for each global batch, this process's share.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gcl.data.encoding import chunks
from gcl.data.scenario import Exchange
from gcl.errors import CheckpointError
from gcl.experiment.runs import ObjectiveSpec, RunSpec
from gcl.objective.events import Slice
from gcl.training.alignment import Alignment
from gcl.training.batches import LocalBatch, LocalBatches
from gcl.training.engine import Engine
from gcl.training.member import Member


@dataclass(frozen=True)
class Part:
    """Passes of one step that have one objective.

    Attributes:
        passes: this process's part of each pass, in order.
        inputs: number of inputs of each pass, over all processes.
        tokens: per member, supervised tokens of all parts of this name, over all processes.
        positions: rows that are compared, of all parts of this name.
        objective: weights and kinds of the losses.
        supervised: whether the tokens are references, so that their cross-entropy is to be lowered.
        pulled: per member, whether it learns from this part; None: all.
        name: stands before the names of the losses in the log. The main part has none.
    """

    passes: Iterator[LocalBatch]
    inputs: Sequence[int]
    tokens: tuple[int, ...]
    positions: int
    objective: ObjectiveSpec
    supervised: bool = True
    pulled: tuple[bool, ...] | None = None
    name: str = ""

    def loss(self, kind: str) -> str:
        """The name of one of its losses in the log."""
        return f"{self.name}_{kind}" if self.name else kind


@dataclass(frozen=True)
class Step:
    """The batches of one step.

    Attributes:
        parts: their gradients are added.
        facts: numbers for the log besides losses.
    """

    parts: Sequence[Part]
    facts: Mapping[str, float] = field(default_factory=dict)


class Feed(ABC):
    """Samples of a training.

    Attributes:
        exchanges: the samples; a step's indices count these.
        held_out: samples of the validation, none of which is trained on.
    """

    exchanges: Sequence[Exchange]
    held_out: Sequence[Exchange] = ()

    @property
    def samples(self) -> list[Exchange]:
        """All of them, those that are held out at the end."""
        return [*self.exchanges, *self.held_out]

    @property
    @abstractmethod
    def about(self) -> str:
        """The samples in words, for model cards."""

    @abstractmethod
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
        """Yield the steps, each as its turn comes.

        Args:
            engine: holds the members, in the state in which the step finds them.
            spec: the run.
            batches: sample indices of the steps that are left.
            done: how many steps were made before.
            alignment: the tokens and positions that are compared.
            workers: other processes that may prepare batches.
        """


class References(Feed):
    """Samples with reference answers."""

    def __init__(self, exchanges: Sequence[Exchange], held_out: Sequence[Exchange] = ()) -> None:
        self.exchanges, self.held_out = exchanges, held_out

    @property
    def about(self) -> str:
        validated = f", {len(self.held_out)} more for the validation," if self.held_out else ""
        return f"{len(self.exchanges)} questions with answers{validated}"

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
        sizes = answer_sizes(self.exchanges, engine.members, alignment)
        passes = [indices for batch in batches for indices in chunks(batch, spec.training.micro_batch)]
        sources = [(member.encoder, member.cache) for member in engine.members]
        world = engine.world
        loader = LocalBatches(self.exchanges, sources, alignment, world.rank, world.size).load(passes, workers)
        for batch in batches:
            inputs = [len(indices) for indices in chunks(batch, spec.training.micro_batch)]
            yield Step([Part(loader, inputs, *total_sizes(sizes, batch), spec.objective)])


Sizes = tuple[tuple[int, ...], int]  # of a sample: supervised tokens of each member, and rows that are compared


def answer_sizes(exchanges: Sequence[Exchange], members: Sequence[Member], alignment: Alignment) -> list[Sizes]:
    """Supervised tokens and compared rows of every sample.

    Raises:
        CheckpointError: if members have one tokenizer, but do not share all tokens of an answer. It names the first such
            answer, and the tokens that differ.
    """
    encoders, found = [member.encoder for member in members], []
    for exchange in exchanges:
        first, *others = answers = [encoder.answer(exchange.answer) for encoder in encoders]
        compared = alignment.compared
        if isinstance(compared, Slice) and (any(ids != first for ids in others) or max(first) >= compared.vocabulary):
            raise CheckpointError(
                f"{exchange.id}: {' and '.join(m.spec.role for m in members)} do not share all tokens of the answer "
                f"{exchange.answer[:60]!r} ({_difference(exchange.answer, members, compared.vocabulary)}); group models of "
                "one tokenizer, or of unlike ones"
            )
        found.append((tuple(map(len, answers)), alignment.positions(encoders, answers)))
    return found


def total_sizes(sizes: Sequence[Sizes], batch: Sequence[int]) -> Sizes:
    """The sizes of a global batch."""
    tokens = zip(*(sizes[i][0] for i in batch), strict=True)
    return tuple(map(sum, tokens)), sum(sizes[i][1] for i in batch)


def _difference(text: str, members: Sequence[Member], vocabulary: int) -> str:
    """Each member's tokens from the first one on that differs or is not shared, at most four of them."""
    ids = [member.encoder.answer(text) for member in members]
    where = next(
        k
        for k in range(max(map(len, ids)))
        if len({tuple(own[k : k + 1]) for own in ids}) > 1 or ids[0][k] >= vocabulary
    )
    parts = []
    for member, own in zip(members, ids, strict=True):
        tokens = member.encoder.preprocessor.tokenizer.convert_ids_to_tokens(own[where : where + 4])
        parts.append(f"{member.spec.role}: {' '.join(f'{t!r}={i}' for t, i in zip(tokens, own[where:], strict=False))}")
    return "; ".join(parts)
