"""Cut a thread's share of a step into bands whose arrays fit into a core's cache."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from minicnn.fast.rows.steps import Rows, Step

BAND = 3 * 2**17       # values at a time: 1.5 MB of float32 stay in a core's caches
TRANSFORMED = 2**18    # of Winograd's tiles: fewer, as each of its steps reads one array and writes another


class Load(NamedTuple):
    """The work of a stage: values for one row of the step's smallest map, and the rows that must stay together.

    filters : values of 1x1 filters. A band reads all of them, so it has at least as many values.
    """

    values: float
    align: int = 1
    filters: int = 0


class Band(NamedTuple):
    """A piece of a step: some rows of the smallest map, in some channels. blocks : the filters that write these."""

    rows: Rows
    channels: slice = slice(None)
    blocks: range | None = None


def winograd_load(m: int, across: int, channels: int, scale: int) -> Load:
    """Return the load of Winograd's F(m, 3), for maps with this many columns and channels."""
    return Load(BAND / TRANSFORMED * (m + 2)**2 * -(-across // m) * channels * scale / m, m // math.gcd(m, scale))


def bands(step: Step, thread: int, loads: Iterable[Load], block: int) -> list[Band]:
    """Return the bands of a thread. block : filters in a block, if the threads share these."""
    if step.blocks:
        first, last = step.blocks[thread]
        some = slice(first * block, last * block)
        return [Band((0, step.height), some, range(first, last))] if first < last else []
    first, last = step.shares[thread]
    loads = list(loads)
    align = math.lcm(*(load.align for load in loads))
    size = max(BAND, max(load.filters for load in loads))
    fitting = max(1, int(size / max(load.values for load in loads) / align))
    units = -(-(last - first) // align)
    count = -(-units // fitting)
    cuts = [first + align * (units * i // count) for i in range(count)] + [last] if count else []
    return [Band(rows) for rows in zip(cuts[:-1], cuts[1:], strict=True)]
