"""Where in the picture a class was seen: the maps of a late layer, weighed by the gradient of the class score."""

from minicnn.backend import get_array_module, to_host
from minicnn.errors import InputError
from minicnn.layers import Dropout, GuidedReLU
from minicnn.layers.pool import Pool2D
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.entry import enter


def grad_cam(net, x, label, layer=None):
    """The positive part of the layer's maps, weighed by their mean gradients, (N, H', W') on the host.

    x : (N, C, H, W). label : one class, or one per image; the score is unnormalised. layer : any with maps; left out,
    the last one that has any, see `last_maps`. `upsample_maps` lays the result over the picture. Selvaraju et al. 2016
    (arXiv:1610.02391), equations 1 and 2. Raises InputError for a layer without maps.
    """
    x = enter(net, x)
    layer = last_maps(net) if layer is None else net.find(layer)
    trace, seeds = score_seeds(net, x, label, (layer,))
    return to_host(weighted_maps(net, trace, seeds, layer))


def guided_grad_cam(net, x, label, layer=None):
    """Guided backprop of the class score times the upsampled `grad_cam`, (N, C, H, W) on the host.

    x, label, layer : as for grad_cam. Selvaraju et al. 2016 (arXiv:1610.02391), section 3.2.
    """
    x = enter(net, x)
    layer = last_maps(net) if layer is None else net.find(layer)
    trace, seeds = score_seeds(net, x, label, (layer,))
    heat = upsample_maps(weighted_maps(net, trace, seeds, layer), *x.shape[2:])
    guided = net.with_relu(GuidedReLU()).backward(trace, seeds, release=True)["input"]
    return to_host(heat[:, None] * guided)


def weighted_maps(net, trace, seeds, layer):
    """Grad-CAM from a pass that kept `layer`, (N, H', W') on the network's device."""
    maps = trace.activations[layer]
    if maps.ndim != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {maps.shape}; the last with maps is "
                         f"{last_maps(net)!r}")
    xp = get_array_module(maps)
    # a = the mean of d score / d maps over the positions, then relu(sum over channels of a * maps)
    weights = net.backward(trace, seeds, wrt=(layer,))[layer].mean(axis=(2, 3))  # (N, channels)
    return xp.maximum((weights[:, :, None, None] * maps).sum(axis=1), 0)


def last_maps(net):
    """The name of the last layer with maps of more than one pixel that is no pooling: VGG-16's is relu5_3."""
    shapes = net.shapes()
    for name, layer, _ in reversed(net.nodes):
        shape = shapes[name]
        if len(shape) == 4 and max(shape[2:]) > 1 and not isinstance(layer, Pool2D | Dropout):
            return name
    raise InputError("no layer of the network has maps")


def upsample_maps(maps, height, width):
    """Maps (N, H', W') to (N, height, width): bilinear, constant beyond the centres of the outer pixels."""
    rows, columns = (bilinear_weights(maps, size, wanted)
                     for size, wanted in zip(maps.shape[1:], (height, width), strict=True))
    return rows @ maps @ columns.T


def bilinear_weights(maps, size, wanted):
    """The weights (wanted, size) of `size` pixels in the `wanted` pixels that lie over them; rows add up to 1."""
    xp = get_array_module(maps)
    # pixel centres are at half numbers: (i + 0.5) / wanted = (place + 0.5) / size
    places = xp.clip((xp.arange(wanted) + 0.5) * (size / wanted) - 0.5, 0, size - 1)
    distance = abs(places[:, None] - xp.arange(size))
    return xp.maximum(1 - distance, 0).astype(maps.dtype)
