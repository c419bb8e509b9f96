"""L_DRL of a group at each token of a reference answer: `token_divergences(members, alignment, exchange, objective)`.

Each value is one row of the loss: the same logits, temperatures and events, given to the same function. It is `compare` of
gcl/objective/events.py.
The mean over the compared rows is L_DRL of this sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from gcl.data.encoding import Encoder
from gcl.data.scenario import Exchange
from gcl.evaluation.trained_members import ReadExchange, compared_rows
from gcl.experiment.runs import MemberSpec, ObjectiveSpec
from gcl.objective import products
from gcl.training.alignment import Alignment
from gcl.training.member import Member

END = "(end)"  # stands for the token that ends an answer


@dataclass(frozen=True)
class TokenDivergence:
    """One token of the answer, as the first member splits it.

    Attributes:
        text: of the token; `END` for the last one. A character of several tokens stands at the last of them.
        value: divergence of the members' distributions for it; None where they are not compared.
    """

    text: str
    value: float | None


@torch.no_grad()
def token_divergences(
    members: Sequence[Member],
    readings: Sequence[ReadExchange],
    alignment: Alignment,
    exchange: Exchange,
    objective: ObjectiveSpec,
) -> list[TokenDivergence]:
    """The divergence at each token of the reference answer.

    Args:
        members: of the group.
        readings: of this exchange, one per member.
        alignment: the tokens and positions that are compared.
        exchange: with the reference answer.
        objective: names the divergence.

    Returns:
        One entry per token of the first member.
    """
    encoders = [member.encoder for member in members]
    rows = compared_rows(alignment, encoders, exchange)
    values = dict(zip(rows[0], row_divergences(members, readings, alignment, rows, objective), strict=True))
    texts = token_texts(encoders[0], encoders[0].answer(exchange.answer))
    return [TokenDivergence(text, values.get(row)) for row, text in enumerate(texts)]


def row_divergences(
    members: Sequence[Member],
    readings: Sequence[ReadExchange],
    alignment: Alignment,
    rows: Sequence[Sequence[int]],
    objective: ObjectiveSpec,
) -> list[float]:
    """The divergence of each compared row, by the loss' own function on this row alone.

    Args:
        members: of the group.
        readings: one per member.
        alignment: the tokens that are compared.
        rows: per member the rows that correspond.
        objective: names the divergence.
    """
    specs: list[MemberSpec] = [member.spec for member in members]
    taus, wanted = [spec.tau for spec in specs], [not spec.frozen for spec in specs]
    compared = alignment.to(readings[0].output.labels_N.device).compared
    compared.check([len(reading.output.head_VD) for reading in readings], objective.divergence)
    logits_KRV = []
    for member, reading, own in zip(members, readings, rows, strict=True):
        hidden_RD = products.operand(reading.output.hidden_ND[own], member.precision)
        head_VD = products.operand(reading.output.head_VD, member.precision)
        logits_KRV.append(products.multiply(hidden_RD, head_VD.T))
    labels_R = readings[0].output.labels_N[list(rows[0])]
    return [
        float(
            compared.compare(
                [z_RV[r : r + 1] for z_RV in logits_KRV], taus, wanted, objective.divergence, labels_R[r : r + 1]
            )[0]
        )
        for r in range(len(labels_R))
    ]


def token_texts(encoder: Encoder, tokens: Sequence[int]) -> list[str]:
    """The text of each token of an answer; joined and without `END` they are the answer with the words that lead to it."""
    tokenizer, texts, written = encoder.preprocessor.tokenizer, [], ""
    for count in range(1, len(tokens)):
        text = tokenizer.decode(tokens[:count], skip_special_tokens=False, clean_up_tokenization_spaces=False)
        whole = not text.endswith("\ufffd")  # else the character goes on in the next token
        texts.append(text[len(written) :] if whole else "")
        written = text if whole else written
    return [*texts, END]
