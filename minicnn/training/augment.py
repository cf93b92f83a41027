"""Small random changes of training images, so that each epoch sees different ones."""

from dataclasses import dataclass

import numpy as np

from minicnn.backend import Array, Generator


@dataclass(frozen=True)
class Distortion:
    """The largest changes that `distort` makes."""

    shift: float = 2.0       # pixels
    rotation: float = 0.2    # radians
    scale: float = 0.12      # relative
    shear: float = 0.15      # radians
    elastic: float = 4.0     # strength of a smooth random field of displacements
    smoothness: float = 4.0  # standard deviation, in pixels, of the Gaussian that smooths it


DIGITS = Distortion()  # for 28x28 digits


def distort(x: Array, rng: Generator, distortion: Distortion = DIGITS) -> Array:
    """Return the images x, (N, C, H, W), each shifted, rotated, scaled, sheared and bent a little.

    Pixels from outside the image repeat its border. Simard, Steinkraus and Platt 2003.

    >>> distort(x, rng).shape
    (1, 3, 64, 64)
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    N, C, H, W = x.shape
    angle = rng.uniform(-distortion.rotation, distortion.rotation, N)
    slant = rng.uniform(-distortion.shear, distortion.shear, N)
    size = 1 + rng.uniform(-distortion.scale, distortion.scale, (2, N))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos * size[0], sin + slant], [-sin, cos * size[1]]]).transpose(2, 0, 1)  # (N, 2, 2)
    centre = np.array([(H - 1) / 2, (W - 1) / 2])[:, None]
    pixels = np.indices((H, W)).reshape(2, H * W) - centre
    shifts = rng.uniform(-distortion.shift, distortion.shift, (N, 2, 1))
    sources = matrix @ pixels + centre + shifts  # (N, 2, H W)
    sigma = (0, 0, distortion.smoothness, distortion.smoothness)
    field = gaussian_filter(rng.uniform(-1, 1, (N, 2, H, W)), sigma)
    sources += distortion.elastic * distortion.smoothness * field.reshape(N, 2, H * W)
    out = np.empty_like(x)
    for n in range(N):
        for c in range(C):
            out[n, c] = map_coordinates(x[n, c], sources[n].reshape(2, H, W), order=1, mode="nearest")
    return out
