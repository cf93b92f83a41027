"""Deletion and insertion curves: against a naive twin, their ends, and random order."""

import numpy as np
import pytest
from attribution_networks import maps_of, module_network, pictures
from small_networks import on

from minicnn.errors import InputError
from minicnn.layers import Conv2D, GlobalAvgPool2D, ReLU
from minicnn.network import Network
from minicnn.visualize.attribution.compare import (
    METHODS,
)
from minicnn.visualize.attribution.deletion import (
    RANDOM,
    area,
    block_grid,
    block_order,
    blurred,
    deletion_insertion,
    exchange_curve,
)
from minicnn.visualize.attribution.deletion_check import check_curves, check_mean_areas
from minicnn.visualize.attribution.occlusion import class_probability


def naive_exchange(net, before, after, label, blocks, order, steps, share):
    """One image after another, one pixel at a time."""
    curve = []
    for step in range(steps + 1):
        image, gone = before.copy(), list(order)[:round(share * len(order) * step / steps)]
        for y in range(image.shape[2]):
            for x in range(image.shape[3]):
                if blocks[y, x] in gone:
                    image[0, :, y, x] = after[0, :, y, x]
        scores = net.predict(image)[0]
        curve.append(np.exp(scores[label]) / np.exp(scores).sum())
    return np.array(curve)


@pytest.mark.parametrize(("grid", "steps", "share"), [(3, 4, 1.0), (5, 7, 0.5), (16, 3, 1.0)])
def test_the_curve_against_a_naive_twin(xp, grid, steps, share, rng):
    net = module_network(rng).astype("float64")
    before, after = pictures(rng, 2, "float64")[:, None]
    blocks, order = block_grid(16, 16, grid), rng.permutation(grid * grid)
    found = exchange_curve(on(xp, net), before, after, 3, blocks, order, steps, share)
    expected = naive_exchange(net, before, after, 3, blocks, order, steps, share)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.shape == (steps + 1,) and np.ptp(found) > 1e-3


def test_the_curves_begin_and_end_at_whole_pictures(rng):
    net, x = module_network(rng).astype("float64"), pictures(rng, 1, "float64")
    maps = maps_of(net, x, 1)
    deletion, insertion = deletion_insertion(net, x, 1, maps, rng, grid=4, steps=5, orders=3)
    assert tuple(deletion) == tuple(insertion) == (*METHODS, RANDOM)
    assert deletion["saliency"].shape == (1, 6) and insertion[RANDOM].shape == (3, 6)
    photo, grey, soft = (class_probability(net, image, 1)[0] for image in (x, np.zeros_like(x), blurred(x)))
    for method in deletion:
        np.testing.assert_allclose(deletion[method][:, [0, -1]], [[photo, grey]] * len(deletion[method]), atol=1e-14)
        np.testing.assert_allclose(insertion[method][:, [0, -1]], [[soft, photo]] * len(deletion[method]), atol=1e-14)
    checks = check_curves(net, x, 1, deletion, insertion, maps, grid=4)
    assert all(check.passed for check in checks) and [check.judged for check in checks] == [True, True, False, False]
    wrong = {method: curve + 1e-3 for method, curve in insertion.items()}
    assert not check_curves(net, x, 1, deletion, wrong, maps, grid=4)[0].passed
    least_first = deletion_insertion(net, x, 1, {method: -values for method, values in maps.items()}, rng, grid=4,
                                     steps=5, orders=1)
    checks = check_curves(net, x, 1, *least_first, maps, grid=4)
    assert checks[0].passed and not checks[1].passed


def corner_network():
    """The score of class 0 is the brightness of the upper left quarter; the score of class 1 is zero."""
    net = Network((3, 16, 16))
    net.add("conv1", Conv2D(3, 1, 8, stride=8))
    net.add("relu1", ReLU())
    flat = Conv2D(1, 2, 2, bias=False)
    flat.params["w"] = np.zeros((2, 1, 2, 2), np.float32)
    flat.params["w"][0, 0, 0, 0] = 1
    net.layer("conv1").params["w"] = np.full((1, 3, 8, 8), 0.05, np.float32)
    net.add("conv2", flat)
    net.add("pool2", GlobalAvgPool2D())
    return net


def test_the_true_map_is_better_than_random_order_and_its_opposite_is_worse(rng):
    net, x = corner_network(), np.ones((2, 3, 16, 16), np.float32)
    x[:, :, 8:] = 0.5
    good = np.zeros((2, 16, 16))
    good[:, :8, :8] = 1
    checks = check_mean_areas(net, x, [0, 0], {"good": good}, rng)
    assert [check.passed for check in checks[:1]] == [True]
    checks = check_mean_areas(net, x, [0, 0], {"good": good, "bad": -good}, rng)
    assert not checks[0].passed and "the worst method, bad" in checks[0].what


def test_blocks_cover_the_picture_and_have_equal_sizes():
    blocks = block_grid(20, 33, 6)
    sizes = np.bincount(blocks.ravel())
    assert blocks.shape == (20, 33) and len(sizes) == 36 and sizes.min() >= 3 * 5 and sizes.max() <= 4 * 6
    assert (block_grid(4, 4, 2) == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]]).all()
    with pytest.raises(InputError, match="8x5 pixels cannot be cut into 6x6 blocks"):
        block_grid(8, 5, 6)


def test_the_order_of_the_blocks(rng):
    blocks = block_grid(4, 6, 2)
    values = np.choose(blocks, [3.0, 1.0, 4.0, 2.0])
    assert block_order(values, blocks, rng).tolist() == [2, 0, 3, 1]
    ties = {tuple(block_order(np.ones((4, 6)), blocks, rng)) for _ in range(200)}
    assert len(ties) == 24  # equal blocks come in every order


def test_areas_by_hand():
    assert area(np.ones(4)) == 1 and area(np.linspace(1, 0, 6)) == pytest.approx(0.5)
    assert area(np.array([0.0, 1.0, 0.0])) == pytest.approx(0.5)


@pytest.mark.parametrize(("settings", "message"), [
    ({"steps": 0}, "steps is 0; expected a whole number from 1"), ({"share": 1.5}, "share is 1.5; .*above 0, up to 1"),
    ({"order": [0, 1, 2, 2]}, "does not hold each of the 4 blocks once")])
def test_wrong_settings_of_a_curve_are_refused(settings, message, rng):
    net, x = module_network(rng), pictures(rng, 1)
    with pytest.raises(InputError, match=message):
        exchange_curve(net, x, x, 0, block_grid(16, 16, 2), **({"order": [3, 2, 1, 0]} | settings))


def test_every_method_is_better_than_random_order_on_drawn_shapes(drawn_dozen):
    model, x, labels, _ = drawn_dozen
    x, labels = x[:6], labels[:6]
    maps = maps_of(model.net, x, labels, samples=2, steps=2, stride=8, window=16)
    checks = check_mean_areas(model.net, x, labels, maps, np.random.default_rng(0), steps=5)
    assert all(check.passed for check in checks), checks
    upside_down = {"upside down": -maps["guided backprop"]}
    checks = check_mean_areas(model.net, x, labels, upside_down, np.random.default_rng(0), steps=5)
    assert not any(check.passed for check in checks)
