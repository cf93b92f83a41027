"""The filters of a layer, transformed for Winograd's minimal filtering (winograd.py)."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.fast.memory import scratch
from minicnn.fast.threads import share_out

KEPT = 2**19    # transformed values that are kept: 2 MB of float32
TRANSFORM = 40  # multiply-adds of a product take as long as the transforms of one value
BLOCK = 32      # filters in a product: with so few columns, OpenBLAS makes no copies
# The steps of a transform use two scratch arrays alternately, so that both stay in the cache.
ODD, EVEN = "odd steps", "even steps"


class Tile(NamedTuple):
    """The matrices of F(m, 3): AT has m rows, one for each output of a tile; BT has m + 2 rows, one for each point."""

    BT: Array
    G: Array
    AT: Array


F2 = Tile(
    BT=np.array([[1, 0, -1, 0],
                 [0, 1, 1, 0],
                 [0, -1, 1, 0],
                 [0, 1, 0, -1]], float),
    G=np.array([[1, 0, 0],
                [1/2, 1/2, 1/2],
                [1/2, -1/2, 1/2],
                [0, 0, 1]]),
    AT=np.array([[1, 1, 1, 0],
                 [0, 1, -1, -1]], float))
F4 = Tile(
    BT=np.array([[4, 0, -5, 0, 1, 0],
                 [0, -4, -4, 1, 1, 0],
                 [0, 4, -4, -1, 1, 0],
                 [0, -2, -1, 2, 1, 0],
                 [0, 2, -1, -2, 1, 0],
                 [0, 4, 0, -5, 0, 1]], float),
    G=np.array([[1/4, 0, 0],
                [-1/6, -1/6, -1/6],
                [-1/6, 1/6, -1/6],
                [1/24, 1/12, 1/6],
                [1/24, -1/12, 1/6],
                [0, 0, 1]]),
    AT=np.array([[1, 1, 1, 1, 1, 0],
                 [0, 1, -1, 2, -2, 0],
                 [0, 1, 1, 4, 4, 0],
                 [0, 1, -1, 8, -8, 1]], float))
TILES = {2: F2, 4: F4}


def require_tile(tile: Any) -> Any:
    """Return `tile`. Raises InputError unless it is 4, 2 or "off"."""
    if tile not in (4, 2, "off"):
        raise InputError(f"winograd must be 4, 2 or 'off', not {tile!r}")
    return tile


class Filters:
    """Filters w, of shape (F, C, 3, 3), for F(m, 3), transformed when they are used, one block of filters at a time.

    kept : all transformed filters, as `transform_weights` returns them, or None if they are not kept.
    """

    def __init__(self, w: Array, m: int, kept: Array | None = None) -> None:
        self.w, self.m, self.kept = w, m, kept
        self.size = block_size(len(w))  # filters in a block

    def block(self, i: int) -> Array:
        """Return the i-th block, (m + 2, m + 2, C, size). The next call may use the same memory."""
        if self.kept is not None:
            return self.kept[:, :, i]
        u = scratch("block of weights", (self.m + 2, self.m + 2, self.w.shape[1], self.size), self.w.dtype)
        transform_block(self.w[i * self.size:(i + 1) * self.size], self.m, u)
        return u

    def all(self) -> Array:
        """Return all blocks, (m + 2, m + 2, blocks, C, size). The next call may use the same memory."""
        return transform_weights(self.w, self.m, scratch) if self.kept is None else self.kept


class WinogradWeights:
    """The transformed filters of one layer, for both directions.

    Transformed filters take up to four times the memory. Small ones are kept, and made again when the weights have
    changed. Large ones are made block by block, used in the cache and forgotten.
    tile : 4 for F(4, 3), 2 for F(2, 3), or "off".
    """

    def __init__(self, tile: Any = 4) -> None:
        self.tile = require_tile(tile)
        self.made: dict[tuple[int, bool], tuple[Array, Array]] = {}  # (m, backward) -> (fingerprint, transformed)

    def forward(self, w: Array, m: int) -> Filters:
        """Return the Filters of w, of shape (F, C, 3, 3), for `winograd_convolution` by F(m, 3)."""
        return self._get(w, m, backward=False)

    def backward(self, w: Array, m: int) -> Filters:
        """Return the Filters for the gradient: each filter turned by 180°, filters and channels exchanged."""
        return self._get(w, m, backward=True)

    def _get(self, w: Array, m: int, backward: bool) -> Filters:
        turned = w[:, :, ::-1, ::-1].swapaxes(0, 1) if backward else w
        if not is_kept(w, m):
            return Filters(turned, m)
        mark = fingerprint(w)
        made = self.made.get((m, backward))
        if made is None or not np.array_equal(made[0], mark):
            made = self.made[m, backward] = mark, transform_weights(turned, m)
        return Filters(turned, m, made[1])


def is_kept(w: Array, m: int) -> bool:
    """Return whether the transformed filters are small enough to be kept."""
    return bool((m + 2)**2 * w.shape[0] * w.shape[1] <= KEPT)


def fingerprint(w: Array, out: Array | None = None) -> Array:
    """Return a random projection of each filter: F values that change when the weights change, also in place.

    A change too small to show here is too small to show in an output, which is a projection of the same kind.
    """
    return np.matmul(w.reshape(len(w), -1), _projection(w.size // len(w), w.dtype), out=out)


@cache
def _projection(size: int, dtype: Any) -> Array:
    return np.random.default_rng(0).standard_normal(size).astype(dtype)


def fresh(name: str, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array as `scratch` does, but in memory of its own."""
    return np.empty(shape, dtype)


def block_size(F: int) -> int:
    """Return the number of filters in one product, for F filters."""
    return BLOCK if F % BLOCK == 0 else F


def transform_weights(w: Array, m: int, memory: Any = fresh) -> Array:
    """Return G w Gᵀ of w, (F, C, 3, 3), as (m + 2, m + 2, F / block, C, block): columns, then rows of a tile.

    memory : `scratch` or `fresh`, which allocates the result.
    """
    F, C, _, _ = w.shape
    a, size = m + 2, block_size(F)
    u = memory("weights", (a, a, F // size, C, size), w.dtype)

    def transform(i: int) -> None:
        transform_block(w[i * size:(i + 1) * size], m, u[:, :, i])

    share_out(transform, range(F // size), u.size * TRANSFORM)
    return u


def transform_block(w: Array, m: int, u: Array) -> None:
    """Write G w Gᵀ of a few filters, (size, C, 3, 3), into u, (m + 2, m + 2, C, size)."""
    size, C, _, _ = w.shape
    a, G = m + 2, TILES[m].G.astype(w.dtype)
    columns = scratch(ODD, (3, 3, C, size), w.dtype)  # column of the filter, row, channel, filter
    for some in range(0, size, 16):  # more filters at a time would evict each other from the cache
        columns[..., some:some + 16] = w[some:some + 16].transpose(3, 2, 1, 0)
    half = np.matmul(G, columns.reshape(3, -1), out=scratch(EVEN, (a, 3 * C * size), w.dtype))
    if u[0].flags.c_contiguous:
        np.matmul(G, half.reshape(a, 3, -1), out=u.reshape(a, a, -1))
    else:
        made = np.matmul(G, half.reshape(a, 3, -1), out=scratch(ODD, (a, a, C * size), w.dtype))
        u[...] = made.reshape(u.shape)
