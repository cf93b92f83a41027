"""Grad-CAM: where in the image the network finds a class, from the maps of a late layer."""

from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError
from minicnn.layers import Conv2D, Dropout, GuidedReLU, Linear
from minicnn.layers.pool import Pool2D
from minicnn.network import Network, Trace
from minicnn.visualize.arrays import as_floats
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.entry import Labels, enter, require_layer, require_sides


def grad_cam(net: Network, x: Array, label: Labels, layer: str | None = None) -> Array:
    """Return the positive part of the sum of a layer's maps, weighted by their mean gradients, (N, h, w) on the host.

    Parameters
    ----------
    net : a network with class scores.
    x : images of shape (N, C, H, W).
    label : one class, or one for each image. The score is taken before the softmax.
    layer : a layer with maps of h x w pixels. By default, see `last_maps`.

    Raises
    ------
    InputError if the layer has no maps, or the network no class scores.

    References
    ----------
    Selvaraju et al. 2016 (arXiv:1610.02391), equations 1 and 2.

    Examples
    --------
    >>> heat = grad_cam(net, x, label)
    >>> heat.shape, upsample_maps(heat, 64, 64).shape
    ((1, 8, 8), (1, 64, 64))
    """
    x = enter(net, x)
    layer = last_maps(net) if layer is None else require_layer(net, layer)
    trace, seeds = score_seeds(net, x, label, (layer,))
    return to_host(weighted_maps(net, trace, seeds, layer))


def guided_grad_cam(net: Network, x: Array, label: Labels, layer: str | None = None) -> Array:
    """Return guided backprop of the class score times the upsampled `grad_cam`, (N, C, H, W) on the host.

    The parameters are the same as in `grad_cam`. Selvaraju et al. 2016 (arXiv:1610.02391), section 3.2.

    >>> guided_grad_cam(net, x, label).shape
    (1, 3, 64, 64)
    """
    x = enter(net, x)
    layer = last_maps(net) if layer is None else require_layer(net, layer)
    trace, seeds = score_seeds(net, x, label, (layer,))
    heat = upsample_maps(weighted_maps(net, trace, seeds, layer), *x.shape[2:])
    guided = net.with_relu(GuidedReLU()).backward(trace, seeds, release=True)["input"]
    return to_host(heat[:, None] * guided)


def weighted_maps(net: Network, trace: Trace, seeds: dict[str, Array], layer: str) -> Array:
    """Return the Grad-CAM maps, (N, h, w) on the network's device, from a forward pass that kept `layer`."""
    maps = trace.activations[layer]
    if maps.ndim != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {maps.shape}; the last with maps is "
                         f"{last_maps(net)!r}")
    xp = get_array_module(maps)
    # equation 1: a = mean of d score / d maps over the positions; equation 2: relu(sum over channels of a * maps)
    weights = net.backward(trace, seeds, wrt=(layer,))[layer].mean(axis=(2, 3))  # (N, channels)
    return xp.maximum((weights[:, :, None, None] * maps).sum(axis=1), 0)


def last_maps(net: Network) -> str:
    """Return the name of the last layer with maps of more than one pixel, before the layer that computes the scores.

    In VGG-16 it is relu5_3. In SqueezeNet it is fire9/concat: the maps of conv10 have one channel for each class, so
    Grad-CAM there would be the class's own channel. Pools and Dropout do not count. In a network with a single
    convolution, it is the convolution's map.
    Raises InputError if the network has no maps.
    """
    shapes = net.shapes()
    maps = [name for name, layer, _ in net.nodes if len(shapes[name]) == 4 and max(shapes[name][2:]) > 1
            and not isinstance(layer, Pool2D | Dropout)]
    if not maps:
        raise InputError("no layer of the network has maps")
    scoring = max((net.positions[name] for name, layer, _ in net.nodes if isinstance(layer, Conv2D | Linear)),
                  default=len(net.nodes))
    before = [name for name in maps if net.positions[name] < scoring]
    return (before or maps)[-1]


def upsample_maps(maps: Array, height: int, width: int) -> Array:
    """Return maps (N, h, w) enlarged to (N, height, width): bilinear, and constant outside the outer pixels' centres.

    >>> upsample_maps(np.array([[[0.0, 1.0]]]), 1, 4)
    array([[[0.  , 0.25, 0.75, 1.  ]]])
    """
    maps, (height, width) = as_floats("maps", maps, "(N, h, w)", 3), require_sides("the new size", (height, width))
    rows, columns = (bilinear_weights(maps, size, new_size)
                     for size, new_size in zip(maps.shape[1:], (height, width), strict=True))
    return rows @ maps @ columns.T


def bilinear_weights(maps: Array, size: int, new_size: int) -> Array:
    """Return the weights (new_size, size) of each old pixel in each new pixel; rows add up to 1.

    maps : any array, for its array module and type.
    """
    xp = get_array_module(maps)
    # Pixel i has its centre at i + 0.5, so (i + 0.5) / new_size = (position + 0.5) / size.
    positions = xp.clip((xp.arange(new_size) + 0.5) * (size / new_size) - 0.5, 0, size - 1)
    distances = abs(positions[:, None] - xp.arange(size))
    return xp.maximum(1 - distances, 0).astype(maps.dtype)
