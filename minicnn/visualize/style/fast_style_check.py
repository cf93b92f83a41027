"""The objective numbers of fast style transfer."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import median_filter

from minicnn.backend import to_device, to_host
from minicnn.layers import ConditionalInstanceNorm2D, InstanceNorm2D
from minicnn.losses import weighted_sum
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize import LBFGS, optimize_image
from minicnn.visualize.attribution.derivatives_check import LinearPiece
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.style.fast_style import mirrored, stylize
from minicnn.visualize.style.perceptual import PerceptualLoss
from minicnn.visualize.style.tiled_transform import tile_that_fits
from minicnn.visualize.texture.gram_check import SLOPE_ERROR

MOST = 100  # steps of the optimizer: Johnson's network reaches the loss of 50 to 100 steps
LEVELS = 2  # grey levels by which two ways of computing the same 8-bit picture may differ
STRIP = (224, 32)  # sides in pixels of the part that is painted by tiles as well: longer than a tile and its margins


def check_painting(net: Network, picture: np.ndarray, painted: np.ndarray, preprocessing: Preprocessing,
                   rng: np.random.Generator, median: int = 1, side: int = 20,
                   mixture: np.ndarray | None = None) -> list[Check]:
    """Return the Checks of a painted picture: it is this network's in this style, by tiles too.

    Parameters
    ----------
    net, preprocessing : of the transform network.
    picture, painted : uint8 (H, W, 3).
    median : as for `stylize`.
    side : side in pixels of the part of the picture where the gradient is checked, in float64.
    mixture : the weights of the styles, (S,), for a network of several; by default those chosen in `net`.
    """
    long, short = STRIP
    crop = picture[:short, :long] if picture.shape[1] >= picture.shape[0] else picture[:long, :short]
    tile = max(8, max(crop.shape[:2]) // 4)
    whole, tiled = (stylize(net, crop, preprocessing, tile=tile).astype(int) for tile in (None, tile))
    again = painted_again(net, picture, preprocessing, median, mixture)
    exact = net.astype("float64").to_device("cpu")
    x = preprocessing.to_input(mirrored(picture[:side, :side])).astype("float64")
    # In flat areas, ReLUs would be at their kink, and the normalizations would not be linear over a finite difference.
    unit = max(float(x.std()), 0.1)
    x = x + 0.1 * unit * rng.standard_normal(x.shape)
    trace = exact.forward(x)
    dout = rng.standard_normal(x.shape)
    gradient = exact.backward(trace, {exact.output: dout})["input"]
    change = rng.standard_normal(x.shape)
    slope, expected = (float((part * other).sum()) for part, other in
                       ((LinearPiece(exact, x).slopes(change), dout), (gradient, change)))
    error = abs(slope - expected) / max(float((gradient * gradient).sum()) ** 0.5, 1e-30)  # the slopes' usual size
    return [below("painted picture against the network's output in this style, written out again, grey levels",
                  abs(again.astype(int) - painted).max(), LEVELS),
            below(f"tiles of {tile} pixels against {crop.shape[1]}x{crop.shape[0]} pixels at once, grey levels",
                  abs(tiled - whole).max(), LEVELS),
            below("slope of the transform network along a random change of the picture, pushed forward through the "
                  "network, against its gradient, float64: error as a share of the gradient", error, SLOPE_ERROR)]


def painted_again(net: Network, picture: np.ndarray, preprocessing: Preprocessing, median: int = 1,
                  mixture: np.ndarray | None = None) -> np.ndarray:
    """Return the picture, uint8 (H, W, 3), as the network paints it, with its 8 bits computed here from its output.

    mixture : the weights of the styles, (S,); their rows of the normalizations are mixed here. A picture that does not
    fit into memory is painted by tiles.
    """
    if mixture is not None:
        net = net.with_layers({node.name: mixed_norm(node.layer, mixture) for node in net.nodes
                               if isinstance(node.layer, ConditionalInstanceNorm2D)})
    H, W = picture.shape[:2]
    tile = tile_that_fits(net, (H, W))
    if tile:
        return stylize(net, picture, preprocessing, tile=tile, median=median)
    rows, columns = (max(8, side + -side % 4) - side for side in (H, W))
    wide = np.pad(picture, ((0, rows), (0, columns), (0, 0)), "reflect")
    out = to_host(net.predict(to_device(preprocessing.to_input(wide), net.device)))[0, :, :H, :W].astype(np.float64)
    std, mean = (np.array(values)[:, None, None] for values in (preprocessing.std, preprocessing.mean))
    levels = (out * std + mean) / preprocessing.scale
    levels = levels[::-1] if preprocessing.channel_order == "BGR" else levels
    again = np.clip(np.rint(levels), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    return again if median == 1 else median_filter(again, (median, median, 1))


def mixed_norm(layer: ConditionalInstanceNorm2D, mixture: np.ndarray) -> InstanceNorm2D:
    """Return the normalization of one style, whose scale and shift are the weighted sums of the layer's rows."""
    alone = InstanceNorm2D(layer.params["gamma"].shape[1], layer.eps)
    alone.params = {key: sum(float(share) * row for share, row in zip(mixture, rows, strict=True) if share)
                    for key, rows in layer.params.items()}
    return alone


def check_against_optimiser(loss: PerceptualLoss, net: Network, x: np.ndarray, rng: np.random.Generator,
                            most: int = MOST) -> list[Check]:
    """Return how far painting lowers the loss of photos that were not in the training; it depends on the photos.

    Two more numbers compare with L-BFGS: the steps until its loss is as low. It starts at white noise, as in Johnson et
    al. 2016, and at the photo, which is nearer. All three are reported.

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
    return [reported("perceptual loss of painted photos that were not in the training", end,
                     f"{start:.4g}, the loss of the photos themselves"),
            reported("steps of L-BFGS from white noise until the loss of each photo is as low, mean", from_noise,
                     f"of {most} tried; Johnson et al., after a longer training: 50 to 100"),
            reported("steps of L-BFGS from the photo until the loss is as low, mean", from_photo)]


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
