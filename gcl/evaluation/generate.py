"""Let members answer questions about the test split: `predictions(run, here, queries, ...)`.

Greedy, batched, left-padded, each turn with its pictures and its context. Batch size and order are fixed, since in low
precision the text can depend on which prompts share a batch. Where a member reads its own earlier answers, all scenes get
their first turn, then their second. gcl/evaluation/predict.py shares the steps `answering_model`, `answers` and `after`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from gcl.data.decoding import greedy
from gcl.data.encoding import Encoder, chunks, collate
from gcl.data.scenario import Exchange, Query
from gcl.evaluation.token_scores import token_scores
from gcl.experiment.places import Places
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Earlier
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_model, load_trained
from gcl.models.preprocessor import load_preprocessor


class Answer(NamedTuple):
    """A greedy answer, and whether it ended within the longest length."""

    text: str
    ended: bool


def predictions(
    run: RunSpec,
    here: Places,
    queries: Sequence[Query],
    *,
    batch_size: int,
    max_new_tokens: int,
    earlier: Earlier | None = None,
    held_out: Sequence[Exchange] = (),
) -> Iterator[dict[str, Any]]:
    """Yield one record per member and query: role, turn, id, question, reference, the query's facts, text, ended.

    Where there were earlier turns in the context, it has them as it was read: `earlier`, pairs of question and answer.
    After a member's answers come its records about held-out questions, which have no turn (`token_scores`).

    Args:
        run: whose members answer.
        here: where their weights are.
        queries: all questions, in order.
        batch_size: prompts per batch.
        max_new_tokens: longest answer.
        earlier: whose answers stand in the context of a question, the member's own ones or the references.
        held_out: questions that show how much was forgotten.
    """
    training = run.training
    batches = list(chunks(queries, batch_size))
    if earlier == "own":
        # A question waits for the answers before it.
        batches = [
            batch for _, turn in groupby(queries, lambda query: query.turn) for batch in chunks(list(turn), batch_size)
        ]
    for member in run.asked:
        model, encoder = answering_model(
            here.answering(run, member.role),
            here.weights(member.start),
            training.precision,
            training.pixels,
            training.system,
        )
        with tqdm(total=len(queries), desc=f"{run.id} {member.role}", unit="answer", mininterval=2) as bar:
            given: dict[tuple[str, str], str] = {}  # by item and turn
            for batch in batches:
                asked = [query.exchange for query in batch]
                if earlier == "own":
                    asked = [after(q.exchange, [given[q.id, turn] for turn in q.earlier]) for q in batch]
                said = answers(model, encoder, asked, max_new_tokens)
                for query, exchange, answer in zip(batch, asked, said, strict=True):
                    given[query.id, query.turn] = answer.text
                    seen = {"earlier": [[turn.question, turn.answer] for turn in exchange.earlier]}
                    yield {
                        "role": member.role,
                        "turn": query.turn,
                        "id": query.id,
                        **(seen if exchange.earlier else {}),
                        "question": exchange.question,
                        "reference": exchange.answer,
                        **query.facts,
                        **answer._asdict(),
                    }
                bar.update(len(batch))
        for record in token_scores(model, encoder, held_out, batch_size):
            yield {"role": member.role, **record}


def after(exchange: Exchange, said: Sequence[str]) -> Exchange:
    """The same question after other answers to the earlier ones."""
    turns = zip(exchange.earlier, said, strict=True)
    return replace(exchange, earlier=tuple(replace(turn, answer=answer) for turn, answer in turns))


def answering_model(
    weights: Weights, base: Weights, precision: str, pixels: Sequence[int], system: str
) -> tuple[PreTrainedModel, Encoder]:
    """A model, trained or not, ready to answer: on the GPU if there is one, with its encoder.

    Args:
        weights: a member's checkpoint folder, or any model.
        base: the start of the member; adapters alone need it.
        precision: of the training; a CPU computes in float32 all the same.
        pixels: smallest and largest picture area after resizing.
        system: system message.

    Raises:
        CheckpointError: if one of them cannot be loaded.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float32 if device == "cpu" else getattr(torch, precision)
    trained = weights.revision is None and weights != base
    model = load_trained(Path(weights.path), base, dtype) if trained else load_model(weights, dtype)
    return model.to(device), Encoder(load_preprocessor(weights, (pixels[0], pixels[1])), system)


def answers(model: PreTrainedModel, encoder: Encoder, asked: Sequence[Exchange], max_new_tokens: int) -> list[Answer]:
    """The greedy answer to each question, asked in one batch."""
    samples = [encoder.prompt(exchange) for exchange in asked]
    return _continue(model, encoder, collate(samples, encoder, left_padded=True), max_new_tokens)


@torch.inference_mode()
def _continue(
    model: torch.nn.Module, encoder: Encoder, batch: dict[str, torch.Tensor], max_new_tokens: int
) -> list[Answer]:
    """Greedy continuations of a left-padded batch, without special tokens and outer white space."""
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
    ids_BT = model.generate(**inputs, generation_config=greedy(encoder, max_new_tokens))
    new_BT = ids_BT[:, inputs["input_ids"].shape[1] :]
    texts = encoder.preprocessor.tokenizer.batch_decode(new_BT, skip_special_tokens=True)
    ended_B = (new_BT == encoder.end_token).any(dim=1).tolist()
    return [Answer(text.strip(), ended) for text, ended in zip(texts, ended_B, strict=True)]
