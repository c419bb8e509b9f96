"""Some items of a list, from all parts of it: `spread(items, count)`."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(items: Sequence[T], count: int | None) -> Sequence[T]:
    """As many items as `count`; all for None, and where there are no more."""
    if count is None or count >= len(items):
        return items
    return [items[k * len(items) // count] for k in range(count)]
