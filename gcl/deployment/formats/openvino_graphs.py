"""Formats for OpenVINO: the two graphs of a model, with weights of 16, 8 or 4 bits.

Intel's runtime computes on CPUs, integrated GPUs and NPUs. Here it is asked for the CPU. Keys and values of the tokens
before stay in the runtime. Products are computed in float32, so that answers do not depend on the processor. Only this
module imports openvino and nncf.
"""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
from openvino import opset13 as ops
from openvino._offline_transformations import apply_make_stateful_transformation
from torch import Tensor
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from gcl.deployment.graph_model import GraphModel
from gcl.deployment.graphs import FAMILIES, LanguageGraph, VisionGraph, ordered, pieces
from gcl.errors import CheckpointError

LIBRARIES = ("openvino", "nncf", "torch", "transformers")
_VISION, _LANGUAGE = "vision.xml", "language.xml"
_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
_ROW = -1  # in 4 bits, weights of a whole row share a scale, so that rows of any length fit


def write(name: str, model: PreTrainedModel, folder: Path) -> None:
    """Write both graphs.

    Args:
        name: of the format.
        model: in float32, on the CPU.
        folder: that gets them.

    Raises:
        CheckpointError: if the model is of a family whose graphs nobody has written.
    """
    if model.config.model_type not in FAMILIES:
        raise CheckpointError(
            f"OpenVINO formats take models of {' and '.join(FAMILIES)}, not {model.config.model_type}; choose another format"
        )
    with torch.no_grad():
        for graph, file in ((_vision(model), _VISION), (_language(model), _LANGUAGE)):
            openvino.save_model(_in_fewer_bits(graph, name), folder / file, compress_to_fp16=True)
    model.config.save_pretrained(folder)


def load(name: str, folder: Path) -> GraphModel:
    """Compile both graphs for this machine's CPU; torch's number of threads holds."""
    return GraphModel(AutoConfig.from_pretrained(folder), _Runtime(folder))


class _Runtime:
    """The graphs in OpenVINO."""

    def __init__(self, folder: Path) -> None:
        core = openvino.Core()
        settings = _SETTINGS | {"INFERENCE_NUM_THREADS": str(torch.get_num_threads())}
        self._vision, self._language = (
            core.compile_model(folder / file, "CPU", settings).create_infer_request() for file in (_VISION, _LANGUAGE)
        )

    def see(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return _infer(self._vision, inputs)

    def start(self) -> None:
        self._language.reset_state()

    def step(self, inputs: tuple[Tensor, ...]) -> Tensor:
        return _infer(self._language, inputs)


def _infer(request: Any, inputs: tuple[Tensor, ...]) -> Tensor:
    result = request.infer([np.ascontiguousarray(tensor.numpy()) for tensor in inputs])
    return torch.from_numpy(np.array(result[0]))


def _vision(model: PreTrainedModel) -> Any:
    """The vision tower; any sizes of pictures are possible afterwards."""
    vision = model.config.vision_config
    grid_I3, merge = torch.tensor([[1, 4, 6], [1, 6, 8]]), vision.spatial_merge_size
    numbers = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    patches_PK, found = torch.zeros(int(grid_I3.prod(dim=1).sum()), numbers), pieces(vision, grid_I3)
    return openvino.convert_model(
        VisionGraph(model).eval(), example_input=(ordered(patches_PK, found.order, merge), *found.inputs)
    )


def _language(model: PreTrainedModel) -> Any:
    """The language model, which keeps keys and values."""
    text = model.config.text_config
    batch, new, before, sets = 2, 5, 3, 1 + len(getattr(model.config.vision_config, "deepstack_visual_indexes", ()))
    heads, size = text.num_key_value_heads, _head_size(text)
    example = (
        torch.zeros(batch, new, dtype=torch.long),
        torch.zeros(batch, new),
        torch.zeros(sets, batch, new, text.hidden_size),
        torch.arange(new).expand(3, batch, new).clone(),
        torch.zeros(batch, 1, new, before + new),
        *(torch.zeros(batch, heads, before, size) for _ in range(2 * text.num_hidden_layers)),
    )
    graph = openvino.convert_model(LanguageGraph(model).eval(), example_input=example)
    past, present = graph.inputs[-2 * text.num_hidden_layers :], graph.outputs[1:]
    for number, (came, goes) in enumerate(zip(past, present, strict=True)):
        came.get_node().set_friendly_name(f"past.{number}")
        came.get_tensor().set_names({f"past.{number}"})
        goes.get_tensor().set_names({f"present.{number}"})
        came.get_node().set_partial_shape(openvino.PartialShape([-1, heads, -1, size]))
    graph.validate_nodes_and_infer_types()
    kept = {f"past.{number}": f"present.{number}" for number in range(len(past))}
    apply_make_stateful_transformation(graph, kept)
    _begin_empty(graph, heads, size)
    return graph


def _begin_empty(graph: Any, heads: int, size: int) -> None:
    """Let keys and values begin with no token, for as many prompts as come in."""
    ids = graph.input(0)
    batch = ops.gather(ops.shape_of(ids, output_type="i64"), ops.constant([0]), ops.constant(0))
    shape = ops.concat([batch, ops.constant([heads]), ops.constant([0]), ops.constant([size])], axis=0)
    empty = ops.broadcast(ops.constant(0.0, dtype=np.float32), shape)
    for node in graph.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([empty.output(0)])
    graph.validate_nodes_and_infer_types()


def _head_size(text: PretrainedConfig) -> int:
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads


def _in_fewer_bits(graph: Any, name: str) -> Any:
    """The graph with weights of 8 or 4 bits, if the format's name says so."""
    if name == "openvino":
        return graph
    import nncf

    nncf.set_log_level(logging.ERROR)  # it prints a table for each graph
    if name == "openvino-int8":
        return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT8_ASYM)
    return nncf.compress_weights(graph, mode=nncf.CompressWeightsMode.INT4_SYM, group_size=_ROW)
