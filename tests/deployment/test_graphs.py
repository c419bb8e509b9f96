"""The graphs compute what the models of transformers compute, for any sizes of pictures, batches and pasts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gcl.data.scenario import Exchange
from gcl.deployment.graph_model import GraphModel
from gcl.deployment.graphs import FAMILIES, LanguageGraph, VisionGraph, ordered, pieces
from gcl.evaluation.generate import answering_model, answers
from gcl.experiment.weights import Weights

GRIDS = st.lists(st.tuples(st.just(1), st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=3)


class InTorch:
    """The graphs without a runtime."""

    def __init__(self, model):
        self.vision, self.language = VisionGraph(model), LanguageGraph(model)
        text = model.config.text_config
        self.empty = (
            text.num_key_value_heads,
            0,
            getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads,
        )
        self.layers = text.num_hidden_layers

    def see(self, inputs):
        return self.vision(*inputs)

    def start(self):
        self.past = None

    def step(self, inputs):
        past = self.past or [torch.zeros(len(inputs[0]), *self.empty)] * (2 * self.layers)
        logits, *self.past = self.language(*inputs, *past)
        return logits


@pytest.fixture(scope="module", params=FAMILIES)
def member(request, backbones):
    """Model and encoder of each of the paper's families."""
    source = Weights(path=str(backbones[request.param]))
    return answering_model(source, source, "float32", [784, 50176], "Be brief.")


@settings(max_examples=15)
@given(grids=GRIDS)
def test_the_vision_graph_sees_what_the_tower_sees(member, grids):
    model, _ = member
    vision = model.config.vision_config
    merge = vision.spatial_merge_size
    grid_I3 = torch.tensor([[frames, rows * merge, columns * merge] for frames, rows, columns in grids])
    numbers = vision.in_channels * vision.temporal_patch_size * vision.patch_size**2
    patches_PK = torch.randn(int(grid_I3.prod(dim=1).sum()), numbers)
    found = pieces(vision, grid_I3)
    with torch.no_grad():
        expected = model.model.visual(patches_PK, grid_thw=grid_I3)
        seen_SND = VisionGraph(model)(ordered(patches_PK, found.order, merge), *found.inputs)[:, found.order.argsort()]
    torch.testing.assert_close(seen_SND[0], expected.pooler_output, atol=1e-4, rtol=1e-4)
    for ours, theirs in zip(seen_SND[1:], getattr(expected, "deepstack_features", None) or (), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_a_batch_of_unlike_prompts_gets_the_answers_of_transformers(member, scenarios):
    model, encoder = member
    asked = [scene.exchange(turn) for scene in scenarios[:3] for turn in ("perception", "action")]
    two = Exchange("Where to?", (scenarios[3].pictures[0], scenarios[4].pictures[0]), "", "")
    asked += [two, Exchange("Where to?", (), "", "")]
    with torch.no_grad():
        ours = answers(GraphModel(model.config, InTorch(model)), encoder, asked, 8)
    assert ours == answers(model, encoder, asked, 8)
    assert len({answer.text for answer in ours}) > 1


def test_whoever_watches_can_stop_an_answer(member, scenarios):
    from gcl.data.decoding import greedy
    from gcl.data.encoding import collate

    model, encoder = member
    batch = collate([encoder.prompt(scenarios[0].exchange("action"))], encoder, left_padded=True)
    del batch["labels"]
    lengths = []

    def stop(ids, scores):
        lengths.append(ids.shape[1])
        return torch.full((1,), len(lengths) == 3)

    with torch.no_grad():
        said = GraphModel(model.config, InTorch(model)).generate(
            **batch, generation_config=greedy(encoder, 8), stopping_criteria=stop
        )
    start = batch["input_ids"].shape[1]
    assert lengths == [start + 1, start + 2, start + 3] == [start + 1, start + 2, said.shape[1]]
