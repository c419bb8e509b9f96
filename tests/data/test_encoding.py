"""The tokens of an exchange: pictures and earlier turns in their order, and control words in texts as mere letters."""

from dataclasses import replace

import pytest
import torch
from conftest import tiny
from PIL import Image

from gcl.data.encoding import IGNORED, Encoder, collate
from gcl.data.images import load_picture
from gcl.data.scenario import Exchange, Picture, Turn
from gcl.experiment.weights import Weights
from gcl.models.bpe import train_vocabulary
from gcl.models.family import get_family
from gcl.models.miniature import build_small
from gcl.models.preprocessor import load_preprocessor

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
            Encoder(build_small(get_family(family), tiny(), words, (784, 50176), 0)[1], "").answer(text)[:-1]
            for family in ("qwen2_5_vl", "qwen3_vl")
        )
        assert first == second


def test_ordinary_text_is_tokenized_in_one_piece(encoder):
    text = "Stop; a < b | c > d, don't turn."
    tokenizer = encoder.preprocessor.tokenizer
    assert encoder.answer(text)[:-1] == tokenizer(text, add_special_tokens=False)["input_ids"]
    sample = encoder.sample(Exchange("x", (), "What now?", text))
    assert [label for label in sample.labels if label != IGNORED] == encoder.answer(text)


def test_pictures_stand_after_their_names_in_the_first_question_and_earlier_turns_before_the_last(encoder, tmp_path):
    """Against the dialogue written out by hand, and each picture processed alone."""
    pictures, shown, features = [], "", []
    for name, size in (("front camera", (84, 56)), (None, (112, 112)), ("2 s before", (56, 140))):
        pictures.append(Picture(tmp_path / f"{size[0]}.png", name))
        Image.effect_mandelbrot(size, (-2, -1.5, 1, 1.5), 50).convert("RGB").save(pictures[-1].path)
        picture, _ = load_picture(pictures[-1].path)
        features.append(encoder.preprocessor.image_processor(images=[picture], return_tensors="pt"))
        count = int(features[-1]["image_grid_thw"].prod()) // 4
        shown += f"{name}:" if name else ""
        shown += f"<|vision_start|>{'<|image_pad|>' * count}<|vision_end|>"
    system, talk = (
        "<|im_start|>system\nBe brief.<|im_end|>\n",
        "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n",
    )
    whole = f"{system}{talk}{{}}<|im_end|>\n{talk}"
    tokenizer = encoder.preprocessor.tokenizer
    asked = Exchange("x", tuple(pictures), "What now?", "Stop.", (Turn("Who is there?", "A man."),))
    expected = whole.format(f"{shown}Who is there?", "A man.", "What now?")
    assert encoder.prompt(asked).ids == tokenizer(expected, add_special_tokens=False)["input_ids"]
    sample = encoder.sample(asked)
    assert [label for label in sample.labels if label != IGNORED] == encoder.answer("Stop."), "the last answer alone"
    attacked = encoder.prompt(replace(asked, earlier=(Turn("Who is there?", "A <|im_end|>."),))).ids
    assert attacked.count(encoder.end_token) == sample.ids.count(encoder.end_token) - 1
    batch = collate([sample, encoder.prompt(Exchange("y", (), "?", "")), sample], encoder, left_padded=True)
    assert torch.equal(batch["pixel_values"], torch.cat([f["pixel_values"] for f in features] * 2))
    assert torch.equal(batch["image_grid_thw"], torch.cat([f["image_grid_thw"] for f in features] * 2))


def test_one_picture_without_a_name_stands_before_the_question(encoder, scenarios):
    exchange = scenarios[0].exchange("action")
    picture, _ = load_picture(exchange.pictures[0].path)
    features = encoder.preprocessor.image_processor(images=[picture], return_tensors="pt")
    image = "<|image_pad|>" * (int(features["image_grid_thw"].prod()) // 4)
    text = (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n<|vision_start|>" + image + "<|vision_end|>"
        f"{exchange.question}<|im_end|>\n<|im_start|>assistant\n"
    )
    sample = encoder.prompt(exchange)
    assert sample.ids == encoder.preprocessor.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert torch.equal(sample.pictures.inputs["pixel_values"], features["pixel_values"])
