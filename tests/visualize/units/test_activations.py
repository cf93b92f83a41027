"""Activation maps: their values, their scaling, and the strongest neurons."""

import numpy as np
import pytest
from small_networks import on, scored_network, small_network

from minicnn.errors import InputError, UnknownNameError
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize import (
    feature_maps,
)
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.activations import scale_maps, strongest_neurons
from minicnn.visualize.units.activations_check import check_feature_maps, check_sheet


def test_feature_maps_are_the_activations_on_the_host(xp, rng):
    net = small_network(rng)
    x = rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    maps = feature_maps(on(xp, net), x, "concat")
    assert isinstance(maps, np.ndarray) and maps.dtype == np.float32
    assert np.allclose(maps, net.forward(x).activations["concat"], atol=1e-6)
    for channels in (None, [4, 1]):
        shown = maps[0] if channels is None else maps[0, channels]
        assert check_feature_maps(on(xp, net), x[:1], "concat", shown, channels).passed
        for wrong in (shown[::-1], shown[:, ::-1], shown.swapaxes(1, 2), np.abs(shown - 0.1)):
            assert not check_feature_maps(on(xp, net), x[:1], "concat", wrong, channels).passed


@pytest.mark.parametrize("per", ["layer", "channel"])
def test_the_check_of_the_sheet_reads_every_tile(rng, per):
    maps = rng.standard_normal((7, 5, 6)).astype(np.float32)
    sheet = tile_images(scale_maps(maps, per), 3, fill=0.1)
    judged, zeros = check_sheet(maps, sheet, 3, per)
    assert judged.passed and judged.judged and not zeros.judged
    for wrong in (sheet[::-1], sheet.T, tile_images(scale_maps(maps[::-1], per), 3), tile_images(maps, 3)):
        assert not check_sheet(maps, wrong, 3, per)[0].passed
    other = "channel" if per == "layer" else "layer"
    assert not check_sheet(maps, sheet, 3, other)[0].passed
    assert check_sheet(np.zeros((2, 3, 3)), tile_images(scale_maps(np.zeros((2, 3, 3)))), 2)[0].passed


def test_maps_are_scaled_per_layer_or_per_channel(rng):
    maps = np.maximum(rng.standard_normal((4, 6, 6)), 0)
    maps[0] *= 0.01
    assert ((scale_maps(maps) == 0) == (maps == 0)).all() and scale_maps(maps)[0].max() < 0.05
    assert np.allclose(scale_maps(maps, "channel").max(axis=(1, 2)), 1)
    assert (scale_maps(np.zeros((2, 3, 3))) == 0).all()


def test_layers_without_maps_and_unknown_layers_are_refused(rng):
    net = scored_network(rng)
    x = np.zeros((1, 3, 16, 16), np.float32)
    with pytest.raises(InputError, match="'scores' has no maps"):
        feature_maps(net, x, "scores")
    with pytest.raises(UnknownNameError, match="no layer 'conv2c'; did you mean conv2"):
        feature_maps(net, x, "conv2c")


def test_strongest_neurons_are_inside_distinct_and_in_order(rng):
    maps = rng.random((5, 8, 8))
    maps[2, 0, 0] = 10  # at the border: it depends on padding
    maps[3, 4, 4], maps[1, 4, 4] = 5, 4  # the same position twice
    field = ReceptiveField(3, 1, -1)
    chosen = strongest_neurons(maps, 3, field, 8, 8)
    assert chosen[0] == (3, 4, 4) and (4, 4) not in [place[1:] for place in chosen[1:]]
    assert all(field.fits(y, x, 8, 8) for _, y, x in chosen)
