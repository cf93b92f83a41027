"""The objective numbers of textures by Gram matrices, and what style transfer shares of them."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.layers import Gram
from minicnn.losses import Terms, loss_and_gradient
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.style.terms import gram_targets, relative_errors, style_terms
from minicnn.visualize.texture.gram import match_histogram

DIRECTIONS = 5      # random directions of a finite difference
SLOPE_ERROR = 1e-4  # largest median of their relative errors


def check_texture(net: Network, source: np.ndarray, image: np.ndarray, layers: Mapping[str, float],
                  rng: np.random.Generator, side: int = 40) -> list[Check]:
    """Return the Checks of the Gram matrices: they forget places, and the gradient of their loss is its derivative.

    How near the texture's Gram matrices come to the source's is reported: it depends on the number of steps and on the
    source. `check_texture_steps` judges how the texture was made.

    Parameters
    ----------
    net : the network, with the pooling of the synthesis.
    source, image : the source and its texture, (1, C, H, W) on the host.
    layers : {layer: weight}.
    side : side in pixels of the middle of the pictures, where the gradient is checked.
    """
    targets = gram_targets(net, [to_device(source, net.device)], layers)
    errors = relative_errors(net, to_device(image, net.device), targets)
    noise = match_histogram(rng.standard_normal(image.shape).astype(image.dtype), source)
    gained = style_loss(net, noise, targets) / max(style_loss(net, image, targets), 1e-30)
    worst = max(errors, key=errors.__getitem__)
    return [reported(f"largest relative error of a Gram matrix, in {worst}", errors[worst]),
            reported("style loss of noise with the same histogram, as a multiple of the texture's", gained),
            check_permuted_gram(net, source, targets, rng),
            check_gram_slope(net, source, image, layers, rng, side)]


def style_loss(net: Network, x: np.ndarray, targets: Mapping[str, Array]) -> float:
    """Return the sum of the squared relative errors of the Gram matrices of x, (1, C, H, W) on the host."""
    return sum(error**2 for error in relative_errors(net, to_device(x, net.device), targets).values())


def check_permuted_gram(net: Network, x: np.ndarray, targets: Mapping[str, Array], rng: np.random.Generator) -> Check:
    """Return the Check that a Gram matrix stays the same when the pixels of its layer are shuffled."""
    worst = 0.0
    for layer in targets:
        features = to_host(net.features(to_device(x, net.device), [layer])[layer]).astype(np.float64)
        N, C, H, W = features.shape
        shuffled = features.reshape(N, C, H * W)[..., rng.permutation(H * W)].reshape(features.shape)
        gram = Gram().forward(features)[0]
        worst = max(worst, float(np.linalg.norm(Gram().forward(shuffled)[0] - gram) / (np.linalg.norm(gram) or 1)))
    return below("change of the Gram matrices when the pixels of each layer are shuffled", worst, 1e-6)


def check_gram_slope(net: Network, source: np.ndarray, image: np.ndarray, layers: Mapping[str, float],
                     rng: np.random.Generator, side: int) -> Check:
    """Return the Check that the gradient of the style loss is its derivative, in float64, on the pictures' middle."""
    exact = net.astype("float64").to_device("cpu")
    targets = gram_targets(exact, [middle(source, side)], layers)
    terms = style_terms(targets, layers, 1.0, "relative")
    x = 0.5 * middle(image, side)  # at the texture itself the loss is almost 0
    return below(f"slope of the style loss along {DIRECTIONS} random directions against the gradient, float64, median "
                 "error", slope_error(exact, x, terms, rng), SLOPE_ERROR)


def slope_error(net: Network, x: np.ndarray, terms: Terms, rng: np.random.Generator) -> float:
    """Return the relative error of the gradient of the terms at x against finite differences, in float64.

    It is the median over random directions: near the kink of a ReLU or a tie of a pool, a single one can be far off. A
    little noise breaks ties in flat areas, where max pooling has no derivative. The noise and the differences scale
    with the values of x.
    """
    unit = max(1.0, float(x.std()))
    x = x + 1e-2 * unit * rng.standard_normal(x.shape)
    gradient = loss_and_gradient(net, x, terms)[1]
    return median_slope_error(lambda image: loss_and_gradient(net, image, terms)[0], x, gradient, rng,
                              (1e-5 * unit, 1e-6 * unit))


def median_slope_error(f: Callable[[np.ndarray], float], x: np.ndarray, gradient: np.ndarray, rng: np.random.Generator,
                       steps: Sequence[float]) -> float:
    """Return the median of `directional_error` over DIRECTIONS single directions."""
    return float(np.median([directional_error(f, x, gradient, rng, steps, directions=1) for _ in range(DIRECTIONS)]))


def middle(x: np.ndarray, side: int) -> np.ndarray:
    """Return the middle `side` x `side` pixels of x, (1, C, H, W), or all pixels of a smaller one, as float64."""
    top, left = (max(0, (size - side) // 2) for size in x.shape[2:])
    return x[..., top:top + side, left:left + side].astype(np.float64)
