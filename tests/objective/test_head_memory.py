"""The competitive head holds one chunk at a time, for any number of tokens. How the chunk is chosen."""

import weakref

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from gcl.objective.events import BLOCKS, Compared, Events, Slice
from gcl.objective.head import CHUNK_MAX, CHUNK_MEMORY, chunk_rows, competitive_head


class _LiveBytes(TorchDispatchMode):
    """The largest number of bytes that storages made by any operation held at one time."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self.seen: dict[int, weakref.finalize] = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        known = {x.untyped_storage().data_ptr() for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if storage.data_ptr() not in known | self.seen.keys():
                    self._add(storage)
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        pointer, size = storage.data_ptr(), storage.nbytes()
        self.live += size
        self.peak = max(self.peak, self.live)

        def release() -> None:
            self.live -= size
            del self.seen[pointer]

        self.seen[pointer] = weakref.finalize(storage, release)


def peak_bytes(rows: int, chunk: int, members: int = 2, compared: Compared | None = None, kind="jsd") -> int:
    generator = torch.Generator().manual_seed(0)
    hidden = [torch.randn(rows, 8, generator=generator).requires_grad_() for _ in range(members)]
    heads = [torch.randn(4096, 8, generator=generator).requires_grad_() for _ in range(members)]
    labels = torch.randint(0, 4096, (rows,), generator=generator)
    given = {
        "compared": compared or Slice(4000),
        "tokens": [rows] * members,
        "positions": rows,
        "chunk": chunk,
        "kind": kind,
    }
    with _LiveBytes() as memory:
        total, _ = competitive_head(
            hidden, heads, [labels] * members, [3.0, 2.0, 1.0][:members], drl_weight=0.5, **given
        )
        total.backward()
    return memory.peak


@pytest.mark.parametrize("members", [1, 2, 3])
def test_memory_does_not_grow_with_the_tokens(members):
    one, many = (peak_bytes(rows, 128, members) for rows in (128, 4096))
    own_gradients = members * 4 * 8 * (4096 - 128)
    assert many - own_gradients <= 1.02 * one
    # The buffers `chunk_rows` counts on, besides the gradients by heads and hidden states and what belongs to rows.
    assert one <= 4 * 128 * 4096 * (2 * members + 4) + members * 4 * 8 * (4096 + 2 * 128) + 2**16


@pytest.mark.parametrize("members", [2, 3])
@pytest.mark.parametrize("shared", [3990, 2000, 10])
@pytest.mark.parametrize("kind", ["jsd", "jsd+uld"])
def test_shared_events_take_little_more_than_a_slice(members, shared, kind, monkeypatch):
    monkeypatch.setitem(BLOCKS, "cpu", 8 * 4096)  # as few rows of a chunk as at published sizes
    generator = torch.Generator().manual_seed(0)
    ids = tuple(torch.randperm(4000, generator=generator)[:shared] for _ in range(members))
    events = Events(ids, (4000,) * members)
    assert peak_bytes(256, 128, members, events, kind) <= 1.05 * peak_bytes(256, 128, members)


def test_8192_tokens_take_a_fifth_of_materialised_logits():
    assert peak_bytes(8192, 256) <= 2 * 8192 * 4096 * 4 / 5


def test_the_chunk_follows_from_total_memory(monkeypatch):
    class Properties:
        total_memory = 80 * 2**30

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Properties)
    cuda = torch.device("cuda", 0)
    rows = chunk_rows([151936, 151936], cuda)
    assert rows % 64 == 0 and rows > 64
    assert 8 * rows * 151936 * 4 <= Properties.total_memory * CHUNK_MEMORY
    assert chunk_rows([100], cuda) == CHUNK_MAX
    Properties.total_memory = 2**30
    assert chunk_rows([151936, 151936], cuda) == 64
    assert 64 <= chunk_rows([151936, 151936], torch.device("cpu")) <= CHUNK_MAX
