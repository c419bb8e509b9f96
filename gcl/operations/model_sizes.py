"""Sizes of a run's models: their configurations without weights, and exact counts of their parameters.

`model_configs(run, experiment)` finds the configurations. `model_size(config)` counts on torch's meta device.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForImageTextToText, PretrainedConfig
from transformers.modeling_layers import GradientCheckpointingLayer

from gcl.errors import CheckpointError
from gcl.experiment.methods.registry import find_run
from gcl.experiment.places import start_weights
from gcl.experiment.runs import Drawn, MemberSpec, RunSpec, Trained, Untrained
from gcl.experiment.schema import Experiment
from gcl.experiment.weights import Weights
from gcl.models.family import get_family


@dataclass(frozen=True)
class ModelSize:
    """Numbers of parameters of a model. Tied ones count once.

    Attributes:
        parts: vision, projector, language, embedding, head (0 if tied); their sum is `total`.
        layer, layers, largest: parameters of the largest layer, of all layers, and of the largest weight.
        linear: weights of linear layers, the head excepted.
        lora_width: inputs plus outputs of linear layers that adapters can be on, by part: language, vision. Adapters have
            `rank` times as many parameters.
    """

    config: PretrainedConfig
    total: int
    parts: dict[str, int]
    layer: int
    layers: int
    largest: int
    linear: int
    lora_width: dict[str, int]


def model_configs(run: RunSpec, experiment: Experiment) -> tuple[list[PretrainedConfig], list[str]]:
    """Every member's model configuration, without weights; and notes about approximations.

    Raises:
        CheckpointError: if a configuration is missing, or its family is not supported.
    """
    configs, notes = [], []
    for member in (_before_trainings(run, member, experiment) for member in run.members):
        start = start_weights(run, member)
        if isinstance(member.start, Untrained) and not Path(start.path).is_dir():
            settings = experiment.base_models
            shape = settings.models.value[member.model]
            family = get_family(member.family)
            tokens = _Tokens(range(settings.vocabulary.value + len(family.special_tokens())))
            configs.append(family.small(shape, tokens, tuple(run.training.pixels)).config)
            notes.append(f"{member.model} is not built yet: its vocabulary, and so its size, is approximate")
        else:
            configs.append(_read_config(start))
    if isinstance(run.feed, Drawn):
        notes.append("answers are drawn between passes; their cache, and vLLM's copy of an author, are not counted")
    return configs, notes


def _before_trainings(run: RunSpec, member: MemberSpec, experiment: Experiment) -> MemberSpec:
    """The member, with a start that is there. A model yet to be trained has the size of what its training starts from."""
    while isinstance(member.start, Trained) and not Path(start_weights(run, member).path).is_dir():
        before = find_run(experiment, member.start.run)
        start = next(one.start for one in before.members if one.role == member.start.role)
        member = member.model_copy(update={"start": start})
    return member


def model_size(config: PretrainedConfig) -> ModelSize:
    """Count a model's parameters exactly, on the meta device."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    family = get_family(config.model_type)
    vision, projector = (
        sum(count for name, count in counts.items() if family.part(name) == part) for part in ("vision", "projector")
    )
    embedding, output = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    head, total = 0 if output is embedding else output.numel(), sum(counts.values())
    parts = {"vision": vision, "projector": projector, "embedding": embedding.numel(), "head": head}
    parts["language"] = total - sum(parts.values())
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    in_layers = [sum(parameter.numel() for parameter in layer.parameters()) for layer in layers]
    head_layer = model.get_output_embeddings()
    linear = sum(m.weight.numel() for m in model.modules() if isinstance(m, nn.Linear) and m is not head_layer)
    linears = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    lora_width = {
        part: sum(m.in_features + m.out_features for name, m in linears.items() if re.fullmatch(pattern, name))
        for part, pattern in family.adapted.items()
    }
    return ModelSize(config, total, parts, max(in_layers), sum(in_layers), max(counts.values()), linear, lora_width)


def _read_config(source: Weights) -> PretrainedConfig:
    """A published model's configuration, or one from a local folder."""
    try:
        config = AutoConfig.from_pretrained(**source.arguments)
    except (OSError, ValueError, KeyError) as error:
        remedy = "make or download it first" if source.revision is None else "connect to the hub, or download it first"
        raise CheckpointError(
            f"{source}: no model configuration ({' '.join(str(error).split())[:150]}); {remedy}"
        ) from error
    get_family(config.model_type)
    return config


class _Tokens(list[int]):
    """Stands in for a tokenizer: a small configuration needs its length, and ids of some tokens."""

    pad_token_id = eos_token_id = bos_token_id = 0

    def convert_tokens_to_ids(self, token: str) -> int:
        """Any id serves."""
        return 0
