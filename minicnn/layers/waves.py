"""Waves to paint with: channels that are the same for every picture."""

from math import cos, pi, sin

from minicnn.backend import get_array_module
from minicnn.errors import InputError
from minicnn.fast.memory import channels_last
from minicnn.layers.layer import Layer


class FourierFeatures2D(Layer):
    """Appends plane waves as channels, (N, C, H, W) -> (N, C + 2 K, H, W): cosine and sine of each of the K waves.

    A convolution does not know where it is, and can paint no stripe that is not in its input: it finds one here.
    periods : pixels. directions : how many, in half a turn; K is the number of periods times it. Coordinates as
    channels are Liu et al. 2018 (arXiv:1807.03247), their waves Tancik et al. 2020 (arXiv:2006.10739).
    """

    def __init__(self, periods, directions):
        super().__init__()
        if directions < 1 or not periods or min(periods) <= 0:
            raise InputError(f"waves need periods above 0 and a direction, not {periods} and {directions}")
        self.periods, self.directions = tuple(periods), directions

    def forward(self, x):
        N, C, H, W = x.shape
        xp = get_array_module(x)
        out = channels_last(xp, self.output_shape(x.shape), x.dtype)
        out[:, :C] = x
        y, x = xp.arange(H)[:, None], xp.arange(W)
        for k, (period, angle) in enumerate(self._waves()):
            phase = (x * cos(angle) + y * sin(angle)) * (2 * pi / period)  # (H, W)
            out[:, C + 2 * k], out[:, C + 2 * k + 1] = xp.cos(phase), xp.sin(phase)
        return out, C

    def backward(self, dout, C):
        # the waves do not depend on x
        return dout[:, :C]

    def output_shape(self, shape):
        N, C, H, W = shape
        return N, C + 2 * len(self.periods) * self.directions, H, W

    def _waves(self):
        """(period, angle) of each."""
        return [(period, pi * k / self.directions) for period in self.periods for k in range(self.directions)]
