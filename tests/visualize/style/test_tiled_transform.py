"""The pass by tiles equals the pass over the whole picture."""

import numpy as np
import pytest
from fast_style_networks import critic, painter, photo

from minicnn.errors import InputError
from minicnn.fast.forecast import peak_memory
from minicnn.layers import InstanceNorm2D, ReLU
from minicnn.models.preprocessing import TORCHVISION
from minicnn.visualize import stylize
from minicnn.visualize.style import tiled_transform
from minicnn.visualize.style.tiled_transform import mean_and_variance, predict_by_tiles, reach, tile_that_fits


@pytest.mark.parametrize("tile", [8, 17, 40, 1000])
def test_tiles_equal_the_whole_picture(tile, rng):
    net = painter(dtype="float64")
    x = rng.standard_normal((1, 3, 84, 60)) * np.linspace(0, 2, 60)  # the tiles differ in contrast
    whole = net.predict(x)
    calls = []
    tiled = predict_by_tiles(net, x, tile, lambda done, total: calls.append((done, total)))
    np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-12 * abs(whole).max())
    assert calls == [(n + 1, len(calls)) for n in range(len(calls))]
    assert len(calls) == 10 * -(-84 // (tile // 4 * 4)) * -(-60 // (tile // 4 * 4))  # nine norms and the output


def test_tiles_on_both_backends_in_odd_sizes(xp):
    picture = photo(53, 35)
    whole, tiled = (stylize(painter(xp), picture, TORCHVISION, tile=tile) for tile in (None, 24))
    assert tiled.shape == picture.shape
    assert abs(whole.astype(int) - tiled).max() <= 1


def test_independent_tiles_would_differ(rng):
    net = painter(dtype="float64")
    x = rng.standard_normal((1, 3, 32, 64)) * np.linspace(0, 2, 64)
    halves = np.concatenate([net.predict(x[..., :32]), net.predict(x[..., 32:])], axis=3)
    assert abs(halves - net.predict(x)).max() > 0.1 * abs(halves).max()


def test_the_reach_bounds_the_gradient(rng):
    net = painter(dtype="float64")
    known = {node.name: tiled_transform.with_statistics(node.layer, np.zeros(len(node.layer.params["beta"])),
                                                   np.ones(len(node.layer.params["beta"])))
             for node in net.nodes if isinstance(node.layer, InstanceNorm2D)}
    fixed = net.with_layers(known)
    x = rng.standard_normal((1, 3, 8, 160))
    trace = fixed.forward(x)
    for column in range(80, 84):
        seed = np.zeros_like(x)
        seed[..., column] = 1
        seen = np.flatnonzero(fixed.backward(trace, {net.output: seed})["input"].any(axis=(0, 1, 2)))
        assert column - reach(net) <= seen[0] and seen[-1] <= column + reach(net)
        assert seen[-1] - seen[0] > reach(net)  # the bound is not much too large


def test_mean_and_variance_of_parts(rng):
    whole = 1e4 + rng.standard_normal((1, 3, 8, 10))
    mean, variance = mean_and_variance([whole[:, :, :5], whole[:, :, 5:, :3], whole[:, :, 5:, 3:]])
    np.testing.assert_allclose(mean, whole.mean(axis=(0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(variance, whole.var(axis=(0, 2, 3)), rtol=1e-10)


def test_the_tile_fits_into_memory(monkeypatch):
    net = painter()
    needed = peak_memory(net, (1, 3, 2000, 2000), seeds=())
    without_margin = 2 * peak_memory(net, (1, 3, 1024, 1024), seeds=())
    for free, expected in ((None, None), (3 * needed, None), (needed, 1024), (without_margin, 512),
                           (0, tiled_transform.TILES[-1])):
        monkeypatch.setattr(tiled_transform, "available_memory", lambda device, free=free: free)
        assert tile_that_fits(net, (1999, 1998)) == expected


def test_with_layers_replaces_layers_by_name():
    net, other = critic(), ReLU()
    changed = net.with_layers({"relu1": other})
    assert changed.layer("relu1") is other and net.layer("relu1") is not other
    assert changed.layer("conv1") is net.layer("conv1") and changed.layer_names() == net.layer_names()
    with pytest.raises(InputError, match="no layer 'relu3'"):
        net.with_layers({"relu3": other})
