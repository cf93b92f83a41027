"""The weights of a chain's convolutions, in the order in which its calls read them."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minicnn.backend import Array, available_memory
from minicnn.fast.rows.stages import Part
from minicnn.fast.threads import share_out
from minicnn.fast.winograd_weights import BLOCK, TRANSFORM, block_size, fingerprint, transform_block
from minicnn.layers import Conv2D

MANY = 16             # channels on both sides from which Winograd's transforms save time
# With at most these outputs and at least these weights, F(2, 3) is faster: it reads fewer transformed weights.
FEW_PIXELS, MANY_WEIGHTS = 16**2, 2**16
KEPT = 2**24          # bytes of transformed filters that one layer keeps, in one direction
SMALL = 2**16         # weights of 1x1 filters, up to which products with them are faster in the calls' order
BUDGET = 28 * 2**20   # bytes that all layers of a network keep; less where memory is short


class Weights:
    """The filters of one convolution in one direction.

    m : of Winograd's F(m, 3), or 0. shape : of the array that the calls read: (C, F) for 1x1 filters, transformed
    filters, (m + 2, m + 2, F / block, C, block), for Winograd, else (K K C, F).
    block : filters that one thread computes together. blocks : how many there are.
    kept : whether the array stays valid between passes; otherwise each pass makes it again.
    """

    def __init__(self, layer: Conv2D, m: int, backward: bool, budget: int = BUDGET) -> None:
        self.m, self.backward = m, backward
        self.w = layer.params["w"]
        self.mark: Array | None = None
        F, C, K, _ = self.filters().shape
        self.block = block_size(F) if m else math.gcd(F, BLOCK)
        self.blocks = F // self.block
        self.shape: tuple[int, ...] = (m + 2, m + 2, self.blocks, C, self.block) if m else (K * K * C, F)
        self.size = math.prod(self.shape)
        self.kept = not m or 4 * self.size <= min(KEPT, budget)
        self.array = np.empty((0,), np.float32)

    @property
    def is_view(self) -> bool:
        """Whether the calls read the layer's own array: of 1x1 filters, if its order is right or copies do not pay."""
        return self.w.shape[2] == 1 and (self.backward or self.size > SMALL)

    @property
    def bytes(self) -> int:
        """The bytes that stay in memory between passes."""
        return 4 * self.size if self.kept and not self.is_view else 0

    def allocate(self) -> None:
        """Make the array that the calls read."""
        if not self.kept or self.array.size:
            return
        if self.is_view:
            self.array = self.w[:, :, 0, 0] if self.backward else self.w[:, :, 0, 0].T  # it changes with the weights
        else:
            self.array = np.empty(self.shape, np.float32)

    def filters(self) -> Array:
        """Return the filters of this direction's convolution, (F, C, K, K)."""
        return self.w[:, :, ::-1, ::-1].swapaxes(0, 1) if self.backward else self.w

    def refresh(self) -> None:
        """Compute the array again if the weights have changed."""
        self.allocate()
        mark = fingerprint(self.w)
        if self.mark is not None and np.array_equal(mark, self.mark):
            return
        filters = self.filters()
        if self.m:
            share_out(partial(self.transform_block, self.array), range(self.shape[2]), self.size * TRANSFORM)
        else:
            F, C, K, _ = filters.shape
            self.array.reshape(K, K, C, F)[...] = filters.transpose(2, 3, 1, 0)
        self.mark = mark

    def transform_block(self, target: Array, i: int) -> None:
        """Transform a block of filters into `target`, (m + 2, m + 2, …, C, block), which has one or all blocks."""
        some = self.filters()[i * self.block:(i + 1) * self.block]
        transform_block(some, self.m, target[:, :, i if target.shape[2] > 1 else 0])

    def transform_blocks(self, target: Array, blocks: range) -> None:
        """Transform some blocks of filters."""
        for i in blocks:
            self.transform_block(target, i)


class Marks:
    """Says whether filters have changed since several Weights made their copies of them.

    weights : the Weights that keep copies. found : the fingerprints of their filters now, one after the
    other, so that one comparison is enough.
    """

    def __init__(self, weights: Iterable[Weights]) -> None:
        self.weights = [each for each in weights if each.kept and not each.is_view]
        ends = np.cumsum([0, *(len(each.w) for each in self.weights)])
        self.found = np.empty(ends[-1], np.float32)
        self.parts = [self.found[start:end] for start, end in zip(ends[:-1], ends[1:], strict=True)]

    def differ(self) -> bool:
        """Return whether filters have changed since the copies were made."""
        known = [each.mark for each in self.weights if each.mark is not None]
        for each, part in zip(self.weights, self.parts, strict=True):
            fingerprint(each.w, part)
        return len(known) < len(self.weights) or bool(known) and not np.array_equal(self.found, np.concatenate(known))


def tile_for(part: Part, setting: Any, pixels: int) -> int:
    """Return the m of Winograd's F(m, 3) for a part with this number of outputs, or 0 for another way.

    setting : of the network, 4, 2 or "off".
    """
    F, C, K, _ = part.layer.params["w"].shape
    if setting == "off" or K != 3 or part.layer.stride > 1 or part.layer.pad > 2 or min(C, F) < MANY:
        return 0
    return 2 if pixels <= FEW_PIXELS and C * F >= MANY_WEIGHTS else int(setting)


class WeightStore:
    """The weights of a network's convolutions in the order in which calls read them, one for all sizes of images."""

    def __init__(self) -> None:
        self.weights: WeakKeyDictionary[Conv2D, dict[tuple[int, bool], Weights]] = WeakKeyDictionary()

    def get(self, layer: Conv2D, m: int, backward: bool) -> Weights:
        """Return the weights of a layer in one direction, for Winograd's F(m, 3), or 0."""
        of_layer = self.weights.setdefault(layer, {})
        found = of_layer.get((m, backward))
        if found is None or found.w is not layer.params["w"]:
            budget = min(BUDGET, (available_memory("cpu") or BUDGET) // 4)
            kept = sum(weights.bytes for each in self.weights.values() for weights in each.values())
            found = of_layer[m, backward] = Weights(layer, m, backward, budget - kept)
        return found
