"""Filters as pictures: the colours, the grey maps, and their checks."""

import numpy as np
import pytest
from small_networks import PLAIN, on, small_network

from minicnn.errors import InputError
from minicnn.layers import Conv2D, ReLU
from minicnn.network import Network
from minicnn.visualize import (
    filter_grid,
    filter_weights,
)
from minicnn.visualize.units.filters import (
    colour_filters,
    grey_filter_grid,
    mean_colour_share,
    signed_filters,
    stack_filters,
)
from minicnn.visualize.units.filters_check import check_filter_grid, check_filter_responses, check_signed_filters


def test_first_layer_filters_fill_the_range_and_read_back(rng):
    w = rng.standard_normal((10, 3, 5, 5)).astype(np.float32)
    colours = colour_filters(w)
    assert colours.shape == (10, 5, 5, 3)
    assert np.allclose(colours.min(axis=(1, 2, 3)), 0) and np.allclose(colours.max(axis=(1, 2, 3)), 1)


def test_with_same_scale_a_weak_filter_looks_weak(rng):
    w = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)
    w[0] *= 0.01
    assert np.ptp(colour_filters(w, same_scale=True)[0]) < 0.02
    assert np.ptp(colour_filters(w)[0]) == pytest.approx(1)


def test_a_constant_filter_is_no_division_by_zero():
    assert np.isfinite(colour_filters(np.ones((2, 3, 3, 3), np.float32))).all()
    assert (signed_filters(np.zeros((2, 4, 3, 3), np.float32)) == 0.5).all()


def test_signed_filters_show_zero_as_middle_grey(rng):
    w = rng.standard_normal((4, 6, 3, 3)).astype(np.float32)
    maps = signed_filters(w)
    assert np.allclose(np.sign(maps - 0.5), np.sign(w)) and maps.min() >= 0 and maps.max() <= 1
    assert check_signed_filters(w, grey_filter_grid(w, zoom=2), zoom=2)[0].passed
    for wrong in (-w, w[::-1], w[:, ::-1], w[:, :, ::-1], np.abs(w)):
        assert not check_signed_filters(w, grey_filter_grid(wrong, zoom=2), zoom=2)[0].passed


def test_filter_grid_has_a_tile_or_a_row_for_each_filter(rng):
    assert filter_grid(rng.standard_normal((64, 3, 7, 7)), zoom=2).shape == (8 * 15 - 1, 8 * 15 - 1, 3)
    assert filter_grid(rng.standard_normal((5, 16, 3, 3))).shape == (5 * 4 - 1, 16 * 4 - 1)


def test_mean_colour_share_is_one_for_a_flat_and_zero_for_a_balanced_filter():
    flat = np.ones((1, 3, 4, 4))
    edge = np.ones((1, 3, 4, 4))
    edge[..., :2] = -1
    assert mean_colour_share(flat)[0] == pytest.approx(1) and mean_colour_share(edge)[0] == pytest.approx(0)


def first_layer(w):
    net = Network((w.shape[1], 32, 32))
    net.add("conv1", Conv2D(w.shape[1], len(w), w.shape[2]))
    net.layer("conv1").params["w"] = w
    return net


@pytest.mark.parametrize(("gap", "zoom"), [(1, 1), (2, 3)])
def test_the_check_of_the_grid_detects_missing_and_changed_filters(rng, gap, zoom):
    w = rng.standard_normal((10, 3, 5, 5)).astype(np.float32)
    net, sheet = first_layer(w), filter_grid(w, gap=gap, zoom=zoom)
    checks = check_filter_grid(net, "conv1", sheet, gap=gap, zoom=zoom)
    assert [check.judged for check in checks] == [True, False] and checks[0].passed
    lower = np.arange(sheet.shape[0])[:, None, None] >= 12 * zoom
    for wrong in (np.maximum(sheet, lower), sheet[:, ::-1], sheet ** 1.1, sheet[..., ::-1], 1 - sheet,
                  filter_grid(w.swapaxes(2, 3), gap=gap, zoom=zoom), filter_grid(w[::-1], gap=gap, zoom=zoom)):
        assert not check_filter_grid(net, "conv1", wrong, gap=gap, zoom=zoom)[0].passed


def test_the_check_of_the_grid_knows_the_order_of_the_channels(rng):
    w = rng.standard_normal((4, 3, 5, 5)).astype(np.float32)
    net, bgr = first_layer(w), PLAIN._replace(channel_order="BGR")
    assert check_filter_grid(net, "conv1", filter_grid(filter_weights(net, "conv1", bgr)), bgr)[0].passed
    assert not check_filter_grid(net, "conv1", filter_grid(w), bgr)[0].passed


def test_the_check_of_the_grid_reads_grey_filters_too(rng):
    w = rng.standard_normal((4, 1, 5, 5)).astype(np.float32)
    assert check_filter_grid(first_layer(w), "conv1", filter_grid(w))[0].passed
    assert not check_filter_grid(first_layer(w), "conv1", filter_grid(-w))[0].passed
    flat = np.ones((2, 3, 3, 3), np.float32)
    assert check_filter_grid(first_layer(flat), "conv1", filter_grid(flat))[0].passed


@pytest.mark.parametrize(("kernel", "stride", "pad"), [(3, 1, 1), (7, 2, 0), (11, 4, 2), (5, 3, 4)])
def test_a_filter_responds_most_to_its_own_picture(xp, rng, kernel, stride, pad):
    net = Network((3, 32, 32))
    net.add("conv1", Conv2D(3, 8, kernel, stride, pad, rng=rng))
    net.layer("conv1").params["b"] += 3
    net.add("relu1", ReLU())
    own, others = check_filter_responses(on(xp, net), "conv1")
    assert own.passed and own.value < 1e-12 and others.passed and others.value == pytest.approx(1)


def test_the_check_of_the_responses_detects_flipped_filters(rng):
    class Turned(Conv2D):
        def forward(self, x):
            return super().forward(x[:, :, ::-1, ::-1])
    net = Network((3, 8, 8))
    net.add("conv1", Conv2D(3, 8, 3, rng=rng))
    net.layer("conv1").__class__ = Turned
    assert not all(check.passed for check in check_filter_responses(net, "conv1"))


def test_filters_of_three_channels_can_be_grey_maps(rng):
    w = rng.standard_normal((5, 3, 3, 3)).astype(np.float32)
    sheet = grey_filter_grid(w)
    assert sheet.shape == (5 * 4 - 1, 3 * 4 - 1)
    assert (sheet[4:7, 8:11] == signed_filters(w)[1, 2]).all()


def test_filters_of_several_layers_become_one_array(rng):
    one, two = rng.standard_normal((4, 3, 7, 7)), rng.standard_normal((6, 2, 3, 3))
    both = stack_filters([one, two])
    assert both.shape == (2, 6, 3, 7, 7)
    assert (both[0, :4] == one).all() and (both[1, :, :2, :3, :3] == two).all()
    assert np.count_nonzero(both) == one.size + two.size


def test_filters_of_a_bgr_network_are_shown_in_rgb(rng):
    net = small_network(rng)
    bgr = PLAIN._replace(channel_order="BGR")
    assert (filter_weights(net, "conv1", bgr) == filter_weights(net, "conv1")[:, ::-1]).all()


def test_filters_of_a_relu_are_refused_by_name(rng):
    with pytest.raises(InputError, match="'relu1' is a ReLU and has no filters; convolutions: conv1, conv2a"):
        filter_weights(small_network(rng), "relu1")
