"""What proves fast style transfer."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.losses import weighted_sum
from minicnn.optimize import LBFGS, optimize_image
from minicnn.visualize.check import Check, below
from minicnn.visualize.style.fast_style import mirrored, stylize

MOST = 100  # steps of the optimiser: the paper's network is as good as 50 to 100
LEAST_FROM_NOISE, LEAST_FROM_PHOTO = 12, 6


def check_painting(net, picture, painted, preprocessing, rng, median=1, side=32):
    """The picture and what was painted, uint8 (H, W, 3): it is the same by tiles; and the transform network's gradient
    is the derivative, in float64, on `side` pixels."""
    tile = max(8, max(picture.shape[:2]) // 2)
    tiled = stylize(net, picture, preprocessing, tile=tile, median=median)
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


def check_against_optimiser(loss, net, x, rng, most=MOST):
    """Photos x, (N, 3, H, W) with sides of multiples of 4, that the training has not seen: painted, they have less of
    the loss than they had; and how many steps of L-BFGS get as far, begun at white noise as in Johnson et al. 2016, and
    at the photo, which is nearer.

    loss : the PerceptualLoss of the training. rng : numpy.random.Generator, for the noise.
    """
    photos = x[:, None]
    goals = [total_loss(loss, *pair) for pair in zip(photos, painted(net, x), strict=True)]

    def steps(starts):
        return float(np.mean([optimiser_steps(loss, photo, start, goal, most)
                              for photo, start, goal in zip(photos, starts, goals, strict=True)]))
    start, end = float(np.mean([total_loss(loss, photo, photo) for photo in photos])), float(np.mean(goals))
    from_noise = steps(rng.standard_normal(photos.shape).astype(x.dtype))
    from_photo = steps(photos)
    return [Check("perceptual loss of photos that the training has not seen, painted", end,
                  f"less than {start:.4g}, of the photos themselves", end < start),
            Check("steps of L-BFGS, from white noise, until the loss of each photo is as low, mean", from_noise,
                  f"at least {LEAST_FROM_NOISE}, of {most} that were tried; Johnson et al., trained for longer: 50 to "
                  "100", from_noise >= LEAST_FROM_NOISE),
            Check("the same, begun at the photo", from_photo, f"at least {LEAST_FROM_PHOTO}",
                  from_photo >= LEAST_FROM_PHOTO)]


def painted(net, x):
    """What the network makes of each of x, [(1, 3, H, W), …] on the host."""
    return [to_host(net.predict(to_device(photo, net.device))) for photo in x[:, None]]


def total_loss(loss, photo, image):
    """The perceptual loss of an image made of a photo, x (1, 3, H, W) both on the host."""
    photo, image = (to_device(x, loss.net.device) for x in (photo, image))
    terms = loss.terms(photo)
    return weighted_sum(terms, loss.net.features(image, [term.layer for _, term in terms]))[0]


def optimiser_steps(loss, photo, start, goal, most=MOST, update=None, project=()):
    """How many steps from `start` bring the loss of a photo, x (1, 3, H, W) both, to `goal`, or `most`.

    update, project : as of `optimize_image`; L-BFGS, unless given.
    """
    terms = loss.terms(to_device(photo, loss.net.device))
    _, history = optimize_image(loss.net, to_device(start, loss.net.device), terms, project=project,
                                update=update or LBFGS(memory=20), num_steps=most,
                                callback=lambda progress, image: progress.total <= goal)
    # a step's total is that before it
    return len(history) - 1 if history[-1].total <= goal else most
