"""A teacher outside of the training's memory: `make_caches(...)` asks it once, then `CachedTeacher` stands for it.

A cache holds the last hidden states of the supervised positions, in the precision of products. The training applies the
teacher's head to them, in chunks. So the divergence is that of the whole vocabulary, and no logits are stored.

    <scratch>/teachers/<hash of its causes>/
        cache.json                  its causes, and the hash of every other file
        part-0.safetensors ...      a tensor [N, D] for each sample; one part for each process that made it
        head.safetensors, config.json

Trainings with the same teacher, samples and code share a cache. It can be deleted at any time: the next one makes it again.
"""

import shutil
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoConfig

from gcl.data.encoding import IGNORED, Encoder, chunks, collate
from gcl.data.scenario import Exchange
from gcl.errors import DataError
from gcl.experiment.places import start_weights
from gcl.experiment.provenance import environment, starts
from gcl.experiment.runs import MemberSpec, RunSpec
from gcl.files import atomic_folder, canonical_json, read_json, sha256_file, sha256_text, write_json
from gcl.models.preprocessor import load_preprocessor
from gcl.training.member import PRECISIONS, Member
from gcl.training.world import World

INDEX, HEAD = "cache.json", "head.safetensors"


class TeacherCache:
    """A teacher's hidden states on the disk, read sample by sample.

    Args:
        folder: of the cache.
        exchanges: the samples, in the order in which the cache numbers them.
        encoder: for the labels.
    """

    def __init__(self, folder: Path, exchanges: Sequence[Exchange], encoder: Encoder) -> None:
        self.folder, self.exchanges, self.encoder = folder, exchanges, encoder
        self._parts: int = read_json(folder / INDEX)["parts"]
        self._open: dict[int, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}  # processes that prepare batches open files themselves

    def batch(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """A batch for `CachedTeacher`: hidden [N, D], of all supervised positions; labels [1, 1 + N]."""
        labels = [IGNORED, *(token for i in indices for token in self.encoder.answer(self.exchanges[i].answer))]
        hidden = [self._states(i) for i in indices] or [self._states(0)[:0]]
        return {"hidden": torch.cat(hidden), "labels": torch.tensor([labels])}

    def _states(self, index: int) -> Tensor:
        part = index % self._parts
        if part not in self._open:
            self._open[part] = safe_open(self.folder / _part(part), "pt")
        return self._open[part].get_tensor(str(index))


class CachedTeacher(nn.Module):
    """A frozen member without a backbone: its hidden states come from a cache, its head is here.

    Args:
        run: in which it teaches.
        spec: the member.
        folder: of its cache.
        exchanges: the samples.
    """

    semantic_head = None

    def __init__(self, run: RunSpec, spec: MemberSpec, folder: Path, exchanges: Sequence[Exchange]) -> None:
        super().__init__()
        pixels = (run.training.pixels[0], run.training.pixels[1])
        self.spec, self.precision = spec, PRECISIONS[run.training.precision]
        self.encoder = Encoder(load_preprocessor(start_weights(run, spec), pixels), run.training.system)
        self.cache = TeacherCache(folder, exchanges, self.encoder)
        self.config = AutoConfig.from_pretrained(folder)
        self.head_rows = self.config.get_text_config().vocab_size
        self.head = nn.Parameter(load_file(folder / HEAD)["head"], requires_grad=False)

    def attend(self, attention: str) -> None:
        """It attended when its cache was made."""

    def hold(self) -> None:
        """The head has the precision of products already."""

    def place(self, device: torch.device, *, offload: bool) -> None:
        """Put the head on the device."""
        self.to(device)

    def trainable(self) -> dict[str, nn.Parameter]:
        """Nothing learns."""
        return {}

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor, None]:
        """As `Member.forward`, for a batch of `TeacherCache`."""
        return batch["hidden"], self.head, None


def make_caches(
    run: RunSpec, exchanges: Sequence[Exchange], data: str, code: str, root: Path, world: World
) -> dict[str, Path]:
    """The folder of each teacher's cache, by role; caches that are missing or damaged are made. Every process calls it.

    Args:
        run: whose frozen members are wanted.
        exchanges: the samples.
        data: hash of the training data.
        code: hash of the code that decides the result.
        root: folder of all caches.
        world: the processes of this training, which share the work.
    """
    folders = {}
    for spec in run.members:
        if spec.frozen:
            causes = _causes(run, spec, exchanges, data, code)
            folder = folders[spec.role] = root / sha256_text(canonical_json(causes))[:16]
            if not world.share(world.main and _whole(folder)):
                _make(run, spec, exchanges, causes, folder, world)
    return folders


def _causes(run: RunSpec, spec: MemberSpec, exchanges: Sequence[Exchange], data: str, code: str) -> dict[str, Any]:
    training = run.training
    return {
        "start": starts(run)[spec.role],
        "data": data,
        "samples": sha256_text(canonical_json([[one.id, one.question, one.answer] for one in exchanges])),
        "shown": [training.pixels, training.system, *([] if training.context == "none" else [training.context])],
        "held": [training.precision, training.quantization],
        "code": code,
        "environment": environment(),
    }


def _whole(folder: Path) -> bool:
    """Whether all files of a cache are there, as they were written."""
    if not (folder / INDEX).is_file():
        return False
    files = read_json(folder / INDEX)["files"]
    return all((folder / name).is_file() and sha256_file(folder / name) == found for name, found in files.items())


def _make(
    run: RunSpec, spec: MemberSpec, exchanges: Sequence[Exchange], causes: dict[str, Any], folder: Path, world: World
) -> None:
    """Run the teacher over this process's share of the samples, and write them."""
    teacher = Member.load(spec, start_weights(run, spec), run.training, semantic_size=None, seed=0).eval()
    teacher.place(world.device, offload=False)
    own, each = range(world.rank, len(exchanges), world.size), max(1, run.training.micro_batch // world.size)
    states: dict[str, Tensor] = {}
    bar = tqdm(total=len(own), desc=f"{run.id}: {spec.role}", unit="sample", mininterval=2, disable=not world.main)
    with torch.no_grad(), bar:
        for indices in chunks(own, each):
            samples = [teacher.encoder.sample(exchanges[i]) for i in indices]
            batch = collate(samples, teacher.encoder, left_padded=False)
            hidden_ND, *_ = teacher({name: tensor.to(world.device) for name, tensor in batch.items()})
            lengths = [len(teacher.encoder.answer(exchanges[i].answer)) for i in indices]
            for i, part_ND in zip(indices, hidden_ND.split(lengths), strict=True):
                states[str(i)] = part_ND.to("cpu", teacher.precision, copy=True)
            bar.update(len(indices))
    if world.main:
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
    # If another training has made it meanwhile, its cache is as good.
    with suppress(DataError), atomic_folder(folder, replace=False) if world.main else nullcontext() as work:
        work = Path(world.share(work))
        save_file(states, work / _part(world.rank))
        if world.main:
            save_file({"head": teacher.head.detach().to("cpu", teacher.precision).contiguous()}, work / HEAD)
            teacher.config.save_pretrained(work)
        world.barrier()
        if world.main:
            files = {path.name: sha256_file(path) for path in sorted(work.iterdir())}
            write_json(work / INDEX, {"causes": causes, "parts": world.size, "files": files})
    world.barrier()


def _part(number: int) -> str:
    return f"part-{number}.safetensors"
