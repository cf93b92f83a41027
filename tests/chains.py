"""Random chains of layers, and what their definition gives in float64, for the tests of the rows in step."""

from itertools import cycle

import numpy as np

from minicnn.errors import InputError
from minicnn.fast.network import ChainedCaches
from minicnn.fast.rows.layer import ChainLayer
from minicnn.fast.rows.team import team
from minicnn.layers import Concat, Conv2D, Dropout, MaxPool2D, ReLU
from minicnn.models.squeezenet import add_fire
from minicnn.network import Network

CONVOLUTIONS = {"1x1": (1, 0), "3x3": (3, 1), "3x3 pad 0": (3, 0), "3x3 pad 2": (3, 2),
                "5x5": (5, 2), "5x5 pad 1": (5, 1), "2x2": (2, 1)}
POOLS = {"pool 2/2": (2, 2, False), "pool 2/2 ceil": (2, 2, True), "pool 3/2": (3, 2, False),
         "pool 3/2 ceil": (3, 2, True), "pool 4/3": (4, 3, False), "pool 2/1": (2, 1, False)}
BRANCHES = {  # (side of the filters, pad) of each convolution of each way; the pool has windows of 2x2 and stride 1
    "inception": [[(1, 0)], [(3, 1), (3, 1)], [(1, 0), (5, 2)]], "beside a pool": [[(2, 0)], ["pool", (1, 0)]],
    "behind a pool": [["pool", (3, 1)], [(2, 1), (2, 0), (2, 0)]]}
KINDS = [*CONVOLUTIONS, *POOLS, *BRANCHES, "relu", "fire", "dropout"]
LAYOUTS = {"rows": lambda x: x, "reversed": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
           "pixels": lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
           "part": lambda x: np.pad(x, 2)[2:-2, 2:-2, 2:-2, 2:-2]}


def chain(kinds, in_channels, channels, rng, size=3, stride=1, pad=0):
    """A convolution of these channels (a max pool if `size` is 0), the layers of these kinds, and a 3x3 convolution."""
    net, rest = Network((in_channels, 64, 64)), cycle(channels)
    C = next(rest) if size else in_channels
    net.add("first", Conv2D(in_channels, C, size, stride, pad, rng=rng) if size else MaxPool2D(3, 2, ceil=True))
    for i, kind in enumerate([*kinds, "3x3", "relu"]):
        if kind in CONVOLUTIONS:
            F, (size, pad) = next(rest), CONVOLUTIONS[kind]
            net.add(f"{kind} {i}", Conv2D(C, F, size, pad=pad, rng=rng))
            C = F
        elif kind in POOLS:
            net.add(f"{kind} {i}", MaxPool2D(*POOLS[kind][:2], ceil=POOLS[kind][2]))
        elif kind == "fire":
            add_fire(net, f"fire {i}", C, max(1, C // 4), C, rng)
            C *= 2
        elif kind in BRANCHES:
            C = add_branches(net, f"{kind} {i}", BRANCHES[kind], C, next(rest), rng)
        elif kind == "relu" and {ReLU, Dropout}.isdisjoint([type(net.nodes[-1].layer)]):
            net.add(f"relu {i}", ReLU())
        elif kind == "dropout":
            net.add(f"dropout {i}", Dropout())
    for layer in net.parameter_layers().values():
        layer.params["b"] = rng.standard_normal(layer.params["b"].shape, np.float32) / 8
    return net


def add_branches(net, name, branches, C, F, rng):
    """Append several ways from one map to one concatenation. Return its number of channels."""
    source, ends = net.output, []
    for i, steps in enumerate(branches):
        end, channels = source, C
        for j, step in enumerate(steps):
            if step == "pool":
                end = net.add(f"{name}/{i} {j}", MaxPool2D(2, 1), end)
            else:
                size, pad = step
                end = net.add(f"{name}/{i} {j} conv", Conv2D(channels, F, size, pad=pad, rng=rng), end)
                end, channels = net.add(f"{name}/{i} {j}", ReLU(), end), F
        ends.append(end)
    net.add(name, Concat(), *ends)
    return F * len(ends)


def in_any_order(rng):
    """A function to use instead of team.run: the threads' calls of a step in a random order, one after the other.

    Before that, memory that keeps nothing from one pass to the next is full of NaN.
    """
    def run(calls):
        team().shared.fill(np.nan)
        for scratch in team().scratches:
            scratch.memory.fill(255)  # NaN, too
        for step in calls:
            left = [iter(of_thread) for of_thread in step]
            while left:
                thread = left[rng.integers(len(left))]
                for _ in range(rng.integers(1, 6)):
                    call = next(thread, None)
                    if call is None:
                        left.remove(thread)
                        break
                    call()
    return run


def smallest_side(net, most):
    """The smallest side of an image that fits the network, or most + 1."""
    for side in range(1, most + 1):
        try:
            net.shapes((net.input_shape[0], side, side))
        except InputError:
            continue
        return side
    return most + 1


def with_integers(net, rng):
    """The network with weights of -1, 0 and 1, few enough to keep all sums small: float32 has no rounding then."""
    for layer in net.parameter_layers().values():
        F, C, K, _ = shape = layer.params["w"].shape
        some = rng.random(shape) < 4 / (K * K * (C * F) ** 0.5)
        layer.params["w"] = (some * rng.choice([-1, 1], shape)).astype(np.float32)
        layer.params["b"] = rng.integers(-1, 2, F).astype(np.float32)
    return net


class DoubtfulReLU(ReLU):
    """A ReLU whose gradient is not a number where rounding of `error`, relative to the largest, may switch it."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        return np.maximum(x, 0), x

    def backward(self, dout, x):
        doubtful = (abs(x) <= self.error * abs(x).max()) & (dout != 0)
        return np.where(doubtful, np.nan, np.where(x > 0, dout, 0))


class DoubtfulPool(MaxPool2D):
    """A max pool whose gradient is not a number where rounding of `error`, relative to the largest, may switch it."""

    def __init__(self, pool, error):
        super().__init__(pool.kernel_size, pool.stride, pool.pad, pool.ceil)
        self.error = error

    def backward(self, dout, cache):
        dx, (x, out) = super().backward(np.nan_to_num(dout), cache), cache
        _, _, OH, OW = dout.shape
        error = self.error * abs(x).max()
        padded = self._padded(x, -np.inf, OH, OW)
        bad = np.zeros(padded.shape, bool)
        for window, bad_here in zip(self._windows(padded, OH, OW), self._windows(bad, OH, OW), strict=True):
            near = [(other < out) & (other >= out - error) for other in self._windows(padded, OH, OW)]
            switched = (np.any(near, axis=0) | (abs(out) <= error)) & (dout != 0)
            bad_here |= (window >= out - error) & (switched | np.isnan(dout))
        return np.where(self._unpadded(bad, *x.shape[2:]), np.nan, dx)


def doubting(net, error):
    """The network in float64, whose gradients are not numbers where float32's rounding may decide about them."""
    net = net.plain().astype("float64")
    return net.with_layers({
        name: DoubtfulReLU(error) if isinstance(layer, ReLU) else DoubtfulPool(layer, error)
        for name, layer, _ in net.nodes if isinstance(layer, ReLU | MaxPool2D)})


def chains_of(trace):
    """The names of the chains that a pass ran in step."""
    if not isinstance(trace.caches, ChainedCaches):
        return []
    return [node.name for node in trace.caches.chained.nodes if isinstance(node.layer, ChainLayer)]
