"""Let every member answer every question of the test split: `predictions(spec, checkpoints, scenarios, ...)`.

Greedy, batched, left-padded, each turn asked alone with its image. Batch size and order are fixed, since in low precision
the text can depend on which prompts share a batch. `load_member` and `answers` are the steps of it that other questions
to a member share (gcl/evaluation/predict.py).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import GenerationConfig, PreTrainedModel

from gcl.backbones.load import Source, load_model, load_preprocessor, load_trained
from gcl.data.encoding import Encoder, collate
from gcl.data.scenario import TURNS, Exchange, Scenario
from gcl.runs import RunSpec
from gcl.training.batches import chunks


def predictions(
    spec: RunSpec, checkpoints: Path, scenarios: Sequence[Scenario], *, batch_size: int, max_new_tokens: int
) -> Iterator[dict[str, str]]:
    """Yield one record per member, turn and scenario: role, turn, id, question, reference, text.

    Args:
        spec: the run whose members answer.
        checkpoints: the run's output folder, with one checkpoint per role.
        scenarios: test scenarios, in manifest order.
        batch_size: prompts per batch.
        max_new_tokens: longest answer.
    """
    for member in spec.members:
        folder, base = checkpoints / member.role, Source(member.source, member.revision)
        training = spec.training
        model, encoder = load_member(folder, base, training.precision, training.pixels, training.system)
        asked = [(turn, scenario) for turn in TURNS for scenario in scenarios]
        label = f"{spec.id} {member.role}"
        with tqdm(total=len(asked), desc=label, unit="answer", mininterval=2) as bar:
            for batch in chunks(asked, batch_size):
                texts = answers(model, encoder, [s.exchange(turn) for turn, s in batch], max_new_tokens)
                for (turn, scenario), text in zip(batch, texts, strict=True):
                    yield {
                        "role": member.role,
                        "turn": turn,
                        "id": scenario.id,
                        "question": scenario.turns[turn].question,
                        "reference": scenario.turns[turn].answer,
                        "text": text,
                    }
                bar.update(len(batch))


def load_member(
    folder: Path, base: Source, precision: str, pixels: Sequence[int], system: str
) -> tuple[PreTrainedModel, Encoder]:
    """A trained member, ready to answer: its model, on the GPU if there is one, and its encoder.

    Args:
        folder: the member's checkpoint folder.
        base: what the member started from.
        precision: of the training; a CPU computes in float32 all the same.
        pixels: smallest and largest picture area after resizing.
        system: system message.

    Raises:
        CheckpointError: if one of them cannot be loaded.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_trained(folder, base, _dtype(precision, device)).to(device)
    return model, Encoder(load_preprocessor(Source(str(folder)), (pixels[0], pixels[1])), system)


def load_any(source: Source, precision: str, pixels: Sequence[int], system: str) -> tuple[PreTrainedModel, Encoder]:
    """Any model, trained or not, ready to answer; arguments and errors as of `load_member`.

    Args:
        source: its folder, or hub id and commit.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_model(source, _dtype(precision, device)).to(device)
    return model, Encoder(load_preprocessor(source, (pixels[0], pixels[1])), system)


def answers(model: PreTrainedModel, encoder: Encoder, asked: Sequence[Exchange], max_new_tokens: int) -> list[str]:
    """The greedy answer to each question, asked in one batch."""
    samples = [encoder.prompt(exchange) for exchange in asked]
    return _continue(model, encoder, collate(samples, encoder, left_padded=True), max_new_tokens)


@torch.inference_mode()
def _continue(
    model: torch.nn.Module, encoder: Encoder, batch: dict[str, torch.Tensor], max_new_tokens: int
) -> list[str]:
    """Greedy continuations of a left-padded batch, without special tokens and outer white space."""
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
    ids_BT = model.generate(**inputs, generation_config=greedy(encoder, max_new_tokens))
    new_BT = ids_BT[:, inputs["input_ids"].shape[1] :]
    texts = encoder.preprocessor.tokenizer.batch_decode(new_BT, skip_special_tokens=True)
    return [text.strip() for text in texts]


def greedy(encoder: Encoder, max_new_tokens: int) -> GenerationConfig:
    """Always the most probable token, up to the end of the turn."""
    # Spelt out, because a checkpoint's own defaults may hold more than sampling: Qwen2.5-VL ships a repetition penalty.
    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        max_new_tokens=max_new_tokens,
        eos_token_id=encoder.end_token,
        pad_token_id=encoder.pad_token,
    )


def _dtype(precision: str, device: str) -> torch.dtype:
    return torch.float32 if device == "cpu" else getattr(torch, precision)
