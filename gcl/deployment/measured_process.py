"""One measurement of a deployed folder, in a process of its own: `measured(folder, pictures, threads)`.

The first picture warms up and is not counted. A scene is one picture: the question about the action is asked alone, then all
of the member's questions. Every time begins with reading the picture's file.
"""

import resource
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from gcl.data.decoding import greedy
from gcl.data.encoding import Encoder, collate
from gcl.data.scenario import Exchange, Picture, Scenario, Turn
from gcl.deployment.energy import Meter
from gcl.deployment.loaded_member import LoadedMember, load_member
from gcl.evaluation.generate import after

# Of a scene, or of the process. Names end with their units.
MEASURES = ("first_token_s", "tokens_per_s", "action_s", "turns_s", "energy_j", "memory_mib", "growth_mib", "load_s")


def measured(folder: Path, pictures: list[Path], threads: int) -> dict[str, float | None]:
    """Load a folder, let it answer, and return the means over scenes.

    Args:
        folder: written by `gcl deploy`.
        pictures: one for each scene, and one before them.
        threads: that the runtime may use.

    Returns:
        By the names of `MEASURES`. None: the machine does not tell, or no question of the member is about an action.
        `memory_mib` is the largest memory of the process, libraries included. `growth_mib` came after their import. On a GPU
        both are the memory that torch allocated there.
    """
    torch.set_num_threads(threads)
    libraries, begin = _memory(), perf_counter()
    member = load_member(folder)
    load_s = perf_counter() - begin
    _scene(member, pictures[0])
    meter = Meter()
    meter.start()
    scenes = [_scene(member, picture) for picture in pictures[1:]]
    joules = meter.stop()
    mean = {name: _mean([scene[name] for scene in scenes]) for name in scenes[0]}
    memory = _memory()
    growth = memory if torch.cuda.is_available() else memory - libraries
    energy = None if joules is None else joules / len(scenes)
    return mean | {"energy_j": energy, "memory_mib": memory, "growth_mib": growth, "load_s": load_s}


class _Clock(StoppingCriteria):
    """Notes the time of every new token, and stops nothing."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        if input_ids.is_cuda:
            torch.cuda.synchronize()
        self.times.append(perf_counter())
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)


def _scene(member: LoadedMember, picture: Path) -> dict[str, float | None]:
    """Ask for the action alone, then everything, as the member was trained to be asked."""
    asked = member.file.asked
    scene = Scenario(
        "", (Picture(picture, None),), {name: Turn(text, "") for name, text in asked.questions.items()}, "test"
    )
    alone = asked.action or next(iter(asked.questions))
    begin = perf_counter()
    times = _answer(member, _fresh(member), scene.exchange(alone, "none"))[1]
    first_token_s, action_s = times[0] - begin, perf_counter() - begin
    rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else None
    turns_s = None
    if not asked.one_fits:
        begin, encoder, said = perf_counter(), _fresh(member), {}
        for turn in scene.turns:
            exchange = scene.exchange(turn, member.file.context)
            if member.file.context == "full":
                exchange = after(exchange, [said[name] for name in scene.before(turn)])
            said[turn] = _answer(member, encoder, exchange)[0]
        turns_s = perf_counter() - begin
    return {
        "first_token_s": first_token_s,
        "tokens_per_s": rate,
        "action_s": action_s if asked.action else None,
        "turns_s": turns_s,
    }


def _fresh(member: LoadedMember) -> Encoder:
    """An encoder that has not seen the picture yet."""
    return Encoder(member.encoder.preprocessor, member.encoder.system)


def _answer(member: LoadedMember, encoder: Encoder, exchange: Exchange) -> tuple[str, list[float]]:
    """The text of an answer, and the times of its tokens."""
    clock = _Clock()
    batch = collate([encoder.prompt(exchange)], encoder, left_padded=True)
    inputs = {name: tensor.to(member.model.device) for name, tensor in batch.items() if name != "labels"}
    with torch.inference_mode():
        ids_1T = member.model.generate(
            **inputs,
            generation_config=greedy(encoder, member.file.asked.max_new_tokens),
            stopping_criteria=StoppingCriteriaList([clock]),
        )
    new_1T = ids_1T[:, inputs["input_ids"].shape[1] :]
    return encoder.preprocessor.tokenizer.batch_decode(new_1T, skip_special_tokens=True)[0].strip(), clock.times


def _mean(values: list[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return sum(told) / len(told) if told else None


def _memory() -> float:
    """Largest memory so far, in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
