"""The fully connected layer, and the flattening before it."""

from minicnn.errors import InputError
from minicnn.layers.initialize import he_normal, zeros
from minicnn.layers.layer import Layer


class Linear(Layer):
    """x @ w.T + b, (N, D) -> (N, F); w : (F, D), b : (F,)."""

    cached = ("x",)

    def __init__(self, in_features, out_features, rng=None):
        super().__init__()
        self.params["w"] = he_normal((out_features, in_features), in_features, rng)
        self.params["b"] = zeros(out_features)

    def forward(self, x):
        if x.shape[1:] != self.params["w"].shape[1:]:
            self.output_shape(x.shape)
        return x @ self.params["w"].T + self.params["b"], x

    def backward(self, dout, x):
        # out = x @ w.T + b, so dx = dout @ w
        return dout @ self.params["w"]

    def backward_params(self, dout, x):
        # out = x @ w.T + b, so dw = dout.T @ x
        return {"w": dout.T @ x, "b": dout.sum(axis=0)}

    def output_shape(self, shape):
        F, D = self.params["w"].shape
        if shape[1:] != (D,):
            raise InputError(f"a fully connected layer expects {D} features an image, got an input of shape {shape}: "
                             "the picture has another size than the network was made for")
        return shape[0], F

    def multiply_adds(self, in_shape, out_shape):
        return out_shape[0] * self.params["w"].size

    def __repr__(self):
        F, D = self.params["w"].shape
        return f"Linear({D}, {F})"


class Flatten(Layer):
    """(N, C, H, W) -> (N, C H W), the channel varying slowest, as in Caffe and PyTorch."""

    makes_array = False

    def forward(self, x):
        return x.reshape(self.output_shape(x.shape)), x.shape

    def backward(self, dout, shape):
        return dout.reshape(shape)

    def output_shape(self, shape):
        size = 1
        for side in shape[1:]:
            size *= side
        return shape[0], size
