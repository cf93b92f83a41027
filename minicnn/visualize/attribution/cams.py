"""Class activation maps after Grad-CAM: Grad-CAM++, Layer-CAM and Score-CAM."""

from minicnn.arguments import require_whole
from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError
from minicnn.network import Network, warn_if_slow
from minicnn.visualize.attribution.grad_cam import last_maps, upsample_maps
from minicnn.visualize.attribution.gradients import score_seeds
from minicnn.visualize.entry import Labels, enter, require_labels, require_layer

BATCH = 16  # masked copies of an image in one pass


def grad_cam_plus_plus(net: Network, x: Array, label: Labels, layer: str | None = None) -> Array:
    """Return the Grad-CAM++ of a class: maps weighted by their positive gradients, (N, h, w) on the host.

    A place counts more if its channel is active at few places, so several objects of a class are all found.

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
    Chattopadhyay et al. 2018 (arXiv:1710.11063), equations 5 and 19. The factor exp(score) is left out: it only scales
    the map.

    Examples
    --------
    >>> grad_cam_plus_plus(net, x, label).shape
    (1, 8, 8)
    """
    maps, gradient = maps_and_gradient(net, x, label, layer)
    xp = get_array_module(maps)
    # equation 19: alpha = g² / (2 g² + sum over the places of A * g³), and 0 where g is 0
    squares = gradient * gradient
    divisor = 2 * squares + maps.sum(axis=(2, 3), keepdims=True) * squares * gradient
    alpha = xp.where(divisor == 0, 0, squares / xp.where(divisor == 0, 1, divisor)).astype(maps.dtype)
    weights = (alpha * xp.maximum(gradient, 0)).sum(axis=(2, 3), keepdims=True)  # equation 5
    return to_host(xp.maximum((weights * maps).sum(axis=1), 0))


def layer_cam(net: Network, x: Array, label: Labels, layer: str | None = None) -> Array:
    """Return the Layer-CAM of a class: each activation times its own positive gradient, (N, h, w) on the host.

    Its weights differ from place to place, so it is useful at early layers with fine maps, too. The parameters are the
    same as in `grad_cam_plus_plus`. Jiang et al. 2021 (IEEE Transactions on Image Processing 30), equations 3 to 5.

    >>> layer_cam(net, x, label, "relu3").shape
    (1, 16, 16)
    """
    maps, gradient = maps_and_gradient(net, x, label, layer)
    xp = get_array_module(maps)
    return to_host(xp.maximum((xp.maximum(gradient, 0) * maps).sum(axis=1), 0))


def score_cam(net: Network, x: Array, label: Labels, layer: str | None = None, *,
              channels: int | None = None) -> Array:
    """Return the Score-CAM of a class, (N, h, w) on the host: maps weighted by the scores that they leave.

    Each map of the layer is enlarged, scaled to 0..1 and multiplied with the image. The weights are the softmax over
    the maps of the class scores of these images. No gradient is used.

    Parameters
    ----------
    net, x, label, layer : as in `grad_cam_plus_plus`.
    channels : number of maps to use, those with the largest activations. By default all: one pass for each map.

    Raises
    ------
    InputError if the layer has no maps, or the network no class scores.

    References
    ----------
    Wang et al. 2020 (arXiv:1910.01279), algorithm 1.

    Examples
    --------
    >>> score_cam(net, x, label, channels=4).shape
    (1, 8, 8)
    """
    x = enter(net, x)
    labels = require_labels(net, label, len(x))
    maps = layer_maps(net, net.features(x, (layer := chosen_layer(net, layer),))[layer], layer)
    count = maps.shape[1] if channels is None else min(require_whole("channels", channels, 1), maps.shape[1])
    warn_if_slow(net, len(x) * -(-count // BATCH))
    return to_host(get_array_module(x).stack([
        weighted_by_scores(net, image, image_maps, k, count)
        for image, image_maps, k in zip(x, maps, labels, strict=True)]))


def weighted_by_scores(net: Network, image: Array, maps: Array, label: int, count: int) -> Array:
    """Return the Score-CAM (h, w) of one image (C, H, W) from the `count` strongest of its maps, (K, h, w)."""
    xp = get_array_module(image)
    strongest = xp.argsort(-maps.max(axis=(1, 2)), kind="stable")[:count]
    maps = maps[strongest]
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    masks = (maps - low) / xp.where(high > low, high - low, 1)  # a constant map hides everything
    scores = []
    for start in range(0, count, BATCH):
        large = upsample_maps(masks[start:start + BATCH], *image.shape[1:])
        scores.append(net.predict(image * large[:, None])[:, label])
    scores = xp.concatenate(scores)
    weights = xp.exp(scores - scores.max())
    weights = (weights / weights.sum()).astype(maps.dtype)
    return xp.maximum((weights[:, None, None] * maps).sum(axis=0), 0)


def maps_and_gradient(net: Network, x: Array, label: Labels, layer: str | None) -> tuple[Array, Array]:
    """Return a layer's maps and the gradient of the class score to them, both (N, K, h, w) on the network's device."""
    x = enter(net, x)
    layer = chosen_layer(net, layer)
    trace, seeds = score_seeds(net, x, label, (layer,))
    maps = layer_maps(net, trace.activations[layer], layer)
    return maps, net.backward(trace, seeds, wrt=(layer,), release=True)[layer]


def chosen_layer(net: Network, layer: str | None) -> str:
    """Return the network's name of the layer, or by default of the last one with maps."""
    return last_maps(net) if layer is None else require_layer(net, layer)


def layer_maps(net: Network, maps: Array, layer: str) -> Array:
    """Return the activations of the layer. Raises InputError unless they are maps, (N, K, h, w)."""
    if maps.ndim != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {maps.shape}; the last with maps is "
                         f"{last_maps(net)!r}")
    return maps
