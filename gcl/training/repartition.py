"""Load a DeepSpeed checkpoint that another number of processes, or another ZeRO stage, has saved.

    if saved_by(folder) != (stage, processes):
        state = repartition(engine, folder, world)

Each process saves vectors: weights that learn in float32, and AdamW's two moments, strung together. DeepSpeed's loader takes
vectors of its own layout only. So every process makes its own from the pieces in all files, by the names of weights. Only
memory is written: whatever kills it, the checkpoint stays as it was.

DeepSpeed's universal checkpoint does not serve. It needs two further copies on the disk, made by one process. Its loader for
ZeRO-3 gives all vectors of a process one counter of steps, so torch's AdamW counts each step several times. It does not
lead from stage 3 to another one.
"""

from collections import Counter
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from deepspeed.checkpoint.constants import (
    BASE_OPTIMIZER_STATE,
    FP32_FLAT_GROUPS,
    GROUP_PADDINGS,
    OPTIMIZER_STATE_DICT,
    PARAM_GROUPS,
    PARAM_SHAPES,
    PARAM_SLICE_MAPPINGS,
    SINGLE_PARTITION_OF_FP32_GROUPS,
    ZERO_STAGE,
)
from deepspeed.utils.tensor_fragment import fragment_address
from torch import Tensor

from gcl.training.world import World

WEIGHTS, MOMENTS = "weights", ("exp_avg", "exp_avg_sq")
Fragments = list[dict[str, fragment_address]]  # per vector of a process: where in it each weight's elements are


class Piece(NamedTuple):
    """Elements of a weight, from its element `start` on, that a process keeps from `at` on in one of its vectors."""

    start: int
    vector: int
    at: int
    numel: int


def saved_by(folder: Path) -> tuple[int, int]:
    """The ZeRO stage and the number of processes that saved a member's folder."""
    return int(_part(folder, 0)[ZERO_STAGE]), _processes(folder)


def repartition(engine: Any, folder: Path, world: World) -> dict[str, Any]:
    """Load weights and optimizer into a member's DeepSpeed engine; all processes call.

    Args:
        engine: which has not trained yet.
        folder: the member's, of a whole checkpoint.
        world: the processes.

    Returns:
        The state that all who saved had in common, with everything that the caller of `save_checkpoint` added.
    """
    processes = _processes(folder)
    parts = [_part(folder, rank) for rank in range(processes)]
    common = torch.load(sorted(folder.glob("*_model_states.pt"))[0], map_location="cpu", weights_only=False, mmap=True)
    theirs = _pieces([_fragments(part, common[PARAM_SHAPES], rank, processes) for rank, part in enumerate(parts)])

    optimizer = engine.optimizer
    if hasattr(optimizer, "checkpoint_event_prologue"):  # ZeRO-3: no weight may be whole meanwhile
        optimizer.checkpoint_event_prologue()
    own = optimizer.state_dict()
    _prepare(own, parts[0])
    layout = world.collect(_fragments(own, engine._get_zero_param_shapes(), world.rank, world.size))
    _fill(_vectors(own), _pieces(layout)[world.rank], [_vectors(part) for part in parts], theirs)
    optimizer.load_state_dict([own] * world.size, load_from_fp32_weights=True)
    if hasattr(optimizer, "checkpoint_event_epilogue"):
        optimizer.checkpoint_event_epilogue()
    else:
        optimizer.update_lp_params()
    return common


def _processes(folder: Path) -> int:
    return len(list(folder.glob("*_optim_states.pt")))


def _part(folder: Path, rank: int) -> dict[str, Any]:
    """The state of the optimizer that one process saved; its vectors are read when they are used."""
    file = folder / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
    # Pickled by DeepSpeed, whose own loader trusts it, too: a training reads what it has written below scratch/ itself.
    return torch.load(file, map_location="cpu", weights_only=False, mmap=True)[OPTIMIZER_STATE_DICT]


def _torch_state(state: dict[str, Any]) -> dict[str, Any]:
    """The state of torch's optimizer inside DeepSpeed's."""
    return state[OPTIMIZER_STATE_DICT if FP32_FLAT_GROUPS in state else BASE_OPTIMIZER_STATE]


def _vectors(state: dict[str, Any]) -> list[dict[str, Tensor]]:
    """A process's vectors: weights, and moments once there are any."""
    weights = state.get(FP32_FLAT_GROUPS, state.get(SINGLE_PARTITION_OF_FP32_GROUPS))
    moments = _torch_state(state)["state"]
    return [
        {WEIGHTS: vector.detach()} | ({key: moments[k][key] for key in MOMENTS} if moments else {})
        for k, vector in enumerate(weights)
    ]


def _prepare(own: dict[str, Any], saved: dict[str, Any]) -> None:
    """Give this process's state, which has not trained, the saved rates and number of steps, and room for moments."""
    ours, theirs = _torch_state(own), _torch_state(saved)
    ours[PARAM_GROUPS] = [
        there | {"params": here["params"]} for here, there in zip(ours[PARAM_GROUPS], theirs[PARAM_GROUPS], strict=True)
    ]
    if theirs["state"]:  # else every step so far was skipped
        for k, vectors in enumerate(_vectors(own)):
            # Stages 1 and 2 save weights without the filling of the last vector, and moments with it.
            size = vectors[WEIGHTS].numel() + own.get(GROUP_PADDINGS, {k: 0})[k]
            room = {key: vectors[WEIGHTS].new_zeros(size) for key in MOMENTS}
            ours["state"][k] = {"step": theirs["state"][0]["step"].clone(), **room}


def _fragments(state: dict[str, Any], shapes: Sequence[dict[str, torch.Size]], rank: int, processes: int) -> Fragments:
    """Where the elements of each weight are in a process's vectors. Stages 1 and 2 note it; stage 3 divides each weight."""
    if FP32_FLAT_GROUPS not in state:
        return state[PARAM_SLICE_MAPPINGS]
    fragments: Fragments = []
    for group in shapes:
        at, inside = 0, {}
        for name, shape in group.items():
            share = ceil(shape.numel() / processes)
            inside[name] = fragment_address(start=at, numel=max(0, min(share, shape.numel() - rank * share)))
            at += share
        fragments.append(inside)
    return fragments


def _pieces(fragments: Sequence[Fragments]) -> list[dict[str, Piece]]:
    """The pieces of each process, by weight, from the fragments of all; a weight's pieces follow each other by rank."""
    done: Counter[str] = Counter()
    result = []
    for vectors in fragments:
        pieces = {}
        for vector, inside in enumerate(vectors):
            for name, fragment in inside.items():
                pieces[name] = Piece(done[name], vector, fragment.start, fragment.numel)
                done[name] += fragment.numel
        result.append(pieces)
    return result


def _fill(
    vectors: list[dict[str, Tensor]],
    pieces: dict[str, Piece],
    saved: Sequence[list[dict[str, Tensor]]],
    theirs: Sequence[dict[str, Piece]],
) -> None:
    """Fill a process's vectors with the pieces that are its own, from the vectors of all who saved."""
    for name, own in pieces.items():
        for rank, their in ((rank, held[name]) for rank, held in enumerate(theirs) if name in held):
            start = max(their.start, own.start)
            numel = min(their.start + their.numel, own.start + own.numel) - start
            for key, vector in saved[rank][their.vector].items() if numel > 0 else ():
                found = vector.narrow(0, their.at + start - their.start, numel)
                vectors[own.vector][key].narrow(0, own.at + start - own.start, numel).copy_(found)
