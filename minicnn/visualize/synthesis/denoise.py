"""Total-variation denoising: small wiggles go, edges stay."""

from dataclasses import dataclass

from minicnn.backend import get_array_module


def denoise_tv(x, weight, num_steps=10):
    """The image u near x, (N, C, H, W), with less total variation: least weight * TV(u) + |u - x|²/2, roughly.

    weight : above 0, in the units of x. Every channel for itself; the more steps, the nearer to the minimum.
    Chambolle, An algorithm for total variation minimization and applications, 2004, equation 9.
    """
    xp = get_array_module(x)
    py, px = xp.zeros_like(x), xp.zeros_like(x)  # the dual: |p| <= weight, and u = x + its divergence
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
    """`denoise_tv` after every step, less and less: step t of `num_steps` by the weight unit / (first + last t / n).

    The weights of Nguyen et al. 2016 (arXiv:1602.03616) are those of split Bregman iteration, where a large one
    denoises little, on pictures of 0..255; unit : one such grey level, in the units of the image.
    """

    first: float
    last: float
    num_steps: int
    unit: float

    def __call__(self, image, step):
        return denoise_tv(image, self.unit / (self.first + self.last * (step - 1) / self.num_steps))
