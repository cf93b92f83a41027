"""The objective numbers of a dream's result: its size, its colours, its objective, and the gradient by tiles."""

from functools import partial

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.gradient_check import relative_error
from minicnn.losses import GuideMatch, LayerNorm2, loss_and_gradient
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.progress import Progress
from minicnn.visualize.check import Check, above, below, reported
from minicnn.visualize.replay_check import check_range
from minicnn.visualize.synthesis.deepdream import DreamSettings, dream_loss
from minicnn.visualize.synthesis.tiles import choose_tile, tiled_loss_and_gradient

CROP = 224            # pixels of the central crop on which tiles are compared with the whole image
TILE_ERROR = 1e-10    # largest relative error of the gradient by tiles, float64


def check_deep_dream(net: Network, x: np.ndarray, image: np.ndarray, history: list[Progress],
                     preprocessing: Preprocessing, settings: DreamSettings, rng: np.random.Generator, *, layer: str,
                     channel: int | None = None, guide: Array | None = None) -> list[Check]:
    """Return the Checks of a dream that need only its result.

    The dream has the size of the photo and valid colours. The rise of the objective in the octaves, and for the 8-bit
    picture, is reported: small steps and photos that are full of patterns already can leave it as it is.

    Parameters
    ----------
    net, preprocessing, settings, layer, channel, guide : as in `deep_dream`.
    x, image : the photo and the dream, (1, C, H, W) on the host.
    history : all steps. An octave of a single step shows no rise and is not counted.
    rng : the generator of the random change.
    """
    values, num_steps = [step.values[0] for step in history], settings.num_steps
    octaves = [values[start:start + num_steps] for start in range(0, len(values), num_steps)]
    octaves = [octave for octave in octaves if len(octave) > 1]
    risen = sum(octave[-1] > octave[0] for octave in octaves)
    random = rng.standard_normal(x.shape)
    control = x + random * (np.linalg.norm(image - x) / np.linalg.norm(random))
    picture = preprocessing.to_input(preprocessing.to_image(image))
    loss = dream_loss(net, layer, channel, guide)
    before, after, by_chance = (mean_loss(net, candidate.astype(x.dtype), layer, loss)
                                for candidate in (x, picture, control))
    name = loss_name(loss)
    checks = [check_size(x, image),
              reported(f"octaves in which the objective rises: {name}", risen, f"of {len(octaves)}"),
              reported(f"{name} of the 8-bit picture", after,
                       f"{before:.4g} (photo) and {by_chance:.4g} (random change of the same length)")]
    if not history:
        return checks
    return [*checks, check_range(image, *preprocessing.valid_range(), "the valid colours, black to white"),
            above("mean change of the photo, grey levels", abs(image - x).mean() / preprocessing.unit, 0.0)]


def check_noise_dream(net: Network, noise: np.ndarray, image: np.ndarray, preprocessing: Preprocessing, *, layer: str,
                      channel: int | None = None, guide: Array | None = None) -> list[Check]:
    """Return the rise of the objective from the noise to the 8-bit picture, which is reported; `check_ascent` judges.

    noise, image : the first image and the dream, (1, C, H, W) on the host. layer, channel, guide : as in `deep_dream`.
    """
    loss = dream_loss(net, layer, channel, guide)
    picture = preprocessing.to_input(preprocessing.to_image(image))
    before, after = (mean_loss(net, x.astype(np.float32), layer, loss) for x in (noise, picture))
    return [reported(f"{loss_name(loss)} of the 8-bit picture", after, f"{before:.4g} (noise)")]


def check_dream_zoom(net: Network, photo: np.ndarray, last: np.ndarray, *, layer: str, channel: int | None = None,
                     guide: Array | None = None) -> list[Check]:
    """Return the Checks of a zoom from the photo to its `last` frame, both (1, C, H, W) on the host.

    Both have the same size. The objective of both is reported.
    """
    loss = dream_loss(net, layer, channel, guide)
    before, after = (mean_loss(net, x, layer, loss) for x in (photo, last))
    return [check_size(photo, last), reported(f"{loss_name(loss)} of the last frame", after, f"{before:.4g} (photo)")]


def check_size(photo: np.ndarray, image: np.ndarray) -> Check:
    """Return the Check that an image has the size of the photo."""
    return Check("sides whose length differs from the photo's", int(np.not_equal(image.shape, photo.shape).sum()), "0",
                 image.shape == photo.shape)


def loss_name(loss: LayerNorm2 | GuideMatch) -> str:
    """Return the name of a dream's objective, for messages."""
    if isinstance(loss, GuideMatch):
        return f"best dot product of {loss.layer} with the guide"
    return f"half the squared norm of {loss.layer}" + ("" if loss.channel is None else f", channel {loss.channel},")


def mean_loss(net: Network, x: np.ndarray, layer: str, loss: LayerNorm2 | GuideMatch) -> float:
    """Return the loss of x (1, C, H, W) divided by the number of the layer's positions. Large images use tiles."""
    tile = choose_tile(net, layer, x.shape)
    compute = partial(tiled_loss_and_gradient, tile=tile) if tile else loss_and_gradient
    shape = net.trunk(layer).shapes(x.shape[1:])[net.find(layer)]
    return compute(net, to_device(x, net.device), [(1.0, loss)])[0] / max(1, int(np.prod(shape[2:])))


def check_tiles(net: Network, x: Array, layer: str, tile: int | None = None, crop: int = CROP) -> list[Check]:
    """Return the Check that the gradient by tiles equals the gradient of the whole image, in float64.

    Parameters
    ----------
    net : the network.
    x : the photo, (1, C, H, W). Its central crop is used.
    layer : the objective is half the squared norm of this layer.
    tile : the side of the tiles. By default, half of the crop.
    crop : the largest side of the crop, pixels.
    """
    H, W = (min(crop, side) for side in x.shape[2:])
    top, left = (x.shape[2] - H) // 2, (x.shape[3] - W) // 2
    centre = to_host(x)[:, :, top:top + H, left:left + W].astype("float64")
    # In flat areas a rounding error chooses the maximum of a pool, so a little noise breaks the ties.
    centre = centre + 1e-3 * max(float(centre.std()), 1.0) * np.random.default_rng(0).standard_normal(centre.shape)
    exact = net.trunk(layer).astype("float64").to_device("cpu")
    terms = [(1.0, LayerNorm2(exact.find(layer)))]
    _, whole, _ = loss_and_gradient(exact, centre, terms)
    _, tiled, _ = tiled_loss_and_gradient(exact, centre, terms, tile or max(H, W) // 2)
    return [below("relative error of the gradient by tiles, float64", relative_error(tiled, whole), TILE_ERROR)]
