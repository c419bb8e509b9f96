"""Vocabularies and tokenizers of miniature models: `train_vocabulary(corpus, size, spelling)`, `build_tokenizer(...)`.

Families spell tokens in three ways. Qwen and SmolVLM write bytes. Qwen splits numbers into digits, SmolVLM does not. Gemma
writes characters with a sign for blanks, and bytes for characters that it does not know. Training imports no torch.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Spelling = Literal["qwen", "gpt2", "gemma"]
SPELLINGS: tuple[Spelling, ...] = get_args(Spelling)
# Qwen's splitting rule: contractions, words with a leading mark or space, single digits, punctuation, white space.
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_BLANK = "\u2581"
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))


def train_vocabulary(corpus: Iterable[str], size: int, spelling: Spelling = "qwen") -> dict[str, Any]:
    """Train byte pair encoding; returns {"vocab", "merges"} with `size` entries, without special tokens.

    Gemma's spelling has 256 entries more, one for each byte.
    """
    tokenizer = Tokenizer(models.BPE())
    alphabet: Sequence[str] = pre_tokenizers.ByteLevel.alphabet()
    if spelling == "qwen":
        tokenizer.normalizer = normalizers.NFC()
        split = pre_tokenizers.Split(Regex(_SPLIT), behavior="isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
    elif spelling == "gpt2":
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", _BLANK)
        # Words apart, each with the blank before it: Gemma merges within words alone.
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(f"{_BLANK}|\n"), behavior="merged_with_next")
        alphabet = [_BLANK, "\n"]
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=list(alphabet))
    tokenizer.train_from_iterator(corpus, trainer)
    state = json.loads(tokenizer.to_str())["model"]
    vocab = state["vocab"]
    if spelling == "gemma":
        vocab = {token: index for index, token in enumerate([*_BYTES, *sorted(vocab, key=vocab.__getitem__)])}
    return {"vocab": vocab, "merges": [list(merge) for merge in state["merges"]]}


def build_tokenizer(
    spelling: Spelling, vocabulary: Mapping[str, Any], special: Sequence[str], named: Mapping[str, str]
) -> "PreTrainedTokenizerBase":
    """A tokenizer of transformers over a trained vocabulary.

    Args:
        spelling: of the vocabulary.
        vocabulary: from `train_vocabulary`; perhaps with "phrases", longer texts that are one token each.
        special: special tokens in their order, padding first. Gemma's padding is followed by its end and its beginning of a
            text, and by those for unknown and masked words.
        named: those that a processor asks for, by attribute.
    """
    from transformers import GemmaTokenizer, GPT2Tokenizer, Qwen2Tokenizer

    merges = [tuple(merge) for merge in vocabulary["merges"]]
    first, *others = special
    options = {"padding_side": "left", "pad_token": first, "merges": merges}
    if spelling == "gemma":
        words = {token: index for index, token in enumerate([*special, *vocabulary["vocab"]])}
        options |= {"vocab": words, "eos_token": special[1], "bos_token": special[2], "unk_token": special[3]}
        kind, others = GemmaTokenizer, list(special[5:])
    else:
        words = dict(vocabulary["vocab"])
        kind, end = (Qwen2Tokenizer, "<|im_end|>") if spelling == "qwen" else (GPT2Tokenizer, first)
        if named:  # else the library would put these in front; it puts the end there in any case
            ordered = [end, *(token for token in special if token != end)]
            words |= {token: len(words) + number for number, token in enumerate(ordered)}
        options |= {"vocab": words, "unk_token": first, "eos_token": end, "bos_token": None}
    tokenizer = kind(extra_special_tokens=dict(named) or others, **options)
    if named:
        tokenizer.add_special_tokens({"additional_special_tokens": [t for t in others if t not in named.values()]})
    tokenizer.add_tokens(vocabulary.get("phrases", []))
    return tokenizer
