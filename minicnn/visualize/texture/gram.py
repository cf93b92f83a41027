"""Textures by Gram matrices: a picture in which the same features occur together, wherever they are."""

from minicnn.backend import get_array_module, to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.optimize import LBFGS, Adam, Clamp, optimize_image
from minicnn.training.train import CosineSchedule
from minicnn.visualize.entry import enter
from minicnn.visualize.style.terms import (
    as_weights,
    check_layers,
    check_maps,
    check_size,
    gram_targets,
    style_terms,
)

BETA2 = 0.95  # of Adam: how much of the running mean of squared gradients stays

# What synthesize_texture takes, by who published it or by the network it is for.
TEXTURE_PRESETS = {
    # Gatys' own program for VGG-19 normalised: w = 1e9 in each layer, on w / 4 (see style_terms.py), noise of one grey
    # level; at the end it also calls match_histogram. Where Caffe says conv1_1 its ReLU has already been there. The
    # learning rate, in grey levels, is ours.
    "gatys": {"layers": dict.fromkeys(("relu1_1", "pool1", "pool2", "pool3", "pool4"), 1e9 / 4), "reduction": "sum",
              "pooling": "avg", "optimizer": "lbfgs", "num_steps": 2000, "learning_rate": 20.0, "noise": 0.02},
    "squeezenet": {"layers": dict.fromkeys(("relu_conv1", "fire2/concat", "fire3/concat", "fire4/concat"), 1.0),
                   "reduction": "relative", "pooling": "avg", "optimizer": "lbfgs", "num_steps": 600,
                   "learning_rate": 0.3, "noise": 0.1},
    "shapes": {"layers": dict.fromkeys(("relu1", "relu2", "relu3"), 1.0), "reduction": "relative", "pooling": "avg",
               "optimizer": "lbfgs", "num_steps": 400, "learning_rate": 0.3, "noise": 0.1},
}


def synthesize_texture(net, source, *, rng, layers, size=None, reduction="relative", pooling="avg", optimizer="lbfgs",
                       num_steps=600, learning_rate=0.3, noise=0.3, callback=None, checkpoint=None):
    """A picture, (1, C, H, W) on the host, with the Gram matrices of `source`, (1, C, H, W), and the history.

    layers : their names, or {name: weight}. size : (H, W) of the picture; the source's own, unless given. reduction :
    how a layer's error counts, see style_terms.py. pooling : "max" or "avg". optimizer : "lbfgs", or "adam", which
    alone has a learning rate; it falls to 0 along half a cosine, as a constant one keeps the image trembling. Begins
    with normal noise around the source's mean colour, `noise` times as strong as the source varies, and stays within
    the source's least and greatest value, channel by channel; rng : numpy.random.Generator. What no layer sees stays as
    it began. callback, checkpoint : as of `optimize_image`; Progress.values are the layers' sums of squares. A picture
    with hardly more numbers than `num_conditions` comes near the Gram matrices only slowly: of VGG-19's up to relu3_1,
    within 5e-3 in 500 steps at 256 pixels a side, 1.6e-2 in 1,000 at 128.
    Raises InputError for layers that are not there, a picture too small for them, and weights that are all 0.
    Gatys et al. 2015 (arXiv:1505.07376).
    """
    source = enter(net, source)
    xp = get_array_module(source)
    weights = texture_weights(net, layers)
    net = net.with_pooling(pooling)
    shape = (source.shape[1], *(size or source.shape[2:]))
    check_size(net, source.shape[1:], list(weights), "the source")
    check_size(net, shape, list(weights), "the texture")
    mean, spread, low, high = (of(source, axis=(0, 2, 3))[:, None, None] for of in (xp.mean, xp.std, xp.min, xp.max))
    drawn = to_device(rng.standard_normal((1, *shape), dtype="float32").astype(str(source.dtype)), net.device)
    within = Clamp(low, high)
    by_adam = optimizer == "adam"
    image, history = optimize_image(
        net, within(mean + noise * spread * drawn, 0),
        style_terms(gram_targets(net, [source], weights), weights, 1.0, reduction),
        update=make_update(optimizer, learning_rate, within), num_steps=num_steps,
        schedule=CosineSchedule(learning_rate, num_steps) if by_adam else None, project=(within,) if by_adam else (),
        callback=callback, checkpoint=checkpoint)
    return to_host(image), history


def texture_weights(net, layers):
    """{the network's own name: weight} of the layers that count."""
    weights = as_weights(layers, "texture")
    check_layers(net, weights)
    check_maps(net, weights)
    weights = {net.find(layer): weight for layer, weight in weights.items() if weight}
    if not weights:
        raise InputError("all weights are 0: there is nothing that the texture should have")
    return weights


def num_conditions(net, layers):
    """How many different numbers the Gram matrices of these layers have, which are symmetric."""
    channels = [net.shapes()[net.find(layer)][1] for layer in layers]
    return sum(C * (C + 1) // 2 for C in channels)


def make_update(optimizer, learning_rate, within=None):
    """LBFGS, which finds the length of its steps itself and keeps within the Clamp, or Adam, which does not.

    The gradients get a thousand times smaller on the way; Adam divides by their running root mean square, and must
    forget the first ones soon, or it stands still: hence BETA2 instead of the usual 0.999.
    Raises UnknownNameError for another name.
    """
    if optimizer not in ("lbfgs", "adam"):
        raise unknown_name("optimizer", optimizer, ["lbfgs", "adam"])
    return LBFGS(memory=20, within=within) if optimizer == "lbfgs" else Adam(learning_rate, beta2=BETA2)


def match_histogram(image, source):
    """The image, (1, C, H, W), with the values of the source, channel by channel, in the order that they have."""
    xp = get_array_module(image)
    matched = []
    for values, wanted in zip(image[0], source[0], strict=True):
        ranks = xp.argsort(xp.argsort(values.ravel()))
        among = xp.sort(wanted.ravel())[ranks * wanted.size // values.size]
        matched.append(among.reshape(values.shape))
    return xp.stack(matched)[None]
