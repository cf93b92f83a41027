"""What proves fast style transfer."""

import numpy as np

from minicnn.backend import to_device
from minicnn.gradient_check import directional_error
from minicnn.losses import weighted_sum
from minicnn.optimize import LBFGS, optimize_image
from minicnn.visualize.checks import Check, below
from minicnn.visualize.fast_style import mirrored, stylize

MOST = 100  # steps of the optimiser: the paper's network is as good as 50 to 100


def check_painting(net, picture, painted, preprocessing, rng, side=32):
    """The picture and what was painted, uint8 (H, W, 3): it is the same by tiles; and the transform network's gradient
    is the derivative, in float64, on `side` pixels."""
    tile = max(8, max(picture.shape[:2]) // 2)
    tiled = stylize(net, picture, preprocessing, tile=tile)
    exact = net.astype("float64").to_device("cpu")
    x = preprocessing.to_input(mirrored(picture[:side, :side])).astype("float64")
    x = x + 1e-2 * x.std() * rng.standard_normal(x.shape)  # flat areas would stand at the kinks of ReLUs
    trace = exact.forward(x)
    dout = rng.standard_normal(x.shape)
    gradient = exact.backward(trace, {exact.output: dout})["input"]
    error = directional_error(lambda x: float((exact.predict(x) * dout).sum()), x, gradient, rng,
                              steps=(1e-5 * x.std(), 1e-6 * x.std()))
    return [below(f"by tiles of {tile} pixels against the whole, grey levels",
                  abs(tiled.astype(int) - painted.astype(int)).max(), 1),
            below("slope of the transform network along 5 random directions against its gradient, float64", error,
                  1e-6)]


def check_against_optimiser(loss, net, x, most=MOST):
    """Photos x, (N, 3, H, W) with sides of multiples of 4, that the training has not seen: painted, they have less of
    the loss than they had; and how many steps of L-BFGS, begun at the photo, get as far.

    loss : the PerceptualLoss of the training.
    """
    before, after, steps = zip(*[optimiser_steps(loss, net, x[n:n + 1], most) for n in range(len(x))], strict=True)
    start, end = float(np.mean(before)), float(np.mean(after))
    return [Check("perceptual loss of photos that the training has not seen, painted", end,
                  f"less than {start:.4g}, of the photos themselves", end < start),
            Check("steps of L-BFGS, from each photo, until its loss is as low, mean", float(np.mean(steps)),
                  f"at least 3, of {most} that were tried; Johnson et al., trained for longer: 50 to 100",
                  np.mean(steps) >= 3)]


def optimiser_steps(loss, net, x, most=MOST):
    """(loss of the photo, loss of what is painted of it, steps of L-BFGS that get as low or `most`); x (1, 3, H, W)."""
    x = to_device(x, net.device)
    terms = loss.terms(x)

    def total(image):
        return weighted_sum(terms, loss.net.features(image, [term.layer for _, term in terms]))[0]
    painted = total(net.predict(x))
    _, history = optimize_image(loss.net, x, terms, update=LBFGS(memory=20), num_steps=most,
                                callback=lambda progress, image: progress.total <= painted)
    # a step's total is that before it
    return total(x), painted, len(history) - 1 if history[-1].total <= painted else most
