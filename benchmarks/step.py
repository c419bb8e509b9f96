"""Time and peak memory of a pair's joint GCL step beside the two supervised steps that it replaces.

    python benchmarks/step.py                                       # miniature models on the CPU, less than two minutes
    python benchmarks/step.py --variant drl --repeats 20 --to step.json
    python benchmarks/step.py --device cuda --pair qwen2.5-vl-3b+qwen3-vl-2b --sequential --to step.json
    python benchmarks/step.py --device cuda --lora 16 --sequential  # 3B+4B: AdamW for all weights leaves too little room

Claim: pair <= 1.10 x (learner + guide) on a CPU at miniature scale, <= 1.05 x on a GPU at real shapes.

A step is the training loop's own: forward, losses, backward, clipping, AdamW, schedule; all but reading data and writing
the log. Learner, guide and pair have engines and weights of their own, see the same batches, and take turns in changing
order, so that other work on the machine hits all alike; what counts is the ratio within each round. Peak memory is that of
a process of its own for each; with --sequential times come from there, too, since not everything has to fit at once.

Weights are random. Miniature models see drawn scenes. Models of paper scale (default with cuda) are built in place from
their published shapes and see noise of the size of pictures and text; 3B+2B with AdamW takes 88 GiB before activations.
"""

import argparse
import gc
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import transformers
from head import hardware
from transformers import AutoModelForImageTextToText, PretrainedConfig, PreTrainedModel, Qwen2_5_VLConfig, Qwen3VLConfig

from gcl.backbones.miniature import build_model, build_preprocessor, train_vocabulary
from gcl.backbones.vocabulary import shared_vocabulary
from gcl.config import load_experiment, read_yaml
from gcl.data.encoding import IGNORED, EncodedImage, Encoder, Sample, collate
from gcl.data.importers import read_scenarios
from gcl.data.miniature.generate import text_corpus, write_dataset
from gcl.errors import ConfigError
from gcl.execution import ExecutionSpec, changed, execution_spec
from gcl.objective.group import Share
from gcl.runs import RunSpec, group_run, sft_run
from gcl.schema import Experiment, Lora, Pair
from gcl.training.batches import LocalBatch, LocalBatches, chunks
from gcl.training.engine import make_engine, process_state
from gcl.training.loop import _accumulate, _check_finite
from gcl.training.member import Member

ROOT = Path(__file__).parents[1]
SUBJECTS = {"learner": [0], "guide": [1], "pair": [0, 1]}  # which members step together
STEPS = 8  # different global batches, over and over: a single one would soon be known by heart

# Published shapes: width, width of the MLP, layers, heads, heads of keys. All three have tied heads of 151,936 rows.
PUBLISHED = {
    "qwen3-vl-2b": (2048, 6144, 28, 16, 8),
    "qwen2.5-vl-3b": (2048, 11008, 36, 16, 2),
    "qwen3-vl-4b": (2560, 9728, 36, 32, 8),
}
TINY = (128, 256, 2, 4, 2)  # to try this path on a CPU
ROWS, SHARED, WORDS = 151936, 151665, 151643  # head, ids that Qwen2.5 and Qwen3 share, ids that are no special tokens
IDS = {"image_token_id": 151655, "vision_start_token_id": 151652, "vision_end_token_id": 151653}
PAD = 151643
PROMPT, ANSWERS = 196, (40, 80)  # tokens of text before an answer, shortest and longest answer
PICTURE, TINY_PICTURE = 448, 224  # pixels of a side: 256 visual tokens for Qwen2.5, 196 for Qwen3


@dataclass(frozen=True)
class Case:
    """What all subjects share: their runs, how to build a member's model, and the passes of `STEPS` global batches."""

    runs: dict[str, RunSpec]
    execution: ExecutionSpec
    build: Callable[[int], tuple[PreTrainedModel, Encoder | None]]
    vocabulary: int
    steps: list[list[LocalBatch]]


def make_case(options: argparse.Namespace) -> Case:
    """The runs that the shipped configuration has for these models, with the options' changes, and their inputs."""
    experiment = load_experiment({**read_yaml(ROOT / "config.yaml"), "scale": options.scale}, ROOT)
    learner, _, guide = options.pair.partition("+")
    runs = {
        "learner": sft_run(experiment, "snei", learner, 0),
        "guide": sft_run(experiment, "snei", guide, 0),
        "pair": group_run(experiment, "snei", Pair(learner=learner, guide=guide), options.variant, 0),
    }
    wishes = {"global_batch": options.global_batch, "micro_batch": options.micro_batch, "precision": options.precision}
    changes = {name: wish for name, wish in wishes.items() if wish is not None} | {"frozen": options.frozen}
    changes["lora"] = Lora(rank=options.lora, alpha=2.0 * options.lora) if options.lora else None
    runs = {
        name: run.model_copy(update={"training": run.training.model_copy(update=changes)}) for name, run in runs.items()
    }
    execution = changed(execution_spec(experiment), [f"engine={options.engine}", "processes=1", *options.set])
    inputs = miniature_inputs if options.scale == "miniature" else partial(published_inputs, tiny=options.tiny)
    return Case(runs, execution, *inputs(runs["pair"], experiment))


def miniature_inputs(run: RunSpec, experiment: Experiment) -> tuple[Callable, int, list[list[LocalBatch]]]:
    """Models of the miniature scale, ids that they share, and drawn scenes with answers of the usual length."""
    training, questions, drawing = run.training, experiment.prompt.questions.value, experiment.drawing
    words = train_vocabulary(text_corpus(drawing.seed.value, questions, training.system), drawing.vocabulary.value)
    specs = [experiment.models[member.model].backbone.value for member in run.members]
    preprocessors = [build_preprocessor(spec.family, words, tuple(training.pixels)) for spec in specs]
    models = [build_model(spec, preprocessor, seed=0) for spec, preprocessor in zip(specs, preprocessors, strict=True)]
    encoders = [Encoder(preprocessor, training.system) for preprocessor in preprocessors]
    vocabulary = shared_vocabulary(
        [preprocessor.tokenizer for preprocessor in preprocessors], [m.config.text_config.vocab_size for m in models]
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "snei"
        write_dataset("snei", {"train": STEPS * training.global_batch, "test": 1}, questions, 0, root)
        scenarios = [s for s in read_scenarios(root, "conversations", questions, None) if s.split == "train"]
        turns = random.Random(0).sample([(s, t) for s in scenarios for t in s.turns], STEPS * training.global_batch)
        local = LocalBatches(turns, encoders, 0, 1)
        steps = [
            [local[indices] for indices in chunks(batch, training.micro_batch)]
            for batch in chunks(range(len(turns)), training.global_batch)
        ]
    return lambda k: (build_model(specs[k], preprocessors[k], seed=0), encoders[k]), vocabulary, steps


def published_config(model: str, *, tiny: bool) -> PretrainedConfig:
    """A published model's configuration, or a tiny one with its vocabulary."""
    width, mlp, layers, heads, key_heads = TINY if tiny else PUBLISHED[model]
    qwen3, head_size = model.startswith("qwen3"), width // heads if tiny else 128
    section = [size * head_size // 128 for size in ((24, 20, 20) if qwen3 else (16, 24, 24))]
    rope = {"rope_type": "default", "rope_theta": 5e6 if qwen3 else 1e6, "mrope_section": section}
    text = {
        "vocab_size": ROWS, "hidden_size": width, "intermediate_size": mlp, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": key_heads, "rope_parameters": rope,
    }  # fmt: skip
    vision = {"out_hidden_size": width, "num_heads": 16}
    if qwen3:
        text["head_dim"], rope["mrope_interleaved"] = head_size, True
        vision |= {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "patch_size": 16}
        vision |= {"num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17]}
    else:
        vision |= {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "patch_size": 14, "window_size": 112}
        vision |= {"fullatt_block_indexes": [7, 15, 23, 31]}
    if tiny:
        vision |= {"depth": 2, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4}
        vision |= {"deepstack_visual_indexes": [0]} if qwen3 else {"fullatt_block_indexes": [1]}
    family = Qwen3VLConfig if qwen3 else Qwen2_5_VLConfig
    return family(text_config=text, vision_config=vision, tie_word_embeddings=True, **IDS)


def published_inputs(
    run: RunSpec, experiment: Experiment, *, tiny: bool
) -> tuple[Callable, int, list[list[LocalBatch]]]:
    """Models of paper scale with random weights, ids that they share, and inputs without a tokenizer: noise as pixels,
    random words, the same answers for both members."""
    configs = [published_config(member.model, tiny=tiny) for member in run.members]
    generator, side = torch.Generator().manual_seed(0), TINY_PICTURE if tiny else PICTURE

    def build(k: int) -> tuple[PreTrainedModel, None]:
        torch.manual_seed(k)
        with process_state().device:  # weights are drawn where they are used
            return AutoModelForImageTextToText.from_config(configs[k], dtype=torch.float32), None

    def words(count: int) -> list[int]:
        return torch.randint(0, WORDS, (count,), generator=generator).tolist()

    def one_pass(size: int) -> LocalBatch:
        lengths = torch.randint(ANSWERS[0], ANSWERS[1] + 1, (size,), generator=generator).tolist()
        questions, answers = [words(PROMPT) for _ in lengths], [words(length) for length in lengths]
        members = []
        for tower in (config.vision_config for config in configs):
            grid = side // tower.patch_size
            picture = [IDS["image_token_id"]] * (grid // tower.spatial_merge_size) ** 2
            shown = [IDS["vision_start_token_id"], *picture, IDS["vision_end_token_id"]]
            samples = []
            for question, answer in zip(questions, answers, strict=True):
                values = 3 * tower.temporal_patch_size * tower.patch_size**2
                image = EncodedImage(
                    torch.randn(grid**2, values, generator=generator), torch.tensor([[1, grid, grid]])
                )
                prompt = [*question[: PROMPT // 2], *shown, *question[PROMPT // 2 :]]
                samples.append(Sample(prompt + answer, [IGNORED] * len(prompt) + answer, image))
            encoder = SimpleNamespace(pad_token=PAD, image_token=IDS["image_token_id"])  # all that collate asks for
            members.append(collate(samples, encoder, left_padded=False))
        return LocalBatch(members, [size])

    sizes = [len(part) for part in chunks(range(run.training.global_batch), run.training.micro_batch)]
    return build, SHARED, [[one_pass(size) for size in sizes] for _ in range(STEPS)]


class Subject:
    """A group on an engine of its own, as `gcl.training.run` makes it; `step(n)` gives the seconds of one step."""

    def __init__(self, name: str, case: Case, steps: int) -> None:
        self.run, self.case = case.runs[name], case
        self.columns = SUBJECTS[name]
        size = self.run.objective.semantic_size if self.run.objective and self.run.objective.gsl_weight else None
        members = [
            Member(spec, self.run.training, *case.build(k), semantic_size=size, seed=k)
            for spec, k in zip(self.run.members, self.columns, strict=True)
        ]
        self.engine = make_engine(members, self.run.training, case.execution, steps)
        for member in members:
            member.train(not member.spec.frozen)

    def step(self, number: int) -> float:
        """One optimizer step on one of the global batches."""
        passes = [LocalBatch([p.members[k] for k in self.columns], p.counts) for p in self._passes(number)]
        tokens = sum(int((p.members[0]["labels"] != IGNORED).sum()) for p in passes)
        batch = range(self.run.training.global_batch)
        self._wait()
        start = time.perf_counter()
        losses = _accumulate(
            self.engine, iter(passes), batch, self.run, self.case.vocabulary, partial(Share, tokens=tokens),
            self.case.execution.head_chunk,
        )  # fmt: skip
        _check_finite(losses, self.run, number, [])
        self.engine.step()
        self._wait()
        return time.perf_counter() - start

    def _passes(self, number: int) -> list[LocalBatch]:
        return self.case.steps[number % STEPS]

    def _wait(self) -> None:
        if self.engine.device.type == "cuda":
            torch.cuda.synchronize()


def take_turns(subjects: dict[str, Subject], warmup: int, repeats: int) -> dict[str, list[float]]:
    """Seconds of every subject in every round; each round has one batch, and begins with another subject."""
    seconds: dict[str, list[float]] = {name: [] for name in subjects}
    order = list(subjects)
    for number in range(warmup + repeats):
        for name in order:
            value = subjects[name].step(number)
            if number >= warmup:
                seconds[name].append(value)
        order.append(order.pop(0))
    return seconds


def measure_alone(options: argparse.Namespace) -> dict[str, Any]:
    """Times and peak memory of one subject: on a GPU all that is allocated, on a CPU what this process has grown by."""
    case, cuda = make_case(options), options.device == "cuda"
    gc.collect()
    before = 0 if cuda else _resident("VmRSS", forget_peak=True)
    subject = Subject(options.subject, case, options.warmup + options.repeats)
    repeats = options.repeats if options.sequential else min(options.repeats, 3)
    seconds = take_turns({options.subject: subject}, options.warmup, repeats)
    peak = torch.cuda.max_memory_allocated() if cuda else _resident("VmHWM")
    return {"seconds": seconds[options.subject], "peak_bytes": None if peak is None else peak - before}


def _resident(name: str, *, forget_peak: bool = False) -> int | None:
    """Resident memory of this process now or at most; None where the system is not Linux."""
    try:
        if forget_peak:
            Path("/proc/self/clear_refs").write_text("5")  # else the peak might be that of drawing inputs
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))
