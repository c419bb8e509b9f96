"""Answers drawn from a model's own distribution: `roll_out(member, exchanges, seeds, ...)` gives their tokens.

Every answer has random numbers of its own, one a token, which follow from its seed and the position alone. So, but for
rounding, an answer depends neither on the others of its batch nor on the number of processes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor, LogitsProcessorList

from gcl.data.decoding import greedy
from gcl.data.encoding import Encoder, collate
from gcl.data.scenario import Exchange
from gcl.training.member import Member


class _Draw(LogitsProcessor):
    """Leaves one token of each row: a draw from the softmax, by inverting its distribution function.

    That needs one random number a token. So all can come from the CPU, and the machine does not matter.
    """

    def __init__(
        self, seeds: Sequence[int], length: int, temperature: float, vocabulary: int, shut_out: Sequence[int]
    ) -> None:
        drawn = [
            torch.rand(length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds
        ]
        self._uniform_TB1 = torch.stack(drawn, dim=1)[..., None]
        self._position = 0
        self._temperature, self._vocabulary, self._shut_out = temperature, vocabulary, list(shut_out)

    def __call__(self, input_ids: Tensor, scores_BV: Tensor) -> Tensor:
        uniform_B1 = self._uniform_TB1[self._position].to(scores_BV.device)
        self._position += 1
        # In float64: float32 sums over a whole vocabulary would lose rare tokens.
        scaled_BV = scores_BV[:, : self._vocabulary].double() / self._temperature
        scaled_BV[:, self._shut_out] = -torch.inf
        reached_BV = scaled_BV.softmax(dim=-1).cumsum(dim=-1)
        # A token without probability does not raise the sum, so it is never the first to exceed the number.
        drawn_B1 = torch.searchsorted(reached_BV, uniform_B1 * reached_BV[:, -1:], right=True)
        return torch.full_like(scores_BV, -torch.inf).scatter_(1, drawn_B1, 0.0)


@torch.no_grad()
def roll_out(
    member: Member,
    exchanges: Sequence[Exchange],
    seeds: Sequence[int],
    *,
    temperature: float,
    vocabulary: int,
    max_new_tokens: int,
    silent: Sequence[int] = (),
    synced: bool = False,
) -> list[list[int]]:
    """Draw one answer to each question from softmax(logits / temperature).

    Args:
        member: who answers; in the precision of its training, and left in the mode in which it was.
        exchanges: the questions; all with a picture or all without.
        seeds: of each answer.
        temperature: > 0.
        vocabulary: ids from here on are not drawn: padding rows of the head, and tokens that other members do not know.
        max_new_tokens: longest answer. One that was cut off there has no end-of-turn token.
        silent: further tokens that are not drawn.
        synced: whether processes generate in step, which they must where weights are divided among them.

    Returns:
        The tokens of each answer, at least one, the end-of-turn token included.
    """
    encoder, backbone = member.encoder, member.backbone
    batch = collate([encoder.prompt(exchange) for exchange in exchanges], encoder, left_padded=True)
    inputs = {name: tensor.to(backbone.device) for name, tensor in batch.items() if name != "labels"}
    shut_out = [token for token in {*encoder.preprocessor.placeholders, *silent} if token < vocabulary]
    draw = LogitsProcessorList([_Draw(seeds, max_new_tokens, temperature, vocabulary, shut_out)])
    config = greedy(encoder, max_new_tokens)
    training = backbone.training
    backbone.eval()  # checkpointing of activations would switch the cache off
    try:
        with torch.autocast(inputs["input_ids"].device.type, **member.mixed):
            ids_BT = backbone.generate(**inputs, generation_config=config, logits_processor=draw, synced_gpus=synced)
    finally:
        backbone.train(training)
    return [cut(row, encoder) for row in ids_BT[:, inputs["input_ids"].shape[1] :].tolist()]


def cut(ids: Sequence[int], encoder: Encoder) -> list[int]:
    """An answer without the tokens behind its end."""
    return list(ids[: ids.index(encoder.end_token) + 1]) if encoder.end_token in ids else list(ids)
