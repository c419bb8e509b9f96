"""Memory plans against real members: counts, bytes of weights and moments, activations as autograd keeps them."""

import pytest
import torch
from memory_case import PUBLISHED, changed, member_plan, qwen
from transformers import AutoConfig, AutoModelForImageTextToText
from transformers.modeling_layers import GradientCheckpointingLayer

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.methods.registry import find_run
from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.operations.memory import memory_plan
from gcl.operations.model_sizes import model_size
from gcl.training.engines import make_engine
from gcl.training.member import Member

MEMBERS = {"qwen2_5_vl": "qwen2.5-vl-3b", "qwen3_vl": "qwen3-vl-4b"}  # a miniature model of each family


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
    run = changed(run.model_copy(update={"members": [spec]}), **training)
    member = Member.load(spec, spec.start, run.training, semantic_size=run.objective.semantic_size, seed=0)
    planned = member_plan(run, ExecutionSpec(), AutoConfig.from_pretrained(backbones[family])).parameters
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
    config = qwen(2.5 if "2.5" in name else 3, 256, 1024, 4, 8, 2, 640, True, tower)
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
    run = changed(run.model_copy(update={"members": [spec]}), **training)
    member = Member(spec, run.training, model, None, semantic_size=None, seed=0)
    engine = make_engine([member], run.training, execution, 10)
    planned = member_plan(run, execution, config)
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
    config = qwen(2.5 if "2.5" in name else 3, *shapes, tower)
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
    run = changed(
        sft_run(experiment, "snei", name, 0),
        precision=precision, frozen=frozen, micro_batch=inputs, pixels=[1, (grid * patch) ** 2],
    )  # fmt: skip
    (planned,) = memory_plan(run, ExecutionSpec(), [config], ids.shape[1], pictures=pictures).members
    planned = planned.keeps["activations"]
    assert counted * 0.97 < planned < counted * 1.08
