"""Derivatives for the checks, computed in other ways than by the techniques: forwards, and by explicit ReLU rules.

Around an image, a network of convolutions, ReLUs and max pools is linear: each ReLU is open or closed, and each window
of a pool has one winner. `LinearPiece` holds these decisions and pushes changes of the image forward through the
network. No step is finite there, so no kink can disturb the slope.
"""

import copy
from typing import Any

import numpy as np

from minicnn.backend import Array, get_array_module
from minicnn.layers import (
    Add,
    AvgPool2D,
    BatchNorm2D,
    Concat,
    Conv2D,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Layer,
    Linear,
    MaxPool2D,
    Pad2D,
    ReLU,
    Upsample2D,
)
from minicnn.losses import one_hot
from minicnn.network import Network, Node, Trace
from minicnn.visualize.entry import Labels

AFFINE = (Conv2D, Linear, BatchNorm2D)
LINEAR = (Concat, Add, Flatten, GlobalAvgPool2D, AvgPool2D, Dropout, Upsample2D, Pad2D)
RULES = {  # which part of a gradient passes a ReLU: figure 1 of Springenberg et al. 2014 (arXiv:1412.6806)
    "gradient": lambda x, dout: x > 0,
    "deconvnet": lambda x, dout: dout > 0,
    "guided backprop": lambda x, dout: (x > 0) & (dout > 0),
}

# Relative difference of the gradients of two right float32 passes, at most. They round differently, so they may choose
# other elements of a pool's windows that are nearly equal. On photos that changes the gradient by up to 2e-2.
# SqueezeNet's gradients of nine photos, by plain and by fast passes, differ by 9e-4 (median) and 1.4e-2 (largest).
# Broken maps are far beyond: shifted by a pixel 1.1 and more, mirrored 1.4, of another ReLU rule at least 1.1, of
# another class at least 0.5. A smaller bound would find only maps scaled by less than 5 %, and raise false alarms.
TWO_PASSES = 5e-2


class LinearPiece:
    """The network around images x (N, C, H, W), as the linear function that it is there. trace : of the pass of x."""

    def __init__(self, net: Network, x: Array) -> None:
        self.trace = net.forward(x)
        self.net = net
        self.linear = net.with_layers({node.name: without_bias(node.layer) for node in net.nodes
                                       if isinstance(node.layer, AFFINE)})
        self.winners: dict[str, list[Array]] = {}

    def slopes(self, change: Array, start: str = "input") -> Array:
        """Return the change of the network's output, (N, classes), per unit of `change`, an array like the layer start.

        If the piece is of one image, `change` may hold any number of changes of it.
        """
        def step(node: Node, changes: list[Any]) -> tuple[Any, None]:
            if node.name == start:
                return change, None
            if all(value is None for value in changes):  # the node does not depend on `start`
                return None, None
            values = [self.trace.activations[source] * 0 if value is None else value
                      for source, value in zip(node.inputs, changes, strict=True)]
            return self.push(node, values), None
        first: Any = change if start == "input" else None
        outs = self.linear.forward(first, keep=(self.net.output,), step=step)
        return outs.activations[self.net.output]

    def push(self, node: Node, changes: list[Array]) -> Array:
        """Return the change of one node's output, from the changes of its inputs."""
        layer, xs = node.layer, [self.trace.activations[source] for source in node.inputs]
        if isinstance(layer, ReLU):
            return changes[0] * (xs[0] > 0)
        if isinstance(layer, MaxPool2D):
            return self.push_through_pool(node, layer, changes[0])
        if isinstance(layer, AFFINE + LINEAR):
            return self.linear.forward_step(node, changes)[0]
        return difference_quotient(layer, xs, changes)

    def push_through_pool(self, node: Node, pool: MaxPool2D, change: Array) -> Array:
        """Return the change of the winner of each window.

        The winner is the pixel to which the pool's backward pass sends a gradient: of equal pixels, any may win.
        Windows overlap, so the pool is asked for the winners of every second or third window at a time.
        """
        xp = get_array_module(change)
        N, C, OH, OW = self.trace.activations[node.name].shape
        apart = -(-pool.kernel_size // pool.stride)  # windows at this distance do not overlap
        if node.name not in self.winners:
            self.winners[node.name] = []
            for i, j in np.ndindex(apart, apart):
                asked = xp.zeros((N, C, OH, OW), change.dtype)
                asked[:, :, i::apart, j::apart] = 1
                self.winners[node.name].append(self.net.backward_step(node, asked, self.trace.caches[node.name]))
        out = xp.empty((len(change), C, OH, OW), change.dtype)
        for (i, j), won in zip(np.ndindex(apart, apart), self.winners[node.name], strict=True):
            out[:, :, i::apart, j::apart] = window_sums(pool, change * won, OH, OW)[:, :, i::apart, j::apart]
        return out


def window_sums(pool: MaxPool2D, x: Array, OH: int, OW: int) -> Array:
    """Return the sum of x (N, C, H, W) over each window of the pool, (N, C, OH, OW)."""
    k, s, pad = pool.kernel_size, pool.stride, pool.pad
    rows, columns = max((OH - 1) * s + k, pad + x.shape[2]), max((OW - 1) * s + k, pad + x.shape[3])
    padded = get_array_module(x).zeros((*x.shape[:2], rows, columns), x.dtype)
    padded[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]] = x
    return sum(padded[:, :, i:i + (OH - 1) * s + 1:s, j:j + (OW - 1) * s + 1:s] for i, j in np.ndindex(k, k))


def without_bias(layer: Layer) -> Layer:
    """Return a copy of a Conv2D, Linear or BatchNorm2D that adds nothing: the change of its output for a change."""
    linear = copy.copy(layer)
    linear.params = {key: array * (key in ("w", "gamma")) for key, array in layer.params.items()}
    linear.buffers = {key: array * (key == "var") for key, array in layer.buffers.items()}
    return linear


def difference_quotient(layer: Layer, xs: list[Array], changes: list[Array], step: float = 1e-4) -> Array:
    """Return the change of a smooth layer's output at the inputs xs, by a central difference in float64."""
    xs, changes = [x.astype("float64") for x in xs], [change.astype("float64") for change in changes]
    largest = max(float(abs(change).max()) for change in changes)
    if largest == 0:
        return layer.forward(*xs)[0] * 0
    scale = step * max(1e-3, *(float(abs(x).max()) for x in xs)) / largest
    ahead, behind = (layer.forward(*[x + sign * scale * change for x, change in zip(xs, changes, strict=True)])[0]
                     for sign in (1, -1))
    return (ahead - behind) / (2 * scale)


def rule_gradient(net: Network, trace: Trace, seeds: dict[str, Array], rule: str, layer: str = "input") -> Array:
    """Return the gradient of the seeds to the input or another layer, by one of RULES for all ReLUs, on the device.

    trace : of a pass that kept all activations.
    """
    def step(node: Node, dout: Array, cache: Any) -> Any:
        if isinstance(node.layer, ReLU):
            return dout * RULES[rule](trace.activations[node.inputs[0]], dout)
        return net.backward_step(node, dout, cache)
    return net.backward(trace, seeds, wrt=(layer,), step=step)[layer]


def class_gradients(net: Network, x: Array, label: Labels) -> Array:
    """Return the gradient of the class score to the images x on the device, (N, C, H, W), by RULES["gradient"]."""
    trace = net.forward(x)
    return rule_gradient(net, trace, {net.output: one_hot(trace.activations[net.output], label)}, "gradient")


def relative_distance(found: Array, expected: Array) -> float:
    """Return |found - expected| / |expected|, with the norms over all values; 0 if both are zero, infinite for NaN."""
    distance, size = (float(np.linalg.norm(np.asarray(values, np.float64).ravel()))
                      for values in (found - expected, expected))
    if not np.isfinite(distance) or (size == 0 and distance > 0):
        return float("inf")
    return distance / size if size else 0.0
