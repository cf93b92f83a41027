"""The objective numbers of neuron, channel and layer visualizations: their activation, rank and receptive field."""

import numpy as np

from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.guided_backprop import neuron_gradient
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.synthesis.neuron_view import neuron_view


def layer_responses(kind: str, out: np.ndarray) -> np.ndarray:
    """Return the responses of a layer to each picture, as the visualization of this kind measures them.

    kind : "neuron" (the largest value of each map), "channel" (the mean of each map) or "layer" (the root mean square
    of all). out : the activations, (N, C, H, W) or (N, C) on the host. Returns (N, C), or (N, 1) for "layer".
    """
    out = out.reshape(*out.shape[:2], -1)
    if kind == "layer":
        return (out.astype(np.float64)**2).mean(axis=(1, 2))[:, None]**0.5
    return out.max(axis=2) if kind == "neuron" else out.mean(axis=2)


def without_padded_neurons(net: Network, layer: str, out: np.ndarray) -> np.ndarray:
    """Return the activations `out` of the neurons whose receptive field has no padding; all of them if there are none.

    Some channels respond most to the padding, which the image of a neuron cannot contain.
    out : (N, C, H, W), for pictures of the network's size.
    """
    field, size = receptive_field(net, layer), net.input_shape[1]
    if field is None or out.ndim != 4:
        return out
    inside = [y for y in range(out.shape[2]) if field.fits(y, y, size, size)]
    return out[:, :, inside[0]:inside[-1] + 1, inside[0]:inside[-1] + 1] if inside else out


def check_responses(kind: str, layer: str, values: np.ndarray, natural: np.ndarray) -> list[Check]:
    """Return how the responses to the images compare with pictures; reported, as `check_ascent` judges the steps.

    With few steps, or a neuron that pictures drive strongly, an image can stay behind.
    values : (K,), the responses to the images as 8-bit pictures. natural : (M, K), the responses to M pictures, by
    `layer_responses`.
    """
    largest = natural.max(axis=0)
    above = int((values > largest).sum())
    percentile = float((natural < values).mean()) * 100
    ratios = values[largest > 0] / largest[largest > 0]
    ratio = float(np.median(ratios)) if ratios.size else 0.0
    return [reported(f"{layer}: images with a higher response of their {kind} than all of {len(natural)} pictures",
                     above, f"of {len(values)}"),
            reported(f"{layer}: median of the response over the highest response to a picture", ratio),
            reported(f"{layer}: percentile of the response among the pictures", percentile)]


def check_field(net: Network, layer: str, channel: int, rng: np.random.Generator) -> list[Check]:
    """Return the Check that the gradient of the central neuron is 0 outside its receptive field, for random noise.

    There is no Check if the receptive field is the whole picture.
    """
    layer = net.find(layer)
    size = net.input_shape[1]
    field, (_, position) = receptive_field(net, layer), neuron_view(net, layer, size)
    if field is None or position is None:
        return []
    noise = rng.standard_normal((1, *net.input_shape), dtype="float32")
    gradient = np.abs(neuron_gradient(net, noise, layer, channel, position)[0])
    top, bottom, left, right = field.box(*position, size, size)
    gradient[:, top:bottom, left:right] = 0
    return [below(f"{layer}: largest gradient of the neuron outside its receptive field of {field.size} pixels",
                  gradient.max(), 0.0)]


def rank_in_layer(out: np.ndarray, channel: int, position: tuple[int, int] | None = None) -> int:
    """Return the rank of a neuron among all neurons of its layer; 1 is the highest activation.

    Yosinski et al. 2015 call a rank of 1 a majority. out : (C, H, W) or (C,) on the host.
    """
    neuron = (channel, *(position or ()))
    return 1 + int((out > out[neuron]).sum())
