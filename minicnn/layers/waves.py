"""Plane waves as extra channels: the same for every image."""

from math import cos, pi, sin

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers.layer import ONE_PIXEL, Field, Layer


class FourierFeatures2D(Layer):
    """Append plane waves as channels, (N, C, H, W) -> (N, C + 2 K, H, W): cosine and sine of each of K waves.

    A convolution does not know its position in the image, so it cannot paint a stripe that its input does not
    contain. The waves give it positions. K is the number of periods times the number of directions.
    periods : in pixels. directions : number of directions in half a turn.
    Liu et al. 2018 (arXiv:1807.03247) append coordinates; Tancik et al. 2020 (arXiv:2006.10739) waves of them.
    """

    def __init__(self, periods: tuple[float, ...], directions: int) -> None:
        super().__init__()
        if directions < 1 or not periods or min(periods) <= 0:
            raise InputError(f"waves need periods above 0 and at least one direction, not {periods} and {directions}")
        self.periods, self.directions = tuple(periods), directions

    def forward(self, x: Array) -> tuple[Array, int]:
        xp = get_array_module(x)
        N, C, H, W = x.shape
        _, channels, _, _ = self.output_shape(x.shape)
        out = xp.empty((N, H, W, channels), x.dtype).transpose(0, 3, 1, 2)  # channels-last in memory
        out[:, :C] = x
        rows, columns = xp.arange(H)[:, None], xp.arange(W)
        for k, (period, angle) in enumerate(self._waves()):
            phase = (columns * cos(angle) + rows * sin(angle)) * (2 * pi / period)  # (H, W)
            out[:, C + 2 * k], out[:, C + 2 * k + 1] = xp.cos(phase), xp.sin(phase)
        return out, C

    def backward(self, dout: Array, C: int) -> Array:
        # the waves do not depend on x
        return dout[:, :C]

    def field(self) -> Field:
        return ONE_PIXEL

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        N, C, H, W = shapes[0]
        return N, C + 2 * len(self.periods) * self.directions, H, W

    def _waves(self) -> list[tuple[float, float]]:
        """Return (period, angle) of each wave."""
        return [(period, pi * k / self.directions) for period in self.periods for k in range(self.directions)]
