"""The vocabulary that all members share. DRL compares distributions only over ids that mean the same to every member."""

from collections.abc import Sequence
from itertools import takewhile

from transformers import PreTrainedTokenizerBase


def shared_vocabulary(
    tokenizers: Sequence[PreTrainedTokenizerBase], head_rows: Sequence[int], ends: Sequence[int]
) -> int | None:
    """Number of leading token ids that mean the same token to every member and have a row in every head.

    The tokens themselves are compared, because widths mislead. Heads are padded by model size: 151,936 and 152,064 rows in
    Qwen2.5-VL. Qwen3 adds tokens behind those that it shares with Qwen2.5.

    Args:
        tokenizers: of the members.
        head_rows: rows of their heads.
        ends: the token that ends each member's answers.

    Returns:
        None if a member's end of an answer is not among these tokens, so tokenizers are unrelated.
    """
    if len(tokenizers) == 1:
        return head_rows[0]
    tables = [{index: token for token, index in tokenizer.get_vocab().items()} for tokenizer in tokenizers]
    limit = min(*head_rows, *(len(table) for table in tables))
    shared = sum(1 for _ in takewhile(lambda i: len({table.get(i) for table in tables}) == 1, range(limit)))
    return shared if len(set(ends)) == 1 and ends[0] < shared else None
