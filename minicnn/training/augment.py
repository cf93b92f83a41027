"""Small random changes to training pictures, so that a network sees each one anew."""

import numpy as np


def distort(x, rng, shift=2.0, rotation=0.2, scale=0.12, shear=0.15, elastic=4.0, smoothness=4.0):
    """Every image of x (N, C, H, W) moved, turned, sized, slanted and bent a little; its border is drawn out.

    shift : pixels. rotation, shear : radians. scale : a part of 1. elastic : the strength of a smooth random field
    of displacements, blurred by `smoothness` pixels (Simard, Steinkraus and Platt 2003). rng : numpy.random.Generator.
    """
    from scipy.ndimage import gaussian_filter, map_coordinates

    N, C, H, W = x.shape
    angle, slant = rng.uniform(-rotation, rotation, N), rng.uniform(-shear, shear, N)
    size = 1 + rng.uniform(-scale, scale, (2, N))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos * size[0], sin + slant], [-sin, cos * size[1]]]).transpose(2, 0, 1)  # (N, 2, 2)
    centre = np.array([(H - 1) / 2, (W - 1) / 2])[:, None]
    pixels = np.indices((H, W)).reshape(2, H * W) - centre
    sources = matrix @ pixels + centre + rng.uniform(-shift, shift, (N, 2, 1))  # (N, 2, H W)
    field = gaussian_filter(rng.uniform(-1, 1, (N, 2, H, W)), (0, 0, smoothness, smoothness))
    sources += elastic * smoothness * field.reshape(N, 2, H * W)
    out = np.empty_like(x)
    for n in range(N):
        for c in range(C):
            out[n, c] = map_coordinates(x[n, c], sources[n].reshape(2, H, W), order=1, mode="nearest")
    return out
