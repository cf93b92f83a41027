"""The objective numbers of Grad-CAM and guided Grad-CAM."""

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.layers import GlobalAvgPool2D, Linear
from minicnn.network import Network
from minicnn.visualize.attribution.grad_cam import last_maps, upsample_maps
from minicnn.visualize.attribution.gradients import label_list
from minicnn.visualize.check import Check, below
from minicnn.visualize.entry import Labels, enter


def check_grad_cam(net: Network, x: Array, label: Labels, heat: Array, layer: str | None = None) -> list[Check]:
    """Return the Checks that the maps are not negative, and keep their range when they are upsampled.

    If the network has a class activation map and `layer` is the last one with maps, Grad-CAM must be equal to it.
    heat : of grad_cam, (N, h, w).
    """
    large = upsample_maps(heat, *x.shape[2:])
    largest = max(float(heat.max()), 1e-30)
    beyond = max(0.0, large.max() - heat.max(), heat.min() - large.min(), -heat.min()) / largest
    checks = [below("Grad-CAM: distance of the upsampled map from the map's range, and of the map from 0, relative",
                    beyond, 1e-6)]
    expected = class_activation_map(net, x, label) if layer in (None, last_maps(net)) else None
    if expected is not None:
        error = np.abs(scaled(heat) - scaled(expected)).max()
        checks.append(below("Grad-CAM: difference from the class activation map of Zhou et al., both scaled to 1",
                            error, 1e-4))
    return checks


def check_guided_grad_cam(heat: Array, attribution: Array) -> list[Check]:
    """Return the Check that guided Grad-CAM (N, C, H, W) is zero at all pixels where Grad-CAM (N, h, w) is zero."""
    cold = upsample_maps(heat, *attribution.shape[2:]) == 0
    outside = np.abs(attribution).max(axis=1)[cold].max(initial=0.0)
    return [below("guided Grad-CAM: largest value at pixels where Grad-CAM is zero", outside, 0.0)]


def class_activation_map(net: Network, x: Array, label: Labels) -> Array | None:
    """Return the positive part of the class's weighted sum of the last maps, (N, h, w) on the host.

    It is None unless the network ends in maps, their mean over all positions, and at most one linear layer.
    Zhou et al. 2015 (arXiv:1512.04150), equation 2.
    """
    *_, before, last = net.nodes
    pool, linear = (before, last.layer) if isinstance(last.layer, Linear) else (last, None)
    if not isinstance(pool.layer, GlobalAvgPool2D):
        return None
    maps = to_host(net.predict(enter(net, x), pool.inputs[0]))
    labels = label_list(label, len(maps))
    if linear is None:  # each class has a map of its own
        return np.stack([np.maximum(image_maps[k], 0) for image_maps, k in zip(maps, labels, strict=True)])
    weights = to_host(linear.params["w"])[labels]  # (N, channels)
    return np.maximum(np.einsum("nk,nkyx->nyx", weights, maps), 0)


def scaled(maps: Array) -> Array:
    """Return maps (N, H, W), each divided by its largest value."""
    return maps / np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-30)
