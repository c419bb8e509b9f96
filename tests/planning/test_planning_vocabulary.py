"""The vocabulary of miniature models: cells and common lines of prompts are one token each. Texts stay the same."""

import json
from typing import Any

import pytest

from gcl.data.encoding import Encoder
from gcl.data.scenario import Exchange
from gcl.experiment.planning_schema import FORMS, VIEWS
from gcl.experiment.schema import MiniatureModel
from gcl.experiment.weights import Weights
from gcl.models.backbone import Preprocessor, load_preprocessor
from gcl.models.untrained import build
from gcl.planning import perception
from gcl.planning.cells import generate
from gcl.planning.plans import TAGS
from gcl.planning.states_file import StateRecord
from gcl.planning.tokenizer import vocabulary
from gcl.planning.views import perception_prompt, prompt, response

TASKS = {"frozenlake": 3, "maze": 3, "minibehaviour": 4}


@pytest.fixture(scope="module")
def records() -> list[StateRecord]:
    return [record for task, level in TASKS.items() for record in generate(task, level, {"train": 6}, 1)]


@pytest.fixture(scope="module")
def known(records) -> dict[str, Any]:
    return vocabulary(records, "Solve the task.", 500)


@pytest.fixture(scope="module")
def preprocessor(known, tmp_path_factory) -> Preprocessor:
    folder = tmp_path_factory.mktemp("vocabulary")
    words = folder / "vocabulary.json"
    words.write_text(json.dumps(known))
    shape = {"hidden_size": 32, "intermediate_size": 32, "layers": 1, "heads": 2, "kv_heads": 2}
    shape |= {"vision_hidden_size": 32, "vision_layers": 1, "tied_head": True, "head_padding": 0}
    build(MiniatureModel(family="qwen3_vl", **shape), words, (784, 50176), 0, folder / "model")
    return load_preprocessor(Weights(path=str(folder / "model")))


def texts(record: StateRecord) -> list[str]:
    """All that a member reads or writes about a state."""
    shown = [perception_prompt(record), *(prompt(record, view, form) for view in VIEWS for form in FORMS)]
    return [perception.answer(record.state), *(response(record, form) for form in FORMS), *(one.text for one in shown)]


def test_every_text_comes_back_as_it_was(records, preprocessor):
    tokenizer = preprocessor.tokenizer
    for text in (text for record in records for text in texts(record)):
        assert tokenizer.decode(tokenizer(text)["input_ids"], clean_up_tokenization_spaces=False) == text


def test_a_cell_and_a_fixed_line_are_one_token_each(preprocessor, records):
    rules = prompt(records[0], "image").text.split("\n")[0]
    assert [len(preprocessor.tokenizer(text)["input_ids"]) for text in (" (1,2)", rules)] == [1, 1]
    assert len(preprocessor.tokenizer(prompt(records[0], "image").text)["input_ids"]) == 5  # three lines, two line ends


def test_the_frame_of_a_chat_is_cut_as_published_tokenizers_cut_it(preprocessor):
    encoder = Encoder(preprocessor, "Solve the task.")
    ids = encoder.prompt(Exchange("e", None, "1", "")).ids
    tokens = [preprocessor.tokenizer.decode([token]) for token in ids]
    start, end = "<|im_start|>", "<|im_end|>"
    turns = [[start, role, "\n", text, end, "\n"] for role, text in (("system", "Solve the task."), ("user", "1"))]
    assert tokens == [*turns[0], *turns[1], start, "assistant", "\n"]


def test_nothing_that_tells_of_a_state_is_a_phrase(records, known):
    """A model must copy sizes, rows and plans token by token."""
    own = {line for record in records for line in record.state.text().split("\n")}
    own |= {line for record in records for form in FORMS for line in response(record, form).split("\n")}
    assert not own & set(known["phrases"])
    phrases = set(known["phrases"]) - set(TAGS)
    assert all(line.startswith(" (") or len(line.split()) > 1 for line in phrases)
