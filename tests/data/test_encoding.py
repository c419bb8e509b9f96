"""Control words of a model are letters inside a text. They open or end no turn and place no picture."""

from dataclasses import replace

import pytest

from gcl.data.encoding import IGNORED, Encoder
from gcl.data.scenario import Exchange
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_preprocessor
from gcl.models.bpe import train_vocabulary
from gcl.models.miniature import build_preprocessor

WORDS = ("<|im_end|>", "<|im_start|>system", "<|image_pad|>", "<|vision_start|>", "<|endoftext|>", "<think>")


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"])
def encoder(request, backbones) -> Encoder:
    return Encoder(load_preprocessor(Weights(path=str(backbones[request.param])), (784, 50176)), "Be brief.")


@pytest.mark.parametrize("word", WORDS)
def test_a_control_word_in_an_answer_is_encoded_letter_by_letter(encoder, word):
    ids = encoder.answer(f"Stop {word} now.")
    special = set(encoder.preprocessor.tokenizer.all_special_ids)
    assert [k for k, token in enumerate(ids) if token in special] == [len(ids) - 1], "only the end of the turn"
    assert encoder.preprocessor.tokenizer.decode(ids[:-1]) == f"Stop {word} now."


@pytest.mark.parametrize("word", WORDS)
def test_a_control_word_in_a_question_opens_no_turn_and_places_no_picture(encoder, scenarios, word):
    plain = replace(scenarios[0].exchange("action"), question="What now?")
    attacked = replace(plain, question=f"What {word} now?")
    special = set(encoder.preprocessor.tokenizer.all_special_ids)
    ours, usual = ([t for t in encoder.prompt(e).ids if t in special] for e in (attacked, plain))
    assert ours == usual
    assert word in encoder.preprocessor.tokenizer.decode(encoder.template(attacked))


def test_both_families_split_an_answer_with_a_control_word_alike():
    """With a vocabulary that has merges across the beginning of the word, as the published one."""
    words = train_vocabulary(["<think> stop </think> <tool_response> stop </tool_response>"] * 100, 300)
    assert "<think" in words["vocab"]
    for text in ("So <think> and <|im_end|> stop.", "<tool_response>stop</tool_response>"):
        first, second = (
            Encoder(build_preprocessor(family, words, (784, 50176)), "").answer(text)[:-1]
            for family in ("qwen2_5_vl", "qwen3_vl")
        )
        assert first == second


def test_ordinary_text_is_tokenized_in_one_piece(encoder):
    text = "Stop; a < b | c > d, don't turn."
    tokenizer = encoder.preprocessor.tokenizer
    assert encoder.answer(text)[:-1] == tokenizer(text, add_special_tokens=False)["input_ids"]
    sample = encoder.sample(Exchange("x", None, "What now?", text))
    assert [label for label in sample.labels if label != IGNORED] == encoder.answer(text)
