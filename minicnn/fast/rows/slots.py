"""Large arrays of a pass share memory if no step needs both."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Need(NamedTuple):
    """An array of some bytes that is written in one step and read until another one. Both count from 0."""

    key: Hashable
    bytes: int
    first: int
    last: int


def share(needs: Sequence[Need]) -> tuple[dict[Hashable, int], list[int]]:
    """Return ({key: number of its slot}, bytes of each slot). Arrays of one slot are not needed at the same time."""
    places: dict[Hashable, int] = {}
    slots: list[int] = []
    free_after: list[int] = []  # the last step that needs the slot's array
    for need in sorted(needs, key=lambda need: need.first):
        free = [i for i, last in enumerate(free_after) if last < need.first]
        fitting = [i for i in free if slots[i] >= need.bytes]
        if fitting:
            slot = min(fitting, key=slots.__getitem__)
        elif free:
            slot = max(free, key=slots.__getitem__)  # it grows
            slots[slot] = need.bytes
        else:
            slot = len(slots)
            slots.append(need.bytes)
            free_after.append(0)
        places[need.key], free_after[slot] = slot, need.last
    return places, slots
