"""The objective numbers of fast style transfer."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.losses import weighted_sum
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import LBFGS, optimize_image
from minicnn.visualize.check import Check, below
from minicnn.visualize.style.fast_style import mirrored, stylize
from minicnn.visualize.style.perceptual import PerceptualLoss

MOST = 100  # steps of the optimizer: Johnson's network reaches the loss of 50 to 100 steps
LEAST_FROM_NOISE, LEAST_FROM_PHOTO = 12, 6  # steps that our network must replace


def check_painting(net: Network, picture: np.ndarray, painted: np.ndarray, preprocessing: Preprocessing,
                   rng: np.random.Generator, median: int = 1, side: int = 32) -> list[Check]:
    """Return the Checks of a painted picture: it is the same by tiles, and the network's gradient is its derivative.

    Parameters
    ----------
    picture, painted : uint8 (H, W, 3).
    median : as for `stylize`.
    side : side in pixels of the part of the picture where the gradient is checked, in float64.
    """
    tile = max(8, max(picture.shape[:2]) // 2)
    tiled = stylize(net, picture, preprocessing, tile=tile, median=median)
    exact = net.astype("float64").to_device("cpu")
    x = preprocessing.to_input(mirrored(picture[:side, :side])).astype("float64")
    x = x + 1e-2 * x.std() * rng.standard_normal(x.shape)  # in flat areas, ReLUs would be at their kink
    trace = exact.forward(x)
    dout = rng.standard_normal(x.shape)
    gradient = exact.backward(trace, {exact.output: dout})["input"]
    error = directional_error(lambda x: float((exact.predict(x) * dout).sum()), x, gradient, rng,
                              steps=(1e-5 * x.std(), 1e-6 * x.std()))
    return [below(f"tiles of {tile} pixels against the whole picture, grey levels",
                  abs(tiled.astype(int) - painted.astype(int)).max(), 1),
            below("slope of the transform network along 5 random directions against its gradient, float64", error,
                  1e-6)]


def check_against_optimiser(loss: PerceptualLoss, net: Network, x: np.ndarray, rng: np.random.Generator,
                            most: int = MOST) -> list[Check]:
    """Return the Checks of photos that were not in the training: painting lowers their loss.

    Two more Checks compare with L-BFGS: the number of steps until its loss is as low. It starts at white noise, as in
    Johnson et al. 2016, and at the photo, which is nearer.

    Parameters
    ----------
    loss : the PerceptualLoss of the training.
    net : the transform network.
    x : the photos, (N, 3, H, W); the sides are multiples of 4.
    rng : for the noise.
    most : the largest number of steps to try.
    """
    photos = x[:, None]
    goals = [total_loss(loss, *pair) for pair in zip(photos, painted(net, x), strict=True)]

    def mean_steps(starts: np.ndarray) -> float:
        return float(np.mean([optimiser_steps(loss, photo, start, goal, most)
                              for photo, start, goal in zip(photos, starts, goals, strict=True)]))
    start, end = float(np.mean([total_loss(loss, photo, photo) for photo in photos])), float(np.mean(goals))
    from_noise = mean_steps(rng.standard_normal(photos.shape).astype(x.dtype))
    from_photo = mean_steps(photos)
    return [Check("perceptual loss of painted photos that were not in the training", end,
                  f"less than {start:.4g}, the loss of the photos themselves", end < start),
            Check("steps of L-BFGS from white noise until the loss of each photo is as low, mean", from_noise,
                  f"at least {LEAST_FROM_NOISE}, of {most} tried; Johnson et al., after a longer training: 50 to 100",
                  from_noise >= LEAST_FROM_NOISE),
            Check("steps of L-BFGS from the photo until the loss is as low, mean", from_photo,
                  f"at least {LEAST_FROM_PHOTO}", from_photo >= LEAST_FROM_PHOTO)]


def painted(net: Network, x: np.ndarray) -> list[np.ndarray]:
    """Return the network's output for each of the photos x, [(1, 3, H, W), …] on the host."""
    return [to_host(net.predict(to_device(photo, net.device))) for photo in x[:, None]]


def total_loss(loss: PerceptualLoss, photo: np.ndarray, image: np.ndarray) -> float:
    """Return the perceptual loss of an image painted from a photo, x (1, 3, H, W) both on the host."""
    photo, image = (to_device(x, loss.net.device) for x in (photo, image))
    terms = loss.terms(photo)
    return weighted_sum(terms, loss.net.features(image, [term.layer for _, term in terms]))[0]


def optimiser_steps(loss: PerceptualLoss, photo: np.ndarray, start: np.ndarray, goal: float, most: int = MOST,
                    update: Any = None, project: Sequence[Any] = ()) -> int:
    """Return the number of steps from `start` until the loss of a photo is at most `goal`; `most` if it is not reached.

    photo, start : x (1, 3, H, W). update, project : as for `optimize_image`; by default L-BFGS.
    """
    terms = loss.terms(to_device(photo, loss.net.device))
    _, history = optimize_image(loss.net, to_device(start, loss.net.device), terms, project=project,
                                update=update or LBFGS(memory=20), num_steps=most,
                                callback=lambda progress, image: progress.total <= goal)
    # the total of a step is the loss before it
    return len(history) - 1 if history[-1].total <= goal else most
