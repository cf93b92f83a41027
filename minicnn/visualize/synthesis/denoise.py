"""Total-variation denoising: it removes small differences between neighbouring pixels and keeps edges."""

from dataclasses import dataclass

from minicnn.arguments import require_number, require_whole
from minicnn.backend import Array, get_array_module
from minicnn.visualize.arrays import as_floats


def denoise_tv(x: Array, weight: float, num_steps: int = 10) -> Array:
    """Return an approximate minimum u of weight * TV(u) + |u - x|²/2, an image with less total variation.

    x : (N, C, H, W); each channel is denoised separately. weight : above 0, in the units of x. num_steps : steps of the
    iteration; more steps end nearer to the minimum.
    Chambolle 2004, An algorithm for total variation minimization and applications, equation 9.

    >>> noisy = rng.standard_normal((1, 3, 8, 8))
    >>> bool(denoise_tv(noisy, 0.5).std() < noisy.std())
    True
    """
    return denoised(as_floats("x", x, "(N, C, H, W)", 4), require_number("weight", weight, above=0),
                    require_whole("num_steps", num_steps))


def denoised(x: Array, weight: float, num_steps: int = 10) -> Array:
    """Return `denoise_tv` of x, (N, C, H, W), floating-point."""
    xp = get_array_module(x)
    py, px = xp.zeros_like(x), xp.zeros_like(x)  # the dual variable p: |p| <= weight, and u = x + divergence of p
    dy, dx = xp.zeros_like(x), xp.zeros_like(x)
    u = x
    for _ in range(num_steps):
        dy[:, :, :-1] = u[:, :, 1:] - u[:, :, :-1]
        dx[..., :-1] = u[..., 1:] - u[..., :-1]
        shrink = 1 + xp.sqrt(dy * dy + dx * dx) * (0.25 / weight)
        py, px = (py + 0.25 * dy) / shrink, (px + 0.25 * dx) / shrink
        u = x + py + px
        u[:, :, 1:] -= py[:, :, :-1]
        u[..., 1:] -= px[..., :-1]
    return u


@dataclass(frozen=True)
class DenoiseTV:
    """Apply `denoise_tv` after every step t, with the weight unit / (first + last * (t - 1) / num_steps).

    `first` and `last` are weights of split Bregman iteration for pictures of 0..255, as Nguyen et al. 2016
    (arXiv:1602.03616) give them: a large one denoises little. unit : the size of one grey level in the image.
    """

    first: float
    last: float
    num_steps: int
    unit: float

    def __call__(self, image: Array, step: int) -> Array:
        return denoised(image, self.unit / (self.first + self.last * (step - 1) / self.num_steps))
