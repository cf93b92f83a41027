"""The objective numbers of network dissection: the thresholds, the IoU counted again, and random weights."""

from collections.abc import Sequence

import numpy as np

from minicnn.backend import Array, to_device, to_host
from minicnn.network import Network
from minicnn.receptive_field import receptive_field
from minicnn.visualize.check import Check, above, below, reported
from minicnn.visualize.units.dissection import BAU, Dissection, DissectionSettings

SAMPLE = 4          # channels that are computed again, evenly spread over those with the largest IoU
ROUNDING = 2e-3     # of an IoU: pixels at the threshold, whose activation another order of the sums changes


def check_dissection(net: Network, x: Array, masks: np.ndarray, layer: str, found: Dissection,
                     settings: DissectionSettings = BAU) -> list[Check]:
    """Return the Checks of a Dissection, for some channels.

    The share of the activations above each threshold is counted again, and the IoU is computed again picture by picture
    and line by line, with another interpolation. The masks of the concepts are compared with themselves shifted by half
    a picture: then the best IoU falls, if the channels respond to the places of the concepts.

    net, x, masks, layer, settings : as in `dissect`. x is on the host.
    """
    channels = sample_of(found)
    maps = np.concatenate([to_host(net.predict(to_device(x[n:n + 16], net.device), layer))[:, channels]
                           for n in range(0, len(x), 16)])  # (N, channels, h, w)
    thresholds = found.thresholds[channels]
    flat = maps.swapaxes(0, 1).reshape(len(channels), -1)
    # At most this share is above the threshold, and at least this share is not below it: equal values, such as the
    # zeros of a ReLU, are on neither side.
    excess = np.maximum((flat > thresholds[:, None]).mean(axis=1) - settings.quantile,
                        settings.quantile - (flat >= thresholds[:, None]).mean(axis=1))
    ious = naive_ious(net, layer, maps, thresholds, masks)
    difference = abs(ious - found.ious[channels]).max()
    moved = naive_ious(net, layer, maps, thresholds, np.roll(masks, len(masks) // 2 + 1, axis=0))
    return [below(f"share of the activations above the threshold minus {settings.quantile:g}, {len(channels)} channels "
                  f"of {layer}", excess.max(), 3 / flat.shape[1]),
            below(f"IoU of {len(channels)} channels of {layer} computed again, largest difference", difference,
                  ROUNDING),
            above(f"largest IoU of these channels over that with the masks of other pictures, {layer}",
                  ious.max() / max(moved.max(), 1e-9), 1.0) if found.detects.any() else
            reported(f"largest IoU of these channels, {layer}", ious.max(), "no channel is a detector")]


def check_learned(layer: str, trained: Dissection, random: Dissection, judged: bool = True) -> list[Check]:
    """Return the Checks that training makes detectors: more channels have an IoU above the bound than with random
    weights, and they detect more concepts.

    judged : whether the network was trained on the concepts. For other networks the numbers are reported.
    """
    what = f"share of the channels of {layer} with an IoU above {trained.least_iou:g}"
    concepts = [len(set(one.best[one.detects].tolist())) for one in (trained, random)]
    if not judged:
        return [reported(what, trained.share, f"random weights: {random.share:.3f}"),
                reported(f"concepts with a detector in {layer}", concepts[0], f"random weights: {concepts[1]}")]
    return [above(f"{what}, minus that with random weights, {random.share:.3f}", trained.share - random.share, 0.0),
            above(f"concepts with a detector in {layer}, minus those with random weights, {concepts[1]}",
                  concepts[0] - concepts[1], 0.0)]


def sample_of(found: Dissection) -> list[int]:
    """Return SAMPLE channels, evenly spread over all, the one with the largest IoU first."""
    order = np.argsort(-found.ious.max(axis=1), kind="stable")
    return order[np.linspace(0, len(order) - 1, min(SAMPLE, len(order))).astype(int)].tolist()


def naive_ious(net: Network, layer: str, maps: np.ndarray, thresholds: Sequence[float] | np.ndarray,
               masks: np.ndarray) -> np.ndarray:
    """Return the IoU of each channel and concept, (channels, K), picture by picture.

    maps : (N, channels, h, w). thresholds : (channels,). masks : bool (N, K, H, W).
    """
    (H, W), (h, w) = masks.shape[2:], maps.shape[2:]
    rows, columns = (centres(net, layer, units, size) for units, size in ((h, H), (w, W)))
    both, either = np.zeros((2, maps.shape[1], masks.shape[1]))
    for n, picture in enumerate(masks):
        for channel, threshold in enumerate(thresholds):
            wide = np.array([np.interp(np.arange(W), columns, line) for line in maps[n, channel]])        # (h, W)
            large = np.array([np.interp(np.arange(H), rows, column) for column in wide.T]).T              # (H, W)
            active = large > threshold
            both[channel] += (active & picture).sum(axis=(1, 2))
            either[channel] += (active | picture).sum(axis=(1, 2))
    return both / np.maximum(either, 1)


def centres(net: Network, layer: str, units: int, size: int) -> np.ndarray:
    """Return the pixel at the centre of each unit's receptive field along an axis, (units,)."""
    field = receptive_field(net, layer)
    if field is None:  # each unit sees the whole picture: spread them evenly
        return (np.arange(units) + 0.5) * size / units - 0.5
    return field.start + (field.size - 1) / 2 + field.stride * np.arange(units)
