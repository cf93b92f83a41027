"""The canvas of a gradient ascent: the numbers that are optimised, the image made from them, and its transforms."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicnn.backend import Array, get_array_module, to_host
from minicnn.models.preprocessing import Preprocessing
from minicnn.optimize import Crop, FourierSpectrum, Jitter, Pixels, Progress, Rotation, Scale
from minicnn.visualize.spectrum import draw_spectrum, parametrization_of
from minicnn.visualize.synthesis.ascent_settings import INPUTS, AscentSettings

MULTIPLE = 8  # of the side of a spectrum in pixels: the Fourier transform of other sides takes longer


class Canvas:
    """The numbers of N images of `size` pixels. A Fourier canvas has a border that is optimised, too, and cut off.

    side : of the image with its border, in pixels. parametrization : of the loop.
    """

    parametrization: Pixels | FourierSpectrum

    def __init__(self, preprocessing: Preprocessing, settings: AscentSettings, size: int, device: str) -> None:
        self.preprocessing, self.settings, self.size, self.side = preprocessing, settings, size, size
        if settings.parametrization == "fourier":
            self.side = -(-(size + 2 * scaled(settings.border, size)) // MULTIPLE) * MULTIPLE
        self.parametrization = parametrization_of(settings.parametrization, preprocessing, self.side, device,
                                                  settings.spectrum_power)
        self.crop = Crop(self.side, size)

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Return the first numbers of `count` images, float32 on the host: normal noise."""
        if isinstance(self.parametrization, FourierSpectrum):
            return draw_spectrum(self.parametrization, count, rng, self.settings.start_noise)
        shape = (count, len(self.preprocessing.std), self.size, self.size)
        noise = self.settings.start_noise * input_scale(self.preprocessing, self.settings.inputs)
        return rng.standard_normal(shape, dtype="float32") * np.float32(noise)

    def numbers(self, images: Array) -> Array:
        """Return the numbers whose images are `images`, (N, C, size, size). A border is their mirror image."""
        near = (self.side - self.size) // 2
        borders = (near, self.side - self.size - near)
        whole = get_array_module(images).pad(images, ((0, 0), (0, 0), borders, borders), "symmetric")
        return self.parametrization.inverse(whole)

    def transforms(self) -> tuple[Any, ...]:
        """Return the transforms of the settings, in their order."""
        settings = self.settings
        chosen: list[Any] = [Jitter(scaled(settings.max_jitter, self.size))]
        if settings.max_scale:
            chosen.append(Scale(settings.max_scale))
        if settings.max_rotation:
            chosen.append(Rotation(settings.max_rotation))
        return (*chosen, self.crop) if self.side != self.size else tuple(chosen)

    def image(self, z: Array) -> Array:
        """Return the images (N, C, size, size) of the numbers z."""
        return self.crop.apply(self.parametrization.forward(z)[0])

    def watch(self, callback: Callable | None) -> Callable | None:
        """Return a callback for the loop that calls `callback` with the images without their border."""
        if callback is None:
            return None

        def show(progress: Progress, image: Array) -> Any:
            return callback(progress, self.crop.apply(image))
        return show


def first_images(shape: tuple[int, ...], preprocessing: Preprocessing, rng: np.random.Generator,
                 settings: AscentSettings, start: np.ndarray | None = None) -> np.ndarray:
    """Return the first images of an ascent, (N, C, size, size) float32 on the host: of `start`, or of noise."""
    canvas = Canvas(preprocessing, settings, shape[2], "cpu")
    return to_host(canvas.image(canvas.draw(shape[0], rng) if start is None else canvas.numbers(start)))


def input_scale(preprocessing: Preprocessing, inputs: str) -> float:
    """Return the size of one grey level in this network's input, relative to `inputs`, a name in INPUTS."""
    return preprocessing.unit / INPUTS[inputs].unit


def scaled(pixels: int, size: int) -> int:
    """Return a length that is given for pictures of 224 pixels, for pictures of `size` pixels."""
    return round(pixels * size / 224)
