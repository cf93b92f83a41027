"""The contract that every layer keeps."""

from typing import Any, NamedTuple

from minicnn.backend import Array, Generator
from minicnn.errors import InputError


class Field(NamedTuple):
    """The window of its input that one output of a layer depends on, along each side of the image, in pixels."""

    kernel: int
    stride: int
    pad: int


ONE_PIXEL = Field(1, 1, 0)  # an output depends on the input pixels at its own position only


class Layer:
    """A step of a network. Holds parameters, never activations: any number of passes may be open at once.

    params : the arrays that training changes, {"w": …, "b": …} or {}.
    buffers : the arrays that training only records, such as the running statistics of BatchNorm2D.
    """

    def __init__(self) -> None:
        self.params: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}

    def forward(self, x: Array, /) -> tuple[Array, Any]:
        """Return (out, cache) for the input x. The cache holds all that `backward` needs from this pass."""
        raise NotImplementedError

    def forward_train(self, *xs: Array, rng: Generator) -> tuple[Array, Any]:
        """Return (out, cache) as in training. Only Dropout and BatchNorm2D differ from `forward`."""
        return self.forward(*xs)

    def backward(self, dout: Array, cache: Any) -> Any:
        """Return the gradient to x, from the gradient to `out`. Never writes into `dout`.

        A layer with several inputs returns a tuple with one gradient for each.
        """
        raise NotImplementedError

    def backward_params(self, dout: Array, cache: Any) -> dict[str, Array]:
        """Return the gradients to the parameters, under their keys in self.params, from the gradient to `out`."""
        return {}

    def field(self) -> Field | None:
        """Return the Field of one output, or None if an output depends on the whole image.

        Raises InputError if the layer does not say.
        """
        raise InputError(f"{type(self).__name__} does not say which pixels an output depends on: give it a method "
                         "`field`")

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of `out` for inputs of these shapes. Raises InputError if they do not fit the layer."""
        return shapes[0]

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        """Return the number of multiply-adds of one forward pass; 0 for layers without products."""
        return 0

    def __repr__(self) -> str:
        """Return the call of the constructor. Settings are the attributes that are not dicts of arrays."""
        settings = ", ".join(f"{name}={value!r}" for name, value in vars(self).items()
                             if name not in ("params", "buffers"))
        return f"{type(self).__name__}({settings})"
