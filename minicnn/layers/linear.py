"""The fully connected layer, and the flattening before it."""

from math import prod
from typing import Any

from minicnn.backend import Array, Generator
from minicnn.errors import InputError
from minicnn.initialize import he_normal, zeros
from minicnn.layers.layer import Layer


class Linear(Layer):
    """x @ w.T + b, (N, D) -> (N, F). w : weights of shape (F, D). b : biases of shape (F,)."""

    def __init__(self, in_features: int, out_features: int, rng: Generator | None = None) -> None:
        super().__init__()
        self.params["w"] = he_normal((out_features, in_features), in_features, rng)
        self.params["b"] = zeros(out_features)

    def forward(self, x: Array) -> tuple[Array, Array]:
        self.output_shape(x.shape)
        return x @ self.params["w"].T + self.params["b"], x

    def backward(self, dout: Array, x: Array) -> Array:
        # out = x @ w.T + b, so dx = dout @ w
        return dout @ self.params["w"]

    def backward_params(self, dout: Array, x: Array) -> dict[str, Array]:
        # out = x @ w.T + b, so dw = dout.T @ x
        return {"w": dout.T @ x, "b": dout.sum(axis=0)}

    def field(self) -> None:
        return None

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        F, D = self.params["w"].shape
        if shapes[0][1:] != (D,):
            raise InputError(f"a fully connected layer expects {D} features per image, got an input of shape "
                             f"{shapes[0]}: the image has another size than the network was made for")
        return shapes[0][0], F

    def multiply_adds(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
        return out_shape[0] * self.params["w"].size

    def __repr__(self) -> str:
        F, D = self.params["w"].shape
        return f"Linear({D}, {F})"


class Flatten(Layer):
    """(N, C, H, W) -> (N, C H W). The channel varies slowest, as in Caffe and PyTorch."""

    def forward(self, x: Array) -> tuple[Array, Any]:
        return x.reshape(self.output_shape(x.shape)), x.shape

    def backward(self, dout: Array, shape: tuple[int, ...]) -> Array:
        return dout.reshape(shape)

    def field(self) -> None:
        return None

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0][0], prod(shapes[0][1:])
