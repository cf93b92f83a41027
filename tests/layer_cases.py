"""Every layer with the shapes of its inputs and its naive twin, and tools to run them."""

import copy
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import reference
from fast_layers import FastLayer

from minicnn.backend import to_host
from minicnn.layers import (
    Add,
    AvgPool2D,
    BatchNorm2D,
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    Dropout,
    Flatten,
    FourierFeatures2D,
    GlobalAvgPool2D,
    Gram,
    InstanceNorm2D,
    Linear,
    LocalResponseNorm,
    MaxPool2D,
    Pad2D,
    ReLU,
    Softmax,
    Upsample2D,
)


class Case(NamedTuple):
    """A layer, the shapes of its inputs, and twin(layer, *xs), which computes its output naively."""

    make: Callable
    shapes: tuple
    twin: Callable


def conv(shape, in_channels, out_channels, kernel_size, stride=1, pad=0, groups=1, bias=True):
    def make():
        return Conv2D(in_channels, out_channels, kernel_size, stride, pad, groups, bias)

    def twin(layer, x):
        b = layer.params["b"] if bias else None
        return reference.conv2d(x, layer.params["w"], b, stride, pad, groups)

    return Case(make, (shape,), twin)


def conv_with_kernel(shape, w_shape, stride, pad):
    """A convolution whose kernel is no square, which the constructor does not offer."""
    def make():
        layer = Conv2D(w_shape[1], w_shape[0], 1, stride, pad)
        layer.params["w"] = np.zeros(w_shape)
        return layer

    return Case(make, (shape,), conv(shape, w_shape[1], w_shape[0], None, stride, pad).twin)


def pool(kind, shape, kernel_size, stride=None, pad=0, ceil=False):
    naive = {MaxPool2D: reference.max_pool2d, AvgPool2D: reference.avg_pool2d}[kind]
    return Case(lambda: kind(kernel_size, stride, pad, ceil), (shape,),
                lambda layer, x: naive(x, kernel_size, stride or kernel_size, pad, ceil))


def local_response_norm(shape, **options):
    settings = {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0} | options
    return Case(lambda: LocalResponseNorm(**options), (shape,),
                lambda layer, x: reference.local_response_norm(x, **settings))


def conditional_instance_norm(style):
    style = np.array(style)

    def make():
        return ConditionalInstanceNorm2D(2, style.shape[-1], eps=0.2).with_style(style)

    def twin(layer, x):
        rows = np.array([style] * len(x)) if style.ndim == 1 else style
        return reference.conditional_instance_norm2d(x, **layer.params, style=rows, eps=0.2)

    return Case(make, ((2, 2, 3, 4),), twin)


CASES = {
    "conv": conv((2, 2, 4, 5), 2, 3, 3, pad=1),
    "conv, no padding": conv((2, 2, 4, 5), 2, 3, 3),
    "conv, padding 2": conv((1, 1, 3, 4), 1, 2, 3, pad=2),
    "conv, stride 2 with a rest": conv((2, 1, 6, 8), 1, 2, 3, stride=2),
    "conv, stride 3 with a rest, padding 1": conv((1, 2, 6, 7), 2, 2, 3, stride=3, pad=1),
    "conv, stride beyond the kernel": conv((1, 2, 5, 7), 2, 2, 2, stride=3),
    "conv, 1x1": conv((2, 3, 3, 4), 3, 2, 1),
    "conv, 1x1, stride 2, padding 1": conv((1, 2, 4, 5), 2, 2, 1, stride=2, pad=1),
    "conv, one channel to one": conv((2, 1, 4, 5), 1, 1, 3, pad=1),
    "conv, no bias": conv((1, 2, 4, 5), 2, 2, 3, pad=1, bias=False),
    "conv, two groups": conv((2, 4, 3, 4), 4, 6, 3, pad=1, groups=2),
    "conv, a group a channel": conv((1, 3, 4, 5), 3, 6, 3, stride=2, pad=1, groups=3),
    "conv, kernel = image": conv((2, 2, 4, 4), 2, 3, 4),
    "conv, 2x3 kernel": conv_with_kernel((2, 2, 4, 5), (3, 2, 2, 3), stride=2, pad=1),
    "linear": Case(lambda: Linear(5, 3), ((4, 5),),
                   lambda layer, x: reference.linear(x, layer.params["w"], layer.params["b"])),
    "flatten": Case(Flatten, ((2, 3, 2, 4),), lambda layer, x: reference.flatten(x)),
    "relu": Case(ReLU, ((2, 3, 2, 4),), lambda layer, x: reference.relu(x)),
    "softmax of scores": Case(Softmax, ((3, 5),), lambda layer, x: reference.softmax(x)),
    "softmax of channels": Case(Softmax, ((2, 3, 2, 2),), lambda layer, x: reference.softmax(x)),
    "dropout": Case(Dropout, ((2, 3, 2, 4),), lambda layer, x: x),
    "global average": Case(GlobalAvgPool2D, ((2, 3, 2, 4),), lambda layer, x: reference.global_avg_pool2d(x)),
    "batch norm": Case(
        lambda: BatchNorm2D(3, eps=0.1), ((2, 3, 2, 4),),
        lambda layer, x: reference.batch_norm2d(x, **layer.params, **layer.buffers, eps=0.1)),
    "instance norm": Case(lambda: InstanceNorm2D(3, eps=0.2), ((2, 3, 2, 4),),
                          lambda layer, x: reference.instance_norm2d(x, **layer.params, eps=0.2)),
    "conditional instance norm, one style": conditional_instance_norm([0, 1.0, 0]),
    "conditional instance norm, a mixture": conditional_instance_norm([0.5, 0.2, 0.3]),
    "conditional instance norm, each its own": conditional_instance_norm([[0.1, 0.9], [1.0, 0.0]]),
    "local response norm": local_response_norm((2, 7, 1, 2), alpha=0.5),
    "local response norm as in Caffe": local_response_norm((1, 3, 2, 2)),
    "local response norm, size 3": local_response_norm((1, 4, 2, 3), size=3, alpha=0.9, beta=0.6, k=2.0),
    "local response norm, few channels": local_response_norm((1, 2, 2, 3), size=7, alpha=0.5),
    "upsample": Case(Upsample2D, ((2, 2, 2, 3),), lambda layer, x: reference.upsample2d(x, 2)),
    "upsample by 3": Case(lambda: Upsample2D(3), ((1, 2, 3, 2),),
                          lambda layer, x: reference.upsample2d(x, 3)),
    "pad, zero": Case(lambda: Pad2D(2), ((2, 2, 3, 4),), lambda layer, x: reference.pad2d(x, 2, "zero")),
    "pad, reflect": Case(lambda: Pad2D(1, "reflect"), ((2, 2, 3, 4),),
                         lambda layer, x: reference.pad2d(x, 1, "reflect")),
    "pad, reflect as far as it goes": Case(lambda: Pad2D(2, "reflect"), ((2, 1, 3, 4),),
                                           lambda layer, x: reference.pad2d(x, 2, "reflect")),
    "waves": Case(lambda: FourierFeatures2D((4.0, 2.5), 3), ((2, 2, 3, 4),),
                  lambda layer, x: reference.fourier_features2d(x, (4.0, 2.5), 3)),
    "concat": Case(Concat, ((2, 1, 2, 3), (2, 3, 2, 3), (2, 2, 2, 3)),
                   lambda layer, *xs: reference.concat(*xs)),
    "add": Case(Add, ((2, 2, 2, 3),) * 3, lambda layer, *xs: reference.add(*xs)),
    "gram": Case(Gram, ((2, 3, 2, 4),), lambda layer, x: reference.gram(x, True)),
    "gram, not normalized": Case(lambda: Gram(normalize=False), ((2, 3, 2, 4),),
                                 lambda layer, x: reference.gram(x, False)),
}
for title, kind in (("max pool", MaxPool2D), ("average pool", AvgPool2D)):
    CASES |= {
        f"{title}, 2x2": pool(kind, (2, 2, 4, 6), 2),
        f"{title}, floor": pool(kind, (1, 2, 6, 8), 3, stride=2),
        f"{title}, ceil": pool(kind, (1, 2, 6, 8), 3, stride=2, ceil=True),
        f"{title}, ceil, one side even": pool(kind, (2, 1, 5, 4), 3, stride=2, ceil=True),
        f"{title}, padding 1": pool(kind, (1, 1, 5, 6), 3, stride=2, pad=1),
        f"{title}, padding 1, ceil": pool(kind, (1, 1, 5, 6), 3, stride=2, pad=1, ceil=True),
        f"{title}, padding 2, stride 1": pool(kind, (1, 1, 3, 4), 4, stride=1, pad=2),
        f"{title}, padding hides the image": pool(kind, (2, 1, 1, 2), 6, stride=1, pad=3),
        f"{title}, stride beyond the window": pool(kind, (1, 1, 7, 8), 2, stride=3),
        f"{title}, ceil, last window outside": pool(kind, (1, 1, 4, 7), 2, stride=3, pad=1, ceil=True),
        f"{title}, window = image": pool(kind, (2, 2, 3, 3), 3),
        f"{title}, window beyond the image, ceil": pool(kind, (2, 1, 2, 4), 3, stride=2, ceil=True),
        f"{title}, 1x1": pool(kind, (1, 2, 2, 3), 1),
    }

# ---- tools -------------------------------------------------------------------------------------------------

def spread(shape, rng):
    """Shuffled numbers from -2 to 2, none zero and no two nearer than the steps of a finite difference."""
    count = int(np.prod(shape))
    return rng.permutation((np.arange(count) + 0.3) / count * 4 - 2).reshape(shape)


COMPUTED_BY = {"the definition": lambda layer: layer, "a fast network": FastLayer}


def placed(layer, xp, dtype="float64", by="the definition"):
    """A copy of `layer` with its arrays in `xp`, computed by its own methods or by a fast network."""
    layer = copy.copy(layer)
    layer.params = {key: xp.asarray(array.astype(dtype)) for key, array in layer.params.items()}
    layer.buffers = {key: xp.asarray(array.astype(dtype)) for key, array in layer.buffers.items()}
    if isinstance(layer, ConditionalInstanceNorm2D):
        layer.style = xp.asarray(layer.style)
    return COMPUTED_BY[by](layer)


def randomized(layer, rng):
    """`layer` with random float64 parameters: no bias zero, no gamma one, no variance negative."""
    layer.params = {key: rng.standard_normal(array.shape) for key, array in layer.params.items()}
    layer.buffers = {key: rng.uniform(0.5, 2, array.shape) for key, array in layer.buffers.items()}
    return layer


def build(name, rng):
    """(layer, inputs) of a case, on the host."""
    case = CASES[name]
    return randomized(case.make(), rng), [spread(shape, rng) for shape in case.shapes]


def outputs(layer, xs, dout):
    """{name: array} of all that the layer computes: out, the gradient to each input and to each parameter.

    dout : an array, or a function that makes one from `out`.
    """
    out, cache = layer.forward(*xs)
    dout = dout(out) if callable(dout) else dout
    dxs = layer.backward(dout, cache)
    dxs = dxs if isinstance(dxs, tuple) else (dxs,)
    return {"out": out} | {f"dx{i}": dx for i, dx in enumerate(dxs)} | layer.backward_params(dout, cache)


def assert_close(actual, expected, tolerance=1e-12):
    actual, expected = to_host(actual), to_host(expected)
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())
