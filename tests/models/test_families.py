"""Every family of models, by small instances of its own classes: inputs, training, answers, adapters, export."""

import json
import shutil
import warnings

import pytest
import torch
from conftest import tiny
from group_case import losses, make_run, train_scenes
from PIL import Image
from transformers import AutoModelForImageTextToText

from gcl.data.encoding import IGNORED, Encoder, collate
from gcl.data.scenario import Exchange, Picture, Turn
from gcl.errors import CheckpointError
from gcl.evaluation.generate import _continue
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.family import get_family, listed
from gcl.models.preprocessor import load_preprocessor

SYSTEM = "You are a helpful assistant."
FAMILIES = listed()


def encoder(folder) -> Encoder:
    return Encoder(load_preprocessor(Weights(path=str(folder)), (784, 50176)), SYSTEM)


def messages(exchange: Exchange, answer: str | None) -> list[dict]:
    """The exchange as a chat in transformers' form."""
    shown = [
        part for p in exchange.pictures for part in ([words(f"{p.name}:")] if p.name else []) + [{"type": "image"}]
    ]
    chat = [{"role": "system", "content": [words(SYSTEM)]}]
    for turn in exchange.earlier:
        chat.append({"role": "user", "content": [*shown, words(turn.question)]})
        chat.append({"role": "assistant", "content": [words(turn.answer)]})
        shown = []
    chat.append({"role": "user", "content": [*shown, words(exchange.question)]})
    return chat + ([{"role": "assistant", "content": [words(answer)]}] if answer else [])


def words(text: str) -> dict:
    return {"type": "text", "text": text}


def by_processor(processor, exchanges, answers=None) -> dict:
    """What the family's own processor makes of exchanges."""
    texts = [
        processor.tokenizer.apply_chat_template(messages(one, answer), tokenize=False, add_generation_prompt=not answer)
        for one, answer in zip(exchanges, answers or [None] * len(exchanges), strict=True)
    ]
    images = [[Image.open(p.path).convert("RGB") for p in one.pictures] for one in exchanges]
    options = {"padding": True, "padding_side": "left", "return_tensors": "pt", "add_special_tokens": False}
    return dict(processor(images=images, text=texts, **options))


@pytest.mark.parametrize("family", FAMILIES)
def test_own_encoding_equals_the_familys_processor(all_backbones, scenarios, family):
    own = encoder(all_backbones[family])
    for turn in ("perception", "action"):
        exchanges = [scene.exchange(turn) for scene in scenarios[:4]]
        mine = collate([own.prompt(one) for one in exchanges], own, left_padded=True)
        theirs = by_processor(own.preprocessor.processor, exchanges)
        assert mine.keys() == theirs.keys() | {"labels"}
        for key, expected in theirs.items():
            assert torch.equal(mine[key], expected), key


@pytest.mark.parametrize("family", FAMILIES)
def test_question_and_answer_are_the_familys_chat(all_backbones, scenarios, family):
    """The template may write more behind the end of the turn."""
    own, one = encoder(all_backbones[family]), scenarios[0].exchange("reasoning")
    (theirs,) = by_processor(own.preprocessor.processor, [one], [one.answer])["input_ids"].tolist()
    sample = own.sample(one)
    assert sample.ids == theirs[: len(sample.ids)] and len(theirs) - len(sample.ids) <= 1
    assert sample.labels[-1] == own.end_token
    said = own.preprocessor.tokenizer.decode([label for label in sample.labels[:-1] if label != IGNORED])
    assert said.strip() == one.answer


@pytest.mark.parametrize("family", FAMILIES)
def test_several_named_pictures_and_earlier_turns(all_backbones, scenarios, family):
    own = encoder(all_backbones[family])
    pictures = (
        Picture(scenarios[0].pictures[0].path, "front camera"),
        Picture(scenarios[1].pictures[0].path, "rear camera"),
    )
    one = Exchange("x", pictures, "What now?", "Stop.", (Turn("What do you see?", "A person."),))
    theirs = by_processor(own.preprocessor.processor, [one])
    mine = collate([own.prompt(one)], own, left_padded=True)
    for key, expected in theirs.items():
        assert torch.equal(mine[key], expected), key
    exchanged = Exchange("x", pictures[::-1], one.question, one.answer, one.earlier)
    assert not torch.equal(
        collate([own.prompt(exchanged)], own, left_padded=True)["pixel_values"], mine["pixel_values"]
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_samples_with_and_without_pictures_share_a_batch(all_backbones, scenarios, family):
    """As long as no input depends on another one, a model computes what it would alone."""
    own, model = encoder(all_backbones[family]), load_backbone(Weights(path=str(all_backbones[family])))
    picture = Picture(scenarios[0].pictures[0].path)
    shown = (Exchange("a", (picture,), "What now?", "Stop."), Exchange("b", (), "Why?", "It is free."))
    two = Exchange("c", (picture, Picture(scenarios[1].pictures[0].path)), "And now?", "Go.")
    if family != "llava_onevision":  # whose model takes one number of pictures for all
        shown = (*shown, two)
    samples = [own.sample(one) for one in shown]
    whole = collate(samples, own, left_padded=False)
    inputs = {name: value for name, value in whole.items() if name != "labels"}
    with torch.no_grad():
        together = model.model(**inputs).last_hidden_state
        for row, sample in enumerate(samples):
            alone = {k: v for k, v in collate([sample], own, left_padded=False).items() if k != "labels"}
            expected = model.model(**alone).last_hidden_state[0]
            torch.testing.assert_close(together[row, : len(expected)], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_batched_answers_equal_those_one_by_one(all_backbones, scenarios, family):
    own, model = encoder(all_backbones[family]), load_backbone(Weights(path=str(all_backbones[family])))
    turns = ("action", "perception") * 2
    samples = [own.prompt(scene.exchange(turn)) for scene, turn in zip(scenarios, turns, strict=False)]
    together = _continue(model, own, collate(samples, own, left_padded=True), 6)
    assert together == [_continue(model, own, collate([one], own, left_padded=True), 6)[0] for one in samples]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_trains_and_leaves_an_ordinary_checkpoint(all_backbones, scenarios, family, tmp_path):
    run = make_run(all_backbones, members=1, epochs=3, families=(family,))
    train_scenes(run, scenarios[:4], "data", ExecutionSpec(), tmp_path / "run", tmp_path / "scratch")
    found = losses(tmp_path / "run")
    assert found[-1]["loss"] < 0.97 * found[0]["loss"]
    folder = tmp_path / "run/learner"
    model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    before = load_backbone(Weights(path=str(all_backbones[family]))).state_dict()
    changed = {
        get_family(family).part(name) for name, weight in model.state_dict().items() if not weight.equal(before[name])
    }
    assert changed == {"language", "vision", "projector"}
    again, first = encoder(folder), encoder(all_backbones[family])
    one = scenarios[0].exchange("action")
    assert again.sample(one).ids == first.sample(one).ids and again.preprocessor.turns == first.preprocessor.turns


@pytest.mark.parametrize("family", FAMILIES)
def test_frozen_parts_and_adapters(all_backbones, scenarios, family, tmp_path):
    from gcl.training.member import Member

    run = make_run(all_backbones, members=1, families=(family,), frozen=("vision", "projector"))
    (spec,) = run.members
    member = Member.load(spec, spec.start, run.training, semantic_size=None, seed=0)
    parts = {get_family(family).part(name) for name in member.trainable()}
    assert parts == {"language"}
    run = make_run(all_backbones, members=1, families=(family,), lora=Lora(rank=2, alpha=4.0, vision=True))
    member = Member.load(spec, spec.start, run.training, semantic_size=None, seed=0)
    trained = list(member.trainable())
    assert trained and all("lora_" in name for name in trained)
    assert {get_family(family).part(name) for name in trained} == {"language", "vision"}


def test_other_tokens_stand_for_pictures_in_no_answer(all_backbones):
    for folder in all_backbones.values():
        own = encoder(folder).preprocessor
        assert set(own.picture_tokens) <= set(own.placeholders)
        assert own.tokenizer.convert_tokens_to_ids(own.picture_sign) in own.placeholders


def test_a_family_without_a_file_is_tried_with_a_warning():
    get_family.cache_clear()
    with pytest.warns(UserWarning, match="nobody has tested model family 'idefics3'"):
        family = get_family("idefics3")
    assert not family.tested and family.name == "idefics3"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert get_family("gemma3").tested


def test_a_family_that_sees_nothing_is_refused():
    with pytest.raises(CheckpointError, match=r"'bert' is not supported.*qwen3_vl"):
        get_family("bert")


def test_a_head_that_changes_logits_is_refused(all_backbones, tmp_path):
    folder = tmp_path / "capped"
    shutil.copytree(all_backbones["gemma3"], folder)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["final_logit_softcapping"] = 30.0
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="capped: its head changes logits"):
        load_backbone(Weights(path=str(folder)))


def test_a_missing_library_is_named(monkeypatch):
    family = get_family("smolvlm")
    monkeypatch.setattr("gcl.models.family.find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match="pip install num2words"):
        family.require()


def test_shapes_follow_the_settings(all_backbones):
    for folder in all_backbones.values():
        text = load_backbone(Weights(path=str(folder))).config.get_text_config()
        assert (text.hidden_size, text.num_hidden_layers) == (tiny().hidden_size, tiny().layers)
