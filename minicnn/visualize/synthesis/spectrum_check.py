"""The first step of an ascent on a Fourier spectrum done again by the formulas, in float64."""

from collections.abc import Callable, Mapping
from copy import deepcopy

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check
from minicnn.visualize.replay_check import draw_shift, input_gradient
from minicnn.visualize.spectrum_replay import Waves, check_first_images, check_first_step, first_adam_step
from minicnn.visualize.synthesis.ascent_settings import INPUTS, AscentSettings
from minicnn.visualize.synthesis.canvas import Canvas

Pull = tuple[str, np.ndarray]


class SpectrumReplay:
    """The formulas of one ascent on a spectrum. first : the first images, (N, C, size, size), drawn from `rng`.

    start : the images (N, C, size, size) to start from, or None for noise.
    """

    def __init__(self, preprocessing: Preprocessing, settings: AscentSettings, rng: np.random.Generator,
                 shape: tuple[int, ...], start: np.ndarray | None = None) -> None:
        N, C, self.size, _ = shape
        self.settings, self.rng = settings, rng
        self.side = int(np.ceil((self.size + 2 * round(settings.border * self.size / 224)) / 8)) * 8
        self.near = (self.side - self.size) // 2
        self.waves = Waves(preprocessing, self.side, self.side, settings.spectrum_power)
        self.z = self.waves.drawn(N, rng, settings.start_noise) if start is None else \
            self.waves.of(self.mirrored(start))
        self.first = self.centre(self.waves.image(self.z))

    def mirrored(self, images: np.ndarray) -> np.ndarray:
        """Return images with a border that mirrors them, the outermost pixel first."""
        places = np.arange(-self.near, self.side - self.near) % (2 * self.size)
        places = np.minimum(places, 2 * self.size - 1 - places)
        return images[:, :, places][..., places]

    def centre(self, image: np.ndarray) -> np.ndarray:
        """Return the images without their border."""
        return image[:, :, self.near:self.near + self.size, self.near:self.near + self.size]

    def draw_view(self) -> tuple[tuple[int, int], float, float]:
        """Return the shift (y, x), the factor and the angle of the next step."""
        settings = self.settings
        shift = draw_shift(self.rng, round(settings.max_jitter * self.size / 224))
        factor = self.rng.uniform(1 - settings.max_scale, 1 + settings.max_scale) if settings.max_scale else 1.0
        angle = self.rng.uniform(-settings.max_rotation, settings.max_rotation) if settings.max_rotation else 0.0
        return shift, factor, angle

    def step(self, gradient: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return (the images that the network is shown in the first step, the images after it).

        gradient : from the images that the network is shown to the gradient to minimize.
        """
        ((y, x), factor, angle), side = self.draw_view(), self.side
        grow = linear_reading((np.arange(side) - (side - 1) / 2) / factor + (side - 1) / 2)
        image = self.waves.image(self.z)
        shown = self.centre(turned(grow @ np.roll(image, (y, x), (2, 3)) @ grow.T, angle))
        border = (self.near, side - self.size - self.near)
        dshown = turned(np.pad(gradient(shown), ((0, 0), (0, 0), border, border)), -angle)
        dimage = np.roll(grow.T @ dshown @ grow, (-y, -x), (2, 3))
        rate = self.settings.gain * self.settings.learning_rate
        self.z = first_adam_step(self.z, self.waves.slope(self.z, dimage), rate)
        return shown, self.centre(self.waves.image(self.z))


def check_spectrum(net: Network, layer: str, seed: Callable[[np.ndarray], np.ndarray], preprocessing: Preprocessing,
                   settings: AscentSettings, frames: Mapping[int, np.ndarray], shape: tuple[int, ...],
                   rng: np.random.Generator, name: str = "", start: np.ndarray | None = None,
                   pull: Pull | None = None) -> list[Check]:
    """Return the Checks that the network is shown the right images first, and that the first step is right.

    Later steps are not done again: where an image is nearly flat, rounding decides which pixel is the largest of a
    pool, and the sign of a small gradient decides a step of Adam. So the gradient is the one at the very images shown.

    Parameters
    ----------
    net, layer : the network of the ascent and the layer of its objective.
    seed : from the layer's activations to the gradient to maximize.
    preprocessing, settings : of the ascent.
    frames : {step: images}. Without the images of step 1, nothing is judged.
    shape : of the images, (N, C, size, size).
    rng : a generator with the seed of the ascent, before its first number.
    name : for the Checks. start : the images from which it started, (N, C, size, size) on the host, or None for noise.
    pull : (layer, direction (D,)), or None. The product of the layer's mean activations and it is maximized, too.
    """
    replay = SpectrumReplay(preprocessing, settings, deepcopy(rng), shape, start)
    shown = first_shown(net, preprocessing, settings, shape, rng, start)
    scale = preprocessing.unit / INPUTS[settings.inputs].unit
    pulls = {net.find(pull[0]): pull[1]} if pull else {}

    def downhill(_: np.ndarray) -> np.ndarray:
        def seeds(out: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
            return {layer: seed(out[layer])} | {other: np.broadcast_to(
                vector[:, None, None] / out[other][0, 0].size, out[other].shape) for other, vector in pulls.items()}
        uphill = input_gradient(net, shown, [layer, *pulls], seeds)
        return 2 * settings.l2_reg / scale**2 * shown - uphill
    first = replay.first
    formula, after = replay.step(downhill)
    prefix = f"{name}: " if name else ""
    return [check_first_images(shown, formula, replay.waves, prefix), check_first_step(first, frames, after, prefix)]


def first_shown(net: Network, preprocessing: Preprocessing, settings: AscentSettings, shape: tuple[int, ...],
                rng: np.random.Generator, start: np.ndarray | None = None) -> np.ndarray:
    """Return the images that the ascent shows the network in its first step, by its own code, on the host."""
    canvas = Canvas(preprocessing, settings, shape[2], net.device)
    first = to_device(canvas.draw(shape[0], rng), net.device) if start is None else \
        canvas.numbers(to_device(start, net.device))
    image, _ = canvas.parametrization.forward(first)
    for transform in canvas.transforms():
        image = transform.apply(image, transform.draw(rng))
    return to_host(image)


def linear_reading(places: np.ndarray) -> np.ndarray:
    """Return the matrix that reads a line at `places` between its pixels, and 0 outside."""
    return np.maximum(1 - abs(places[:, None] - np.arange(len(places))), 0)


def turned(x: np.ndarray, degrees: float) -> np.ndarray:
    """Return x (N, C, H, H) turned by three shears of its rows, its columns, and its rows (Paeth 1986)."""
    if degrees == 0:
        return x
    angle, places = np.radians(degrees), np.arange(x.shape[2])
    for slope, axes in ((-np.tan(angle / 2), (2, 3)), (np.sin(angle), (3, 2)), (-np.tan(angle / 2), (2, 3))):
        lines = np.moveaxis(x, axes, (2, 3))
        moved = [lines[:, :, line] @ linear_reading(places + slope * (line - (len(places) - 1) / 2)).T
                 for line in places]
        x = np.moveaxis(np.stack(moved, axis=2), (2, 3), axes)
    return x
