"""How much a model still can of what it could before: `token_scores(model, encoder, questions, batch_size)`.

It is given the reference answers of held-out questions, token by token. Each token has a cross-entropy, and is right or not.
`held_out_scores(records, resamples)` makes means with intervals of them, for metrics files.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gcl.data.scenario import Exchange
from gcl.evaluation.bootstrap import mean_interval, per_token

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from gcl.data.encoding import Encoder

# In metrics files and tables: the sum over the tokens of a question that each mean is made from.
HELD_OUT = {"held_out_accuracy": "right", "held_out_cross_entropy": "cross_entropy"}


def token_scores(
    model: "PreTrainedModel", encoder: "Encoder", questions: Sequence[Exchange], batch_size: int
) -> Iterator[dict[str, Any]]:
    """Yield a record for each question: held_out (its id), tokens of the answer, cross_entropy and right.

    The last two are sums over these tokens. A token is right if it has the largest probability.

    Args:
        model: ready to answer.
        encoder: its own.
        questions: with reference answers.
        batch_size: of them that go through the model together.
    """
    import torch
    import torch.nn.functional as F

    from gcl.data.encoding import IGNORED, chunks, collate

    head = model.get_output_embeddings()
    # By length, so that little is padded.
    samples = sorted(
        ((question.id, encoder.sample(question)) for question in questions), key=lambda one: len(one[1].ids)
    )
    for batch in chunks(samples, batch_size):
        inputs = collate([sample for _, sample in batch], encoder, left_padded=False)
        labels_BT = inputs.pop("labels")[:, 1:].to(model.device)
        with torch.inference_mode():
            placed = {name: tensor.to(model.device) for name, tensor in inputs.items()}
            hidden_BTD = model.model(**placed, use_cache=False).last_hidden_state[:, :-1]
            for (id, _), hidden_TD, labels_T in zip(batch, hidden_BTD, labels_BT, strict=True):
                answer = labels_T != IGNORED
                # The head makes logits of these positions alone. All of a batch would take gigabytes.
                logits_NV, labels_N = head(hidden_TD[answer]).float(), labels_T[answer]
                yield {
                    "held_out": id,
                    "tokens": len(labels_N),
                    "cross_entropy": round(float(F.cross_entropy(logits_NV, labels_N, reduction="sum")), 6),
                    "right": int((logits_NV.argmax(dim=-1) == labels_N).sum()),
                }


def held_out_scores(records: Sequence[Mapping[str, Any]], resamples: int) -> dict[str, Any]:
    """Means per token with their intervals, and what they are made from, by question.

    Args:
        records: of one member, as `token_scores` makes them.
        resamples: of the bootstrap, which draws questions again.
    """
    items = sorted(records, key=lambda record: record["held_out"])
    tokens = [item["tokens"] for item in items]
    kept = ("tokens", *HELD_OUT.values())
    return {
        "summary": {
            name: mean_interval(per_token([item[total] for item in items], tokens), resamples)
            for name, total in HELD_OUT.items()
        },
        "items": [{"id": item["held_out"]} | {field: item[field] for field in kept} for item in items],
    }
