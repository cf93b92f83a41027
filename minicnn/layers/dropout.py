"""Dropout: the identity, except in training."""

from minicnn.backend import Array, Generator, device_of, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.layers.layer import ONE_PIXEL, Field, Layer


class Dropout(Layer):
    """The identity, any shape. In training, zero a share `rate` and scale the rest by 1 / (1 - rate).

    Srivastava et al. 2014, Journal of Machine Learning Research 15.
    """

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        if not 0 <= rate < 1:
            raise InputError(f"the dropout rate must be at least 0 and less than 1, not {rate}")
        self.rate = rate

    def forward(self, x: Array) -> tuple[Array, None]:
        return x, None

    def forward_train(self, *xs: Array, rng: Generator) -> tuple[Array, Array]:
        x, = xs
        keep = to_device(rng.random(x.shape) >= self.rate, device_of(x))
        xp = get_array_module(x)
        mask = keep * xp.asarray(1 / (1 - self.rate), x.dtype)
        return x * mask, mask

    def backward(self, dout: Array, mask: Array | None) -> Array:
        # out = x * mask
        return dout if mask is None else dout * mask

    def field(self) -> Field:
        return ONE_PIXEL
