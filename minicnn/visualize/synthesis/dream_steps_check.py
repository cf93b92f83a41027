"""Steps of DeepDream done again: the start of the last octave with the photo's detail, and the last step."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
from scipy.ndimage import zoom

from minicnn.backend import Array, to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check
from minicnn.visualize.replay_check import (
    Redone,
    Seeds,
    check_redone,
    draw_shift,
    input_gradient,
    jittered_gradient,
)
from minicnn.visualize.synthesis.deepdream import DreamSettings, dream_loss
from minicnn.visualize.synthesis.tiles import choose_tile, tiled_loss_and_gradient


def kept_dream_steps(settings: DreamSettings) -> set[int]:
    """Return the steps whose images `check_dream_steps` needs."""
    total = settings.num_octaves * settings.num_steps
    start = total - settings.num_steps
    return {step for step in (start, start + 1, total - 1) if 0 < step < total}


def check_dream_steps(net: Network, x: np.ndarray, image: np.ndarray, preprocessing: Preprocessing,
                      settings: DreamSettings, frames: Mapping[int, np.ndarray], rng: np.random.Generator, *,
                      layer: str, channel: int | None = None, guide: Array | None = None,
                      tile: int | Literal["auto"] | None = "auto", finished: bool = True) -> Check:
    """Return the Check that the last octave starts from the photo with its detail, and that its steps are the paper's.

    The first and the last step of the last octave are done again by the formulas: the photo in the octave's size plus
    the enlarged change of the octave before, the jitter, the gradient over its mean size, and the clamp.

    Parameters
    ----------
    net, x, preprocessing, settings, layer, channel, guide, tile : as in `deep_dream`; x on the host.
    image : the dream, (1, C, H, W) on the host.
    frames : {step: image} for the steps of `kept_dream_steps`. Steps without an image are not judged.
    rng : a generator with the seed of the dream.
    finished : whether the image is the one after the last step.
    """
    total = settings.num_octaves * settings.num_steps
    start = total - settings.num_steps
    images = {0: x, **frames, **({total: image} if finished else {})}
    if start in images:
        images[start] = first_of_last_octave(x, images[start], settings)
    if tile == "auto":
        tile = choose_tile(net, net.find(layer), x.shape)
    level, redone = preprocessing.unit, []
    seeds = dream_seeds(net, layer, channel, guide)

    def gradient(shown: np.ndarray) -> np.ndarray:
        if tile:
            terms = [(1.0, dream_loss(net, net.find(layer), channel, guide))]
            return to_host(tiled_loss_and_gradient(net, to_device(shown.astype(x.dtype), net.device), terms, tile)[1])
        return input_gradient(net, shown, [layer], seeds)
    for step in range(1, total + 1):
        shift = draw_shift(rng, settings.max_jitter)
        if step in {start + 1, total} and step - 1 in images and step in images:
            uphill = jittered_gradient(gradient, images[step - 1], shift).astype(np.float64)
            change = settings.step_size * level / max(float(abs(uphill).mean()), 1e-30) * uphill
            redone.append(Redone(step, images[step - 1], images[step],
                                 np.clip(images[step - 1] + change, *preprocessing.valid_range())))
    return check_redone(redone)


def first_of_last_octave(x: np.ndarray, before: np.ndarray, settings: DreamSettings) -> np.ndarray:
    """Return the first image of the last octave, from the photo x and the last image `before` of the octave before.

    It is the photo plus the enlarged change of the smaller photo. The smaller photo alone, enlarged, would have lost
    the photo's detail. With a single octave it is the photo.
    """
    if settings.num_octaves == 1:
        return x
    smaller = resized(x, before.shape[2:])
    return x + resized(before - smaller, x.shape[2:])


def resized(x: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return x (1, C, H, W) in the size (H, W), bilinear from corner to corner."""
    return zoom(x, (1, 1, size[0] / x.shape[2], size[1] / x.shape[3]), order=1)


class DreamGoal(NamedTuple):
    """What a dream from noise maximizes, for `check_ascent`. Its fields are arguments of `dream_seeds`."""

    net: Network
    layer: str
    channel: int | None = None
    guide: Array | None = None

    def seed(self, out: np.ndarray, margin: float = 0.0) -> np.ndarray:
        """Return the gradient of the objective to the layer's activations, (1, C, H, W)."""
        layer = self.net.find(self.layer)
        return dream_seeds(self.net, layer, self.channel, self.guide)({layer: out})[layer]

    def whole_seed(self, out: np.ndarray) -> np.ndarray:
        """Return `seed`."""
        return self.seed(out)


def dream_seeds(net: Network, layer: str, channel: int | None, guide: Array | None) -> Seeds:
    """Return the function from the layer's activations to the gradient of a dream's objective.

    The objective is half the squared norm of the layer or of a channel; with a guide, the sum over positions of the
    dot product with the best of the guide's vectors.
    """
    layer = net.find(layer)
    vectors = None if guide is None else to_host(net.predict(to_device(guide, net.device), layer))[0]

    def seeds(out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        found = out[layer]
        if vectors is not None:
            C, H, W = found.shape[1:]
            columns = vectors.reshape(C, -1)
            best = (found[0].reshape(C, -1).T @ columns).argmax(axis=1)
            return {layer: columns[:, best].reshape(1, C, H, W)}
        if channel is None:
            return {layer: found}
        alone = np.zeros_like(found)
        alone[:, channel] = found[:, channel]
        return {layer: alone}
    return seeds
