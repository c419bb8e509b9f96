"""Any number of processes takes over the vectors of any other, within a ZeRO stage and between stages."""

from itertools import product
from math import ceil

import pytest
import torch
from deepspeed.utils.tensor_fragment import fragment_address

from gcl.training import repartition

# Some weights have fewer elements than there are processes, and most cannot be divided evenly.
GROUPS = [{"a": (5, 3), "b": (1,), "c": (7,)}, {"d": (2, 2, 2), "e": (3,)}]
WEIGHTS = {
    name: 100 * (k + 1) + torch.arange(torch.Size(shape).numel(), dtype=torch.float32)
    for k, (name, shape) in enumerate((name, shape) for group in GROUPS for name, shape in group.items())
}
SHAPES = [{name: torch.Size(shape) for name, shape in group.items()} for group in GROUPS]
KEYS = ("weights", "exp_avg", "exp_avg_sq")


def saved(stage: int, processes: int) -> list[dict]:
    """The states that processes save, built weight by weight. Moments are the weights with another sign, and doubled."""
    states = []
    for rank in range(processes):
        if stage == 3:
            shares = [{n: ceil(len(WEIGHTS[n]) / processes) for n in group} for group in GROUPS]
            cut = [
                [torch.cat([WEIGHTS[n], torch.zeros(k * processes - len(WEIGHTS[n]))]) for n, k in group.items()]
                for group in shares
            ]
            vectors = [
                torch.cat([w[rank * k : (rank + 1) * k] for w, k in zip(whole, group.values(), strict=True)])
                for whole, group in zip(cut, shares, strict=True)
            ]
            state, inner = {"fp32_flat_groups": vectors}, "optimizer_state_dict"
        else:
            size, start, inside = 2 * ceil(sum(map(len, WEIGHTS.values())) / (2 * processes)), 0, {}
            for name, weight in WEIGHTS.items():
                begin, end = max(start, rank * size), min(start + len(weight), (rank + 1) * size)
                if begin < end:
                    inside[name] = fragment_address(start=begin - rank * size, numel=end - begin)
                start += len(weight)
            vectors = [torch.cat(list(WEIGHTS.values()))[rank * size : (rank + 1) * size]]
            padding = [size - len(vectors[0])]
            state = {"single_partition_of_fp32_groups": vectors, "param_slice_mappings": [inside]}
            state, inner = state | {"group_paddings": padding}, "base_optimizer_state"
        moments = {k: {"step": torch.tensor(3.0), "exp_avg": -v, "exp_avg_sq": 2 * v} for k, v in enumerate(vectors)}
        groups = [{"lr": 0.5, "params": list(moments)}]
        states.append(state | {inner: {"state": moments, "param_groups": groups}})
    return states


def untrained(state: dict) -> dict:
    """The state of a process that has trained nothing yet."""
    inner = "optimizer_state_dict" if "fp32_flat_groups" in state else "base_optimizer_state"
    groups = [{"lr": 0.0, "params": state[inner]["param_groups"][0]["params"]}]
    vectors = {
        key: [torch.zeros_like(vector) for vector in state[key]]
        for key in ("fp32_flat_groups", "single_partition_of_fp32_groups")
        if key in state
    }
    return state | vectors | {inner: {"state": {}, "param_groups": groups}}


def pieces(states: list[dict]) -> list[dict[str, repartition.Piece]]:
    number = len(states)
    return repartition._pieces([repartition._fragments(s, SHAPES, rank, number) for rank, s in enumerate(states)])


@pytest.mark.parametrize("before, after", product((2, 3), (2, 3)), ids=lambda stage: f"stage-{stage}")
@pytest.mark.parametrize("processes", range(1, 6))
def test_every_process_gets_its_own_part_of_everything(before, after, processes):
    for others in range(1, 6):
        old, expected = saved(before, processes), saved(after, others)
        for rank, state in enumerate(expected):
            own = untrained(state)
            repartition._prepare(own, old[0])
            vectors = repartition._vectors(own)
            sources = [repartition._vectors(part) for part in old]
            repartition._fill(vectors, pieces(expected)[rank], sources, pieces(old))
            for found, due in zip(vectors, repartition._vectors(state), strict=True):
                for key in KEYS:
                    size = len(due[key])
                    assert torch.equal(found[key][:size], due[key]) and not found[key][size:].any()
                # Of moments DeepSpeed wants the filling, too.
                assert len(found["exp_avg"]) == len(due["weights"]) + state.get("group_paddings", [0])[0]
            inner = repartition._torch_state(own)
            assert inner["param_groups"] == repartition._torch_state(state)["param_groups"]
            steps = [moments["step"] for moments in inner["state"].values()]
            assert steps == [3.0] * len(vectors) and len({id(step) for step in steps}) == len(vectors)


def test_a_training_whose_steps_were_all_skipped_has_no_moments():
    for stage in (2, 3):
        old, own = untrained(saved(stage, 2)[0]), untrained(saved(stage, 1)[0])
        repartition._prepare(own, old)
        assert repartition._torch_state(own)["state"] == {}
        assert [list(vectors) for vectors in repartition._vectors(own)] == [["weights"]] * len(
            repartition._vectors(own)
        )
