"""Network dissection: the concept whose mask each channel of a layer matches best."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from minicnn.arguments import require_callable, require_fields, require_kind, require_number
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, get_array_module, to_device, to_host
from minicnn.errors import InputError
from minicnn.network import Network, warn_if_slow
from minicnn.receptive_field import ReceptiveField, receptive_field
from minicnn.visualize.arrays import as_mask
from minicnn.visualize.attribution.grad_cam import upsample_maps
from minicnn.visualize.entry import enter, images_for, require_layer, require_maps


@dataclass(frozen=True)
class DissectionSettings:
    """The settings of `dissect`. Raises InputError if a value is outside its range."""

    quantile: float = 0.005   # share of a channel's activations above its threshold, over all pictures; below 1
    least_iou: float = 0.04   # an IoU above it makes a channel a detector of the concept
    batch_size: int = 16      # pictures in one pass of the network; the result does not depend on it

    def __post_init__(self) -> None:
        require_fields(self, quantile=0, least_iou=0, batch_size=1)
        require_number("quantile", self.quantile, above=0, below=1)
        require_number("least_iou", self.least_iou, 0, 1)


BAU = DissectionSettings()  # Bau et al. 2017
DISSECTION_PRESETS = {"bau": BAU}


class Dissection(NamedTuple):
    """How well each channel of a layer matches each concept: float64 arrays on the host.

    ious : intersection over union of the channel's masks and the concept's masks over all pictures, (channels, K).
    thresholds : the activation above which a channel's mask is True, (channels,).
    least_iou : of the settings.
    """

    ious: np.ndarray
    thresholds: np.ndarray
    least_iou: float

    @property
    def best(self) -> np.ndarray:
        """The concept with the largest IoU of each channel, whole numbers (channels,)."""
        return self.ious.argmax(axis=1)

    @property
    def detects(self) -> np.ndarray:
        """Whether each channel is a detector: its largest IoU exceeds `least_iou`, bool (channels,)."""
        return self.ious.max(axis=1) > self.least_iou

    @property
    def share(self) -> float:
        """The share of the channels that are detectors: the interpretability of the layer."""
        return float(self.detects.mean())

    def detectors(self, concept: int) -> list[int]:
        """Return the detectors of one concept, the largest IoU first."""
        found = np.flatnonzero(self.detects & (self.best == concept))
        return found[np.argsort(-self.ious[found, concept], kind="stable")].tolist()


def dissect(net: Network, x: Array, masks: Array, layer: str, settings: DissectionSettings = BAU, *,
            callback: Callable[[int], Any] | None = None) -> Dissection:
    """Return the Dissection of a layer: the IoU of every channel with every concept.

    The threshold of a channel is the value that a share `quantile` of its activations exceeds, over all positions of
    all pictures. Its mask of a picture holds the pixels where the map, enlarged to the picture, exceeds the threshold.
    IoU = pixels in both masks / pixels in at least one, summed over all pictures.

    Parameters
    ----------
    net : the network.
    x : the pictures, (N, C, H, W).
    masks : the concepts' masks, bool (N, K, H, W). `minicnn.datasets.draw_concepts` paints pictures with their masks.
    layer : a layer with maps. All its maps of all pictures are in memory at a time.
    settings : the DissectionSettings, such as a preset in DISSECTION_PRESETS.
    callback : called with the number of pictures after each batch, twice for each picture.

    Raises
    ------
    InputError if the layer has no maps, and if the masks do not fit the pictures.

    References
    ----------
    Bau et al. 2017 (arXiv:1704.05796), sections 2.2 to 2.4.

    Examples
    --------
    >>> images, masks = minicnn.datasets.draw_concepts([0, 5], rng)
    >>> found = dissect(net, model.preprocessing.to_input(images), masks, "relu3")
    >>> found.ious.shape, bool((found.ious <= 1).all())
    ((64, 15), True)
    """
    layer, x = require_layer(net, layer), images_for(net, x)
    require_kind("settings", settings, DissectionSettings, "give DissectionSettings(...)")
    require_maps(layer, net.shapes()[layer])
    require_callable("callback", callback)
    masks = require_concepts(masks, x)
    batches = [x[first:first + settings.batch_size] for first in range(0, len(x), settings.batch_size)]
    warn_if_slow(net, len(batches))
    parts = []
    for batch in batches:
        parts.append(net.predict(enter(net, batch), layer))  # (n, channels, h, w)
        if callback is not None:
            callback(len(batch))
    xp = get_array_module(parts[0])
    maps = xp.concatenate(parts)  # (N, channels, h, w)
    thresholds = channel_thresholds(maps, settings.quantile)
    counts = xp.zeros((3, maps.shape[1], masks.shape[1]))
    for n in range(len(x)):  # one picture at a time, as the enlarged maps of many would take much memory
        active = channel_masks(net, layer, maps[n], thresholds, x.shape[2:])
        counts += overlap(active, to_device(masks[n], net.device))
        if callback is not None:
            callback(1)
    both, of_channel, of_concept = to_host(counts)
    return Dissection(both / np.maximum(of_channel + of_concept - both, 1), to_host(thresholds).astype(np.float64),
                      settings.least_iou)


def require_concepts(masks: Any, x: Array) -> np.ndarray:
    """Return the masks as bool (N, K, H, W) on the host. Raises InputError unless they fit the pictures x."""
    masks = as_numbers("masks", masks)
    if masks.ndim != 4 or not masks.shape[1] or (len(masks), *masks.shape[2:]) != (len(x), *x.shape[2:]):
        raise InputError(f"expected masks of shape ({len(x)}, K, {x.shape[2]}, {x.shape[3]}), one for each of K "
                         f"concepts in each picture, got {tuple(masks.shape)}")
    return as_mask("masks", masks, masks.shape)


def channel_thresholds(maps: Array, quantile: float) -> Array:
    """Return the value of each channel that a share `quantile` of its activations exceeds, (channels,).

    maps : of all pictures, (N, channels, h, w).

    >>> channel_thresholds(np.arange(1.0, 6.0).reshape(1, 1, 1, 5), 0.25)
    array([4.])
    """
    xp = get_array_module(maps)
    if not bool(xp.isfinite(maps).all()):
        raise InputError("the layer has activations that are not finite")
    return xp.quantile(maps, 1 - quantile, axis=(0, 2, 3))


def channel_masks(net: Network, layer: str, maps: Array, thresholds: Array, size: tuple[int, ...]) -> Array:
    """Return whether the enlarged maps of one picture exceed the thresholds, bool (channels, H, W).

    maps : (channels, h, w). thresholds : (channels,). size : (H, W) of the picture.

    >>> maps = net.predict(x, "relu3")[0]
    >>> channel_masks(net, "relu3", maps, maps.max(axis=(1, 2)), (64, 64)).any()
    np.False_
    """
    field = receptive_field(net, layer)
    if field is None:
        large = upsample_maps(maps, *size)
    else:
        rows, columns = (anchored_weights(maps, units, pixels, field)
                         for units, pixels in zip(maps.shape[1:], size, strict=True))
        large = rows @ maps @ columns.T
    return large > thresholds[:, None, None]


def anchored_weights(maps: Array, size: int, new_size: int, field: ReceptiveField) -> Array:
    """Return the weights (new_size, size) of each unit at each pixel: bilinear between the centres of their fields.

    Pixels outside the outer centres take the value of the nearest unit. maps : any array, for its module and type.

    >>> anchored_weights(np.zeros(1), 2, 4, minicnn.receptive_field.ReceptiveField(size=2, stride=2, start=0))[:, 1]
    array([0.  , 0.25, 0.75, 1.  ])
    """
    xp = get_array_module(maps)
    centre = field.start + (field.size - 1) / 2  # of unit 0, in pixels
    units = xp.clip((xp.arange(new_size) - centre) / field.stride, 0, size - 1)
    return xp.maximum(1 - abs(units[:, None] - xp.arange(size)), 0).astype(maps.dtype)


def overlap(active: Array, masks: Array) -> Array:
    """Return the numbers of pixels (in both, in the channel's mask, in the concept's mask), float64 (3, channels, K).

    active : bool (channels, H, W). masks : bool (K, H, W).

    >>> overlap(np.array([[[True, True, False]]]), np.array([[[False, True, True]]])).ravel()
    array([1., 2., 2.])
    """
    xp = get_array_module(active)
    channels, concepts = (part.reshape(len(part), -1).astype(np.float32) for part in (active, masks))
    both = channels @ concepts.T  # (channels, K); whole numbers below 2**24 are exact in float32
    sizes = channels.sum(axis=1)[:, None] + 0 * both, concepts.sum(axis=1)[None] + 0 * both
    return xp.stack([both, *sizes]).astype(np.float64)
