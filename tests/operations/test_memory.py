"""The memory estimate of a run: choices in the right order, exact bytes a parameter, words."""

import json
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from memory_case import PAIR, PUBLISHED, changed, zero
from PIL import Image
from transformers import AutoConfig

from gcl.errors import CheckpointError
from gcl.experiment.execution import ExecutionSpec, execution_spec
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.registry import find_run
from gcl.experiment.runs import RunSpec
from gcl.experiment.types import Lora
from gcl.experiment.weights import Weights
from gcl.experiment.yaml_files import read_yaml
from gcl.operations import member_memory, memory
from gcl.operations.memory import memory_plan
from gcl.operations.model_sizes import model_configs, model_size


@pytest.fixture(scope="module")
def paper():
    """The shipped experiment at paper scale."""
    from conftest import ROOT

    return load_experiment({**read_yaml(ROOT / "config.yaml"), "scale": "paper"}, ROOT)


@pytest.fixture(scope="module")
def pair(paper) -> RunSpec:
    """The paper's most frequent pair."""
    return find_run(paper, "snei/gcl/qwen2.5-vl-3b+qwen3-vl-4b/full/seed0")


@given(
    processes=st.sampled_from([1, 2, 3, 4, 8, 16]),
    stage=st.sampled_from([1, 2, 3]),
    offload=st.booleans(),
    frozen_guide=st.booleans(),
    lora=st.sampled_from([None, Lora(rank=16, alpha=32.0)]),
)
def test_dividing_more_never_needs_more(pair, processes, stage, offload, frozen_guide, lora):
    run = changed(pair, frozen_guide, lora=lora)
    sizes = [_SIZES[config.model_type] for config in PAIR]

    def total(processes, stage, offload):
        return memory._plan(run, zero(processes, stage, offload=offload), sizes, None, 1).total

    here = total(processes, stage, offload)
    assert total(processes * 2, stage, offload) <= here
    assert total(processes, stage, True) <= here
    if stage > 1 and processes > 1:
        assert here <= total(processes, stage - 1, offload)


_SIZES = {config.model_type: model_size(config) for config in PAIR}


def test_a_frozen_member_has_neither_gradients_nor_optimizer(pair):
    plan = memory_plan(changed(pair, frozen_guide=True), zero(4, offload=True), PAIR)
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
            memory_plan(changed(run, quantization=bits), execution, configs).total < memory.ROOM * size * memory.GIB
            for bits, size in (("nf4", 24), (None, 24), (None, 48))
        ]
    assert [models for models, (nf4, _, _) in fits.items() if not nf4] == [("qwen3-vl-8b", "qwen2.5-vl-7b")]
    assert fits["qwen2.5-vl-3b", "qwen3-vl-2b"] == [True, True, True]
    assert fits["qwen2.5-vl-3b", "qwen3-vl-4b"] == [True, False, True]


def test_of_a_cached_teacher_the_head_alone_is_there(pair):
    taught = changed(pair, frozen_guide=True)
    taught = taught.model_copy(update={"objective": taught.objective.model_copy(update={"gsl_weight": 0.0})})
    head = 2 * 151936 * 2560
    for execution in (ExecutionSpec(gradient_checkpointing=True), zero(4)):
        live, cached = (
            memory_plan(taught, execution.model_copy(update={"teachers": teachers}), PAIR)
            for teachers in ("live", "cached")
        )
        assert cached.members[0] == live.members[0] and cached.total < live.total
        assert sum(cached.members[1].keeps.values()) == cached.members[1].keeps["weights"] == head
    gsl = changed(pair, frozen_guide=True)  # which needs the teacher itself
    plans = [memory_plan(gsl, ExecutionSpec(teachers=teachers), PAIR).total for teachers in ("live", "cached")]
    assert plans[0] == plans[1]


def test_what_is_computed_again_or_not_learned_is_not_kept(pair):
    plain = ExecutionSpec(gradient_checkpointing=True)
    base = memory_plan(pair, plain, PAIR)
    assert memory_plan(pair, plain.model_copy(update={"gradient_checkpointing": False}), PAIR).total > base.total
    for changes in ({"lora": Lora(rank=16, alpha=32.0)}, {"frozen": ["vision"]}):
        other = memory_plan(changed(pair, **changes), plain, PAIR)
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
    (member, _) = memory_plan(pair, zero(4, stage, offload=offload), PAIR).members
    found = [*(member.keeps[part] for part in ("weights", "gradients", "optimizer")), member.host]
    per_parameter = [size / member.parameters["total"] for size in found]
    assert per_parameter == pytest.approx([weights, gradients, optimizer, host])


def test_chunks_are_bounded_as_the_head_chooses_them(pair, monkeypatch):
    from gcl.objective.head import CHUNK_STEP, chunk_rows

    run = changed(pair, lora=Lora(rank=4, alpha=8.0))  # losses are the neediest moment

    def workspace(rows):
        return memory_plan(run, ExecutionSpec(gradient_checkpointing=True, head_chunk=rows), PAIR).workspace

    with monkeypatch.context() as patch:
        patch.setattr("os.sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": memory.ASSUMED_GPU}.get)
        rows = chunk_rows([config.text_config.vocab_size for config in PAIR], torch.device("cpu"))
    assert workspace(rows) <= workspace(None) < workspace(rows + CHUNK_STEP)


def test_a_plan_prints_and_serializes(pair):
    plan = memory_plan(pair, zero(8), PAIR, notes=["by hand"])
    text = plan.table()
    assert "qwen2.5-vl-3b   3,755.1 M" in text and "- by hand" in text and "lora rank 16" in text
    assert max(map(len, text.splitlines())) < 140
    several = memory_plan(pair, zero(8), PAIR, pictures=3)
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

    settings = deepspeed_config(pair.training, zero(2), 2, 10**10)["zero_optimization"]
    assert settings["reduce_bucket_size"] == member_memory.REDUCE_BUCKET // 2
    assert settings["stage3_max_live_parameters"] == member_memory.LIVE // 2
    assert settings["stage3_prefetch_bucket_size"] == member_memory.PREFETCH // 2
    assert DeepSpeedZeroConfig().sub_group_size == member_memory.SUB_GROUP


@pytest.mark.parametrize("family", ["internvl", "smolvlm", "gemma3", "llava_onevision", "qwen3_5"])
def test_other_families_are_planned(pair, all_backbones, family):
    """A picture has as many tokens at most as the small instances give one of 96 x 64, or more."""
    from gcl.data.encoding import Encoder
    from gcl.models.family import get_family
    from gcl.models.preprocessor import load_preprocessor

    configs = [AutoConfig.from_pretrained(all_backbones[name]) for name in ("qwen3_vl", family)]
    plan = memory_plan(pair, zero(2), configs)
    assert all(sum(member.keeps.values()) > 0 for member in plan.members)
    tokens, patches = get_family(family).picture(configs[1], pair.training.pixels[1])
    own = Encoder(load_preprocessor(Weights(path=str(all_backbones[family])), (784, 50176)), "Be brief.")
    shown = own.preprocessor.pictures([Image.new("RGB", (96, 64))])
    ids = own.preprocessor.tokenizer(shown.signs[0], add_special_tokens=False)["input_ids"]
    assert max(Counter(ids).values()) <= tokens <= patches
    assert get_family(family).tower(configs[1]).layers == 2
