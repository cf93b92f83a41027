"""Forecast the memory of a pass from the shapes alone, before it starts.

The loops of network.py run with objects that only have a size instead of arrays. Python's reference counts say how
long each one is in use, as they do for arrays.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from minicnn.errors import InputError
from minicnn.fast.conv import winograd_tile
from minicnn.fast.network import FastNetwork
from minicnn.fast.planes import FEW
from minicnn.fast.rows.layer import ChainLayer
from minicnn.fast.rows.plans import Plans
from minicnn.fast.schedule import chain_up
from minicnn.fast.threads import get_num_threads
from minicnn.fast.winograd import BAND, FEW_TILES
from minicnn.fast.winograd_weights import EVEN, ODD, WinogradWeights, block_size, is_kept
from minicnn.layers import (
    Add,
    BatchNorm2D,
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    Dropout,
    Flatten,
    Gram,
    InstanceNorm2D,
    Linear,
    LocalResponseNorm,
    MaxPool2D,
    ReLU,
    Softmax,
)
from minicnn.network import Network, Node

NORMS = BatchNorm2D | InstanceNorm2D | ConditionalInstanceNorm2D
WORKSPACE = 2**18  # values that a thread works on, other than in convolutions with many channels
IM2COL = 2**20     # values in those: a band of patches, the padded image, the products
ONCE = 2**22       # bytes that BLAS and Python allocate at their first computation


class Pool:
    """Memory that is used again: its size, and the sizes of its free parts."""

    def __init__(self) -> None:
        self.free: Counter[int] = Counter()
        self.total = self.peak = 0

    def take(self, size: int) -> None:
        """Allocate an array of `size` bytes."""
        if self.free[size]:
            self.free[size] -= 1
            return
        self.total -= sum(other * count for other, count in self.free.items())  # as memory.free_idle_memory does
        self.free.clear()
        self.total += size
        self.peak = max(self.peak, self.total)

    def give(self, size: int) -> None:
        """Free an array of `size` bytes."""
        self.free[size] += 1


class Sized:
    """Stands for an array: it has only a size in bytes. The pool gets the memory back with its last reference."""

    def __init__(self, pool: Pool, size: int) -> None:
        self.pool, self.size = pool, size
        pool.take(size)

    def __add__(self, other: "Sized") -> "Sized":
        return Sized(self.pool, self.size)

    def __del__(self) -> None:
        self.pool.give(self.size)


class Forecast:
    """The steps of a forward and a backward pass with Sized objects."""

    def __init__(self, net: Network, shape: Sequence[int], itemsize: int, in_place: set[str], backward: bool) -> None:
        self.pool, self.in_place, self.backward = Pool(), in_place, backward
        self.fast, self.itemsize = isinstance(net, FastNetwork), itemsize
        self.shapes = {name: (shape[0], *of_one[1:]) for name, of_one in net.shapes(shape[1:]).items()}
        self.largest = 0

    def size(self, name: str) -> int:
        """Return the bytes of the activation of this name."""
        return self.itemsize * math.prod(self.shapes[name])

    def make(self, name: str) -> Sized:
        """Return an array of the size of the activation of this name."""
        self.largest = max(self.largest, self.size(name))
        return Sized(self.pool, self.size(name))

    def forward_step(self, node: Node, inputs: list[Any]) -> tuple[Any, Any]:
        """Return (out, cache) of a node."""
        layer, x = node.layer, inputs[0]
        if isinstance(layer, ChainLayer):
            out = self.make(node.name)
            images = self.shapes[node.name][0] if self.backward else 1  # whose maps are in memory at the same time
            return out, [Sized(self.pool, layer.plan.bytes(self.backward)[0]) for _ in range(images)]
        moment = self.moment(node, forward=True)
        same = isinstance(layer, Dropout | Flatten) or node.name in self.in_place
        out = x if same else self.make(node.name)
        del moment
        if not self.backward:
            return out, None
        if isinstance(layer, Conv2D | Linear | Gram):
            return out, x
        if isinstance(layer, ReLU | Softmax):
            return out, out
        if isinstance(layer, MaxPool2D):
            return out, (x, out)
        if isinstance(layer, NORMS):
            return out, self.make(node.name)
        if isinstance(layer, LocalResponseNorm):
            return out, (x, self.make(node.name))
        return out, None

    def backward_step(self, node: Node, dout: Any, cache: Any) -> Any:
        """Return the gradients to the inputs of a node."""
        if isinstance(node.layer, Dropout | Flatten):
            return dout
        if isinstance(node.layer, ChainLayer):
            return self.make(node.inputs[0])
        if isinstance(node.layer, Concat | Add):
            return (dout,) * len(node.inputs)  # views of it
        moment = self.moment(node, forward=False)
        dx = self.make(node.inputs[0])
        del moment
        return dx

    def moment(self, node: Node, forward: bool) -> list[Sized]:
        """Return the temporary arrays of a node's computation, other than the scratch memory of convolutions."""
        layer, x = node.layer, self.size(node.inputs[0])
        sizes: list[int] = []
        if self.fast and isinstance(layer, MaxPool2D):
            sizes = [x // layer.stride] * (1 if forward else 2)  # the maxima of the rows, and their gradient
        elif isinstance(layer, MaxPool2D):
            sizes = [x] * (1 if forward else 2)  # the padded image, and its gradient
        elif not self.fast and isinstance(layer, Conv2D):
            N, _, OH, OW = self.shapes[node.name]
            _, C, KH, KW = layer.params["w"].shape
            # the weights in another order; of one image: the patches, the padded image, the product
            sizes = [self.itemsize * size for size in (layer.params["w"].size, OH * OW * KH * KW * C)]
            sizes += [x // N, self.size(node.name) // N]
        elif not self.fast and isinstance(layer, NORMS):
            sizes = [x]  # the centred input, or the scaled gradient
        return [Sized(self.pool, size) for size in sizes]


def peak_memory(net: Network, shape: Sequence[int], keep: Iterable[str] = (),
                upto: str | Iterable[str] | None = None, seeds: Iterable[str] | None = None, itemsize: int = 4) -> int:
    """Return the bytes that a pass of an input of `shape`, (N, C, H, W), takes at its peak, without the parameters.

    keep, upto : as in Network.forward. seeds : the layers at which the backward pass to the input starts. By default
    the last one; () for no backward pass. On a GPU the forecast is less exact.
    Raises InputError if the input does not fit the network.
    """
    nodes = net.nodes if upto is None else net._nodes_upto(upto)
    last = nodes[-1].name if nodes else "input"
    seeds = [last] if seeds is None else [net.find(name) for name in seeds]
    kept = {"input", *map(net.find, keep), *seeds, last}
    chained = net if not isinstance(net, FastNetwork) else chains_of(net, nodes, shape, kept)
    in_place = chained._in_place(None, kept) if isinstance(chained, FastNetwork) else set()
    steps = Forecast(net, shape, itemsize, in_place, bool(seeds))
    x: Any = steps.make("input")
    last_node = chained.nodes[-1].name if nodes else None
    trace = Network.forward(chained, x, upto=upto if chained is net else last_node, keep=kept, step=steps.forward_step)
    if seeds:
        # the caller keeps them until the end, and a loss its own gradient before it was multiplied with its weight
        given: dict[str, Any] = {name: steps.make(name) for name in seeds}
        losses = [steps.make(name) for name in seeds]
        Network.backward(chained, trace, given, wrt=(), release=True, step=steps.backward_step)
        del losses
    if not isinstance(chained, FastNetwork):
        return steps.pool.peak
    # malloc keeps some freed memory in pieces between others: about as much as the largest array, there and back, and
    # half as much one way, or little where chains keep their memory
    pieces = steps.largest // (1 if seeds else 2) if seeds or chained.nodes == nodes else 0
    return (steps.pool.peak + pieces + ONCE + winograd_memory(chained, chained.nodes, steps.shapes, bool(seeds))
            + chain_memory(chained, bool(seeds)))


def chains_of(net: FastNetwork, nodes: list[Node], shape: Sequence[int], keep: Iterable[str]) -> FastNetwork:
    """Return a network of these nodes in which chains are single nodes, for float32 images of this shape."""
    found = chain_up(nodes, net.shapes(shape[1:]), keep, shape[0], net.winograd, get_num_threads(), Plans())
    sibling = FastNetwork(net.input_shape, net.aliases, net.winograd)
    sibling._with_nodes(found)
    return sibling


def chain_memory(net: FastNetwork, backward: bool) -> int:
    """Return the bytes of the weights that chains keep, of their working memory and of their transient maps."""
    plans = [node.layer.plan for node in net.nodes if isinstance(node.layer, ChainLayer)]
    weights = {id(each): each.bytes for plan in plans
               for each in (*plan.weights.values(), *(plan.weights_back.values() if backward else ()))}
    working = max((plan.working_bytes(backward) for plan in plans), default=0)
    return sum(weights.values()) + working + max((plan.bytes(backward)[1] for plan in plans), default=0)


def winograd_memory(net: FastNetwork, nodes: list[Node], shapes: dict[str, tuple[int, ...]], backward: bool) -> int:
    """Return the bytes of transformed weights that are kept, and of the scratch memory of all convolutions."""
    kept, moment, seen = 0, 0, set()
    steps: Counter[str] = Counter()
    im2col, itemsize = 0, 4
    for name, layer, inputs in nodes:
        if not isinstance(layer, Conv2D) or id(layer) in seen:
            continue
        seen.add(id(layer))
        w = layer.params["w"]
        F, C, KH, KW = w.shape
        directions = ((shapes[name], (F, C, KH, KW)), (shapes[inputs[0]], (C, F, KH, KW)))
        for size, w_shape in directions[:1 + backward]:
            N, _, OH, OW = size
            m = 0 if layer.groups > 1 else winograd_tile(WinogradWeights(net.winograd), w_shape, layer.stride,
                                                         N * OH * OW)
            if m:
                grid = N, -(-OH // m), -(-OW // m)
                if is_kept(w, m):
                    kept += (m + 2)**2 * C * F
                elif math.prod(grid) > FEW_TILES:
                    moment = max(moment, (m + 2)**2 * C * F)
                steps |= winograd_workspace(m, w_shape[1], w_shape[0], grid, is_kept(w, m))  # the larger of each
            elif KH > 1 and min(C, F) > FEW:
                im2col = get_num_threads() * IM2COL
    workspace = max(steps.total(), get_num_threads() * WORKSPACE)
    return itemsize * (kept + moment + workspace + im2col) if seen else 0


def winograd_workspace(m: int, C: int, F: int, grid: tuple[int, int, int], kept: bool) -> Counter[str]:
    """Return the number of values in each scratch array of winograd.py, over all threads.

    grid : (images, rows of tiles, tiles in a row). kept : whether the transformed weights are kept.
    """
    a, threads, count = m + 2, get_num_threads(), math.prod(grid)
    size = block_size(F)
    weights = 0 if kept else C * size  # of a block that is transformed
    if count <= FEW_TILES:
        T, products = -(-count // threads), count * size
    else:
        T = min(count, max(1, BAND // (a * a * grid[2] * max(C, F))) * grid[2])  # of one band
        products = T * F
    return Counter({
        "all tiles": a * a * count * C if count <= FEW_TILES else 0,
        "block of weights": threads * a * a * weights if count <= FEW_TILES else 0,
        ODD: threads * a * a * max(C * T, weights, products),
        EVEN: threads * a * max(a * C * T, 3 * weights, m * products)})


def largest_size(net: Network, memory: float, low: int = 32, high: int = 4096, **options: Any) -> int:
    """Return the side in pixels of the largest square image whose pass takes at most `memory` bytes, or 0 if none does.

    low, high : the range of sides to search. options : passed to `peak_memory`.
    """
    def fits(size: int) -> bool:
        try:
            return peak_memory(net, (1, net.input_shape[0], size, size), **options) <= memory
        except InputError:  # too small an image for the network
            return False
    if not fits(low):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
