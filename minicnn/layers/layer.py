"""The contract that every layer keeps."""


class Layer:
    """A step of a network. Holds parameters, never activations: any number of passes may be open at once.

    `params` holds what training changes ({"w": ..., "b": ...} or {}); `buffers` what it only records
    (BatchNorm2D's running statistics). For forecast.py: `cached` names what the cache refers to, "x", "out" or another
    array of out's size; `makes_array` is False where `out` lies in the memory of x.
    """

    cached = ()
    makes_array = True

    def __init__(self):
        self.params = {}
        self.buffers = {}

    def forward(self, x):
        """x -> (out, cache); `cache` is whatever `backward` needs of this pass."""
        raise NotImplementedError

    def forward_train(self, *xs, rng):
        """`forward` as in training; `rng` is a numpy.random.Generator. Only Dropout and BatchNorm2D differ."""
        return self.forward(*xs)

    def backward(self, dout, cache):
        """Gradient of a scalar to `out` -> its gradient to `x`. Never writes into `dout`."""
        raise NotImplementedError

    def backward_params(self, dout, cache):
        """Gradient of a scalar to `out` -> its gradient to each array in `params`, under the same keys."""
        return {}

    def output_shape(self, *shapes):
        """The shape of `out` for inputs of these shapes, without computing anything."""
        return shapes[0]

    def multiply_adds(self, in_shape, out_shape):
        """Multiply-adds of one forward pass; 0 where there are next to none."""
        return 0

    def __repr__(self):
        """The constructor's call: the settings are the attributes that are no dictionary of arrays."""
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items()
                             if name not in ("params", "buffers"))
        return f"{type(self).__name__}({settings})"
