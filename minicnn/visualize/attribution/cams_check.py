"""The objective numbers of Grad-CAM++, Layer-CAM and Score-CAM: each map is computed again, place by place."""

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.derivatives_check import TWO_PASSES, relative_distance, rule_gradient
from minicnn.visualize.attribution.grad_cam import last_maps
from minicnn.visualize.attribution.grad_cam_check import enlarged
from minicnn.visualize.attribution.gradients import label_list
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels, enter


def check_grad_cam_plus_plus(net: Network, x: Array, label: Labels, heat: Array, layer: str | None = None) -> Check:
    """Return the Check that the map (N, h, w) is Grad-CAM++, with the weights added up channel by channel.

    The gradient comes from a pass with the rule of the ReLU written out. The other parameters are as in the technique.
    """
    expected = []
    for maps, gradient in zip(*maps_and_slopes(net, x, label, layer), strict=True):  # (K, h, w)
        total = np.zeros(maps.shape[1:])
        for activation, slope in zip(maps, gradient, strict=True):
            risen = slope[slope > 0]
            total += activation * (risen / (2 + activation.sum() * risen)).sum()  # alpha g = g / (2 + sum of A * g)
        expected.append(np.maximum(total, 0))
    return below("Grad-CAM++: the map against one with its weights added up channel by channel, relative",
                 relative_distance(heat, np.stack(expected)), TWO_PASSES)


def check_layer_cam(net: Network, x: Array, label: Labels, heat: Array, layer: str | None = None) -> Check:
    """Return the Check that the map (N, h, w) is Layer-CAM, computed channel by channel."""
    expected = []
    for maps, gradient in zip(*maps_and_slopes(net, x, label, layer), strict=True):
        total = np.zeros(maps.shape[1:])
        for activation, slope in zip(maps, gradient, strict=True):
            total += np.where(slope > 0, slope * activation, 0)
        expected.append(np.maximum(total, 0))
    return below("Layer-CAM: the map against the activations times their positive gradients, channel by channel, "
                 "relative", relative_distance(heat, np.stack(expected)), TWO_PASSES)


def check_score_cam(net: Network, x: Array, label: Labels, heat: Array, layer: str | None = None, *,
                    channels: int | None = None) -> Check:
    """Return the Check that the map (N, h, w) is Score-CAM, with the images masked and scored one by one.

    The masks are enlarged by numpy.interp. The other parameters are as in score_cam.
    """
    x = enter(net, x)
    layer = last_maps(net) if layer is None else net.find(layer)
    expected = []
    for image, maps, k in zip(x, to_host(net.predict(x, layer)), label_list(label, len(x)), strict=True):
        order = sorted(range(len(maps)), key=lambda channel: -maps[channel].max())[:channels]
        scores = []
        for channel in order:
            mask = maps[channel] - maps[channel].min()
            large = enlarged(mask[None] / (mask.max() or 1), *x.shape[2:])[0]
            masked = image * to_device(large.astype(x.dtype.name), net.device)
            scores.append(float(net.predict(masked[None])[0, k]))
        weights = np.exp(np.array(scores) - max(scores))
        expected.append(np.maximum(np.einsum("k,kyx->yx", weights / weights.sum(), maps[order]), 0))
    return below("Score-CAM: the map against one with its images masked and scored one by one, relative",
                 relative_distance(heat, np.stack(expected)), TWO_PASSES)


def maps_and_slopes(net: Network, x: Array, label: Labels, layer: str | None) -> tuple[Array, Array]:
    """Return the maps of the layer and the gradient of the class score to them, float64 (N, K, h, w) on the host."""
    x = enter(net, x)
    layer = last_maps(net) if layer is None else net.find(layer)
    trace = net.forward(x)
    seeds = {net.output: one_hot(trace.activations[net.output], label)}
    slopes = rule_gradient(net, trace, seeds, "gradient", layer)
    return to_host(trace.activations[layer]).astype(np.float64), to_host(slopes).astype(np.float64)
