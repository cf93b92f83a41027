"""Patches as pictures: the crop of a receptive field, its inverse, and the guided gradient in it."""

import numpy as np
import pytest
from small_networks import on

from minicnn.errors import InputError
from minicnn.models import (
    build_network,
)
from minicnn.receptive_field import ReceptiveField
from minicnn.visualize import feature_maps, guided_backprop, receptive_field
from minicnn.visualize.units.patch_pictures import crop_patch, guided_patch, place_patch, shrink_patch


def test_crops_have_the_fields_size_and_grey_beyond_the_edge(rng):
    field, image = ReceptiveField(5, 2, -2), rng.integers(0, 255, (9, 11, 3), dtype=np.uint8)
    inside = crop_patch(image, field, 2, 3)
    assert inside.dtype == np.uint8 and (inside == image[2:7, 4:9]).all()
    corner = crop_patch(image, field, 0, 5)
    assert corner.shape == (5, 5, 3) and (corner[:2] == 128).all() and (corner[:, 3:] == 128).all()
    assert (corner[2:, :3] == image[:3, 8:11]).all()
    x = image.transpose(2, 0, 1).astype(np.float32)
    assert (crop_patch(x, field, 2, 3) == inside.transpose(2, 0, 1)).all()
    assert (crop_patch(x, field, 0, 5)[:, :2] == 0).all() and (crop_patch(x, field, 0, 5, fill=7)[:, :2] == 7).all()
    assert (crop_patch(image / 255, field, 0, 5)[:2] == 0.5).all()
    large = crop_patch(image, ReceptiveField(21, 1, -5), 0, 0)
    assert large.shape == (21, 21, 3) and (large[5:14, 5:16] == image).all() and (large[14:] == 128).all()
    with pytest.raises(InputError, match="depend on the whole picture"):
        crop_patch(image, None, 0, 0)


def test_an_input_three_pixels_wide_is_no_picture(rng):
    x = rng.standard_normal((3, 9, 3))
    assert crop_patch(x, ReceptiveField(3, 2, -2), 2, 1, channels_last=False).shape == (3, 3, 3)
    assert (crop_patch(x, ReceptiveField(3, 2, -2), 2, 1, channels_last=False)[..., 0] == x[:, 2:5, 0]).all()


def test_a_receptive_field_may_be_three_pixels_wide():
    net = build_network("squeezenet1_1")
    rng = np.random.default_rng(0)
    net.layer("conv1").params["w"] = rng.standard_normal((64, 3, 3, 3)).astype(np.float32)
    x = rng.standard_normal((1, 3, 31, 31)).astype(np.float32)
    patch = guided_patch(net, x, "conv1", 5, (4, 6), receptive_field(net, "conv1"))
    assert np.allclose(patch, net.layer("conv1").params["w"][5])  # the gradient of a linear unit is its filter


@pytest.mark.parametrize("unit", [(0, 0), (3, 2), (7, 9)])
def test_place_patch_puts_a_crop_back(rng, unit):
    field, x = ReceptiveField(6, 3, -4), rng.standard_normal((2, 25, 31))
    canvas = place_patch(crop_patch(x, field, *unit), field, *unit, 25, 31)
    top, bottom, left, right = field.box(*unit, 25, 31)
    assert (canvas[:, top:bottom, left:right] == x[:, top:bottom, left:right]).all()
    assert np.count_nonzero(canvas) == 2 * (bottom - top) * (right - left)


def test_the_guided_patch_of_a_window_equals_that_of_the_whole_picture(xp, drawn):
    net, x = drawn
    exact, image = on(xp, net.astype("float64")), x[3:4].astype(np.float64)
    for layer in ("relu2", "relu3", "relu5"):
        field = receptive_field(net, layer)
        side = net.shapes()[layer][2]
        for unit in ((0, 0), (side // 2, side // 2 - 1), (side - 1, side // 2)):
            channel = int(feature_maps(exact, image, layer)[0][(slice(None), *unit)].argmax())
            whole = crop_patch(guided_backprop(exact, image, layer, channel, unit)[0], field, *unit)
            patch = guided_patch(exact, image, layer, channel, unit, field)
            assert np.abs(patch - whole).max() < 1e-12 * np.abs(whole).max() and whole.any()


def test_a_shrunk_patch_is_the_mean_of_its_blocks(rng):
    patch = rng.integers(0, 256, (3, 7, 7), dtype=np.uint8)
    small = shrink_patch(patch, 2)
    assert small.shape == (3, 3, 3) and small.dtype == np.float32
    assert np.isclose(small[1, 2, 0], patch[1, 4:6, 0:2].mean()) and (shrink_patch(patch, 1) == patch).all()
