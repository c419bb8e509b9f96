"""Time and peak memory of a pair's joint GCL step beside the two supervised steps that it replaces.

    python benchmarks/step.py                                       # miniature models on the CPU, about a minute
    python benchmarks/step.py --device cuda --pair qwen2.5-vl-3b+qwen3-vl-2b --sequential --to step.json
    python benchmarks/step.py --device cuda --lora 16 --sequential  # 3B+4B: weights and AdamW alone take 122 GiB

Claim: pair <= 1.15 x (learner + guide) on a CPU at miniature scale, <= 1.05 x on a GPU at real shapes.

A step is that of the training loop: forward, losses, backward, clipping, AdamW, schedule. It leaves out reading data and
writing the log. Learner, guide and pair have their own engines and weights, and see the same batches. They take turns in
changing order, so that other work on the machine affects all alike. The ratio within each round counts. Peak memory is
measured in one process each; with --sequential times as well. On a CPU miniature base models see drawn scenes. On cuda
models of published shapes and random weights see noise; weights and AdamW of 3B+2B take 88 GiB.
"""

import argparse
import gc
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import transformers
from head import forked, hardware
from transformers import AutoModelForImageTextToText, PretrainedConfig, PreTrainedModel

from gcl.data.drawing.datasets import write_dataset
from gcl.data.encoding import IGNORED, Encoder, Sample, chunks, collate
from gcl.data.importing.importer import import_source
from gcl.data.raw import read_raw
from gcl.experiment.dialogue import dialogue_of
from gcl.experiment.execution import ExecutionSpec, changed, execution_spec
from gcl.experiment.load import load_experiment
from gcl.experiment.methods.competition import group_run
from gcl.experiment.methods.fine_tuning import sft_run
from gcl.experiment.runs import RunSpec
from gcl.experiment.schema import Experiment
from gcl.experiment.types import Lora
from gcl.experiment.yaml_files import read_yaml
from gcl.models.backbone import load_backbone
from gcl.models.preprocessor import EncodedPictures, Preprocessor, load_preprocessor
from gcl.objective.events import Slice
from gcl.operations.memory import ALLOWANCE, memory_plan
from gcl.training.alignment import Alignment, align
from gcl.training.batches import LocalBatch, LocalBatches
from gcl.training.engines import make_engine
from gcl.training.feeds import Part, Step
from gcl.training.losses import accumulate, check_finite
from gcl.training.member import Member
from gcl.training.trainer import seed_everything
from gcl.training.world import World

ROOT = Path(__file__).parents[1]
SUBJECTS = {"learner": [0], "guide": [1], "pair": [0, 1]}  # which members step together
STEPS = 8  # different global batches, repeated: models would soon memorise a single one

PUBLISHED = {  # width, width of the MLP, layers, heads, heads of keys; output heads are tied
    "qwen3-vl-2b": (2048, 6144, 28, 16, 8),
    "qwen2.5-vl-3b": (2048, 11008, 36, 16, 2),
    "qwen3-vl-4b": (2560, 9728, 36, 32, 8),
}
ROWS, SHARED, WORDS = 151936, 151665, 151643  # of the head; ids the same in Qwen2.5 and Qwen3; without special ones
IMAGE, START, END, PAD = 151655, 151652, 151653, 151643  # special ids, the same in both families
PROMPT, ANSWERS, PICTURE = 196, (40, 80), 448  # tokens of text, least and most of an answer, pixels of a side


class Case(NamedTuple):
    """The common parts of subjects: runs, a builder of member k's model and encoder, the passes of every step."""

    runs: dict[str, RunSpec]
    execution: ExecutionSpec
    build: Callable[[int], tuple[PreTrainedModel, Encoder | None]]
    alignment: Alignment
    steps: list[list[LocalBatch]]


def make_case(options: argparse.Namespace) -> Case:
    """The shipped configuration's runs of these models, with the options' changes, and their inputs."""
    runs, execution = make_runs(options)
    if options.scale == "paper":
        inputs = published_inputs(runs["pair"], tiny=options.tiny, layers=options.layers)
    else:
        inputs = miniature_inputs(runs["pair"], _experiment(options))
    return Case(runs, execution, *inputs)


def make_runs(options: argparse.Namespace) -> tuple[dict[str, RunSpec], ExecutionSpec]:
    """The runs of all subjects, and how they are carried out."""
    experiment, models = _experiment(options), options.pair.split("+")
    pair = group_run(experiment, "snei", (models[0], models[-1]), options.variant, 0)
    alone = [sft_run(experiment, "snei", model, 0) for model in models]
    names = ("global_batch", "micro_batch", "precision", "quantization", "optimizer")
    changes = {name: getattr(options, name) for name in names}
    changes["lora"] = options.lora and Lora(rank=options.lora, alpha=2.0 * options.lora)
    training = pair.training.model_copy(update={name: value for name, value in changes.items() if value})
    runs = {n: r.model_copy(update={"training": training}) for n, r in zip(SUBJECTS, [*alone, pair], strict=True)}
    return runs, changed(execution_spec(experiment.execution), ["engine=plain", "processes=1", *options.set])


def _experiment(options: argparse.Namespace) -> Experiment:
    return load_experiment({**read_yaml(ROOT / "config.yaml"), "scale": options.scale}, ROOT)


def miniature_inputs(run: RunSpec, experiment: Experiment) -> tuple[Callable, Alignment, list[list[LocalBatch]]]:
    """Miniature base models, the ids that they share, and drawn scenes with questions and answers."""
    training, asked = run.training, dialogue_of(experiment, "snei")
    starts = [experiment.models[member.model].backbone.value for member in run.members]
    encoders = [Encoder(load_preprocessor(start, tuple(training.pixels)), training.system) for start in starts]

    def build(k: int) -> tuple[PreTrainedModel, Encoder]:
        return load_backbone(starts[k]), encoders[k]

    rows = [build(k)[0].config.text_config.vocab_size for k in range(len(starts))]
    count, random_turns = STEPS * training.global_batch, random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        source, root = Path(folder) / "source", Path(folder) / "snei"
        write_dataset("snei", {"train": count, "test": 1}, asked.questions, 0, source)
        import_source("snei", source, Path("workflow/mappings/snei.yaml"), root, asked)
        scenarios = read_raw(root, asked, check_images=False)[:count]
        exchanges = [scene.exchange(random_turns.choice(list(scene.turns))) for scene in scenarios]
        alignment = align(encoders, rows)
        local = LocalBatches(exchanges, [(encoder, None) for encoder in encoders], alignment, 0, 1)
        steps = [
            [local[i] for i in chunks(b, training.micro_batch)] for b in chunks(range(count), training.global_batch)
        ]
    return build, alignment, steps


def published_config(model: str, *, tiny: bool = False, layers: int | None = None) -> PretrainedConfig:
    """A published model's configuration, or a tiny one of its family with its vocabulary; `layers` keeps so many."""
    new, head_size = model.startswith("qwen3"), 32 if tiny else 128
    width, mlp, all_layers, heads, key_heads = (128, 256, 2, 4, 2) if tiny else PUBLISHED[model]
    all_depth, tower_width, tower_mlp = (2, 128, 256) if tiny else (24, 1024, 4096) if new else (32, 1280, 3420)
    layers, depth, cut = layers or all_layers, layers or all_depth, tiny or bool(layers)
    section = [size * head_size // 128 for size in ((24, 20, 20) if new else (16, 24, 24))]
    text = {
        "vocab_size": ROWS, "hidden_size": width, "intermediate_size": mlp, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": key_heads, "head_dim": head_size,
        "rope_parameters": {"rope_theta": 5e6 if new else 1e6, "mrope_section": section, "mrope_interleaved": new},
    }  # fmt: skip
    vision = {
        "depth": depth, "hidden_size": tower_width, "intermediate_size": tower_mlp, "num_heads": 16,
        "out_hidden_size": width, "patch_size": 16 if new else 14,
        "window_size": 112, "fullatt_block_indexes": [1] if cut else [7, 15, 23, 31],  # Qwen2.5 only
        "num_position_embeddings": 2304, "deepstack_visual_indexes": [0] if cut else [5, 11, 17],  # Qwen3 only
    }  # fmt: skip
    family = transformers.Qwen3VLConfig if new else transformers.Qwen2_5_VLConfig  # they know the special ids
    return family(text_config=text, vision_config=vision, tie_word_embeddings=True)


def published_inputs(
    run: RunSpec, *, tiny: bool, layers: int | None
) -> tuple[Callable, Alignment, list[list[LocalBatch]]]:
    """Models of paper scale, the ids that they share, and inputs of noise and random words."""
    configs = [published_config(member.model, tiny=tiny, layers=layers) for member in run.members]
    generator = torch.Generator().manual_seed(0)
    names = SimpleNamespace(type_ids="mm_token_type_ids", picture_tokens=[IMAGE], joined=Preprocessor.joined)
    encoder = SimpleNamespace(pad_token=PAD, preprocessor=names)

    def build(k: int) -> tuple[PreTrainedModel, None]:
        torch.manual_seed(k)
        with World().device:  # draws the weights on the device
            return AutoModelForImageTextToText.from_config(configs[k], dtype=torch.float32), None

    def words(count: int) -> list[int]:
        return torch.randint(0, WORDS, (count,), generator=generator).tolist()

    def sample(config: PretrainedConfig, question: list[int], answer: list[int]) -> Sample:
        tower = config.vision_config
        grid, values = PICTURE // tower.patch_size, 3 * tower.temporal_patch_size * tower.patch_size**2
        features = {"pixel_values": torch.randn(grid**2, values, generator=generator)}
        pictures = EncodedPictures(features | {"image_grid_thw": torch.tensor([[1, grid, grid]])}, ())
        prompt = [START, *[IMAGE] * family_tokens(config), END, *question]
        return Sample(prompt + answer, [IGNORED] * len(prompt) + answer, pictures)

    def one_pass(size: int) -> LocalBatch:
        lengths = torch.randint(ANSWERS[0], ANSWERS[1] + 1, (size,), generator=generator).tolist()
        texts = [(words(PROMPT), words(length)) for length in lengths]
        members = [collate([sample(c, *text) for text in texts], encoder, left_padded=False) for c in configs]
        return LocalBatch(members, [size])

    sizes = [len(indices) for indices in chunks(range(run.training.global_batch), run.training.micro_batch)]
    return build, Alignment(Slice(SHARED)), [[one_pass(size) for size in sizes] for _ in range(STEPS)]


class Subject:
    """A group on its own engine, as in `gcl.training.trainer`; `step(n)` gives the seconds of one step."""

    def __init__(self, name: str, case: Case, steps: int) -> None:
        run = self.run = case.runs[name]
        self.chunk, self.alignment = case.execution.head_chunk, case.alignment
        size = run.objective.semantic_size if run.objective and run.objective.gsl_weight else None
        specs = zip(run.members, SUBJECTS[name], strict=True)
        members = [Member(m, run.training, *case.build(k), semantic_size=size, seed=k).train() for m, k in specs]
        self.engine = make_engine(members, run.training, case.execution, steps)
        self.steps = [[LocalBatch([p.members[k] for k in SUBJECTS[name]], p.counts) for p in s] for s in case.steps]

    def step(self, number: int) -> float:
        """One optimizer step on one of the global batches."""
        start = clock()
        self.gradients(number)
        self.engine.step()
        return clock() - start

    def gradients(self, number: int) -> None:
        """Forward and backward passes of one of the global batches."""
        passes, objective = self.steps[number % STEPS], self.run.objective
        inputs = [sum(one.counts) for one in passes]
        tokens = sum(int((p.members[0]["labels"] != IGNORED).sum()) for p in passes)
        step = Step([Part(iter(passes), inputs, (tokens,) * len(self.run.members), tokens, objective)])
        losses = accumulate(self.engine, step, self.run, self.alignment, self.chunk)
        check_finite(losses, self.run, number, [])


def clock() -> float:
    """Seconds, after all work of the device."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def measure(options: argparse.Namespace, names: Sequence[str], repeats: int) -> dict[str, Any]:
    """Settings, seconds of every subject in every round, and peak memory of all subjects together.

    Each round has one batch, and begins with another subject. Peak memory is the allocated memory on a GPU, and the growth
    of this process on a CPU.
    """
    seed_everything(0)  # as a training does, with deterministic kernels
    case = make_case(options)
    before = _resident("VmRSS")
    subjects = {name: Subject(name, case, options.warmup + repeats) for name in names}
    order, seconds = list(names), {name: [] for name in names}
    for number in range(options.warmup + repeats):
        for name in order:
            seconds[name].append(subjects[name].step(number))
        order.append(order.pop(0))
    peak = torch.cuda.max_memory_allocated() if options.device == "cuda" else before and _resident("VmHWM") - before
    settings = {"run": case.runs["pair"].model_dump(), "execution": case.execution.model_dump()}
    timed = {name: values[options.warmup :] for name, values in seconds.items()}
    return {"seconds": timed, "peak_bytes": peak, "settings": settings}


def measure_alone(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """The same of one subject, in a process of its own."""
    torch.set_num_threads(options.threads)
    repeats = options.repeats if options.sequential else min(options.repeats, 3)  # memory needs no more
    return measure(options, [name], repeats)


def _resident(name: str) -> int | None:
    """Resident memory of this process: VmRSS is now and resets the peak, VmHWM is the peak. None without Linux."""
    try:
        if name == "VmRSS":
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Median and quartiles."""
    first, _, third = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else [*values] * 3
    return {"median": statistics.median(values), "quartiles": [first, third]}


def ratio(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """pair / (learner + guide): of rounds, with the median's 95 % bootstrap interval; and of the fastest steps."""
    times = [seconds[name] for name in SUBJECTS]
    rounds = [pair / (a + b) for a, b, pair in zip(*times, strict=True)]
    fastest = min(times[2]) / (min(times[0]) + min(times[1]))
    medians = sorted(statistics.median(random.Random(k).choices(rounds, k=len(rounds))) for k in range(2000))
    return summary(rounds) | {"interval": [medians[49], medians[1950]], "fastest": fastest}


def report(options: argparse.Namespace) -> dict[str, Any]:
    """Measure everything and print it."""
    machine = hardware(options.device) | {"transformers": transformers.__version__, "load": [os.getloadavg()[0]]}
    print(f"{machine}\n{vars(options)}\n\n{'':<10}{'ms (median)':>12}{'quartiles':>20}{'peak MiB':>11}", flush=True)
    seconds = {} if options.sequential else measure(options, list(SUBJECTS), options.repeats)["seconds"]
    machine["load"].append(os.getloadavg()[0])
    gc.collect()
    torch.cuda.empty_cache()  # others need the room
    results = {}
    for name in SUBJECTS:
        alone = forked(measure_alone, options, name)
        values, peak = seconds.setdefault(name, alone["seconds"][name]), alone["peak_bytes"]
        results[name] = summary(values) | {"seconds": values, "peak_bytes": peak}
        median, low, high = (f"{1000 * v:.1f}" for v in (results[name]["median"], *results[name]["quartiles"]))
        memory = "-" if peak is None else f"{peak / 2**20:.0f}"
        print(f"{name:<10}{median:>12}{f'{low} to {high}':>20}{memory:>11}", flush=True)
    found = ratio(seconds)
    (low, high), (first, third) = found["interval"], found["quartiles"]
    print(
        f"\npair / (learner + guide): {found['median']:.3f}, 95 % interval {low:.3f} to {high:.3f}; rounds' quartiles"
    )
    print(f"{first:.3f} to {third:.3f}; fastest steps {found['fastest']:.3f}; load {machine['load']}")
    settings = {"options": vars(options), **alone["settings"]}
    return {"hardware": machine, "settings": settings, "results": results, "ratio": found} | planned(options)


def planned(options: argparse.Namespace) -> dict[str, int]:
    """The estimate of `gcl plan --memory` for the pair, without its allowance for libraries; of published shapes alone."""
    if options.scale != "paper":
        return {}
    runs, execution = make_runs(options)
    pair = runs["pair"]
    run = pair.model_copy(update={"training": pair.training.model_copy(update={"pixels": [1, PICTURE**2]})})
    configs = [published_config(member.model, tiny=options.tiny, layers=options.layers) for member in run.members]
    tokens = 2 + PROMPT + ANSWERS[1] + max(family_tokens(config) for config in configs)
    return {"planned_bytes": memory_plan(run, execution, configs, tokens).total - ALLOWANCE}


def family_tokens(config: PretrainedConfig) -> int:
    """Tokens of a picture."""
    tower = config.vision_config
    return (PICTURE // tower.patch_size // tower.spatial_merge_size) ** 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--pair", default="qwen2.5-vl-3b+qwen3-vl-4b", help="learner+guide (default: %(default)s)")
    parser.add_argument("--variant", default="full", help="as in run ids: full, gco, drl, ... (default: %(default)s)")
    parser.add_argument("--global-batch", type=int, help="inputs of a step (default: 16)")
    parser.add_argument("--micro-batch", type=int, help="inputs of a pass (default: 16)")
    parser.add_argument("--precision", choices=("float32", "bfloat16", "float16"), help="default: the scale's")
    parser.add_argument("--lora", type=int, metavar="RANK", help="train adapters instead of all weights")
    parser.add_argument("--quantization", choices=("nf4",), help="of frozen weights, under adapters")
    parser.add_argument("--optimizer", choices=("AdamW", "AdamW8bit"), help="default: AdamW")
    parser.add_argument("--layers", type=int, help="of published shapes: keep so many of each model")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="change settings of `execution`")
    parser.add_argument("--threads", type=int, default=2, help="of a CPU (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=40, help="timed rounds (default: %(default)s)")
    parser.add_argument("--warmup", type=int, default=3, help="rounds before these (default: %(default)s)")
    parser.add_argument("--sequential", action="store_true", help="time one after the other, each in its own process")
    parser.add_argument("--to", type=Path, help="write settings, every time, and the ratio as JSON")
    parser.add_argument("--tiny", action="store_true", help=argparse.SUPPRESS)  # paper scale with tiny models
    options = parser.parse_args()
    options.scale = "paper" if options.device == "cuda" or options.tiny else "miniature"
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # engines take a GPU where there is one
    torch.set_num_threads(options.threads)
    found = report(options)
    if options.to:
        options.to.write_text(json.dumps(found, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
