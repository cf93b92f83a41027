"""What proves textures by Gram matrices and style transfer."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.layers import Gram
from minicnn.losses import loss_and_gradient
from minicnn.visualize.check import Check, below
from minicnn.visualize.style.terms import gram_targets, relative_errors, style_terms
from minicnn.visualize.texture.gram import match_histogram


def check_texture(net, source, image, layers, rng, side=40):
    """A texture `image` for `source`, both (1, C, H, W) on the host: its Gram matrices are the source's, and what they
    are. The network's pooling is the one that was used. layers : {layer: weight}.

    side : of the piece, in pixels, on which the gradient is checked.
    """
    targets = gram_targets(net, [to_device(source, net.device)], layers)
    errors = relative_errors(net, to_device(image, net.device), targets)
    noise = match_histogram(rng.standard_normal(image.shape).astype(image.dtype), source)
    gained = style_loss(net, noise, targets) / max(style_loss(net, image, targets), 1e-30)
    return [below(f"largest relative error of a Gram matrix, in {max(errors, key=errors.get)}", max(errors.values()),
                  1e-2),
            Check("style loss of noise with the same histogram, as a multiple of the texture's", gained,
                  "more than 100", gained > 100),
            check_permuted_gram(net, source, targets, rng),
            check_gram_slope(net, source, image, layers, rng, side)]


def style_loss(net, x, targets):
    """The sum of the squared relative errors of the Gram matrices of x, (1, C, H, W) on the host."""
    return sum(error**2 for error in relative_errors(net, to_device(x, net.device), targets).values())


def check_permuted_gram(net, x, targets, rng):
    """The Check that a Gram matrix does not know where a feature was: the pixels of each layer in random order."""
    worst = 0.0
    for layer in targets:
        features = to_host(net.features(to_device(x, net.device), [layer])[layer]).astype(np.float64)
        N, C, H, W = features.shape
        shuffled = features.reshape(N, C, H * W)[..., rng.permutation(H * W)].reshape(features.shape)
        gram = Gram().forward(features)[0]
        worst = max(worst, float(np.linalg.norm(Gram().forward(shuffled)[0] - gram) / (np.linalg.norm(gram) or 1)))
    return below("change of the Gram matrices when the pixels of each layer change places", worst, 1e-6)


def check_gram_slope(net, source, image, layers, rng, side):
    """The Check that the gradient of the style loss is its derivative, in float64, on the middle of the pictures."""
    exact = net.astype("float64").to_device("cpu")
    targets = gram_targets(exact, [middle(source, side)], layers)
    terms = style_terms(targets, layers, 1.0, "relative")
    x = 0.5 * middle(image, side)  # at the texture itself the loss is next to 0
    return below("slope of the style loss along 5 random directions against the gradient, float64",
                 slope_error(exact, x, terms, rng), 1e-6)


def slope_error(net, x, terms, rng):
    """The relative error of the gradient of the terms at x, both in float64, against finite differences.

    A little noise first breaks ties in flat areas, where a max pool has no derivative; it and the differences are as
    large as the pixels' units ask for.
    """
    unit = max(1.0, float(x.std()))
    x = x + 1e-2 * unit * rng.standard_normal(x.shape)
    return directional_error(lambda image: loss_and_gradient(net, image, terms)[0], x,
                             loss_and_gradient(net, x, terms)[1], rng, steps=(1e-5 * unit, 1e-6 * unit))


def middle(x, side):
    """The middle `side` pixels of x, (1, C, H, W), or all where there are fewer, as float64."""
    top, left = (max(0, (size - side) // 2) for size in x.shape[2:])
    return x[..., top:top + side, left:left + side].astype(np.float64)
