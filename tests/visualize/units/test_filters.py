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
    assert all(check.passed for check in check_filter_grid(w, rng))


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
    assert all(check.passed for check in check_signed_filters(w))


def test_filter_grid_has_a_tile_or_a_row_for_each_filter(rng):
    assert filter_grid(rng.standard_normal((64, 3, 7, 7)), zoom=2).shape == (8 * 15 - 1, 8 * 15 - 1, 3)
    assert filter_grid(rng.standard_normal((5, 16, 3, 3))).shape == (5 * 4 - 1, 16 * 4 - 1)


def test_mean_colour_share_is_one_for_a_flat_and_zero_for_a_balanced_filter():
    flat = np.ones((1, 3, 4, 4))
    edge = np.ones((1, 3, 4, 4))
    edge[..., :2] = -1
    assert mean_colour_share(flat)[0] == pytest.approx(1) and mean_colour_share(edge)[0] == pytest.approx(0)


def test_the_check_of_the_grid_detects_missing_and_changed_filters(rng, monkeypatch):
    from minicnn.visualize.units import filters_check as checks_filters
    w = rng.standard_normal((10, 3, 5, 5)).astype(np.float32)
    plain = checks_filters.filter_grid
    for spoil in (lambda sheet: np.maximum(sheet, np.arange(sheet.shape[0])[:, None, None] >= 12),  # no last row
                  lambda sheet: sheet[:, ::-1], lambda sheet: sheet ** 1.1):
        monkeypatch.setattr(checks_filters, "filter_grid", lambda w, spoil=spoil: spoil(plain(w)))
        assert not all(check.passed for check in check_filter_grid(w, rng))
    monkeypatch.undo()
    assert len(check_filter_grid(w, rng)) == 4 and all(check.passed for check in check_filter_grid(w, rng))


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
