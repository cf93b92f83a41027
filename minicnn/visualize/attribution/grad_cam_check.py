"""The objective numbers of Grad-CAM and guided Grad-CAM."""

import numpy as np

from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.layers import GlobalAvgPool2D, Linear
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.attribution.derivatives_check import TWO_PASSES, LinearPiece, relative_distance, rule_gradient
from minicnn.visualize.attribution.grad_cam import last_maps
from minicnn.visualize.attribution.gradients import label_list
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels, enter

PLACES = 16  # positions of a map at which Grad-CAM is computed again


def check_grad_cam(net: Network, x: Array, label: Labels, heat: Array, layer: str | None = None,
                   large: Array | None = None) -> list[Check]:
    """Return the Checks that Grad-CAM is the slope of the score along the features of a place, and lies in its place.

    Grad-CAM at a place is the sum over the channels of the mean gradient times the activation. That is the change of
    the score if the activations at this place, divided by the number of places, are added at every place. So it can
    be computed forwards. If the network has a class activation map and `layer` is the last one with maps, Grad-CAM must
    be equal to it, too.

    x : (N, C, H, W). heat : of grad_cam, (N, h, w). large : the same as it is shown over the images, (N, H, W).
    """
    layer = last_maps(net) if layer is None else net.find(layer)
    checks = [below("Grad-CAM: the map against the slope of the score along the features of up to "
                    f"{PLACES} places, as a share of the largest", heat_error(net, x, label, heat, layer), 1e-3)]
    if large is not None:
        checks.append(below("Grad-CAM: the enlarged map against linear interpolation between the centres of the "
                            "places, relative", relative_distance(large, enlarged(heat, *x.shape[2:])), 1e-3))
    expected = class_activation_map(net, x, label, layer)
    if expected is not None:
        error = np.abs(scaled(heat) - scaled(expected)).max()
        checks.append(below("Grad-CAM: difference from the class activation map of Zhou et al., both scaled to 1",
                            error, 1e-3))
    return checks


def heat_error(net: Network, x: Array, label: Labels, heat: Array, layer: str) -> float:
    """Return the largest difference of the maps from the slopes at some places, as a share of the largest of both."""
    x, error = enter(net, x), 0.0
    for n, k in enumerate(label_list(label, len(x))):
        piece = LinearPiece(net, x[n:n + 1])
        maps = piece.trace.activations[layer]                    # (1, channels, h, w)
        places = chosen_places(heat[n])
        features = maps[0].reshape(maps.shape[1], -1)[:, to_device(places, net.device)].T  # (places, channels)
        change = get_array_module(x).broadcast_to((features / maps[0, 0].size)[:, :, None, None],
                                                  (len(places), *maps.shape[1:]))
        slopes = (piece.slopes(change, layer) * one_hot(piece.trace.activations[net.output], k)).sum(axis=1)
        expected = np.maximum(to_host(slopes), 0)
        scale = max(float(np.abs(heat[n]).max()), float(expected.max()))
        difference = float(np.abs(heat[n].ravel()[places] - expected).max())
        error = max(error, difference / scale if scale else 0.0)
    return error


def chosen_places(heat: Array) -> Array:
    """Return the numbers of up to PLACES positions of one map (h, w): the largest, the smallest, and others between."""
    spread = np.linspace(0, heat.size - 1, min(PLACES - 2, heat.size)).round().astype(int)
    return np.unique([heat.argmax(), heat.argmin(), *spread])


def check_guided_grad_cam(net: Network, x: Array, label: Labels, heat: Array, attribution: Array) -> list[Check]:
    """Return the Check that guided Grad-CAM (N, C, H, W) is the product of guided backprop and the enlarged Grad-CAM.

    heat : of grad_cam, (N, h, w). Guided backprop is computed again with its rule written out at each ReLU.
    """
    x = enter(net, x)
    trace = net.forward(x)
    seeds = {net.output: one_hot(trace.activations[net.output], label)}
    guided = to_host(rule_gradient(net, trace, seeds, "guided backprop"))
    product = guided * enlarged(heat, *x.shape[2:])[:, None]
    return [below("guided Grad-CAM: against the product of guided backprop and the enlarged Grad-CAM, relative",
                  relative_distance(attribution, product), TWO_PASSES)]


def enlarged(maps: Array, height: int, width: int) -> Array:
    """Return maps (N, h, w) enlarged to (N, height, width) by numpy.interp between the centres of their pixels."""
    def stretch(line: Array, size: int) -> Array:
        return np.interp((np.arange(size) + 0.5) / size, (np.arange(len(line)) + 0.5) / len(line), line)
    maps = np.apply_along_axis(stretch, 1, np.asarray(maps, np.float64), height)
    return np.apply_along_axis(stretch, 2, maps, width)


def class_activation_map(net: Network, x: Array, label: Labels, layer: str) -> Array | None:
    """Return the positive part of the class's weighted sum of the maps `layer`, (N, h, w) on the host.

    It is None unless the network ends in these maps, their mean over all positions, and at most one linear layer.
    Zhou et al. 2015 (arXiv:1512.04150), equation 2.
    """
    *_, before, last = net.nodes
    pool, linear = (before, last.layer) if isinstance(last.layer, Linear) else (last, None)
    if not isinstance(pool.layer, GlobalAvgPool2D) or pool.inputs[0] != layer:
        return None
    maps = to_host(net.predict(enter(net, x), layer))
    labels = label_list(label, len(maps))
    if linear is None:  # each class has a map of its own
        return np.stack([np.maximum(image_maps[k], 0) for image_maps, k in zip(maps, labels, strict=True)])
    weights = to_host(linear.params["w"])[labels]  # (N, channels)
    return np.maximum(np.einsum("nk,nkyx->nyx", weights, maps), 0)


def scaled(maps: Array) -> Array:
    """Return maps (N, H, W), each divided by its largest value."""
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-30)
