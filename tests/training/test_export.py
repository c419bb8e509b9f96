"""The output of a training: ordinary checkpoint folders that describe themselves."""

import json

import pytest
import torch
from group_case import make_run, train_scenes
from huggingface_hub import ModelCard
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer, GenerationConfig

from gcl.data.encoding import collate
from gcl.errors import CheckpointError
from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.weights import Weights
from gcl.models.backbone import load_trained
from gcl.models.preprocessor import load_preprocessor
from gcl.operations.model_sizes import model_size
from gcl.training.engines import make_engine
from gcl.training.export import export_member
from gcl.training.member import Member
from gcl.training.semantic_heads import load_head


@pytest.fixture
def train(tmp_path, scenarios):
    def run(spec, name="out"):
        train_scenes(
            spec,
            scenarios[:4],
            "0123456789abcdef",
            ExecutionSpec(),
            tmp_path / name,
            tmp_path / "scratch" / name,
        )
        return tmp_path / name

    return run


def test_a_folder_holds_all_that_transformers_needs(backbones, train):
    output = train(make_run(backbones))
    for role in ("learner", "guide"):
        model = AutoModelForImageTextToText.from_pretrained(output / role)
        assert model.dtype == torch.float32
        assert GenerationConfig.from_pretrained(output / role).eos_token_id == AutoTokenizer.from_pretrained(
            output / role
        ).convert_tokens_to_ids("<|im_end|>")
        assert load_preprocessor(Weights(path=str(output / role))).tokenizer is not None


def test_names_of_weights_are_those_of_the_base(backbones, train):
    output = train(make_run(backbones))
    for role, family in (("learner", "qwen2_5_vl"), ("guide", "qwen3_vl")):
        written, base = (load_file(path / "model.safetensors") for path in (output / role, backbones[family]))
        assert {name: w.shape for name, w in written.items()} == {name: w.shape for name, w in base.items()}


def test_the_model_card_says_what_it_is_and_what_binds_it(backbones, train, tmp_path):
    card = backbones["qwen2_5_vl"] / "README.md"
    card.write_text("---\nlicense: apache-2.0\n---\n# base\n")
    try:
        output = train(make_run(backbones))
    finally:
        card.unlink()
    learner, guide = (ModelCard.load(output / role / "README.md") for role in ("learner", "guide"))
    assert learner.data.license == "apache-2.0" and guide.data.license is None
    assert "Licence of the base model: apache-2.0" in learner.text and "not stated there" in guide.text
    for text in (
        "20 questions with answers of snei (manifest 0123456789ab)",
        "sft_learner",
        "miniature model",
        "m1 (guide)",
        '"gsl_weight":0.5',
    ):
        assert text in learner.text, text


def test_the_semantic_heads_of_gsl_are_kept_as_they_were_learnt(backbones, train):
    run = make_run(backbones)
    output = train(run)
    for k, spec in enumerate(run.members):
        drawn = Member.load(spec, spec.start, run.training, semantic_size=16, seed=k).semantic_head.state_dict()
        for name, weight in load_head(output / spec.role).state_dict().items():
            change = (weight - drawn[name]).abs().max()
            assert 0 < change < 3 * spec.lr, "three steps of AdamW"
    assert load_head(train(make_run(backbones, members=1), "alone") / "learner") is None


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_sixteen_bit_trainings_are_stored_in_sixteen_bits(backbones, train, precision):
    output = train(make_run(backbones, members=1, precision=precision))
    assert {str(w.dtype) for w in load_file(output / "learner/model.safetensors").values()} == {f"torch.{precision}"}
    assert json.loads((output / "learner/config.json").read_text())["dtype"] == precision


@pytest.mark.parametrize("vision", [False, True])
def test_adapters_are_merged_into_what_they_adapt(backbones, scenarios, tmp_path, vision):
    spec = make_run(backbones, lora={"rank": 4, "alpha": 8.0, "vision": vision})
    for k, (member_spec, tied) in enumerate(zip(spec.members, (False, True), strict=True)):
        member = Member.load(member_spec, member_spec.start, spec.training, semantic_size=8, seed=k)
        with torch.no_grad():
            for name, parameter in member.trainable().items():
                if "lora_B" in name:
                    parameter.normal_(std=0.2)
        engine = make_engine([member], spec.training, ExecutionSpec(), 10)
        folder = tmp_path / member_spec.role
        folder.mkdir()
        export_member(engine, member, spec, folder, {})
        merged = AutoModelForImageTextToText.from_pretrained(folder)
        batch = collate([member.encoder.prompt(scenarios[0].exchange("action"))], member.encoder, left_padded=False)
        del batch["labels"]
        with torch.no_grad():
            adapted, plain = member.backbone.eval()(**batch).logits, merged(**batch).logits
            start = AutoModelForImageTextToText.from_pretrained(member_spec.start.path)(**batch).logits
        assert torch.allclose(adapted, plain, atol=1e-5)
        assert not torch.allclose(adapted, start, atol=1e-2)
        assert (merged.lm_head.weight is merged.get_input_embeddings().weight) == tied
        adapters = load_file(folder / "adapter/adapter_model.safetensors")
        assert sum(w.numel() for w in adapters.values()) == sum(
            p.numel() for n, p in member.trainable().items() if "lora_" in n
        )
        adapted_parts = {name.split(".lora_")[0] for name in adapters}
        assert any("visual" in name for name in adapted_parts) == vision
        # Of every block of the vision tower two layers of attention, and two or three of its MLP.
        blocks = len(merged.model.visual.blocks) * (4 if merged.config.model_type == "qwen3_vl" else 5)
        assert len([name for name in adapted_parts if "visual" in name]) == blocks * vision
        size = model_size(merged.config).lora_width
        assert sum(w.numel() for w in adapters.values()) == 4 * (size["language"] + size["vision"] * vision)


def test_adapters_alone_give_the_models_that_whole_weights_give(backbones, scenarios, tmp_path):
    spec = make_run(backbones, lora={"rank": 4, "alpha": 8.0}, lr=(2e-3, 0.0))
    for retain in ("final", "adapters"):
        execution = ExecutionSpec(retain=retain)
        train_scenes(
            spec,
            scenarios[:4],
            "data",
            execution,
            tmp_path / retain,
            tmp_path / "scratch" / retain,
        )
    for member in spec.members:
        base = member.start
        whole, rebuilt = (load_trained(tmp_path / name / member.role, base) for name in ("final", "adapters"))
        for (name, one), (_, two) in zip(whole.named_parameters(), rebuilt.named_parameters(), strict=True):
            assert torch.equal(one, two), name
        assert load_preprocessor(Weights(path=str(tmp_path / "adapters" / member.role))).tokenizer is not None
    files = {p.relative_to(tmp_path / "adapters").as_posix() for p in (tmp_path / "adapters").rglob("*.safetensors")}
    heads = {f"{member.role}/semantic_head/model.safetensors" for member in spec.members}
    assert files == {"learner/adapter/adapter_model.safetensors", *heads}, "a frozen guide is its base"
    sizes = [sum(p.stat().st_size for p in (tmp_path / name).rglob("*.safetensors")) for name in ("final", "adapters")]
    assert sizes[1] < sizes[0] / 5


def test_a_teacher_can_be_adapters_on_a_base(backbones, scenarios, tmp_path):
    """Of a training with a frozen member that another training has left; and so is the frozen member that it leaves."""
    alone = make_run(backbones, members=1, lora={"rank": 4, "alpha": 8.0}, lr=(2e-2,))
    ends = {}
    for retain in ("final", "adapters"):
        execution, place = ExecutionSpec(retain=retain), tmp_path / retain
        train_scenes(alone, scenarios[:4], "data", execution, place / "sft", tmp_path / "scratch")
        pair = make_run(backbones, lora={"rank": 4, "alpha": 8.0}, lr=(2e-3, 0.0))
        teacher = pair.members[1].model_copy(update={"start": Weights(path=str(place / "sft/learner"))})
        pair = pair.model_copy(update={"members": [pair.members[0], teacher]})
        train_scenes(pair, scenarios[:4], "data", execution, place / "pair", tmp_path / "scratch")
        base = [member.start for member in pair.members]
        roles = [place / "pair" / member.role for member in pair.members]
        ends[retain] = [load_trained(folder, start) for folder, start in zip(roles, base, strict=True)]
    for whole, rebuilt in zip(*ends.values(), strict=True):
        for (name, one), (_, two) in zip(whole.named_parameters(), rebuilt.named_parameters(), strict=True):
            assert torch.equal(one, two), name


def test_half_precision_is_rebuilt_without_touching_buffers(backbones, scenarios, tmp_path):
    spec = make_run(backbones, members=1, lora={"rank": 4, "alpha": 8.0}, precision="bfloat16")
    for retain in ("final", "adapters"):
        execution = ExecutionSpec(retain=retain)
        train_scenes(
            spec,
            scenarios[:4],
            "data",
            execution,
            tmp_path / retain,
            tmp_path / "scratch" / retain,
        )
    base = spec.members[0].start
    whole, rebuilt = (load_trained(tmp_path / name / "learner", base, torch.bfloat16) for name in ("final", "adapters"))
    for (name, one), (_, two) in zip(whole.named_buffers(), rebuilt.named_buffers(), strict=True):
        assert one.dtype == two.dtype and torch.equal(one, two), name
    for (name, one), (_, two) in zip(whole.named_parameters(), rebuilt.named_parameters(), strict=True):
        assert one.dtype == two.dtype == torch.bfloat16 and torch.equal(one, two), name


def test_damaged_adapters_are_named(backbones, scenarios, tmp_path):
    spec = make_run(backbones, members=1, lora={"rank": 4, "alpha": 8.0})
    train_scenes(
        spec,
        scenarios[:4],
        "data",
        ExecutionSpec(retain="adapters"),
        tmp_path / "out",
        tmp_path / "scratch",
    )
    adapter = tmp_path / "out/learner/adapter/adapter_model.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="adapter: cannot be loaded"):
        load_trained(tmp_path / "out/learner", spec.members[0].start)
