"""`Encoder` beside the families' own processors, with the real tokenizer: ids, labels, positions and pixels are equal.

Both read the same folders, each with its own code. Where `Encoder` differs on purpose, a test says how and why.
"""

import random
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, ProcessorMixin

from gcl.data.encoding import IGNORED, Encoder, collate
from gcl.data.scenario import Exchange, Picture, Turn
from gcl.experiment.weights import Weights
from gcl.models.preprocessor import load_preprocessor
from gcl.models.shared_vocabulary import shared_vocabulary
from real.real_case import (
    END,
    IMAGE,
    NEWLINE,
    PREPROCESSING,
    PUBLISHED,
    QWEN3_TOKENS,
    SHARED,
    START,
    SYSTEM,
    VISION_START,
    published_config,
)

pytestmark = pytest.mark.real
MODELS = ("qwen2.5-vl-3b", "qwen3-vl-2b")  # one of each family
TEXTS = {
    "plain": "The man walks to the left; I'd stop, then don't turn.",
    "white space at the ends": "  \t Stop here. \n\n",
    "white space inside": "a\tb\t\tc  d   e\r\nf\n\n\n g \u00a0 h\u2003i\u200bj",
    "numbers and signs": "x=3.14159; 1,234,567 -> {[(<>)]} != 50% @#$ \\n /* ... */",
    "emoji": "Go 🚶‍♂️➡️ now 👩🏽‍🦽, 🇩🇪!! 😀😀😀",
    "Chinese": "机器人应该停下来，等待行人通过。謝謝！",
    "scripts": "Straße, naïve, Ελλάδα, Привет, שלום, مرحبا, नमस्ते, ไทย, 한국어, 日本語カタカナ",
    "combining marks": "e\u0301 a\u0308\u0323 n\u0303 \u1e9b\u0323 \u212b \u0958 q\u0307\u0323",  # not in normal form
    "nearly control words": "< |im_end| > <|im_end <im_end|> <| image_pad |> <thinking> </ think> <tool>",
    "bare words": "user assistant system im_start vision_start",
    "empty": "",
    "very long": "The robot sees 3 people. " * 1500 + "机器人" * 1500 + "\n" * 50,
}
CASES = [*((text, False) for text in TEXTS), *((text, True) for text in ("plain", "white space at the ends", "empty"))]
CONTROL_WORDS = (
    "<|im_end|>",
    "<|im_start|>assistant",
    "<|image_pad|>",
    "<|vision_start|>",
    "<|endoftext|>",
    "<tool_call>",
)


def messages(question: str, answer: str | None, picture: Path | None, system: str | None = SYSTEM) -> list[dict]:
    """A conversation as transformers' processors take it."""
    image = [] if picture is None else [{"type": "image", "path": str(picture)}]
    turns = [("user", [*image, {"type": "text", "text": question}])]
    if system is not None:
        turns.insert(0, ("system", [{"type": "text", "text": system}]))
    if answer is not None:
        turns.append(("assistant", [{"type": "text", "text": answer}]))
    return [{"role": role, "content": content} for role, content in turns]


def by_processor(processor: ProcessorMixin, question: str, answer: str, picture: Path | None) -> dict:
    """Ids and labels of a whole conversation, and the picture; the template itself marks the answer."""
    found = processor.apply_chat_template(
        messages(question, answer, picture),
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        return_assistant_tokens_mask=True,
    )
    ids, answered = found["input_ids"][0].tolist(), list(found["assistant_masks"][0])
    return {**found, "ids": ids, "labels": [i if inside else IGNORED for i, inside in zip(ids, answered, strict=True)]}


def question_by_processor(processor: ProcessorMixin, conversation: list[dict]) -> list[int]:
    """Ids of a conversation that a model is to continue."""
    found = processor.apply_chat_template(conversation, tokenize=True, return_dict=True, add_generation_prompt=True)
    (ids,) = found["input_ids"]
    return ids


def test_the_tokenizers_are_those_of_the_families(encoders):
    for name, encoder in encoders.items():
        tokenizer, new = encoder.preprocessor.tokenizer, PUBLISHED[name].family == "qwen3_vl"
        assert len(tokenizer) == SHARED + len(QWEN3_TOKENS) * new < PUBLISHED[name].rows
        assert encoder.preprocessor.picture_tokens == [IMAGE]
        assert (encoder.end_token, encoder.pad_token) == (END, 151643)
        assert tokenizer.convert_tokens_to_ids(list(QWEN3_TOKENS)) == (
            [*range(SHARED, SHARED + 4)] if new else [None] * 4
        )


@pytest.mark.parametrize("pair", combinations(PUBLISHED, 2), ids="+".join)
def test_members_share_the_ids_of_both_families_and_no_padding(encoders, pair):
    tokenizers = [encoders[name].preprocessor.tokenizer for name in pair]
    of_one_family = {len(tokenizer) for tokenizer in tokenizers} == {SHARED + 4}
    rows = [PUBLISHED[name].rows for name in pair]
    assert shared_vocabulary(tokenizers, rows, [END, END]) == SHARED + 4 * of_one_family


@pytest.mark.parametrize("name", MODELS)
def test_named_pictures_and_earlier_turns_equal_the_processors(encoders, processors, picture, name):
    named = [{"type": "text", "text": "front camera:"}, {"type": "image", "path": str(picture)}] * 2
    first, then = (
        messages(question, answer, None)[1:] for question, answer in (("Who?", "A man."), ("And now?", None))
    )
    first[0]["content"] = [*named, *first[0]["content"]]
    conversation = [*messages("", None, None)[:1], *first, *then]
    shown = (Picture(picture, "front camera"),) * 2
    ours = encoders[name].prompt(Exchange("x", shown, "And now?", "", (Turn("Who?", "A man."),)))
    assert ours.ids == question_by_processor(processors[name], conversation)


@pytest.mark.parametrize(("text", "with_picture"), CASES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_ids_labels_and_pixels_equal_the_processors(encoders, processors, picture, name, text, with_picture):
    image = picture if with_picture else None
    theirs = by_processor(processors[name], TEXTS[text], TEXTS[text].lstrip(), image)
    shown = (Picture(picture),) if with_picture else ()
    ours = encoders[name].sample(Exchange("x", shown, TEXTS[text], TEXTS[text].lstrip()))
    # The template writes a newline behind the last turn. Nothing follows it, and no model has to predict it.
    assert theirs["ids"][-1] == NEWLINE and theirs["labels"][-1] == IGNORED
    assert ours.ids == theirs["ids"][:-1] and ours.labels == theirs["labels"][:-1]
    assert ours.labels[-1] == END
    if with_picture:
        assert torch.equal(ours.pictures.inputs["pixel_values"], theirs["pixel_values"])
        assert torch.equal(ours.pictures.inputs["image_grid_thw"], theirs["image_grid_thw"])


@pytest.mark.parametrize("name", MODELS)
def test_random_texts_have_the_processors_ids(encoders, processors, name):
    draw = random.Random(0)
    pieces = [
        *" \t\n\r<>|/_'.,?!0123456789aeéB",
        "\u0301",
        "\u0323",
        "\u00a0",
        "停",
        "下",
        "😀",
        "im_end",
        "'ll",
        "the ",
    ]
    for _ in range(300):
        question, answer = ("".join(draw.choices(pieces, k=draw.randrange(1, 30))) for _ in range(2))
        theirs = by_processor(processors[name], question, answer.lstrip(), None)
        ours = encoders[name].sample(Exchange("x", (), question, answer.lstrip()))
        assert (ours.ids, ours.labels) == (theirs["ids"][:-1], theirs["labels"][:-1]), (question, answer)


@pytest.mark.parametrize("name", MODELS)
def test_an_answer_that_begins_with_a_line_break_is_split_as_a_model_generates_it(encoders, processors, name):
    """The processor reads the prompt's last newline and the answer's first as one token. A prompt ends with the first."""
    theirs = by_processor(processors[name], "x", "\nGo", None)
    ours = encoders[name].sample(Exchange("x", (), "x", "\nGo"))
    tokenizer = encoders[name].preprocessor.tokenizer
    assert ours.ids != theirs["ids"][:-1] and tokenizer.decode(ours.ids) == tokenizer.decode(theirs["ids"][:-1])
    prompt = question_by_processor(processors[name], messages("x", None, None))
    assert ours.ids[: len(prompt)] == prompt
    assert ours.ids[len(prompt) :] == [NEWLINE, *tokenizer("Go")["input_ids"], END]


@pytest.mark.parametrize("name", MODELS)
def test_the_system_message_is_given_because_only_one_family_has_a_default(encoders, processors, name):
    ours = encoders[name].prompt(Exchange("x", (), "What now?", "")).ids
    theirs = question_by_processor(processors[name], messages("What now?", None, None, system=None))
    own = len(ours) - len(theirs)
    assert theirs == ours[own:] and own == (0 if PUBLISHED[name].family == "qwen2_5_vl" else ours.index(END) + 2)


@pytest.mark.parametrize("word", CONTROL_WORDS)
@pytest.mark.parametrize("name", MODELS)
def test_control_words_differ_on_purpose(encoders, processors, picture, name, word):
    """The processor takes a user's `<|im_end|>` for the end of the turn. `Encoder` cuts it: `<` and `|im_end|>` are text."""
    encoder, tokenizer = encoders[name], encoders[name].preprocessor.tokenizer
    added = set(tokenizer.added_tokens_decoder)

    def control(ids: list[int]) -> list[int]:
        return [token for token in ids if token in added]

    text = f"Say {word} and go."
    ours, usual = (encoder.sample(Exchange("x", (Picture(picture),), t, t)) for t in (text, "Say it and go."))
    assert control(ours.ids) == control(usual.ids)
    assert [label for label in control(ours.labels) if label != IGNORED] == [END]
    cut = text.index("<") + 1
    parts = tokenizer([text[:cut], text[cut:]])["input_ids"]
    assert encoder.answer(text) == [*parts[0], *parts[1], END] and tokenizer.decode(encoder.answer(text)[:-1]) == text
    # The words are real ones: tokens of their own, for the processor.
    assert control(tokenizer(text)["input_ids"])
    if "image_pad" not in word:  # a second place for one picture is more than the processor can bear
        assert len(control(by_processor(processors[name], text, text, picture)["ids"])) == len(control(ours.ids)) + 2


def test_words_that_one_family_alone_has_as_tokens_are_letters_to_both(encoders, processors):
    text = "<think>Stop.</think> <tool_response>"
    first, second = (encoders[name].answer(text) for name in MODELS)
    assert first == second
    theirs = [processors[name].tokenizer(text)["input_ids"] for name in MODELS]
    assert theirs[0] != theirs[1]


def positions(sample_ids: list[int], grid: torch.Tensor | None, merge: int = 2) -> torch.Tensor:
    """Positions [3, T] (time, row, column) as the papers of Qwen2-VL define them; one picture at most."""
    rows, next_one, place = [], 0, 0
    height, width = (0, 0) if grid is None else (int(n) // merge for n in grid[0, 1:])
    for token in sample_ids:
        if token == IMAGE:
            rows.append([next_one, next_one + place // width, next_one + place % width])
            place += 1
            if place == height * width:
                next_one += max(height, width)
        else:
            rows.append([next_one] * 3)
            next_one += 1
    return torch.tensor(rows).T


@pytest.mark.parametrize("left_padded", [False, True], ids=["training", "generation"])
@pytest.mark.parametrize("name", MODELS)
def test_a_batch_and_its_positions_equal_the_processors(encoders, processors, picture, name, left_padded):
    encoder, questions = encoders[name], ["What now?", TEXTS["Chinese"] * 3, TEXTS["emoji"]]
    pictures = [picture, None, picture]
    samples = [
        encoder.prompt(Exchange("x", (Picture(p),) if p else (), q, ""))
        for p, q in zip(pictures, questions, strict=True)
    ]
    ours = collate(samples, encoder, left_padded=left_padded)
    theirs = processors[name].apply_chat_template(
        [messages(q, None, p) for p, q in zip(pictures, questions, strict=True)],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        add_generation_prompt=True,
        processor_kwargs={"padding": True, "padding_side": "left" if left_padded else "right"},
    )
    assert theirs.keys() == ours.keys() - {"labels"}
    for key in theirs:
        assert torch.equal(ours[key], theirs[key]), key

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(published_config(name)).model
    found, _ = model.get_rope_index(**{key: ours[key] for key in theirs if key != "pixel_values"})
    for row, sample in enumerate(samples):
        expected = positions(sample.ids, sample.pictures.inputs["image_grid_thw"] if sample.pictures else None)
        assert torch.equal(found[:, row, ours["attention_mask"][row].bool()], expected), row


def patches(frame: Image.Image, family: str, size: tuple[int, int]) -> np.ndarray:
    """A picture of a given size in patches: groups of 2 x 2, each patch twice, since a video has two frames a token."""
    values = PREPROCESSING[family]
    scaled = np.asarray(frame.resize(size, Image.Resampling.BICUBIC), dtype=np.float64) / 255
    normal = (scaled - values["image_mean"]) / values["image_std"]
    side, rows = values["patch_size"], []
    for top in range(0, size[1], 2 * side):
        for left in range(0, size[0], 2 * side):
            for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
                patch = normal[top + y * side : top + (y + 1) * side, left + x * side : left + (x + 1) * side]
                rows.append(np.repeat(patch.transpose(2, 0, 1)[:, None], 2, axis=1).ravel())
    return np.array(rows)


# 1280 x 720 in whole tokens of 28 and 32 pixels; then with the limit of 256 * 28 * 28 pixels of config.yaml.
SIZES = {
    ("qwen2.5-vl-3b", None): (1288, 728),
    ("qwen3-vl-2b", None): (1280, 704),
    ("qwen2.5-vl-3b", (3136, 200704)): (588, 336),
    ("qwen3-vl-2b", (3136, 200704)): (576, 320),
}


@pytest.mark.parametrize(("name", "limits"), SIZES, ids=str)
def test_pictures_become_the_patches_of_the_family(checkpoints, picture, name, limits):
    preprocessor = load_preprocessor(Weights(path=str(checkpoints[name])), limits)
    sample = Encoder(preprocessor, SYSTEM).prompt(Exchange("x", (Picture(picture),), "What now?", ""))
    (width, height), side = SIZES[name, limits], PREPROCESSING[PUBLISHED[name].family]["patch_size"]
    assert limits is None or width * height <= limits[1]
    assert sample.pictures.inputs["image_grid_thw"].tolist() == [[1, height // side, width // side]]
    assert sample.ids.count(IMAGE) == width * height // (2 * side) ** 2
    assert sample.ids[sample.ids.index(IMAGE) - 1] == VISION_START and sample.ids[0] == START
    expected = patches(Image.open(picture), PUBLISHED[name].family, (width, height))
    np.testing.assert_allclose(sample.pictures.inputs["pixel_values"].numpy(), expected, rtol=0, atol=2e-6)
