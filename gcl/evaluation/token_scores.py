"""Cross-entropy and right tokens of held-out answers: `token_scores(model, encoder, questions, batch_size)`.

The model is given the reference answers, token by token. So it shows how much a training has made it forget.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

from gcl.data.encoding import IGNORED, Encoder, chunks, collate
from gcl.data.scenario import Exchange


def token_scores(
    model: PreTrainedModel, encoder: Encoder, questions: Sequence[Exchange], batch_size: int
) -> Iterator[dict[str, Any]]:
    """Yield a record for each question: held_out (its id), tokens of the answer, cross_entropy and right.

    The last two are sums over these tokens. A token is right if it has the largest probability.

    Args:
        model: ready to answer.
        encoder: its own.
        questions: with reference answers.
        batch_size: of them that go through the model together.
    """
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
