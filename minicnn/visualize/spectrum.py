"""The Fourier spectrum of an image for a network: the decorrelated colours of photos, between black and white."""

import numpy as np

from minicnn.backend import to_device
from minicnn.models.preprocessing import Preprocessing
from minicnn.optimize import FourierSpectrum, Pixels

# The square root of the covariance of the colours of ImageNet's photos, by columns: brightness, and two differences of
# colours. The longest column has length 1. From Lucid's code (Olah et al. 2017).
COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])
COLOURS /= np.linalg.norm(COLOURS, axis=0).max()
GREY = np.full((1, 1), np.linalg.norm(COLOURS[:, 0]) / 3**0.5)  # for networks with one channel: the brightness
START_NOISE = 0.01  # standard deviation of the first numbers, if nothing else is said: the image is nearly grey


def spectrum_of(preprocessing: Preprocessing, size: int | tuple[int, ...], device: str,
                power: float = 1.0) -> FourierSpectrum:
    """Return the FourierSpectrum of images for a network with this preprocessing: its colours are black to white.

    size : (H, W) of the images in pixels, or the side of square ones. power : of the frequency, see FourierSpectrum.
    """
    low, high = preprocessing.valid_range()
    colours = GREY if preprocessing.channel_order == "L" else \
        COLOURS[::-1] if preprocessing.channel_order == "BGR" else COLOURS
    low, high, colours = (to_device(np.ascontiguousarray(x, np.float32), device) for x in (low, high, colours))
    return FourierSpectrum(size, low, high, colours, power)


def parametrization_of(name: str, preprocessing: Preprocessing, size: int | tuple[int, ...],
                       device: str, power: float = 1.0) -> Pixels | FourierSpectrum:
    """Return the parametrization "pixels" or "fourier" of images of `size`, as for `spectrum_of`."""
    return spectrum_of(preprocessing, size, device, power) if name == "fourier" else Pixels()


def draw_spectrum(spectrum: FourierSpectrum, count: int, rng: np.random.Generator,
                  noise: float = START_NOISE) -> np.ndarray:
    """Return the first numbers of `count` images, float32 on the host: normal noise of this standard deviation."""
    return rng.standard_normal(spectrum.shape(count), dtype="float32") * np.float32(noise)
