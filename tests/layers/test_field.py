"""Receptive fields come from each layer's `field`; a layer that does not say which pixels it depends on is refused."""

import numpy as np
import pytest
from layer_cases import CASES, build

from minicnn.errors import InputError
from minicnn.layers import Conv2D, Layer, MaxPool2D, Pad2D, ReLU, Upsample2D
from minicnn.network import Network
from minicnn.receptive_field import ReceptiveField, receptive_field


class Shifted(Layer):
    """The image moved by a pixel: a layer that looks beyond its own position and does not say so."""

    def forward(self, x):
        return np.roll(x, 1, axis=3), None


def test_a_layer_that_does_not_say_is_refused():
    net = Network((1, 8, 8))
    net.add("conv", Conv2D(1, 1, 3))
    net.add("shifted", Shifted())
    assert receptive_field(net, "conv") == ReceptiveField(3, 1, 0)
    with pytest.raises(InputError, match="Shifted does not say which pixels an output depends on: give it a method"):
        receptive_field(net, "shifted")


def test_after_an_upsampling_there_is_none():
    net = Network((1, 8, 8))
    net.add("up", Upsample2D(2))
    with pytest.raises(InputError, match="after an upsampling"):
        receptive_field(net, "up")


def test_fields_add_up():
    net = Network((1, 32, 32))
    net.add("pad", Pad2D(2, "reflect"))
    net.add("conv", Conv2D(1, 1, 5, stride=2))
    net.add("relu", ReLU())
    net.add("pool", MaxPool2D(3, 2, 1))
    assert receptive_field(net, "relu") == ReceptiveField(5, 2, -2)
    assert receptive_field(net, "pool") == ReceptiveField(5 + 2 * 2, 4, -2 - 2)


@pytest.mark.parametrize("name", CASES)
def test_the_field_of_each_layer_holds_the_pixels_that_an_output_depends_on(name, rng):
    """The gradient of the outputs at one position is zero outside the field; None means the whole image."""
    layer, xs = build(name, rng)
    out, cache = layer.forward(*xs)
    if isinstance(layer, Upsample2D):
        return
    field = layer.field()
    if out.ndim < 4 or field is None:
        assert field is None or len({x.ndim for x in xs} - {4}) == 1
        return
    for y, x in np.ndindex(*out.shape[2:]):
        dout = np.zeros_like(out)
        dout[:, :, y, x] = 1
        dxs = layer.backward(dout, cache)
        for dx in dxs if isinstance(dxs, tuple) else (dxs,):
            rows, columns = (np.flatnonzero(dx.any(axis=axes)) for axes in ((0, 1, 3), (0, 1, 2)))
            for used, place, size in ((rows, y, dx.shape[2]), (columns, x, dx.shape[3])):
                first = place * field.stride - field.pad
                if isinstance(layer, Pad2D) and layer.mode == "reflect":  # a mirrored pixel lies inside
                    first = abs(first) if first < size else 2 * (size - 1) - first
                assert all(first <= one < first + field.kernel for one in used)
