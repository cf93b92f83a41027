"""A layer computed by a fast network, with the methods of a layer, so that the same tests run on both."""

from minicnn.network import Network


class FastLayer:
    """The layer as a FastNetwork computes it."""

    def __init__(self, layer, winograd=4):
        self.layer = layer
        self.net = Network((1, 1, 1))
        self.net.add("layer", layer)
        self.net = self.net.fast(winograd)
        self.node = self.net.nodes[0]

    @property
    def params(self):
        return self.layer.params

    @property
    def buffers(self):
        return self.layer.buffers

    def forward(self, *xs):
        return self.net.forward_step(self.node, list(xs))

    def forward_train(self, *xs, rng):
        return self.layer.forward_train(*xs, rng=rng)

    def backward(self, dout, cache):
        return self.net.backward_step(self.node, dout, cache)

    def backward_params(self, dout, cache):
        return self.net.params_step(self.node, dout, cache)

    def __getattr__(self, name):
        return getattr(self.layer, name)
