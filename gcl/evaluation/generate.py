"""Let every member answer every question of the test split: `predictions(spec, checkpoints, scenarios, ...)`.

Greedy, batched, left-padded, each turn asked alone with its image. Batch size and order are fixed, since in low precision
the text can depend on which prompts share a batch. `load_member` and `answers` are the steps of it that other questions
to a member share (gcl/evaluation/predict.py).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from tqdm import tqdm
from transformers import PreTrainedModel

from gcl.data.decoding import greedy
from gcl.data.encoding import Encoder, chunks, collate
from gcl.data.scenario import Exchange, Scenario
from gcl.errors import DataError
from gcl.experiment.runs import RunSpec
from gcl.files import sha256_file
from gcl.models.backbone import load_model, load_preprocessor, load_trained
from gcl.models.weights import Source


class Answer(NamedTuple):
    """A greedy answer, and whether it ended before it was as long as an answer may be."""

    text: str
    ended: bool


def predictions(
    spec: RunSpec,
    checkpoints: Path,
    scenarios: Sequence[Scenario],
    action: str | None,
    *,
    batch_size: int,
    max_new_tokens: int,
) -> Iterator[dict[str, str | bool]]:
    """Yield one record per member, turn and scenario: role, turn, id, question, reference, text, ended.

    Where actions are a closed list, records of their turn have the scene's label, too: the reference of accuracy.

    Args:
        spec: the run whose members answer.
        checkpoints: the run's output folder, with one checkpoint per role.
        scenarios: test scenarios, in manifest order, all with the same turns.
        action: the turn that names actions, if there is one.
        batch_size: prompts per batch.
        max_new_tokens: longest answer.
    """
    for member in spec.members:
        folder, base = checkpoints / member.role, Source(member.source, member.revision)
        training = spec.training
        model, encoder = load_member(folder, base, training.precision, training.pixels, training.system)
        asked = [(turn, scenario) for turn in scenarios[0].turns for scenario in scenarios]
        label = f"{spec.id} {member.role}"
        with tqdm(total=len(asked), desc=label, unit="answer", mininterval=2) as bar:
            for batch in chunks(asked, batch_size):
                said = answers(model, encoder, [s.exchange(turn) for turn, s in batch], max_new_tokens)
                for (turn, scenario), answer in zip(batch, said, strict=True):
                    label = {"label": scenario.action} if turn == action and scenario.action is not None else {}
                    yield {
                        "role": member.role,
                        "turn": turn,
                        "id": scenario.id,
                        "question": scenario.turns[turn].question,
                        "reference": scenario.turns[turn].answer,
                        **label,
                        **answer._asdict(),
                    }
                bar.update(len(batch))


def with_exchanged_pictures(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The same scenes, each with the picture of another one: a control that only a model which looks can notice.

    Pictures move on by about half of the scenes, so that frames which were taken shortly after each other are far apart.

    Raises:
        DataError: if some scene would keep its picture however far they move.
    """
    count, hashes = len(scenarios), [sha256_file(scenario.image) for scenario in scenarios]
    for distance in range(count // 2, count):
        others = [(k + distance) % count for k in range(count)]
        if all(hashes[k] != hashes[other] for k, other in enumerate(others)):
            return [
                replace(scenario, image=scenarios[other].image)
                for scenario, other in zip(scenarios, others, strict=True)
            ]
    raise DataError("pictures cannot be exchanged: too many scenes share one; give the test scenes their own pictures")


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


def answers(model: PreTrainedModel, encoder: Encoder, asked: Sequence[Exchange], max_new_tokens: int) -> list[Answer]:
    """The greedy answer to each question, asked in one batch."""
    samples = [encoder.prompt(exchange) for exchange in asked]
    return _continue(model, encoder, collate(samples, encoder, left_padded=True), max_new_tokens)


@torch.inference_mode()
def _continue(
    model: torch.nn.Module, encoder: Encoder, batch: dict[str, torch.Tensor], max_new_tokens: int
) -> list[Answer]:
    """Greedy continuations of a left-padded batch, without special tokens and outer white space."""
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items() if name != "labels"}
    ids_BT = model.generate(**inputs, generation_config=greedy(encoder, max_new_tokens))
    new_BT = ids_BT[:, inputs["input_ids"].shape[1] :]
    texts = encoder.preprocessor.tokenizer.batch_decode(new_BT, skip_special_tokens=True)
    ended_B = (new_BT == encoder.end_token).any(dim=1).tolist()
    return [Answer(text.strip(), ended) for text, ended in zip(texts, ended_B, strict=True)]


def _dtype(precision: str, device: str) -> torch.dtype:
    return torch.float32 if device == "cpu" else getattr(torch, precision)
