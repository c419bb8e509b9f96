"""An exported folder is read by programs that know transformers 4.57 alone, and says nothing of this machine.

4.57 cannot be installed beside 5. With the same folders it gave the same texts, and logits equal to 2e-6.
"""

import json

import pytest
from group_case import make_run, train_scenes
from transformers import AutoConfig, AutoTokenizer
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.weights import Weights

ROLES = {"learner": "qwen2_5_vl", "guide": "qwen3_vl"}


@pytest.fixture(scope="module")
def generations(backbones, scenarios, tmp_path_factory):
    """Members of a training, and of one that started from these."""
    folder = tmp_path_factory.mktemp("portable")
    spec = make_run(backbones)
    for name in ("first", "second"):
        train_scenes(spec, scenarios[:2], "data", ExecutionSpec(), folder / name, folder / "scratch")
        members = [m.model_copy(update={"start": Weights(path=str(folder / name / m.role))}) for m in spec.members]
        spec = spec.model_copy(update={"members": members})
    return folder


def content(folder, name):
    return json.loads((folder / name).read_text())


@pytest.mark.parametrize("generation", ["first", "second"])
@pytest.mark.parametrize("role", ROLES)
def test_older_transformers_find_every_setting_under_the_name_they_know(generations, generation, role):
    folder = generations / generation / role
    text = content(folder, "config.json")["text_config"]
    rope = dict(text["rope_parameters"])
    assert text["rope_theta"] == rope.pop("rope_theta") and text["rope_scaling"] == rope
    assert text["tie_word_embeddings"] == (role == "guide"), "4.57 ties by the text model's setting"
    tokenizer = content(folder, "tokenizer_config.json")
    assert "extra_special_tokens" not in tokenizer, "4.57 takes a dictionary there"
    assert "<|image_pad|>" in tokenizer["additional_special_tokens"]
    processor = content(folder, "processor_config.json")
    image, video = (content(folder, f"{name}preprocessor_config.json") for name in ("", "video_"))
    assert image.items() >= processor["image_processor"].items()
    assert video.items() >= processor["video_processor"].items()
    assert image["image_processor_type"] == "Qwen2VLImageProcessor"
    assert (image["min_pixels"], image["max_pixels"]) == (784, 50176), "4.57 does not look at `size`"


@pytest.mark.parametrize("role", ROLES)
def test_this_version_reads_the_same_as_from_the_base(generations, backbones, role):
    ours, base = generations / "second" / role, backbones[ROLES[role]]

    def settings(folder):
        config = AutoConfig.from_pretrained(folder)
        text = config.text_config.to_dict()
        tokenizer, images = AutoTokenizer.from_pretrained(folder), Qwen2VLImageProcessorPil.from_pretrained(folder)
        rest = (tokenizer.all_special_ids, tokenizer.chat_template, images.to_dict(), config.tie_word_embeddings)
        return {name: text[name] for name in text if name not in ("dtype", "tie_word_embeddings")}, *rest

    one, other = settings(ours), settings(base)
    assert one == other


@pytest.mark.parametrize("role", ROLES)
def test_nothing_of_this_machine_is_left_in_the_folder(generations, role):
    folder = generations / "first" / role
    for path in folder.glob("*.json"):
        text = path.read_text()
        assert str(generations) not in text and "_name_or_path" not in text, path.name
        assert "is_local" not in text and "local_files_only" not in text, path.name
