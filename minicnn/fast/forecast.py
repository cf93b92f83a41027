"""How much memory a pass through a network will take, from the shapes alone, before it starts.

The two loops of network.py, played through with sizes instead of arrays: which array is made when, and who still
refers to it. On NumPy, where memory of a size is used again (memory.py); on a GPU it is less exact.
"""

import math
from collections import Counter

from minicnn.errors import InputError
from minicnn.fast.conv_paths import winograd_tile
from minicnn.fast.planes import FEW
from minicnn.fast.threads import get_num_threads
from minicnn.fast.winograd import BAND, EVEN, FEW_TILES, ODD, block_size, is_kept
from minicnn.layers import Conv2D, MaxPool2D

WORKSPACE = 2**18         # numbers that a thread works at, other than in convolutions of many channels
IM2COL = 2**20            # in those: a band of patches, what they are copied from, and the products
ONCE = 2**22              # bytes, of BLAS and of Python, when they compute for the first time


class Pool:
    """Memory that is used again: how much there is of it, and what of it is free."""

    def __init__(self):
        self.free, self.total, self.peak = Counter(), 0, 0

    def take(self, size):
        """An array of so many bytes is made."""
        if self.free[size]:
            self.free[size] -= 1
            return
        self.total -= sum(other * count for other, count in self.free.items())  # as memory.let_go
        self.free.clear()
        self.total += size
        self.peak = max(self.peak, self.total)

    def give(self, size):
        """Nobody refers to an array of so many bytes any more."""
        self.free[size] += 1


class Holders:
    """Which arrays there are, and how often each is referred to."""

    def __init__(self, pool):
        self.pool, self.sizes, self.counts = pool, {}, Counter()

    def make(self, array, size):
        """An array that one refers to, by any name that is no other's."""
        self.pool.take(size)
        self.sizes[array], self.counts[array] = size, 1

    def moment(self, size, count=1):
        """As many arrays of so many bytes are made, and gone again."""
        for act in (self.pool.take, self.pool.give):
            for _ in range(count):
                act(size)

    def hold(self, array):
        """One more refers to it."""
        self.counts[array] += 1

    def drop(self, array):
        """One less."""
        self.counts[array] -= 1
        if not self.counts[array]:
            self.pool.give(self.sizes[array])


def peak_memory(net, shape, keep=(), upto=None, seeds=None, itemsize=4):
    """Bytes that a pass of an input of `shape`, (N, C, H, W), takes at its peak, the parameters not counted.

    keep, upto : as Network.forward has them. seeds : the layers at which the way back begins, with release, to the
    input; the last one, unless given, and () for no way back. Raises InputError where the input does not fit.
    """
    nodes = net.nodes if upto is None else net._nodes_upto(upto)
    last = nodes[-1].name if nodes else "input"  # none where no layer is asked for, but the picture itself
    seeds = [last] if seeds is None else [net.find(name) for name in seeds]
    sizes = {name: itemsize * shape[0] * math.prod(of_one[1:]) for name, of_one in net.shapes(shape[1:]).items()}
    keep = {"input", *map(net.find, keep), *seeds, last}  # the caller has the input himself
    last_use = net._last_use(nodes, keep)
    over = net._written_over(nodes, last_use)
    pool = Pool()
    arrays = Holders(pool)
    arrays.make("input", sizes["input"])
    where = {"input": "input"}  # name -> the array that its activation is: Dropout returns its input
    caches = {}
    for name, layer, inputs in nodes:
        sources = [where[source] for source in inputs]
        if layer.makes_array and name not in over:
            arrays.make(name, sizes[name])
            where[name] = name
        else:
            where[name] = sources[0]
            arrays.hold(where[name])
        if isinstance(layer, MaxPool2D):
            arrays.moment(sizes[inputs[0]] // layer.stride)
        caches[name] = []
        if seeds:
            for part in layer.cached:
                held = {"x": sources[0], "out": where[name]}.get(part, f"{name} {part}")
                if part in ("x", "out"):
                    arrays.hold(held)
                else:
                    arrays.make(held, sizes[name])
                caches[name].append(held)
        for done in last_use[name]:
            arrays.drop(where[done])
    if seeds:
        go_back(nodes, arrays, sizes, caches, seeds)
    # malloc keeps some of what was given back, in pieces between others: about as much as the largest array, there and
    # back, and half as much one way
    pieces = max(arrays.sizes.values()) // (1 if seeds else 2)
    return pool.peak + pieces + ONCE + winograd_memory(nodes, net.shapes(shape[1:]), shape[0], bool(seeds))


def go_back(nodes, arrays, sizes, caches, seeds):
    """The gradients, from the seeds to the input."""
    gradients = {}
    for name in seeds:
        gradients[name] = f"seed {name}"
        arrays.make(gradients[name], sizes[name])
        arrays.hold(gradients[name])  # whoever made it has it until the end
    for name, layer, inputs in reversed(nodes):
        if name not in gradients:
            continue
        dout = gradients.pop(name)
        for i, source in enumerate(inputs):
            dx = f"gradient {name} {i}"
            if layer.makes_array and len(inputs) == 1:
                arrays.make(dx, sizes[source])
            else:
                dx = dout  # or a part of it
                arrays.hold(dout)
            if source in gradients:
                total = f"{dx} added"
                arrays.make(total, sizes[source])
                arrays.drop(gradients[source])
                arrays.drop(dx)
                dx = total
            gradients[source] = dx
        if isinstance(layer, MaxPool2D):  # the maxima of the rows, and their gradient
            arrays.moment(sizes[inputs[0]] // layer.stride, 2)
        arrays.drop(dout)
        for held in caches.pop(name):
            arrays.drop(held)


def winograd_memory(nodes, shapes, N, backward):
    """Bytes of transformed weights that are kept, and what the largest layer needs besides while it is computed."""
    kept, moment, steps, seen = 0, 0, Counter(), set()
    im2col = 0
    for name, layer, inputs in nodes:
        if not isinstance(layer, Conv2D) or id(layer) in seen:
            continue
        seen.add(id(layer))
        w = layer.params["w"]
        for size, C, F in ((shapes[name], *w.shape[1::-1]), (shapes[inputs[0]], *w.shape[:2]))[:1 + backward]:
            OH, OW = size[2:]
            if m := winograd_tile(layer, C, F, N * OH * OW, w.dtype) if layer.groups == 1 else 0:
                transformed = (m + 2)**2 * C * F
                grid = N, -(-OH // m), -(-OW // m)
                if is_kept(w, m):
                    kept += transformed
                elif math.prod(grid) > FEW_TILES:
                    moment = max(moment, transformed)
                steps |= winograd_workspace(m, C, F, grid, is_kept(w, m))  # the larger of each
            elif w.shape[2] > 1 and min(C, F) > FEW:
                im2col = get_num_threads() * IM2COL
    workspace = max(steps.total(), get_num_threads() * WORKSPACE)
    return round(w.itemsize * (kept + moment + workspace + im2col)) if seen else 0


def winograd_workspace(m, C, F, grid, kept):
    """Counter of the numbers in the scratch arrays of winograd.py on all threads; grid : (images, rows of tiles,
    across), kept : whether the transformed weights are."""
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


def largest_size(net, memory, low=32, high=4096, **options):
    """The side in pixels of the largest square picture of which a pass takes no more than `memory` bytes; 0 where not
    even `low` does. options : as of `peak_memory`."""
    def fits(size):
        try:
            return peak_memory(net, (1, net.input_shape[0], size, size), **options) <= memory
        except InputError:  # the network cannot take it at all
            return False
    if not fits(low):
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
