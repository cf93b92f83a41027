"""DeepDream: change a photo so that the activations of a layer grow, from small picture sizes to the full size.

Mordvintsev, Olah and Tyka 2015, "Inceptionism", and their published notebook, google/deepdream dream.ipynb.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from minicnn.arguments import Seed, require_fields, require_generator, require_kind, require_number, require_whole
from minicnn.backend import Array, get_ndimage, to_device, to_host
from minicnn.errors import InputError
from minicnn.losses import GuideMatch, LayerNorm2, loss_and_gradient
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network, warn_if_slow
from minicnn.optimize import Clamp, DivergedError, Jitter, NormalizedStep, optimize_image
from minicnn.optimize.checkpoint import Checkpoint
from minicnn.optimize.progress import Progress, Renumbered, renumbered
from minicnn.visualize.entry import (
    enter,
    require_channel,
    require_layer,
    require_network,
    require_preprocessing,
    require_watchers,
)
from minicnn.visualize.synthesis.tiles import choose_tile, tiled_loss_and_gradient

MOST_OCTAVES = 100
MOST_FRAMES = 100_000  # of a zoom: an hour of film


@dataclass(frozen=True)
class DreamSettings:
    """The settings of DeepDream. The defaults are the notebook's.

    Raises InputError if there is no octave, or if an octave is not larger than the one before it.
    """

    num_octaves: int = 4        # number of picture sizes
    octave_scale: float = 1.4   # size of an octave relative to the one before it, more than 1
    num_steps: int = 10         # steps in each octave
    step_size: float = 1.5      # mean change of a pixel in a step, in grey levels of 255
    max_jitter: int = 32        # largest shift of the image in a step, pixels

    def __post_init__(self) -> None:
        require_fields(self, num_steps=0, step_size=0, max_jitter=0)
        if not 1 < self.octave_scale < float("inf") or not 1 <= self.num_octaves <= MOST_OCTAVES:
            raise InputError("DeepDream needs 1 octave or more, each more than 1 times as large as the one before it; "
                             f"num_octaves is {self.num_octaves} and octave_scale is {self.octave_scale}")


DEEPDREAM_2015 = DreamSettings()
DREAM_PRESETS = {"deepdream-2015": DEEPDREAM_2015}


def deep_dream(net: Network, x: Array, preprocessing: Preprocessing, settings: DreamSettings = DEEPDREAM_2015, *,
               rng: Seed, layer: str, channel: int | None = None, guide: Array | None = None,
               tile: int | Literal["auto"] | None = "auto", callback: Callable | None = None,
               checkpoint: Checkpoint | None = None) -> tuple[np.ndarray, list[Progress]]:
    """Return the photo with the patterns that `layer` responds to, of the shape of x, on the host, and the history.

    The objective is half the squared norm of `layer`, or of one of its channels. With a guide it is the sum, over the
    positions of the layer, of the dot product with the best matching vector of the guide. The ascent starts with the
    smallest octave. The change made in each octave is enlarged and added to the photo of the next one. Each step ends
    with clamping to the valid colours.

    Parameters
    ----------
    net : the network.
    x : the photo, (1, C, H, W).
    preprocessing : of the network's weights.
    settings : the DreamSettings.
    rng : the generator of the jitter, or a seed.
    layer : the name of a layer.
    channel : one channel of the layer. By default, all of them.
    guide : another photo, (1, C, h, w).
    tile : the side in pixels of the tiles by which the gradient is computed; None for the whole image at once; "auto"
        for the choice of `choose_tile`.
    callback : called with (Progress, image) after each step. Step numbers continue through the octaves, and the image
        has the size of its octave. A true return value ends the octave.
    checkpoint : a Checkpoint for resuming an interrupted run.

    Raises
    ------
    InputError : if an octave is too small for the layer, the channel does not exist, or both a channel and a guide are
        given.

    Examples
    --------
    >>> quick = DreamSettings(num_octaves=2, num_steps=2)
    >>> image, history = deep_dream(net, x, model.preprocessing, quick, rng=rng, layer="relu2")
    >>> image.shape, [progress.step for progress in history]
    ((1, 3, 64, 64), [1, 2, 3, 4])
    """
    x, layer, rng = enter(net, x), require_layer(net, layer), require_generator(rng)
    tile = tile if tile is None or isinstance(tile, str) and tile == "auto" else require_whole("tile", tile, 1)
    require_dream(net, preprocessing, settings, callback, checkpoint)
    sizes = octave_sizes(x.shape[2], x.shape[3], settings)
    channel = require_octaves(net, layer, channel, sizes)
    terms = [(-1.0, dream_loss(net, layer, channel, guide))]
    clamp = Clamp(*(to_device(bound, net.device).astype(x.dtype, copy=False) for bound in preprocessing.valid_range()))
    photos = octave_photos(x, sizes)
    warn_if_slow(net, len(photos) * settings.num_steps)
    image = photos[0]
    history: list[Progress] = []
    for octave, photo in enumerate(photos):
        if octave:
            image = photo + resize_maps(image - photos[octave - 1], photo.shape[2:])
        side = choose_tile(net, layer, photo.shape) if tile == "auto" else tile
        before = octave * settings.num_steps
        try:
            image, steps = optimize_image(
                net, image, terms,
                update=NormalizedStep(settings.step_size * preprocessing.unit, "mean_abs"),
                num_steps=settings.num_steps,
                transforms=(Jitter(settings.max_jitter),),
                project=(clamp,),
                callback=Renumbered(callback, before),
                rng=rng,
                checkpoint=checkpoint and checkpoint.part(octave),
                compute=partial(tiled_loss_and_gradient, tile=side) if side else loss_and_gradient)
        except DivergedError as problem:
            raise DivergedError(f"octave {octave + 1} of {len(photos)}: {problem}", before + problem.step,
                                problem.image, history + renumbered(problem.history, before)) from None
        history += renumbered(steps, before)
    return to_host(image), history


def dream_loss(net: Network, layer: str, channel: int | None, guide: Array | None) -> LayerNorm2 | GuideMatch:
    """Return the loss that a dream maximizes. Raises InputError if it cannot be guided."""
    if guide is None:
        return LayerNorm2(layer, channel)
    if channel is not None:
        raise InputError("a dream has either a guide or one channel, not both")
    maps = net.predict(enter(net, guide, "guide"), layer)
    if maps.ndim != 4:
        raise InputError(f"{layer!r} has no maps to match with a guide; choose an earlier layer")
    return GuideMatch(layer, maps)


def require_dream(net: Network, preprocessing: Preprocessing, settings: DreamSettings, callback: Callable | None = None,
                  checkpoint: Checkpoint | None = None) -> None:
    """Raise InputError if one of these arguments is of another type."""
    require_preprocessing(preprocessing, require_network(net))
    require_kind("settings", settings, DreamSettings, "give DreamSettings(...)")
    require_watchers(callback, checkpoint)


# ---- octaves ---------------------------------------------------------------------------------------------------------


def octave_sizes(H: int, W: int, settings: DreamSettings) -> list[tuple[int, int]]:
    """Return [(height, width), …] of the octaves, from the smallest one to the picture's own size (H, W)."""
    sizes = [(H, W)]
    for _ in range(settings.num_octaves - 1):
        H, W = (max(1, round(side / settings.octave_scale)) for side in sizes[0])
        sizes.insert(0, (H, W))
    return sizes


def octave_photos(x: Array, sizes: Sequence[tuple[int, int]]) -> list[Array]:
    """Return the photo x (1, C, H, W) in each of these sizes, the smallest first. Each is made from the next larger."""
    photos = [x]
    for size in reversed(sizes[:-1]):
        photos.insert(0, resize_maps(photos[0], size))
    return photos


def require_octaves(net: Network, layer: str, channel: int | None, sizes: Sequence[tuple[int, int]]) -> int | None:
    """Return the channel. Raises InputError if an octave is too small for the layer, or it has no such channel."""
    trunk = net.trunk(layer)
    for H, W in sizes:
        try:
            shape = trunk.shapes((net.input_shape[0], H, W))[layer]
        except InputError as problem:
            raise InputError(f"the octave of {W}x{H} pixels is too small for {layer!r} ({problem}); choose an earlier "
                             "layer, fewer octaves or a larger picture") from None
    return None if channel is None else require_channel(layer, channel, shape[1])


def resize_maps(x: Array, size: Sequence[int]) -> Array:
    """Return x (N, C, H, W) resized to (N, C, *size), bilinear from corner to corner, as scipy.ndimage.zoom does."""
    factors = (1, 1, *(new / old for new, old in zip(size, x.shape[2:], strict=True)))
    return get_ndimage(x).zoom(x, factors, order=1)


# ---- zooming into the dream ------------------------------------------------------------------------------------------


def dream_zoom(net: Network, x: Array, preprocessing: Preprocessing, settings: DreamSettings = DEEPDREAM_2015, *,
               num_frames: int, rng: Seed, layer: str, channel: int | None = None,
               guide: Array | None = None, tile: int | Literal["auto"] | None = "auto", zoom: float = 0.05,
               first: int = 0) -> Iterator[np.ndarray]:
    """Yield the frames (1, C, H, W) of a zoom into the dream, on the host.

    Each frame is the one before it, enlarged about its centre and changed by `deep_dream`.

    Parameters
    ----------
    net, preprocessing, settings, layer, channel, guide, tile : as in `deep_dream`.
    x : the photo; or frame first - 1 if `first` is not 0. Frames are rounded to 8-bit colours, so an image file of the
        last frame is enough to resume.
    num_frames : the number of frames of the whole zoom.
    rng : the generator, or a seed; each frame has its own child of it.
    zoom : the share of the sides that each frame cuts off, from 0 to below 1.
    first : the number of the first frame to make, from 0.

    Examples
    --------
    >>> quick = DreamSettings(num_octaves=1, num_steps=1)
    >>> frames = dream_zoom(net, x, model.preprocessing, quick, num_frames=2, rng=rng, layer="relu2")
    >>> [frame.shape for frame in frames]
    [(1, 3, 64, 64), (1, 3, 64, 64)]
    """
    x, rng, zoom = to_host(enter(net, x)), require_generator(rng), require_number("zoom", zoom, 0, below=1)
    num_frames, first = require_whole("num_frames", num_frames, 0, MOST_FRAMES), require_whole("first", first)
    require_dream(net, preprocessing, settings)
    for number, frame_rng in enumerate(rng.spawn(num_frames)):
        if number < first:
            continue
        x, _ = deep_dream(net, zoom_in(x, zoom) if number else x, preprocessing, settings, rng=frame_rng, layer=layer,
                          channel=channel, guide=guide, tile=tile)
        x = preprocessing.to_input(preprocessing.to_image(x))
        yield x


def zoom_in(x: Array, zoom: float) -> Array:
    """Return the centre of x (N, C, H, W), without the share `zoom` of both sides, enlarged to the shape of x."""
    scale = 1 - zoom
    offsets = [(side - 1) * zoom / 2 for side in x.shape[2:]]
    return get_ndimage(x).affine_transform(x, (1, 1, scale, scale), (0, 0, *offsets), order=1)
