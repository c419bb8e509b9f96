"""A group of one beside transformers at real widths: from words and pictures to loss and gradients, in float32.

Each model has one layer and random weights. Transformers reads its own processor's batch, and its loss covers whole logits.
A member reads `Encoder`'s batch, and its fused head sees answer tokens alone. The head has a test of its own. Else three
matrices over the whole vocabulary would take 7 GB; so it is 4.
"""

import gc
from pathlib import Path

import pytest
import torch
from group_case import make_run
from PIL import Image
from torch import Tensor, nn
from transformers import AutoModelForImageTextToText, ProcessorMixin
from transformers.loss.loss_utils import ForCausalLMLoss

from gcl.data.encoding import IGNORED, Encoder, collate
from gcl.data.scenario import Exchange, Picture
from gcl.experiment.weights import Weights
from gcl.models.preprocessor import load_preprocessor
from gcl.models.vision import streamline
from gcl.objective.events import Slice
from gcl.objective.group import MemberOutput, Share, group_loss
from gcl.training.member import Member, answers
from real.real_case import PUBLISHED, SHARED, SYSTEM, published_config

pytestmark = pytest.mark.real
LIMITS = (3136, 12544)  # few pixels: the head over the whole vocabulary takes most of the time
# Answers of unlike length: a mean of each sample's own mean would be another loss.
TURNS = [
    ("Where is 他?", "  Left 😀 of e\u0301 it.\n"),
    ("What now? ", "Stop, wait until the man has passed, then turn right."),
]


@pytest.fixture(autouse=True)
def _freed():
    """Give a model's memory back before the next one is built; hooks tie its modules to circles."""
    yield
    gc.collect()


def alone(tokens: int) -> dict:
    """Arguments of `group_loss` for a group of one and a batch of so many answer tokens."""
    weights = {"gsl_weight": 0.0, "drl_weight": 0.0, "kappa": 1.0, "compared": Slice(SHARED)}
    return weights | {"share": Share(1.0, (tokens,), tokens)}


def theirs(model: nn.Module, processor: ProcessorMixin, pictures: list[Path]) -> float:
    """Loss of transformers' own forward pass over its processor's batch; its gradients go to the parameters."""
    conversations = [
        [
            {"role": "system", "content": [{"type": "text", "text": SYSTEM}]},
            {"role": "user", "content": [{"type": "image", "path": str(path)}, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ]
        for path, (question, answer) in zip(pictures, TURNS, strict=True)
    ]
    size = {"shortest_edge": LIMITS[0], "longest_edge": LIMITS[1]}
    batch = processor.apply_chat_template(
        conversations,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        return_assistant_tokens_mask=True,
        processor_kwargs={"padding": True, "padding_side": "right", "images_kwargs": {"size": size}},
    )
    answered = torch.as_tensor(batch.pop("assistant_masks")).bool()
    loss = model(**batch, labels=batch["input_ids"].masked_fill(~answered, IGNORED), use_cache=False).loss
    loss.backward()
    return loss.item()


def ours(model: nn.Module, folder: Path, pictures: list[Path]) -> tuple[float, dict[str, Tensor]]:
    """The group's loss of one member on the same conversations, and its batch; gradients go to the parameters."""
    encoder = Encoder(load_preprocessor(Weights(path=str(folder)), LIMITS), SYSTEM)
    run = make_run(dict.fromkeys(("qwen2_5_vl", "qwen3_vl"), folder), members=1)
    streamline(model)
    member = Member(run.members[0], run.training, model, encoder, semantic_size=None, seed=0)
    samples = [encoder.sample(Exchange("x", (Picture(p),), *turn)) for p, turn in zip(pictures, TURNS, strict=True)]
    batch = collate(samples, encoder, left_padded=False)
    hidden, head, _ = member(batch)
    labels = answers(batch)
    loss, _ = group_loss([MemberOutput(hidden, head, labels, None)], [1.0], **alone(len(labels)))
    loss.backward()
    return loss.item(), batch


@pytest.mark.parametrize("name", ["qwen2.5-vl-3b", "qwen3-vl-2b"])
def test_a_group_of_one_is_supervised_fine_tuning_by_transformers(checkpoints, processors, picture, tmp_path, name):
    Image.open(picture).resize((90, 160)).save(tmp_path / "upright.png")
    pictures = [picture, tmp_path / "upright.png"]
    torch.manual_seed(0)
    model = AutoModelForImageTextToText.from_config(published_config(name, layers=1), dtype=torch.float32)
    assert model.get_output_embeddings().weight.shape == (PUBLISHED[name].rows, PUBLISHED[name].hidden)
    model.get_output_embeddings().weight.requires_grad_(False)
    seen: list[Tensor] = []
    model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["position_ids"]), with_kwargs=True
    )

    expected = theirs(model, processors[name], pictures)
    usual = {key: parameter.grad for key, parameter in model.named_parameters() if parameter.requires_grad}
    model.zero_grad(set_to_none=True)
    found, batch = ours(model, checkpoints[name], pictures)
    learned = {key: parameter.grad for key, parameter in model.named_parameters() if parameter.requires_grad}
    errors = {key: float((learned[key] - usual[key]).norm() / usual[key].norm()) for key in usual}

    assert found == pytest.approx(expected, rel=1e-6)
    assert max(errors.values()) < 2e-5, sorted(errors.items(), key=lambda item: -item[1])[:5]
    # Transformers' batch is longer by the newline behind the last turn.
    inside, length = batch["attention_mask"].bool(), batch["input_ids"].shape[1]
    assert torch.equal(seen[1][:, inside], seen[0][..., :length][:, inside])


def test_the_head_learns_as_by_transformers_loss():
    """The gradients of hidden states and of the whole head, at published width and height."""
    model, generator = PUBLISHED["qwen3-vl-2b"], torch.Generator().manual_seed(0)
    rows, width = model.rows, model.hidden
    head = torch.randn(rows, width, generator=generator).mul_(width**-0.5).requires_grad_()
    hidden = torch.randn(2, 9, width, generator=generator).requires_grad_()
    labels = torch.randint(0, SHARED, (2, 9), generator=generator)
    labels[0, :6] = labels[1, :2] = labels[1, 7:] = IGNORED
    direction = torch.randn(width, 8, generator=generator)  # a second gradient of the head is not kept, but this of it

    expected = ForCausalLMLoss(hidden @ head.T, labels, rows)
    expected.backward()
    by_hidden, by_head = hidden.grad, head.grad @ direction
    hidden.grad = head.grad = None
    supervised = labels[:, 1:] != IGNORED
    answer = labels[:, 1:][supervised]
    found, _ = group_loss([MemberOutput(hidden[:, :-1][supervised], head, answer, None)], [1.0], **alone(len(answer)))
    found.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(hidden.grad, by_hidden, rtol=1e-4, atol=1e-6 * float(by_hidden.abs().max()))
    assert float((head.grad @ direction - by_head).norm() / by_head.norm()) < 2e-5
