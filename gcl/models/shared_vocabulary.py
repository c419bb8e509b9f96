"""How much vocabulary do the members share? DRL compares distributions only over ids that mean the same to everyone."""

from collections.abc import Sequence
from itertools import takewhile

from transformers import PreTrainedTokenizerBase

from gcl.errors import CheckpointError


def shared_vocabulary(tokenizers: Sequence[PreTrainedTokenizerBase], head_rows: Sequence[int]) -> int:
    """Number of leading token ids that are the same token for every member and have a row in every output head.

    Widths alone prove nothing: heads are padded differently by model size (151,936 and 152,064 rows in Qwen2.5-VL), and
    Qwen3 adds tokens behind the ones it shares with Qwen2.5. So the tokens themselves are compared.

    Raises:
        CheckpointError: if the first differing id lies before the end-of-turn token, that is, the tokenizers are unrelated.
    """
    if len(tokenizers) == 1:
        return head_rows[0]
    tables = [{index: token for token, index in tokenizer.get_vocab().items()} for tokenizer in tokenizers]
    limit = min(*head_rows, *(len(table) for table in tables))
    agreed = takewhile(lambda i: all(table.get(i) == tables[0].get(i) for table in tables), range(limit))
    shared = sum(1 for _ in agreed)
    last_needed = max(tokenizer.eos_token_id for tokenizer in tokenizers)
    if shared <= last_needed:
        names = [table.get(shared) for table in tables]
        raise CheckpointError(
            f"the members' tokenizers part at id {shared} ({names}), before the end-of-turn token {last_needed}; "
            "group models of one tokenizer family"
        )
    return shared
