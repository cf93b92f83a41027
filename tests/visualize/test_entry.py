"""The arguments of the visualizations: wrong images are refused, and arrays move between devices once."""

from dataclasses import replace

import numpy as np
import pytest
from small_networks import PLAIN, scored_network

from minicnn.errors import InputError
from minicnn.network import SlowNetworkWarning
from minicnn.visualize import (
    class_visualization,
    feature_maps,
    guided_backprop,
    integrated_gradients,
    occlusion_map,
    saliency_map,
    smooth_grad,
    top_patches,
)
from minicnn.visualize.entry import require_channels
from minicnn.visualize.synthesis.ascent_settings import MARGIN


@pytest.mark.parametrize(("x", "message"), [
    (np.zeros((2, 16, 16), np.float32), r"expected images of shape \(N, 3, H, W\), got \(2, 16, 16\)"),
    (np.zeros((1, 1, 16, 16), np.float32), r"expected images of shape \(N, 3, H, W\)"),
    (np.zeros((0, 3, 16, 16), np.float32), r"expected images of shape \(N, 3, H, W\)"),
    (np.full((1, 3, 16, 16), np.nan, np.float32), "not finite"), (np.zeros((1, 3, 2, 2), np.float32), "too small")])
def test_images_that_do_not_fit_are_refused_in_one_line(rng, x, message):
    with pytest.raises(InputError, match=message) as caught:
        saliency_map(scored_network(rng), x, 0)
    assert "\n" not in str(caught.value)


def test_transfers_happen_only_at_the_edges(strict_cupy, rng):
    net = scored_network(rng).to_device("gpu")
    record, x = strict_cupy.record, rng.standard_normal((2, 3, 16, 16)).astype(np.float32)
    for call in (lambda: saliency_map(net, x, 1), lambda: guided_backprop(net, x, "relu3", 1, (2, 2)),
                 lambda: feature_maps(net, x, "concat")):
        record.reset()
        call()
        assert (record.transfers_to_device, record.transfers_to_host) == (1, 1)
    record.reset()
    class_visualization(net, 1, PLAIN, replace(MARGIN, num_steps=3), rng=np.random.default_rng(0))
    few = record.transfers_to_device, record.transfers_to_host
    record.reset()
    class_visualization(net, 1, PLAIN, replace(MARGIN, num_steps=9), rng=np.random.default_rng(0))
    assert (record.transfers_to_device, record.transfers_to_host) == few and few[0] <= 3 and few[1] == 1


@pytest.mark.parametrize("channels", [5, -1, [0, 5], np.int64(7), np.array([-1, 2])])
def test_channels_out_of_range_are_refused(channels):
    with pytest.raises(InputError, match="layer 'relu3' has channels 0 to 4, not"):
        require_channels("relu3", channels, 5)
    require_channels("relu3", [0, 4], 5)


@pytest.mark.parametrize("call", [
    lambda net, x: occlusion_map(net, x, 1, (10, 14), 1, batch_size=1),
    lambda net, x: smooth_grad(net, x, 1, rng=np.random.default_rng(0), samples=168),
    lambda net, x: integrated_gradients(net, x, 1, steps=168),
    lambda net, x: top_patches(net, [x] * 21, "relu3")])
def test_a_long_loop_over_a_plain_network_warns(call, rng):
    net, x = scored_network(rng), rng.standard_normal((1, 3, 16, 16)).astype(np.float32)
    with pytest.warns(SlowNetworkWarning, match="a loop of 21 passes"):
        call(net, x)
