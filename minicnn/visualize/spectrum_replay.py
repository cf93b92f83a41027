"""The image of a Fourier spectrum, and the first step of Adam on it, by the formulas, in float64.

Here the formulas stand a second time, with NumPy's transforms, without the code of `optimize`.
"""

from collections.abc import Mapping

import numpy as np

from minicnn.models.preprocessing import Preprocessing
from minicnn.visualize.check import Check, below, reported
from minicnn.visualize.replay_check import Redone

SIGNS = 0.05  # share of the first step that turned signs may change; a wrong formula changes a third and more
# Lucid's square root of the covariance of colours; its longest column gets length 1
LUCID = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]])


class Waves:
    """The images (N, C, H, W) of spectra z (N, C, H, W // 2 + 1, 2). low, high : the limits of their values.

    A wave is divided by its frequency to the power of `power`, in units in which 1 / 16 period per pixel stays 1 / 16.
    """

    def __init__(self, preprocessing: Preprocessing, H: int, W: int, power: float = 1.0) -> None:
        self.H, self.W = H, W
        self.low, self.high = (np.asarray(bound, np.float64) for bound in preprocessing.valid_range())
        colours = LUCID / np.sqrt((LUCID**2).sum(axis=0)).max()
        self.colours = np.array([[np.sqrt((colours[:, 0]**2).mean())]]) if len(self.low) == 1 else colours
        if preprocessing.channel_order == "BGR":
            self.colours = colours[[2, 1, 0]]
        periods = np.maximum(np.hypot(np.fft.fftfreq(H)[:, None], np.fft.rfftfreq(W)), 1 / max(H, W))
        self.frequency = (16 * periods)**power / 16

    def drawn(self, count: int, rng: np.random.Generator, noise: float) -> np.ndarray:
        """Return the next first spectrum of `rng`, normal noise."""
        numbers = rng.standard_normal((count, len(self.low), self.H, self.W // 2 + 1, 2), dtype=np.float32)
        return (numbers * np.float32(noise)).astype(np.float64)

    def of(self, images: np.ndarray, edge: float = 0.01) -> np.ndarray:
        """Return the spectra of images; values within `edge` of the limits, as a share, or beyond, are moved inside."""
        values = np.clip((images.astype(np.float64) - self.low) / (self.high - self.low), edge, 1 - edge)
        planes = np.einsum("ij,njhw->nihw", np.linalg.inv(self.colours), 2 * np.arctanh(2 * values - 1))
        waves = np.fft.rfft2(planes) * 4 * self.frequency / np.sqrt(self.H * self.W)
        return np.stack([waves.real, waves.imag], axis=-1)

    def values(self, z: np.ndarray) -> np.ndarray:
        """Return the sigmoid of the coloured waves, (N, C, H, W)."""
        spectrum = (z[..., 0] + 1j * z[..., 1]) * np.sqrt(self.H * self.W) / (4 * self.frequency)
        planes = np.fft.irfft2(spectrum, s=(self.H, self.W))
        return 0.5 + 0.5 * np.tanh(np.einsum("ij,njhw->nihw", self.colours, planes) / 2)

    def image(self, z: np.ndarray) -> np.ndarray:
        """Return the images of spectra."""
        return self.low + (self.high - self.low) * self.values(z)

    def slope(self, z: np.ndarray, dimage: np.ndarray) -> np.ndarray:
        """Return the gradient to the spectra z from the gradient to their images."""
        values = self.values(z)
        dplanes = np.einsum("ij,nihw->njhw", self.colours, dimage * (self.high - self.low) * values * (1 - values))
        waves = np.fft.rfft2(dplanes) / (4 * self.frequency * np.sqrt(self.H * self.W))
        waves[..., 1:(self.W + 1) // 2] *= 2  # each stands for its mirror image, too
        return np.stack([waves.real, waves.imag], axis=-1)


def first_adam_step(z: np.ndarray, slope: np.ndarray, rate: float) -> np.ndarray:
    """Return z after the first step of Adam, whose averages are the gradient alone."""
    return z - rate * slope / (abs(slope) + 1e-8)


def check_first_images(shown: np.ndarray, formula: np.ndarray, waves: Waves, prefix: str = "",
                       what: str = "images first shown to the network") -> Check:
    """Return the Check that the first images, `shown`, are those of the formulas, (N, C, H, W)."""
    return below(f"{prefix}{what}, against the formulas: largest difference", float(abs(shown - formula).max()),
                 1e-4 * float(waves.high.max() - waves.low.min()))


def check_first_step(first: np.ndarray, frames: Mapping[int, np.ndarray], after: np.ndarray, prefix: str = "") -> Check:
    """Return the Check of the first step, with a limit for the signs of small gradients that rounding turns.

    first, after : the images before and after it, by the formulas. frames : {step: images}. Without the images of step
    1, nothing is judged.
    """
    if 1 not in frames:
        return reported(f"{prefix}step 1 done again by the formulas", 0, "the image after it was not kept")
    return below(f"{prefix}step 1 done again by the formulas: difference relative to the step",
                 Redone(1, first, frames[1], after).error, SIGNS)
