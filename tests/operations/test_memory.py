"""The memory estimate: exact counts, activations as autograd keeps them in real models, choices in the right order."""

import json
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, Qwen2_5_VLConfig, Qwen3VLConfig
from transformers.modeling_layers import GradientCheckpointingLayer

from gcl.errors import CheckpointError
from gcl.experiment.execution import ExecutionSpec, execution_spec
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.methods.registry import find_run
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.experiment.yaml_files import read_yaml
from gcl.operations import member_memory, memory
from gcl.operations.member_memory import MemberPlan
from gcl.operations.memory import memory_plan
from gcl.operations.model_sizes import model_configs, model_size
from gcl.training.engines import make_engine
from gcl.training.member import Member

SMALL_TOWER = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
LARGE_TOWER = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24]}


def _qwen(family, hidden, intermediate, layers, heads, kv_heads, vocabulary, tied, tower=SMALL_TOWER):
    """A published model's architecture, from its public config.json."""
    text = {
        "vocab_size": vocabulary, "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads,
    }  # fmt: skip
    if family == 2.5:
        tower = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420}
        vision = {**tower, "num_heads": 16, "patch_size": 14, "out_hidden_size": hidden}
        return Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=tied)
    vision = {**tower, "num_heads": 16, "patch_size": 16, "out_hidden_size": hidden, "num_position_embeddings": 2304}
    return Qwen3VLConfig(text_config={**text, "head_dim": 128}, vision_config=vision, tie_word_embeddings=tied)


PUBLISHED = {
    "qwen3-vl-2b": (_qwen(3, 2048, 6144, 28, 16, 8, 151936, True), 2_127_532_032),
    "qwen2.5-vl-3b": (_qwen(2.5, 2048, 11008, 36, 16, 2, 151936, True), 3_754_622_976),
    "qwen3-vl-4b": (_qwen(3, 2560, 9728, 36, 32, 8, 151936, True), 4_437_815_808),
    "qwen2.5-vl-7b": (_qwen(2.5, 3584, 18944, 28, 28, 4, 152064, False), 8_292_166_656),
    "qwen3-vl-8b": (_qwen(3, 4096, 12288, 36, 32, 8, 151936, False, LARGE_TOWER), 8_767_123_696),
}
PAIR = [PUBLISHED[name][0] for name in ("qwen2.5-vl-3b", "qwen3-vl-4b")]
MEMBERS = {"qwen2_5_vl": "qwen2.5-vl-3b", "qwen3_vl": "qwen3-vl-4b"}  # a miniature model of each family


@pytest.fixture(scope="module")
def paper():
    """The shipped experiment at paper scale."""
    from conftest import ROOT

    return load_experiment({**read_yaml(ROOT / "config.yaml"), "scale": "paper"}, ROOT)


@pytest.fixture(scope="module")
def pair(paper) -> RunSpec:
    """The paper's most frequent pair."""
    return find_run(paper, "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0")


def _changed(run: RunSpec, frozen_guide: bool = False, **training) -> RunSpec:
    members = [m.model_copy(update={"lr": 0.0}) if frozen_guide and m.role == "guide" else m for m in run.members]
    return run.model_copy(update={"training": run.training.model_copy(update=training), "members": members})


def _zero(processes: int, stage: int = 3, **settings) -> ExecutionSpec:
    return ExecutionSpec(
        engine="deepspeed", processes=processes, zero_stage=stage, gradient_checkpointing=True, **settings
    )


def _member(run: RunSpec, execution: ExecutionSpec, config, tokens: int | None = None) -> MemberPlan:
    return memory_plan(run, execution, [config], tokens).members[0]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_their_published_number_of_parameters(name):
    config, total = PUBLISHED[name]
    size = model_size(config)
    assert size.total == sum(size.parts.values()) == total
    assert (size.parts["head"] == 0) == config.tie_word_embeddings


@pytest.mark.parametrize("family", MEMBERS)
@pytest.mark.parametrize(
    "changes",
    [{}, {"frozen": ["vision"]}, {"frozen": ["projector", "vision"]}, {"lora": Lora(rank=4, alpha=8.0)}, {"lr": 0.0}],
    ids=str,
)
def test_counts_are_those_of_real_members(experiment, backbones, family, changes):
    run = find_run(experiment, f"snei/gcl/{MEMBERS[family]}+{MEMBERS[family]}/gco/seed0")
    training = {name: value for name, value in changes.items() if name != "lr"}
    spec = run.members[0].model_copy(
        update={"start": Weights(path=str(backbones[family])), "lr": changes.get("lr", 1e-3)}
    )
    run = _changed(run.model_copy(update={"members": [spec]}), **training)
    member = Member.load(spec, spec.start, run.training, semantic_size=run.objective.semantic_size, seed=0)
    planned = _member(run, ExecutionSpec(), AutoConfig.from_pretrained(backbones[family])).parameters
    assert planned["total"] == sum(parameter.numel() for parameter in member.parameters())
    assert planned["trained"] == sum(parameter.numel() for parameter in member.trainable().values())


@pytest.mark.parametrize("family", MEMBERS)
@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "bfloat16", "lora": Lora(rank=4, alpha=8.0)},
        {"precision": "bfloat16", "lora": Lora(rank=4, alpha=8.0), "quantization": "nf4"},
        {"precision": "float32", "lora": Lora(rank=4, alpha=8.0), "quantization": "nf4"},
        {"precision": "bfloat16", "lr": 0.0, "offload": True},
        {"optimizer": "AdamW8bit"},
        {"optimizer": "AdamW8bit", "offload": True},
    ],
    ids=str,
)
def test_weights_and_moments_take_as_many_bytes_as_planned(experiment, family, changes):
    """Models as wide as it takes for norms and small weights, which stay in 32 bits, to be few."""
    name = MEMBERS[family]
    tower = {"depth": 2, "hidden_size": 256, "intermediate_size": 768, "deepstack_visual_indexes": [1]}
    config = _qwen(2.5 if "2.5" in name else 3, 256, 1024, 4, 8, 2, 640, True, tower)
    config.vision_config.update({key: value for key, value in tower.items() if hasattr(config.vision_config, key)})
    config.vision_config.num_position_embeddings = 16
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 4, 4], "mrope_interleaved": True}
    config.text_config.rope_parameters = rope
    model = AutoModelForImageTextToText.from_config(config)
    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16().float()  # as published
    run = sft_run(experiment, "snei", name, 0)
    execution = ExecutionSpec(offload=changes.get("offload", False))
    spec = run.members[0].model_copy(update={"lr": changes.get("lr", 1e-3)})
    training = {key: value for key, value in changes.items() if key not in ("lr", "offload")}
    run = _changed(run.model_copy(update={"members": [spec]}), **training)
    member = Member(spec, run.training, model, None, semantic_size=None, seed=0)
    engine = make_engine([member], run.training, execution, 10)
    planned = _member(run, execution, config)
    found = sum(_bytes(tensor) for tensor in member.parameters() if not tensor.is_meta)
    assert planned.keeps["weights"] == pytest.approx(found, rel=0.03)
    if spec.frozen:
        assert planned.host == 2 * sum(t.numel() for layer in _layers(model) for t in layer.parameters()) > 0
        return
    for parameter in member.trainable().values():
        parameter.grad = torch.zeros_like(parameter)
    engine.optimizers[0].step()
    moments = {id(t): t for s in engine.optimizers[0].state.values() for k, t in s.items() if k != "step"}
    assert planned.keeps["optimizer"] + planned.host == pytest.approx(sum(map(_bytes, moments.values())), rel=0.05)


def _bytes(tensor: torch.Tensor) -> int:
    """With the scales of a 4-bit weight."""
    state = getattr(tensor, "quant_state", None)
    scales = [] if state is None else [state.absmax, state.state2.absmax]
    return sum(t.numel() * t.element_size() for t in (tensor, *scales))


def _layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


@pytest.mark.parametrize(
    ("frozen", "pictures"), [([], 1), (["vision"], 1), (["vision", "projector"], 1), ([], 4)], ids=str
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["qwen2.5-vl-3b", "qwen3-vl-4b"])
def test_activations_are_what_autograd_keeps(experiment, name, precision, frozen, pictures):
    """A real model of a few layers at realistic proportions, a padded batch of two, every saved tensor counted once."""
    shapes = [256, 768, 3, 8, 2, 640, True]  # heads of 32
    tower = {"depth": 3, "hidden_size": 128, "intermediate_size": 384, "deepstack_visual_indexes": [1]}
    config = _qwen(2.5 if "2.5" in name else 3, *shapes, tower)
    config.vision_config.update({key: value for key, value in tower.items() if hasattr(config.vision_config, key)})
    config.text_config.head_dim, config.image_token_id = 32, 639
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [8, 4, 4], "mrope_interleaved": True}
    config.text_config.rope_parameters = rope
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(config)
    for key, parameter in model.named_parameters():
        part = ("projector" if "merger" in key else "vision") if ".visual." in key else "language"
        parameter.requires_grad_(part not in frozen)
    grid, inputs, patch = 16, 2, config.vision_config.patch_size
    parts = [part for _ in range(pictures) for part in (torch.full((grid**2 // 4,), 639), torch.tensor([1]))]
    ids = torch.cat([*parts, torch.randint(0, 600, (128 - pictures,))])[None].repeat(inputs, 1)
    mask = torch.ones_like(ids)
    mask[0, -1] = 0
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage  # held, so that no address is used twice
        return tensor

    low = {"dtype": torch.bfloat16, "enabled": precision == "bfloat16", "cache_enabled": False}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), torch.autocast("cpu", **low):
        model.model(
            input_ids=ids,
            attention_mask=mask,
            mm_token_type_ids=(ids == 639).long(),
            pixel_values=torch.randn(inputs * pictures * grid**2, 3 * 2 * patch**2),
            image_grid_thw=torch.tensor([[1, grid, grid]] * inputs * pictures),
            use_cache=False,
        )
    counted = sum(storage.nbytes() for storage in kept.values())
    run = _changed(
        sft_run(experiment, "snei", name, 0),
        precision=precision, frozen=frozen, micro_batch=inputs, pixels=[1, (grid * patch) ** 2],
    )  # fmt: skip
    (planned,) = memory_plan(run, ExecutionSpec(), [config], ids.shape[1], pictures=pictures).members
    planned = planned.keeps["activations"]
    assert counted * 0.97 < planned < counted * 1.08


@given(
    processes=st.sampled_from([1, 2, 3, 4, 8, 16]),
    stage=st.sampled_from([1, 2, 3]),
    offload=st.booleans(),
    frozen_guide=st.booleans(),
    lora=st.sampled_from([None, Lora(rank=16, alpha=32.0)]),
)
def test_dividing_more_never_needs_more(pair, processes, stage, offload, frozen_guide, lora):
    run = _changed(pair, frozen_guide, lora=lora)
    sizes = [_SIZES[config.model_type] for config in PAIR]

    def total(processes, stage, offload):
        return memory._plan(run, _zero(processes, stage, offload=offload), sizes, None, 1).total

    here = total(processes, stage, offload)
    assert total(processes * 2, stage, offload) <= here
    assert total(processes, stage, True) <= here
    if stage > 1 and processes > 1:
        assert here <= total(processes, stage - 1, offload)


_SIZES = {config.model_type: model_size(config) for config in PAIR}


def test_a_frozen_member_has_neither_gradients_nor_optimizer(pair):
    plan = memory_plan(_changed(pair, frozen_guide=True), _zero(4, offload=True), PAIR)
    learner, guide = plan.members
    assert guide.parameters["trained"] == guide.keeps["gradients"] == guide.keeps["optimizer"] == guide.host == 0
    assert guide.keeps["activations"] == guide.passing["update"] == 0 < guide.keeps["weights"]
    assert learner.host == plan.host > 0 == learner.keeps["optimizer"]


def test_one_gpu_of_24_gb_takes_every_pair_but_the_largest():
    from conftest import ROOT

    one = load_experiment({**read_yaml(ROOT / "config.yaml"), "scale": "one-gpu"}, ROOT)
    execution, fits = execution_spec(one.execution), {}
    for group in one.groups["snei"].value:
        run = find_run(one, f"snei/gcl/{group.learner}+{group.guide}/full/seed0")
        configs = [PUBLISHED[model][0] for model in group.models]
        fits[group.models] = [
            memory_plan(_changed(run, quantization=bits), execution, configs).total < memory.ROOM * size * memory.GIB
            for bits, size in (("nf4", 24), (None, 24), (None, 48))
        ]
    assert [models for models, (nf4, _, _) in fits.items() if not nf4] == [("qwen3-vl-8b", "qwen2.5-vl-7b")]
    assert fits["qwen2.5-vl-3b", "qwen3-vl-2b"] == [True, True, True]
    assert fits["qwen2.5-vl-3b", "qwen3-vl-4b"] == [True, False, True]


def test_of_a_cached_teacher_the_head_alone_is_there(pair):
    taught = _changed(pair, frozen_guide=True)
    taught = taught.model_copy(update={"objective": taught.objective.model_copy(update={"gsl_weight": 0.0})})
    head = 2 * 151936 * 2560
    for execution in (ExecutionSpec(gradient_checkpointing=True), _zero(4)):
        live, cached = (
            memory_plan(taught, execution.model_copy(update={"teachers": teachers}), PAIR)
            for teachers in ("live", "cached")
        )
        assert cached.members[0] == live.members[0] and cached.total < live.total
        assert sum(cached.members[1].keeps.values()) == cached.members[1].keeps["weights"] == head
    gsl = _changed(pair, frozen_guide=True)  # which needs the teacher itself
    plans = [memory_plan(gsl, ExecutionSpec(teachers=teachers), PAIR).total for teachers in ("live", "cached")]
    assert plans[0] == plans[1]


def test_what_is_computed_again_or_not_learned_is_not_kept(pair):
    plain = ExecutionSpec(gradient_checkpointing=True)
    base = memory_plan(pair, plain, PAIR)
    assert memory_plan(pair, plain.model_copy(update={"gradient_checkpointing": False}), PAIR).total > base.total
    for changes in ({"lora": Lora(rank=16, alpha=32.0)}, {"frozen": ["vision"]}):
        other = memory_plan(_changed(pair, **changes), plain, PAIR)
        assert other.total < base.total
        assert all(
            a.keeps["activations"] < b.keeps["activations"] for a, b in zip(other.members, base.members, strict=True)
        )


def test_full_training_on_one_gpu_takes_sixteen_bytes_a_parameter(pair):
    (member, _) = memory_plan(pair, ExecutionSpec(gradient_checkpointing=True), PAIR).members
    states = sum(member.keeps[part] for part in ("weights", "gradients", "optimizer"))
    assert states == 16 * member.parameters["total"]


@pytest.mark.parametrize(
    ("stage", "offload", "weights", "gradients", "optimizer", "host"),
    [
        (1, False, 4, 4, 3, 0),
        (2, False, 4, 1, 3, 0),
        (3, False, 1, 1, 3, 0),
        (1, True, 4, 4, 0, 5),
        (2, True, 4, 0, 0, 5),
        (3, True, 1, 0, 0, 5),
    ],
)
def test_bytes_a_parameter_of_four_processes(pair, stage, offload, weights, gradients, optimizer, host):
    (member, _) = memory_plan(pair, _zero(4, stage, offload=offload), PAIR).members
    found = [*(member.keeps[part] for part in ("weights", "gradients", "optimizer")), member.host]
    per_parameter = [size / member.parameters["total"] for size in found]
    assert per_parameter == pytest.approx([weights, gradients, optimizer, host])


def test_chunks_are_bounded_as_the_head_chooses_them(pair, monkeypatch):
    from gcl.objective.head import CHUNK_STEP, chunk_rows

    run = _changed(pair, lora=Lora(rank=4, alpha=8.0))  # losses are the neediest moment

    def workspace(rows):
        return memory_plan(run, ExecutionSpec(gradient_checkpointing=True, head_chunk=rows), PAIR).workspace

    with monkeypatch.context() as patch:
        patch.setattr("os.sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": memory.ASSUMED_GPU}.get)
        rows = chunk_rows([config.text_config.vocab_size for config in PAIR], torch.device("cpu"))
    assert workspace(rows) <= workspace(None) < workspace(rows + CHUNK_STEP)


def test_a_plan_prints_and_serializes(pair):
    plan = memory_plan(pair, _zero(8), PAIR, notes=["by hand"])
    text = plan.table()
    assert "qwen2.5-vl-3b   3,755.1 M" in text and "- by hand" in text and "lora rank 16" in text
    assert max(map(len, text.splitlines())) < 140
    several = memory_plan(pair, _zero(8), PAIR, pictures=3)
    assert " patches of 3 pictures, " in several.table() and several.total > plan.total
    data = json.loads(json.dumps(plan.to_dict()))
    kept = sum(sum(member["keeps"].values()) for member in data["members"])
    assert data["total"] == kept + data["workspace"] + data["allowance"]
    assert data["alternatives"][0]["settings"].startswith("engine=plain processes=1")
    assert "which fits 80" in memory_plan(pair, ExecutionSpec(), PAIR).advice


def test_absent_configurations_are_explained(paper, pair, monkeypatch, tmp_path):
    with pytest.raises(CheckpointError, match=r"Qwen/Qwen2.5-VL-3B-Instruct@66285546: .*; connect to the hub"):
        model_configs(pair, paper)
    member = pair.members[0].model_copy(update={"start": Weights(path=str(tmp_path))})
    with pytest.raises(CheckpointError, match="make or download it first"):
        model_configs(pair.model_copy(update={"members": [member]}), paper)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="family 'bert' is not supported"):
        model_configs(pair.model_copy(update={"members": [member]}), paper)


@pytest.mark.parametrize("model", ["qwen2.5-vl-7b", "qwen3-vl-2b"])
def test_miniature_models_are_planned_before_they_are_built(experiment, vocabulary, model, monkeypatch, tmp_path):
    from gcl.models.family import get_family
    from gcl.models.miniature import build_small

    monkeypatch.chdir(tmp_path)
    settings = experiment.base_models
    size = settings.vocabulary.model_copy(update={"value": len(vocabulary["vocab"])})
    same = experiment.model_copy(update={"base_models": settings.model_copy(update={"vocabulary": size})})
    run = find_run(same, f"instructions/pretraining/{model}/default/seed11")
    (config,), (note,) = model_configs(run, same)
    spec = settings.models.value[model]
    built, _ = build_small(get_family(experiment.models[model].family.value), spec, vocabulary, (784, 50176), seed=0)
    assert model_size(config).total == sum(parameter.numel() for parameter in built.parameters())
    assert f"{model} is not built yet" in note and "approximate" in note


@pytest.mark.slow
def test_deepspeed_is_configured_as_planned(pair):
    """Slow only since DeepSpeed takes seconds to import."""
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    from gcl.training.zero import deepspeed_config

    zero = deepspeed_config(pair.training, _zero(2), 2, 10**10)["zero_optimization"]
    assert zero["reduce_bucket_size"] == member_memory.REDUCE_BUCKET // 2
    assert zero["stage3_max_live_parameters"] == member_memory.LIVE // 2
    assert zero["stage3_prefetch_bucket_size"] == member_memory.PREFETCH // 2
    assert DeepSpeedZeroConfig().sub_group_size == member_memory.SUB_GROUP


@pytest.mark.parametrize("family", ["internvl", "smolvlm", "gemma3", "llava_onevision", "qwen3_5"])
def test_other_families_are_planned(pair, all_backbones, family):
    """A picture has as many tokens at most as the small instances give one of 96 x 64, or more."""
    from gcl.data.encoding import Encoder
    from gcl.models.family import get_family
    from gcl.models.preprocessor import load_preprocessor

    configs = [AutoConfig.from_pretrained(all_backbones[name]) for name in ("qwen3_vl", family)]
    plan = memory_plan(pair, _zero(2), configs)
    assert all(sum(member.keeps.values()) > 0 for member in plan.members)
    tokens, patches = get_family(family).picture(configs[1], pair.training.pixels[1])
    own = Encoder(load_preprocessor(Weights(path=str(all_backbones[family])), (784, 50176)), "Be brief.")
    shown = own.preprocessor.pictures([Image.new("RGB", (96, 64))])
    ids = own.preprocessor.tokenizer(shown.signs[0], add_special_tokens=False)["input_ids"]
    assert max(Counter(ids).values()) <= tokens <= patches
    assert get_family(family).tower(configs[1]).layers == 2
