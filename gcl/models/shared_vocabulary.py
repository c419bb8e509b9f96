"""The vocabulary that all members share. DRL compares distributions only over ids that mean the same to every member."""

from collections.abc import Sequence
from itertools import takewhile

from transformers import PreTrainedTokenizerBase

from gcl.errors import CheckpointError


def shared_vocabulary(tokenizers: Sequence[PreTrainedTokenizerBase], head_rows: Sequence[int]) -> int:
    """Number of leading token ids that mean the same token to every member and have a row in every head.

    The tokens themselves are compared, because widths mislead. Heads are padded by model size: 151,936 and 152,064 rows in
    Qwen2.5-VL. Qwen3 adds tokens behind those that it shares with Qwen2.5.

    Raises:
        CheckpointError: if tokenizers differ before the end-of-turn token, so they are unrelated.
    """
    if len(tokenizers) == 1:
        return head_rows[0]
    tables = [{index: token for token, index in tokenizer.get_vocab().items()} for tokenizer in tokenizers]
    limit = min(*head_rows, *(len(table) for table in tables))
    shared = sum(1 for _ in takewhile(lambda i: len({table.get(i) for table in tables}) == 1, range(limit)))
    last_needed = max(tokenizer.eos_token_id for tokenizer in tokenizers)
    if shared <= last_needed:
        names = [table.get(shared) for table in tables]
        raise CheckpointError(
            f"the members' tokenizers differ from id {shared} ({names}), before the end-of-turn token {last_needed}; "
            "group models of one tokenizer family"
        )
    return shared
