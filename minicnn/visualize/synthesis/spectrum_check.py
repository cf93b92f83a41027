"""The first step of an ascent on a Fourier spectrum done again by the formulas, in float64.

Here the formulas stand a second time, with NumPy's transforms and whole matrices, without the code of `optimize`.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.replay_check import Redone, draw_shift, input_gradient
from minicnn.visualize.synthesis.ascent_settings import INPUTS, AscentSettings
from minicnn.visualize.synthesis.canvas import Canvas

SIGNS = 0.05  # share of the first step that turned signs may change; a wrong formula changes a third and more
# Lucid's square root of the covariance of colours; its longest column gets length 1
LUCID = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


class SpectrumReplay:
    """The formulas of one ascent on a spectrum. first : the first images, (N, C, size, size), drawn from `rng`."""

    def __init__(self, preprocessing: Preprocessing, settings: AscentSettings, rng: np.random.Generator,
                 shape: tuple[int, ...]) -> None:
        N, C, self.size, _ = shape
        self.settings, self.rng = settings, rng
        self.side = side = int(np.ceil((self.size + 2 * round(settings.border * self.size / 224)) / 8)) * 8
        self.low, self.high = (np.asarray(bound, np.float64) for bound in preprocessing.valid_range())
        colours = LUCID / np.sqrt((LUCID**2).sum(axis=0)).max()
        self.colours = np.array([[np.sqrt((colours[:, 0]**2).mean())]]) if C == 1 else colours
        if preprocessing.channel_order == "BGR":
            self.colours = colours[[2, 1, 0]]
        numbers = rng.standard_normal((N, C, side, side // 2 + 1, 2), dtype=np.float32)
        self.z = (numbers * np.float32(settings.start_noise)).astype(np.float64)
        self.frequency = np.maximum(np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)), 1 / side)
        self.first = self.centre(self.image())

    def values(self) -> np.ndarray:
        """Return the sigmoid of the coloured waves, (N, C, side, side)."""
        spectrum = (self.z[..., 0] + 1j * self.z[..., 1]) * self.side / (4 * self.frequency)
        planes = np.fft.irfft2(spectrum, s=(self.side, self.side))
        return 0.5 + 0.5 * np.tanh(np.einsum("ij,njhw->nihw", self.colours, planes) / 2)

    def image(self) -> np.ndarray:
        """Return the images with their border."""
        return self.low + (self.high - self.low) * self.values()

    def centre(self, image: np.ndarray) -> np.ndarray:
        """Return the images without their border."""
        near = (self.side - self.size) // 2
        return image[:, :, near:near + self.size, near:near + self.size]

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
        values = self.values()
        image = self.low + (self.high - self.low) * values
        shown = self.centre(turned(grow @ np.roll(image, (y, x), (2, 3)) @ grow.T, angle))
        near = (side - self.size) // 2
        border = (near, side - self.size - near)
        dshown = turned(np.pad(gradient(shown), ((0, 0), (0, 0), border, border)), -angle)
        dimage = np.roll(grow.T @ dshown @ grow, (-y, -x), (2, 3))
        dplanes = np.einsum("ij,nihw->njhw", self.colours, dimage * (self.high - self.low) * values * (1 - values))
        waves = np.fft.rfft2(dplanes) / (4 * self.frequency * side)
        waves[..., 1:(side + 1) // 2] *= 2  # each stands for its mirror image, too
        slope = np.stack([waves.real, waves.imag], axis=-1)
        # the first step of Adam: both averages are the gradient alone
        self.z = self.z - self.settings.gain * self.settings.learning_rate * slope / (abs(slope) + 1e-8)
        return shown, self.centre(self.image())


def check_spectrum(net: Network, layer: str, seed: Callable[[np.ndarray], np.ndarray], preprocessing: Preprocessing,
                   settings: AscentSettings, frames: Mapping[int, np.ndarray], shape: tuple[int, ...],
                   rng: np.random.Generator, name: str = "") -> list[Check]:
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
    """
    replay = SpectrumReplay(preprocessing, settings, deepcopy(rng), shape)
    shown, scale = first_shown(net, preprocessing, settings, shape, rng), preprocessing.unit / INPUTS[
        settings.inputs].unit

    def downhill(_: np.ndarray) -> np.ndarray:
        uphill = input_gradient(net, shown, [layer], lambda out: {layer: seed(out[layer])})
        return 2 * settings.l2_reg / scale**2 * shown - uphill
    first = replay.first
    formula, after = replay.step(downhill)
    prefix = f"{name}: " if name else ""
    return [below(f"{prefix}images first shown to the network, against the formulas: largest difference",
                  float(abs(shown - formula).max()), 1e-4 * float(replay.high.max() - replay.low.min())),
            check_first_step([Redone(1, first, frames[1], after)] if 1 in frames else [], prefix)]


def check_first_step(redone: list[Redone], prefix: str) -> Check:
    """Return the Check of the first step, with a limit for the signs of small gradients that rounding turns."""
    if not redone:
        return reported(f"{prefix}step 1 done again by the formulas", 0, "the image after it was not kept")
    return below(f"{prefix}step 1 done again by the formulas: difference relative to the step", redone[0].error,
                 SIGNS)


def first_shown(net: Network, preprocessing: Preprocessing, settings: AscentSettings, shape: tuple[int, ...],
                rng: np.random.Generator) -> np.ndarray:
    """Return the images that the ascent shows the network in its first step, by its own code, on the host."""
    canvas = Canvas(preprocessing, settings, shape[2], net.device)
    image, _ = canvas.parametrization.forward(to_device(canvas.draw(shape[0], rng), net.device))
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
