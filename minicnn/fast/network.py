"""The fast network: the nodes, weights and traces of a plain one, with layers computed in other ways."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minicnn.backend import Array
from minicnn.fast import conv, elementwise, memory, norm, pool
from minicnn.fast.winograd_weights import WinogradWeights, require_tile
from minicnn.layers import (
    BatchNorm2D,
    Concat,
    ConditionalInstanceNorm2D,
    Conv2D,
    DeconvReLU,
    GuidedReLU,
    InstanceNorm2D,
    Layer,
    MaxPool2D,
    ReLU,
)
from minicnn.network import Network, Node, Trace

FLOAT32 = np.dtype("float32")
RELUS = (ReLU, GuidedReLU, DeconvReLU)


class FastNetwork(Network):
    """A Network that computes float32 images faster, with the same results up to rounding.

    It has the same layer objects as the plain network, so both share their weights. Other types than float32, and
    layers of classes that this module does not name, are computed by the layer's own methods.
    winograd : tile size of Winograd's minimal filtering for 3x3 convolutions. 4 is fastest, with errors of up to 2e-5
    of the largest output; 2 has errors of up to 1e-6; "off" does not use it.
    """

    def __init__(self, input_shape: Sequence[int], aliases: dict[str, str] | None = None, winograd: Any = 4) -> None:
        super().__init__(input_shape, aliases)
        self.winograd = require_tile(winograd)
        self.transformed: WeakKeyDictionary[Layer, WinogradWeights] = WeakKeyDictionary()

    def forward(self, x: Array, upto: str | Iterable[str] | None = None, keep: Iterable[str] | None = None,
                step: Callable[[Node, list[Array]], tuple[Array, Any]] | None = None) -> Trace:
        if step is None:
            in_place = self._in_place(upto, keep)

            def step(node: Node, inputs: list[Array]) -> tuple[Array, Any]:
                return self.forward_step(node, inputs, node.name in in_place)
        return super().forward(x, upto, keep, step)

    def backward(self, trace: Trace, seeds: dict[str, Array], wrt: str | Sequence[str] = ("input",),
                 release: bool = False, step: Callable[[Node, Array, Any], Any] | None = None,
                 add: Callable[[Array, Array], Array] = memory.add) -> dict[str, Array]:
        return super().backward(trace, seeds, wrt, release, step or self.backward_step, add)

    def features(self, x: Array, layers: Iterable[str]) -> dict[str, Array]:
        layers = [self.find(name) for name in layers]
        in_place = self._in_place(layers, layers)

        def forward_only(node: Node, inputs: list[Array]) -> tuple[Array, None]:
            return self.forward_step(node, inputs, node.name in in_place)[0], None
        activations = super().forward(x, layers, layers, forward_only).activations
        return {name: activations[name] for name in layers}

    def forward_step(self, node: Node, inputs: list[Array], in_place: bool = False) -> tuple[Array, Any]:
        """Compute one node. in_place : whether a ReLU may write over its input."""
        layer, x = node.layer, inputs[0]
        if not all_float32(inputs) or not all_float32(layer.params.values()):
            return layer.forward(*inputs)
        if type(layer) is Conv2D:
            return conv.forward(layer, x, self._weights_of(layer)), x
        if type(layer) in RELUS:
            out = elementwise.relu(x, in_place)
            return out, out
        if type(layer) is MaxPool2D:
            out = pool.max_pool(layer, x)
            return out, (x, out)
        if type(layer) is Concat:
            return elementwise.concatenate(layer, inputs), [x.shape[1] for x in inputs]
        if type(layer) is InstanceNorm2D or type(layer) is ConditionalInstanceNorm2D:
            return norm.instance_norm(layer, x)
        if type(layer) is BatchNorm2D:
            return norm.batch_norm(layer, x)
        return layer.forward(*inputs)

    def backward_step(self, node: Node, dout: Array, cache: Any) -> Any:
        """Go back through one node."""
        layer = node.layer
        if not all_float32([dout]) or not all_float32(layer.params.values()):
            return layer.backward(dout, cache)
        if type(layer) is Conv2D and all_float32([cache]):
            return conv.backward(layer, dout, cache, self._weights_of(layer))
        if type(layer) is ReLU:
            return elementwise.relu_backward(dout, cache)
        if type(layer) is MaxPool2D:
            return pool.max_pool_backward(layer, dout, *cache)
        return layer.backward(dout, cache)

    def params_step(self, node: Node, dout: Array, cache: Any) -> dict[str, Array]:
        if type(node.layer) is Conv2D and all_float32([dout, cache]):
            return conv.backward_params(node.layer, dout, cache)
        return node.layer.backward_params(dout, cache)

    def fast(self, winograd: Any = None) -> Network:
        return self if winograd in (None, self.winograd) else super().fast(winograd)

    def _weights_of(self, layer: Layer) -> WinogradWeights:
        """Return the transformed weights of a layer, which stay as long as the layer does."""
        weights = self.transformed.get(layer)
        if weights is None:
            weights = self.transformed[layer] = WinogradWeights(self.winograd)
        return weights

    def _in_place(self, upto: str | Iterable[str] | None, keep: Iterable[str] | None) -> set[str]:
        """Return the ReLUs that may overwrite their input: those after a convolution whose output no other node reads.

        Another reader may keep the convolution's output in its cache. The convolution's own cache is its input.
        """
        if keep is None:
            return set()
        nodes = self.nodes if upto is None else self._nodes_upto(upto)
        last_use = self._last_use(nodes, keep)
        readers = Counter(source for node in nodes for source in node.inputs)
        convolutions = {node.name for node in nodes if isinstance(node.layer, Conv2D) and readers[node.name] == 1}
        return {name for name, layer, inputs in nodes
                if type(layer) in RELUS and inputs[0] in convolutions.intersection(last_use.get(name, ()))}

    def _sibling(self, nodes: list[Node]) -> Network:
        sibling = FastNetwork(self.input_shape, self.aliases, self.winograd)
        sibling.transformed = self.transformed  # keyed by layer, so siblings share what they can
        return sibling._with_nodes(nodes)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and other processes, without the transformed weights, which are made again."""
        return {key: value for key, value in vars(self).items() if key != "transformed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.transformed = WeakKeyDictionary()

    def _kind(self) -> str:
        return f"fast network, Winograd tile {self.winograd}: net.plain() computes as the definition reads"


def all_float32(arrays: Iterable[Array]) -> bool:
    """Return whether all arrays have the type float32."""
    for array in arrays:
        if array.dtype != FLOAT32:
            return False
    return True
