"""Marks of pictures and control words of models are found in texts; ordinary signs are not taken for them."""

import pytest

from gcl.data.raw import text_problems
from gcl.experiment.marks import marks, without_picture_mark


@pytest.mark.parametrize(
    "word",
    [
        "<image>", "<Image>", "<image 1>", "<image_2>", "<image-3>", "<img>", "</img>", "<video>", "<audio>", "<ImageHere>",
        "<|image_pad|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|endoftext|>", "<|eot_id|>", "<|image_1|>",
        "<|box_start|>", "<s>", "</s>", "<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>",
        "<IMG_CONTEXT>", "<fake_token_around_image>", "<image_soft_token>", "[INST]", "[/INST]", "[IMG]", "<<SYS>>",
        "<think>", "</think>", "<tool_call>", "<end_of_utterance>",
    ],
)  # fmt: skip
def test_a_mark_is_found_in_the_midst_of_a_text(word):
    assert marks(f"before{word}after, {word}") == [word]
    (problem,) = text_problems(None, f"x {word}", "data.json:3", "action")
    assert str(problem).startswith(f"data.json:3: turns.action: answer: {word!r} is ")


@pytest.mark.parametrize(
    "text", ["a < b | c > d", "2<3|4>1", "<3", "an image", "[1]", "image 1", "<b>bold</b>", "x|y", "->", "<|", "|>", ""]
)
def test_ordinary_signs_are_no_marks(text):
    assert marks(text) == []


@pytest.mark.parametrize("text", ["<image>\nWhat do you see?", "What do you see?\n<image>", " What do you see? "])
def test_one_picture_mark_at_either_end_is_taken_off(text):
    assert without_picture_mark(text) == "What do you see?"


@pytest.mark.parametrize("text", ["<image><image>Q", "<image>Q<image>", "Is <image> it?"])
def test_a_second_picture_mark_stays_to_be_refused(text):
    assert marks(without_picture_mark(text)) == ["<image>"]
