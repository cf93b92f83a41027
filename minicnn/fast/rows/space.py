"""The memory of one pass of one image through a chain."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.fast.rows import winograd
from minicnn.fast.rows.stages import Part, Stage
from minicnn.fast.rows.steps import Chain, Rows, Step, shares
from minicnn.fast.rows.tape import Bordered, Calls
from minicnn.fast.rows.team import Team
from minicnn.fast.rows.weights import Weights



class Space:
    """The maps of one pass of one image, in the order (H, W, C), and the calls that compute them.

    x, out, dout, dx : the arrays of the pass that runs: what the caller gave, and what it gets.
    maps : of the stages. won : of the pools, which elements have won, over columns and over rows.
    gradients : to the maps, for each part of a stage. user : a weak reference to the cache that needs them.
    bytes : of all of these. allocate : a function (shape, dtype) that makes their arrays, filled with zeros.
    """

    def __init__(self, chain: Chain, weights: dict[str, Weights], biases: dict[str, Array], team: Team,
                 differentiable: bool, allocate: Callable[..., Array] = np.zeros) -> None:
        self.chain, self.weights, self.biases, self.team = chain, weights, biases, team
        self.differentiable, self.allocate = differentiable, allocate
        self.maps: dict[str, Bordered] = {}
        self.won: dict[str, tuple[list[Array], list[Array]]] = {}
        self.gradients: dict[tuple[str, int], Bordered] = {}
        self.forward_calls: Calls = []
        self.backward_calls: dict[tuple[Any, ...], Calls] = {}  # by the classes of the ReLUs
        self.user: Callable[[], Any] = nobody
        self.bytes = 0
        self.forget()

    def forget(self) -> None:
        """Let go of the caller's arrays."""
        self.x = self.out = self.dout = self.dx = np.empty((0, 0, 0), np.float32)

    def make_maps(self, steps: list[Step]) -> None:
        """Make the maps that outlive a band: those that another step reads, or that say where a ReLU was open."""
        chain = self.chain
        for step in steps:
            for stage in step.stages:
                later = any(reader not in step.stages for reader in chain.readers[stage.name])
                masks = self.differentiable and stage.relu is not None
                if later or masks or stage is chain.last:
                    self.maps[stage.name] = self.make_map(stage)
                if stage.pool is not None and self.differentiable:
                    self.won[stage.name] = self.winners(stage, chain.by_name[stage.source].shape[0])
        if not chain.planar:
            self.maps[chain.entry.name] = self.make_map(chain.entry)

    def make_map(self, stage: Stage) -> Bordered:
        """Return the memory of a stage's map, with the zeros around it that convolutions read."""
        return self.bordered(stage.shape, [
            border(stage.shape, part.size, part.layer.pad, self.weights[part.name].m)
            for reader in self.chain.readers[stage.name] for part in reader.parts
            if part.source == stage.name and part.size > 1 and not (self.chain.planar and reader is self.chain.first)])

    def shares_of_input(self, threads: int) -> tuple[Rows, ...]:
        """Return the rows of the input that each thread copies."""
        return shares(self.chain.entry.shape[0], threads)

    def filters(self, weights: Weights) -> Array:
        """Return the memory of transformed filters: their own, or one for all filters that are not kept."""
        return weights.array if weights.kept else self.team.filters_of(weights.shape)

    def transform(self, weights: Weights, threads: int) -> list[list[Callable[[], Any]]]:
        """Return the calls, of each thread, that transform filters which are not kept."""
        u = self.filters(weights)
        return [[partial(weights.transform_blocks, u, range(*some))] for some in shares(weights.shape[2], threads)]

    def bias_of(self, stage: Stage) -> Array:
        """Return the biases of a map, which several convolutions may have written, as one array."""
        return self.biases[stage.name] if len(stage.bias) > 1 else stage.bias[0].params["b"]

    def make_gradients(self, steps: list[Step], weights: dict[str, Weights]) -> None:
        """Make the gradients that another step reads: to what each part of a stage wrote, before bias and ReLU."""
        for step in steps:
            for stage in step.stages:
                if stage is self.chain.entry:
                    continue
                for k, part in enumerate(stage.parts or (None,)):
                    source = part.source if part else stage.source
                    if self.chain.by_name[source] not in step.stages:
                        self.gradients[stage.name, k] = self.make_gradient(stage, part, weights)

    def make_gradient(self, stage: Stage, part: Part | None, weights: dict[str, Weights]) -> Bordered:
        """Return the memory of the gradient to the channels of a part, or to those of a pool."""
        H, W, C = stage.shape
        if part is None:
            return self.bordered(stage.shape, [])
        shape = H, W, part.layer.params["w"].shape[0]
        if part.size == 1 or (self.chain.planar and stage is self.chain.first):
            return self.bordered(shape, [])
        return self.bordered(shape, [border(shape, part.size, part.size - 1 - part.layer.pad, weights[part.name].m)])


    def bordered(self, shape: tuple[int, int, int], needs: list[tuple[int, int, int, int]]) -> Bordered:
        """Return memory for a map with at least these zeros around it: top, bottom, left, right."""
        H, W, C = shape
        top, bottom, left, right = (max((0, *(need[side] for need in needs))) for side in range(4))
        size = H + top + bottom, W + left + right, C
        self.bytes += 4 * math.prod(size)
        return Bordered(self.allocate(size, np.float32), top, left, H, W)

    def winners(self, stage: Stage, height: int) -> tuple[list[Array], list[Array]]:
        """Return the booleans of a max pool over a map of this height: over columns, and over rows."""
        OH, OW, C = stage.shape
        count = stage.pool.kernel_size - 1
        self.bytes += count * (height + OH) * OW * C
        return ([self.allocate((height, OW, C), bool) for _ in range(count)],
                [self.allocate((OH, OW, C), bool) for _ in range(count)])


def nothing(shape: tuple[int, ...], dtype: Any) -> Array:
    """Return an array of this shape without memory: to add up sizes."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def nobody() -> None:
    """Stand for a weak reference to an object that is gone."""


def border(shape: tuple[int, int, int], kernel: int, pad: int, m: int) -> tuple[int, int, int, int]:
    """Return the zeros (top, bottom, left, right) around a map that a convolution reads."""
    return winograd.borders(shape[:2], pad, m) if m else (pad, pad, pad, pad)
