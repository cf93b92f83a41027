"""The judged checks of units pass for the right pictures and fail for pictures broken in characteristic ways."""

import numpy as np
import pytest

from minicnn.datasets.shapes import draw_shapes
from minicnn.models import load_model
from minicnn.plot import gradient_to_colours
from minicnn.receptive_field import receptive_field
from minicnn.visualize import (
    crop_patch,
    deconvnet,
    feature_maps,
    filter_grid,
    filter_weights,
    guided_patch,
    strongest_channels,
    top_patches,
)
from minicnn.visualize.grid import tile_images
from minicnn.visualize.units.activations import scale_maps
from minicnn.visualize.units.activations_check import check_feature_maps, check_sheet
from minicnn.visualize.units.filters import grey_filter_grid
from minicnn.visualize.units.filters_check import check_filter_grid, check_signed_filters
from minicnn.visualize.units.patches import TopPatches
from minicnn.visualize.units.patches_check import Shown, check_patches

LAYER, COUNT, TOP = "relu3", 36, 4


@pytest.fixture(scope="module")
def drawn_model():
    """The fast network `shapes`, and 36 pictures with their inputs."""
    model = load_model("shapes", "cpu").fast()
    images, _ = draw_shapes(np.arange(COUNT) % 12, np.random.default_rng(7))
    return model, images, model.preprocessing.to_input(images)


def passes(checks):
    return all(check.passed for check in checks if check.judged)


def test_every_mutant_of_the_filters_fails(drawn_model):
    model, *_ = drawn_model
    w = filter_weights(model.net, "conv1")
    right = filter_grid(w)
    assert passes(check_filter_grid(model.net, "conv1", right))
    for name, wrong in {"turned by 180 degrees": filter_grid(w[:, :, ::-1, ::-1]), "BGR": filter_grid(w[:, ::-1]),
                        "transposed": filter_grid(w.swapaxes(2, 3)), "negative": filter_grid(-w),
                        "absolute": filter_grid(np.abs(w)), "one scale": filter_grid(w, same_scale=True),
                        "another order": filter_grid(w[::-1]), "without the last": filter_grid(w[:-1])}.items():
        assert not passes(check_filter_grid(model.net, "conv1", wrong)), name


def test_every_mutant_of_the_deeper_filters_fails(drawn_model):
    w = filter_weights(drawn_model[0].net, "conv3")[:8, :12]
    assert passes(check_signed_filters(w, grey_filter_grid(w)))
    for name, wrong in {"sign flipped": -w, "absolute": np.abs(w), "mirrored": w[..., ::-1], "rows mixed": w[::-1],
                        "filters and channels exchanged": w[:, :8].swapaxes(0, 1)}.items():
        assert not passes(check_signed_filters(w, grey_filter_grid(wrong, columns=w.shape[1]))), name


def test_every_mutant_of_the_activations_fails(drawn_model):
    model, _, x = drawn_model
    maps = feature_maps(model.net, x[:1], LAYER)[0]
    before = feature_maps(model.net, x[:1], "conv3")[0]
    assert check_feature_maps(model.net, x[:1], LAYER, maps).passed
    for name, wrong in {"before the ReLU": before, "upside down": maps[:, ::-1], "mirrored": maps[..., ::-1],
                        "transposed": maps.swapaxes(1, 2), "channels mixed": np.roll(maps, 1, axis=0),
                        "of another picture": feature_maps(model.net, x[1:2], LAYER)[0],
                        "normalised": maps / maps.max(axis=(1, 2), keepdims=True).clip(1e-9)}.items():
        assert not check_feature_maps(model.net, x[:1], LAYER, wrong).passed, name
    sheet = tile_images(scale_maps(maps), 8, fill=0.1)
    assert passes(check_sheet(maps, sheet, 8))
    for name, wrong in {"column by column": tile_images(scale_maps(maps[np.arange(len(maps)).reshape(8, -1).T.ravel()]),
                                                        8), "negative": 1 - sheet, "gamma": sheet ** 0.5,
                        "each channel scaled": tile_images(scale_maps(maps, "channel"), 8)}.items():
        assert not passes(check_sheet(maps, wrong, 8)), name


def patches_case(model, images, x):
    """Return (the patches, the Shown, the judgement passed(patches, shown), the channels and the field)."""
    net, field = model.net, receptive_field(model.net, LAYER)
    found = top_patches(net, [x], LAYER, TOP)
    channels = strongest_channels(found, 3, field, *x.shape[2:])
    found = TopPatches(*(part[channels] for part in found))

    def tiles(crop, gradient):
        both = [[[one(row, rank) for rank in range(TOP)] for row in range(3)] for one in (crop, gradient)]
        return Shown(np.array(both[0]), np.array(both[1]), lambda n: images[n], gradient_to_colours)

    def crop(row, rank, part=found):
        return crop_patch(images[part.images[row, rank]], field, int(part.ys[row, rank]), int(part.xs[row, rank])) / 255

    def gradient(row, rank, part=found):
        n, unit = int(part.images[row, rank]), (int(part.ys[row, rank]), int(part.xs[row, rank]))
        return gradient_to_colours(guided_patch(net, x[n:n + 1], LAYER, channels[row], unit, field))

    def passed(patches, shown):
        return passes(check_patches(net, LAYER, channels, patches, len(x), lambda n: x[n:n + 1], shown))
    return found, tiles, crop, gradient, passed, channels


def test_every_mutant_of_the_patches_fails(drawn_model):
    model, images, x = drawn_model
    found, tiles, crop, gradient, passed, channels = patches_case(model, images, x)
    right = tiles(crop, gradient)
    assert passed(found, right)
    moved = found._replace(ys=(found.ys + 1) % 16)
    turned = found._replace(ys=found.xs, xs=found.ys)

    def by_deconvnet(row, rank):
        n, unit = int(found.images[row, rank]), (int(found.ys[row, rank]), int(found.xs[row, rank]))
        whole = deconvnet(model.net, x[n:n + 1], LAYER, channels[row], unit)[0]
        return gradient_to_colours(crop_patch(whole, receptive_field(model.net, LAYER), *unit, channels_last=False))
    for name, patches, shown in (
            ("crops a unit lower", found, tiles(lambda *at: crop(*at, moved), gradient)),
            ("rows and columns exchanged", found, tiles(lambda *at: crop(*at, turned), gradient)),
            ("crops mirrored", found, right._replace(crops=right.crops[..., ::-1, :])),
            ("gradients mirrored", found, right._replace(gradients=right.gradients[..., ::-1, :])),
            ("gradients of the deconvnet", found, tiles(crop, by_deconvnet)),
            ("units moved", moved, right), ("the weakest first", TopPatches(*(part[:, ::-1] for part in found)), right),
            ("other pictures", found._replace(images=(found.images + 1) % COUNT), right),
            ("values halved", found._replace(values=found.values / 2), right)):
        assert not passed(patches, shown), name
