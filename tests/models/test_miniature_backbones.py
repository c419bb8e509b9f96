"""Miniature backbones are ordinary checkpoints with the real families' awkward differences."""

import json
import re
import shutil

import pytest
import torch
import yaml
from conftest import ROOT, tiny
from transformers import AutoModelForImageTextToText

from gcl.data.encoding import Encoder, collate
from gcl.errors import CheckpointError
from gcl.evaluation.generate import _continue
from gcl.experiment.load import load_experiment
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_backbone
from gcl.models.family import get_family
from gcl.models.miniature import build_small
from gcl.models.preprocessor import load_preprocessor
from gcl.models.shared_vocabulary import shared_vocabulary

SYSTEM = "You are a helpful assistant."


def encoder(folder) -> Encoder:
    return Encoder(load_preprocessor(Weights(path=str(folder)), (784, 50176)), SYSTEM)


def test_supervised_tokens_are_the_answer_and_its_end(backbones, scenarios):
    own = encoder(backbones["qwen3_vl"])
    sample = own.sample(scenarios[0].exchange("action"))
    answer = [label for label in sample.labels if label != -100]
    assert own.preprocessor.tokenizer.decode(answer) == scenarios[0].turns["action"].answer + "<|im_end|>"
    assert sample.ids[-len(answer) :] == answer


def test_families_need_different_numbers_of_image_tokens_but_agree_on_answers(backbones, scenarios):
    encoders = [encoder(backbones[family]) for family in ("qwen2_5_vl", "qwen3_vl")]
    samples = [own.sample(scenarios[0].exchange("perception")) for own in encoders]
    assert len(samples[0].ids) - len(samples[1].ids) == 15 - 12
    answers = [[label for label in sample.labels if label != -100] for sample in samples]
    assert answers[0] == answers[1]


def test_shared_vocabulary_ends_where_the_families_part(backbones):
    preprocessors = [load_preprocessor(Weights(path=str(folder))) for folder in backbones.values()]
    tokenizers = [preprocessor.tokenizer for preprocessor in preprocessors]
    ends = [encoder(folder).end_token for folder in backbones.values()]
    rows = [
        load_backbone(Weights(path=str(folder))).get_output_embeddings().weight.shape[0]
        for folder in backbones.values()
    ]
    shared = shared_vocabulary(tokenizers, rows, ends)
    assert rows[0] == rows[1] + 64
    assert shared == len(tokenizers[0]) == len(tokenizers[1]) - 4
    assert shared_vocabulary(tokenizers[:1], rows[:1], ends[:1]) == rows[0]


def test_unrelated_tokenizers_share_no_leading_ids(backbones, vocabulary):
    tokenizer = load_preprocessor(Weights(path=str(backbones["qwen3_vl"]))).tokenizer
    swapped = dict(vocabulary["vocab"])
    first, second = list(swapped)[:2]
    swapped[first], swapped[second] = swapped[second], swapped[first]
    changed = {**vocabulary, "vocab": swapped}
    other = build_small(get_family("qwen3_vl"), tiny(), changed, (784, 50176), 0)[1].tokenizer
    end = tokenizer.eos_token_id
    assert shared_vocabulary([tokenizer, other], [1000, 1000], [end, end]) is None
    assert shared_vocabulary([tokenizer, tokenizer], [1000, 1000], [end, end - 1]) is None


def test_batched_left_padded_generation_equals_one_by_one(backbones, scenarios):
    for folder in backbones.values():
        model, own = load_backbone(Weights(path=str(folder))), encoder(folder)
        turns = ("action", "perception") * 6
        samples = [own.prompt(s.exchange(turn)) for s, turn in zip(scenarios, turns, strict=True)]
        together = _continue(model, own, collate(samples, own, left_padded=True), 8)
        alone = [_continue(model, own, collate([sample], own, left_padded=True), 8)[0] for sample in samples]
        assert together == alone


def test_the_seed_decides_the_weights(experiment, vocabulary):
    spec = experiment.base_models.models.value["qwen3-vl-2b"]
    family = get_family("qwen3_vl")
    one, same, other = (build_small(family, spec, vocabulary, (784, 50176), seed)[0].state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_miniature_sizes_of_the_papers_families_are_ordered_as_the_real_ones(experiment, vocabulary):
    counts, specs = {}, experiment.base_models.models.value
    assert specs.keys() == experiment.models.keys()
    for name, model in experiment.models.items():
        spec = specs[name]
        built, _ = build_small(get_family(model.family.value), spec, vocabulary, (784, 50176), 0)
        if model.family.value.startswith("qwen"):  # the others have parts of other sizes
            counts[model.size.value] = sum(p.numel() for p in built.parameters())
        tied = built.get_output_embeddings().weight is built.get_input_embeddings().weight
        assert tied == (name not in ("smolvlm2-2.2b", "qwen2.5-vl-7b", "qwen3-vl-8b"))
    assert [counts[size] for size in sorted(counts)] == sorted(counts.values())


def test_a_saved_backbone_loads_by_the_usual_class(backbones):
    model = AutoModelForImageTextToText.from_pretrained(backbones["qwen2_5_vl"])
    assert type(model).__name__ == "Qwen2_5_VLForConditionalGeneration"


def remove(name):
    return lambda folder: (folder / name).unlink()


def edit_config(**changes):
    def apply(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return apply


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def drop_weights(folder):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    save_file(dict(list(state.items())[3:]), folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    "damage, expected",
    [
        (remove("config.json"), "no config.json"),
        (remove("tokenizer_config.json"), "no tokenizer_config.json"),
        (remove("model.safetensors"), "cannot be loaded"),
        (truncate, "cannot be loaded"),
        (drop_weights, "lacks weights"),
        (edit_config(model_type="llama"), "family 'llama' is not supported"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
    ],
)
def test_a_broken_checkpoint_folder_is_named(backbones, tmp_path, damage, expected):
    folder = tmp_path / "broken"
    shutil.copytree(backbones["qwen3_vl"], folder)
    damage(folder)
    with pytest.raises(CheckpointError, match=expected) as caught:
        load_backbone(Weights(path=str(folder)))
    assert str(folder) in str(caught.value)


def test_hub_checkpoints_are_pinned_to_a_commit():
    config = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"scale": "paper"}
    paper = load_experiment(config, ROOT)
    encoders = (paper.evaluation.bert_encoder, paper.evaluation.sentence_encoder)
    for checkpoint in [*(model.backbone.value for model in paper.models.values()), *(e.value for e in encoders)]:
        assert re.fullmatch("[0-9a-f]{40}", checkpoint.revision)
        assert Weights(path=checkpoint.path, revision=checkpoint.revision).arguments["revision"] == checkpoint.revision


def test_a_checkpoints_own_generation_defaults_do_not_change_the_answers(backbones, scenarios):
    """Qwen2.5-VL ships a repetition penalty; greedy means greedy for every family."""
    model, own = load_backbone(Weights(path=str(backbones["qwen2_5_vl"]))), encoder(backbones["qwen2_5_vl"])
    batch = collate([own.prompt(s.exchange("perception")) for s in scenarios], own, left_padded=True)
    plain = _continue(model, own, batch, 12)
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.do_sample = True
    assert _continue(model, own, batch, 12) == plain
