"""The text of every token: `token_bytes(tokenizer)`, so that tokens of unlike tokenizers can be compared.

Tokenizers spell text in two ways. Byte-level ones (GPT-2, Qwen, SmolVLM) write a sign for each byte. Those in the manner of
SentencePiece (Gemma, Llama 2) write characters, a sign for blanks, and `<0x0A>` for single bytes. A token can end within a
character, so texts are bytes here.
"""

import json
import re
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerBase

from gcl.errors import CheckpointError

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def token_bytes(tokenizer: PreTrainedTokenizerBase) -> list[bytes | None]:
    """The text of each token id; None for special tokens, which no text has, and for ids without a token.

    Raises:
        CheckpointError: if the tokenizer spells its tokens in a third way.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    decoders = _parts(state["decoder"])
    kinds = {part["type"] for part in decoders}
    added = tokenizer.added_tokens_decoder
    texts: list[bytes | None] = [None] * (max(tokenizer.get_vocab().values()) + 1)
    if "ByteLevel" in kinds:
        spell = partial(_byte_level, bytes_of={sign: byte for byte, sign in _byte_signs().items()})
    elif "ByteFallback" in kinds:
        replaced = [(part["pattern"]["String"], part["content"]) for part in decoders if part["type"] == "Replace"]
        spell = partial(_sentence_piece, replaced=replaced)
    else:
        raise CheckpointError(
            f"{tokenizer.name_or_path or type(tokenizer).__name__}: tokens are spelled neither as bytes nor as "
            f"SentencePiece has them ({', '.join(sorted(kinds)) or 'no decoder'}), so they cannot be compared; set "
            "objective.drl_weight: 0, or group models of one tokenizer"
        )
    for token, index in tokenizer.get_vocab().items():
        if index in added and added[index].special:
            continue
        # Added tokens stand in a text as they are. Gemma's for several blanks have its sign for blanks all the same.
        texts[index] = token.encode() if index in added and "ByteLevel" in kinds else spell(token)
    return texts


def _byte_level(token: str, bytes_of: dict[str, int]) -> bytes | None:
    found = [bytes_of.get(sign) for sign in token]
    return None if None in found else bytes(found)


def _sentence_piece(token: str, replaced: list[tuple[str, str]]) -> bytes:
    if byte := _BYTE.fullmatch(token):
        return bytes([int(byte[1], 16)])
    for sign, text in replaced:
        token = token.replace(sign, text)
    return token.encode()


def _byte_signs() -> dict[int, str]:
    """The signs of GPT-2's byte-level spelling: printable bytes are themselves, the others follow from 256 on."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + number) for number, byte in enumerate(others)}


def _parts(decoder: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A decoder's parts, those of a sequence one by one."""
    if decoder is None:
        return []
    return [part for one in decoder["decoders"] for part in _parts(one)] if decoder["type"] == "Sequence" else [decoder]
