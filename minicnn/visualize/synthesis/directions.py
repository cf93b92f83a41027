"""Images of directions: each makes the activation vector of a layer point the same way as a given vector."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from minicnn.arguments import Seed, require_fields, require_flag, require_generator, require_kind, require_number
from minicnn.backend import Array, to_device
from minicnn.errors import InputError
from minicnn.losses import Direction
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress, Renumbered, renumbered
from minicnn.visualize.arrays import on_host
from minicnn.visualize.entry import (
    require_layer,
    require_maps,
    require_network,
    require_preprocessing,
    require_side,
    require_watchers,
)
from minicnn.visualize.synthesis.ascent import ascend
from minicnn.visualize.synthesis.ascent_settings import CS231N, DISTILL, AscentSettings
from minicnn.visualize.synthesis.before_relu import default_settings
from minicnn.visualize.synthesis.neuron_view import layer_shape, map_side, neuron_view

# Standard deviation of the first spectrum. The channels of a vector must be active at the start to get a gradient: the
# face in a portrait, at fire6/concat of `photos`, ends at a cosine of 0.38 from the noise of DISTILL, and of 0.9 here.
NOISE = 0.4

# For small networks of photos: DISTILL with coarser waves. In 25 tiles of the portrait at fire5/concat of `photos`, the
# mean cosine rises from 0.889 to 0.900 and the smallest from 0.785 to 0.815, and plain areas have no speckles.
SMOOTH = replace(DISTILL, spectrum_power=2.0)


@dataclass(frozen=True)
class DirectionSettings:
    """The settings of images of directions. The defaults are for many small images.

    Raises InputError if a number is out of its range.
    """

    num_steps: int = 128        # number of steps
    power: float = 2.0          # of the cosine in the objective; 0: the dot product alone
    everywhere: bool = True     # whether the mean over all positions is maximized, or the position in the centre alone
    batch: int = 16             # images in one pass of the network

    def __post_init__(self) -> None:
        require_fields(self, num_steps=1, power=0, batch=1)
        require_flag("everywhere", self.everywhere)


# Ours: the mean over the picture, as in Olah et al. 2018, of the objective of Carter et al. 2019.
TILES = DirectionSettings()

# Olah et al. 2018, notebook ActivationGrid: the dot product, everywhere in the picture.
BUILDING_BLOCKS = DirectionSettings(num_steps=256, power=0.0)

# Carter et al. 2019, notebook activation-atlas-simple. Its vectors are whitened, see `whitening`.
CARTER = DirectionSettings(num_steps=512, power=4.0, everywhere=False)

DIRECTION_PRESETS = {"tiles": TILES, "building-blocks": BUILDING_BLOCKS, "carter": CARTER}


def direction_visualization(net: Network, layer: str, vectors: Array, preprocessing: Preprocessing,
                            settings: DirectionSettings = TILES, *, rng: Seed, size: int | None = None,
                            callback: Callable | None = None,
                            checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return an image for each direction of activation vectors, (N, C, size, size) on the host, and the history.

    The images are optimized in batches. All of them start from the same noise and are shifted and scaled alike, so
    similar vectors get similar images, and an image does not depend on the batch.

    Parameters
    ----------
    net : the network.
    layer : a layer with maps of D channels.
    vectors : the directions, (N, D). A vector of zeros has no direction: its image is the mean colour.
    preprocessing : of the network's weights.
    settings : the DirectionSettings, such as a preset in DIRECTION_PRESETS.
    rng : the generator of the noise and the transforms, or a seed.
    size : the side of the images in pixels. By default, the side of the receptive field or of the network's input,
        whichever is smaller.
    callback : called with (Progress, images of the batch) after each step. If it returns a true value, the ascent ends,
        and the images of the later batches are the mean colour.
    checkpoint : a Checkpoint for resuming an interrupted run. Each batch is a part of it.

    Raises InputError if the layer has no maps, or vectors of another length.

    References
    ----------
    Olah et al. 2018, "The Building Blocks of Interpretability" (https://distill.pub/2018/building-blocks). Carter et
    al. 2019, "Activation Atlas" (https://distill.pub/2019/activation-atlas).

    Examples
    --------
    >>> quick, vectors = DirectionSettings(num_steps=2), rng.random((3, 32))
    >>> direction_visualization(net, "relu2", vectors, model.preprocessing, quick, rng=0)[0].shape
    (3, 3, 13, 13)
    """
    require_preprocessing(preprocessing, require_network(net))
    require_kind("settings", settings, DirectionSettings, "give DirectionSettings(...), or a preset of "
                 "DIRECTION_PRESETS")
    require_watchers(callback, checkpoint)
    layer, rng = require_layer(net, layer), require_generator(rng)
    size, position = direction_view(net, layer, size)
    vectors = require_vectors(net, layer, vectors)
    images = np.zeros((len(vectors), net.input_shape[0], size, size), np.float32)
    there = np.flatnonzero(vectors.any(axis=1))
    place = None if settings.everywhere else position
    watch: Any = None
    history: list[Progress] = []
    state = rng.bit_generator.state
    for part, start in enumerate(range(0, len(there), settings.batch)):
        rng.bit_generator.state = state  # each batch has the same noise
        chosen = there[start:start + settings.batch]
        watch = Renumbered(callback, len(history))
        objective = Direction(layer, to_device(vectors[chosen], net.device), settings.power, place)
        images[chosen], steps = ascend(net, [(1.0, objective)], preprocessing, (len(chosen), size),
                                       ascent_of(net, settings), rng=rng, callback=watch,
                                       checkpoint=checkpoint and checkpoint.part(part), alike=True)
        history += renumbered(steps, watch.before)
        if watch.stopped:
            break
    return images, history


def ascent_of(net: Network, settings: DirectionSettings) -> AscentSettings:
    """Return the AscentSettings, with the number of steps: DISTILL or SMOOTH with NOISE, or CS231N for drawings."""
    ascent = replace(default_settings(net, CS231N, SMOOTH), num_steps=settings.num_steps)
    return replace(ascent, start_noise=NOISE) if ascent.parametrization == "fourier" else ascent


def direction_view(net: Network, layer: str, size: int | None = None) -> tuple[int, tuple[int, int]]:
    """Return (side of the image in pixels, position (y, x) of the vector in the layer's map), as `neuron_view` does.

    Raises InputError if the layer has no maps, or the image is too small for it.
    """
    require_maps(layer, net.shapes()[layer])
    size, position = neuron_view(net, layer, None if size is None else require_side("size", size))
    if position is None:
        side = map_side(net, layer, size) or 1
        position = side // 2, side // 2
    return size, position


def require_vectors(net: Network, layer: str, vectors: Array) -> np.ndarray:
    """Return vectors of the layer, float32 (N, D) on the host. Raises InputError for other shapes."""
    vectors = on_host("vectors", vectors, "(N, D)", 2).astype(np.float32)
    channels = layer_shape(net, layer, net.input_shape[1])[1]
    if vectors.shape[1] != channels:
        raise InputError(f"the vectors have {vectors.shape[1]:,} numbers, and layer {layer!r} has {channels:,} "
                         "channels; give vectors (N, channels)")
    if not np.isfinite(vectors).all():
        raise InputError("the vectors are too large for float32")
    return vectors


def whitening(vectors: Array, share: float = 0.1) -> np.ndarray:
    """Return the inverse of the mean of a aᵀ over vectors a, (D, D) on the host: it unstretches the activation space.

    The direction of a vector v is then v @ S (Carter et al. 2019). Few vectors do not determine S, so `share` of the
    mean of the diagonal is added to the diagonal; the paper, with 1 million vectors, adds nothing.

    vectors : (N, D). Raises InputError for other shapes.

    >>> whitening(np.eye(4), share=0.0).diagonal().tolist()
    [4.0, 4.0, 4.0, 4.0]
    """
    x, share = on_host("vectors", vectors, "(N, D)", 2).astype(np.float64), require_number("share", share, 0)
    square = x.T @ x / len(x)
    square += share * (float(square.diagonal().mean()) or 1.0) * np.eye(len(square))
    try:
        return np.linalg.inv(square)
    except np.linalg.LinAlgError:
        raise InputError(f"{len(x):,} vectors of {len(square):,} numbers do not determine the whitening; give a share "
                         "above 0") from None
