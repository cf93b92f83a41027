"""Large arrays of a pass share memory if no step needs both."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

ALIGNED = 64  # bytes of a cache line


class Need(NamedTuple):
    """An array of some bytes that is written in one step and read until another one. Both count from 0."""

    key: Hashable
    bytes: int
    first: int
    last: int

    def meets(self, other: "Need") -> bool:
        """Return whether a step needs both arrays."""
        return self.first <= other.last and other.first <= self.last


def share(needs: Sequence[Need]) -> tuple[dict[Hashable, int], int]:
    """Return ({key: the byte where it begins}, bytes of all). Arrays that a step needs together do not overlap.

    The largest arrays are placed first, each as near to the beginning as possible.
    """
    begins: dict[Hashable, int] = {}
    placed: list[Need] = []
    for need in sorted(needs, key=lambda need: need.bytes, reverse=True):
        begin = 0
        for other in sorted(filter(need.meets, placed), key=lambda other: begins[other.key]):
            if begin + need.bytes <= begins[other.key]:
                break
            begin = max(begin, begins[other.key] + -(-other.bytes // ALIGNED) * ALIGNED)
        begins[need.key] = begin
        placed.append(need)
    return begins, max((begins[need.key] + need.bytes for need in placed), default=0)
