"""The published models' architectures, and shorthands of the tests of memory plans."""

from transformers import Qwen2_5_VLConfig, Qwen3VLConfig

from gcl.experiment.execution import ExecutionSpec
from gcl.experiment.runs import RunSpec
from gcl.operations.member_memory import MemberPlan
from gcl.operations.memory import memory_plan

SMALL_TOWER = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "deepstack_visual_indexes": [5, 11, 17]}
LARGE_TOWER = {"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24]}


def qwen(family, hidden, intermediate, layers, heads, kv_heads, vocabulary, tied, tower=SMALL_TOWER):
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
    "qwen3-vl-2b": (qwen(3, 2048, 6144, 28, 16, 8, 151936, True), 2_127_532_032),
    "qwen2.5-vl-3b": (qwen(2.5, 2048, 11008, 36, 16, 2, 151936, True), 3_754_622_976),
    "qwen3-vl-4b": (qwen(3, 2560, 9728, 36, 32, 8, 151936, True), 4_437_815_808),
    "qwen2.5-vl-7b": (qwen(2.5, 3584, 18944, 28, 28, 4, 152064, False), 8_292_166_656),
    "qwen3-vl-8b": (qwen(3, 4096, 12288, 36, 32, 8, 151936, False, LARGE_TOWER), 8_767_123_696),
}
PAIR = [PUBLISHED[name][0] for name in ("qwen2.5-vl-3b", "qwen3-vl-4b")]


def changed(run: RunSpec, frozen_guide: bool = False, **training) -> RunSpec:
    """A run with other settings of its training."""
    members = [m.model_copy(update={"lr": 0.0}) if frozen_guide and m.role == "guide" else m for m in run.members]
    return run.model_copy(update={"training": run.training.model_copy(update=training), "members": members})


def zero(processes: int, stage: int = 3, **settings) -> ExecutionSpec:
    """Execution by DeepSpeed."""
    return ExecutionSpec(
        engine="deepspeed", processes=processes, zero_stage=stage, gradient_checkpointing=True, **settings
    )


def member_plan(run: RunSpec, execution: ExecutionSpec, config, tokens: int | None = None) -> MemberPlan:
    """The plan of a run's first member."""
    return memory_plan(run, execution, [config], tokens).members[0]
