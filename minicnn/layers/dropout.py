"""Dropout: the identity, except in training."""

from minicnn.backend import device_of, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.layers.layer import Layer


class Dropout(Layer):
    """Srivastava et al. 2014. In training, zeroes a share `rate` and scales the rest by 1 / (1 - rate)."""

    makes_array = False

    def __init__(self, rate=0.5):
        super().__init__()
        if not 0 <= rate < 1:
            raise InputError(f"a dropout rate is from 0 up to, not including, 1; got {rate}")
        self.rate = rate

    def forward(self, x):
        return x, None

    def forward_train(self, x, *, rng):
        keep = to_device(rng.random(x.shape) >= self.rate, device_of(x))
        xp = get_array_module(x)
        mask = keep * xp.asarray(1 / (1 - self.rate), x.dtype)
        return x * mask, mask

    def backward(self, dout, mask):
        return dout if mask is None else dout * mask
