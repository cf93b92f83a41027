"""Functions with known minima, a small network, and runs of an update, for the tests of minicnn.optimize."""

import copy

import numpy as np

from minicnn.layers import Conv2D, GlobalAvgPool2D, Linear, ReLU
from minicnn.network import Network

SHAPE = (1, 2, 2, 3)


def fresh(update):
    """A copy of a parameter of a test: an update remembers one array, and the next test has another."""
    return copy.deepcopy(update)


class Quadratic:
    """f(x) = 1/2 sum of d (x - m)², a bowl `condition` times as steep one way as another; counts its calls."""

    def __init__(self, xp, n, condition):
        self.d = xp.asarray(np.geomspace(1, condition, n).reshape(1, 1, 1, n))
        self.m = xp.asarray(np.linspace(-1, 2, n).reshape(1, 1, 1, n))
        self.start = xp.zeros((1, 1, 1, n))
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        pull = self.d * (x - self.m)
        return float((pull * (x - self.m)).sum()) / 2, pull, []


def rosenbrock(x):
    """Sum of 100 (x[i+1] - x[i]²)² + (1 - x[i])², a curved valley with its end at 1; x of shape (1, 1, 1, n)."""
    head, tail = x[..., :-1], x[..., 1:]
    climb, along = tail - head * head, 1 - head
    gradient = 0 * x
    gradient[..., 1:] += 200 * climb
    gradient[..., :-1] += -400 * climb * head - 2 * along
    return float((100 * climb * climb + along * along).sum()), gradient, []


def rosenbrock_start(xp, n, dtype="float64"):
    return xp.asarray(np.resize([-1.2, 1.0], (1, 1, 1, n)).astype(dtype))


def run(update, evaluate, x, num_steps):
    """The points and totals along the way, both with the end."""
    points, totals = [x], []
    for _ in range(num_steps):
        x, total, _ = update.step(x, evaluate)
        points.append(x)
        totals.append(total)
    return points, [*totals, evaluate(x)[0]]


def network(xp, dtype="float64"):
    """A convolution with its ReLU, pooled, and three classes; for pictures of 3 channels."""
    rng = np.random.default_rng(3)
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 4, 3, pad=1, rng=rng))
    net.add("relu1", ReLU())
    net.add("pool1", GlobalAvgPool2D())
    net.add("fc", Linear(4, 3, rng))
    return net.astype(dtype).to_device("cpu" if xp is np else "gpu")
