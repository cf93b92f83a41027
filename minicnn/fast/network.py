"""The fast network: the nodes, weights and traces of a plain one, with layers computed in other ways."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.fast import conv, elementwise, memory, norm, pool
from minicnn.fast.caches import ChainedCaches
from minicnn.fast.rows.layer import ChainLayer
from minicnn.fast.rows.plans import Plans
from minicnn.fast.schedule import chain_up, plan_table
from minicnn.fast.threads import get_num_threads
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
MOST = 32  # sizes of images for which a network remembers its chains


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
        self._forget()

    def _forget(self) -> None:
        """Forget transformed weights and plans, which are made again."""
        self.transformed: WeakKeyDictionary[Layer, WinogradWeights] = WeakKeyDictionary()
        self.plans = Plans()
        self.chained: dict[Any, FastNetwork | None] = {}
        self.pooled: tuple[int, bool] | None = None  # number of nodes, and whether one is a max pool

    def forward(self, x: Array, upto: str | Iterable[str] | None = None, keep: Iterable[str] | None = None,
                step: Callable[[Node, list[Array]], tuple[Array, Any]] | None = None) -> Trace:
        keep = None if keep is None else [self.find(name) for name in keep]
        if step is not None:
            return super().forward(x, upto, keep, step)
        chained = None if keep is None else self._chained(x, upto, keep)
        if keep is None or chained is None:
            return super().forward(x, upto, keep, self._step_in_place(upto, keep))
        trace = Network.forward(chained, x, keep=keep, step=chained._step_in_place(None, keep))
        caches: Any = ChainedCaches(self, chained, x, upto, keep, trace.caches)
        return Trace(trace.activations, caches)

    def backward(self, trace: Trace, seeds: dict[str, Array], wrt: str | Sequence[str] = ("input",),
                 release: bool = False, step: Callable[[Node, Array, Any], Any] | None = None,
                 add: Callable[[Array, Array], Array] = memory.add) -> dict[str, Array]:
        caches = trace.caches
        if step is None and isinstance(caches, ChainedCaches) and all_float32(seeds.values()):
            chained = caches.chained if caches.net is self else self._chained(caches.x, caches.upto, caches.keep)
            if chained is not None and caches.fit(chained, (*seeds, *((wrt,) if isinstance(wrt, str) else wrt))):
                inner = Trace(trace.activations, caches.of_chains)
                return Network.backward(chained, inner, seeds, wrt, release, chained.backward_step, add)
        return super().backward(trace, seeds, wrt, release, step or self.backward_step, add)

    def features(self, x: Array, layers: Iterable[str]) -> dict[str, Array]:
        layers = [self.find(name) for name in layers]
        net = self._chained(x, layers, layers) or self
        step = net._step_in_place(layers, layers)

        def forward_only(node: Node, inputs: list[Array]) -> tuple[Array, None]:
            if isinstance(node.layer, ChainLayer):
                return node.layer.predict(*inputs), None
            return step(node, inputs)[0], None
        activations = Network.forward(net, x, layers, layers, forward_only).activations
        return {name: activations[name] for name in layers}

    def plan(self, shape: Sequence[int], upto: str | Iterable[str] | None = None, keep: Iterable[str] = ()) -> str:
        """Return a text that says how a pass of an input of `shape`, (N, C, H, W), runs.

        It lists the steps of the chains that several threads compute together, and the layers that run one by one.
        upto, keep : as in `forward`. Raises InputError if `shape` has another form, or does not fit the network.

        >>> print(net.fast().plan((1, *net.input_shape)).splitlines()[0])
        fast network, Winograd tile 4: net.plain() computes as the definition reads
        """
        if not isinstance(shape, (tuple, list)) or len(shape) != 4 or any(type(n) is not int or n < 1 for n in shape):
            raise InputError(f"expected the shape of a batch of images, (N, C, H, W), not {shape!r:.80}")
        keep = [self.find(name) for name in keep]
        nodes = self.nodes if upto is None else self._nodes_upto(upto)
        shapes = self.shapes(shape[1:])
        chained = chain_up(nodes, shapes, keep, shape[0], self.winograd, get_num_threads(), self.plans)
        return "\n".join([self._kind(), *plan_table(chained, shapes)])

    def _chained(self, x: Array, upto: str | Iterable[str] | None, keep: Sequence[str]) -> "FastNetwork | None":
        """Return this network with its chains of layers as single nodes, or None if it has none for such images.

        upto, keep : as in `forward`. No chain goes beyond an activation that is kept.
        """
        if not isinstance(x, np.ndarray) or x.dtype != FLOAT32 or x.ndim != 4 or not len(x):
            return None
        nodes = self.nodes if upto is None else self._nodes_upto(upto)
        forms = tuple((array.shape, array.dtype) for node in nodes for array in node.layer.params.values())
        key = x.shape[1:], len(x) > 1, len(nodes), frozenset(keep), get_num_threads(), forms
        if key not in self.chained:
            try:
                shapes = self.shapes(x.shape[1:])
            except InputError:
                return None  # the layer that x does not fit says so
            found = chain_up(nodes, shapes, keep, len(x), self.winograd, get_num_threads(), self.plans)
            while len(self.chained) >= MOST:
                del self.chained[next(iter(self.chained))]
            self.chained[key] = None if len(found) == len(nodes) else self._sibling(found)
        chained = self.chained[key]
        if chained is not None:
            self.plans.use(chained.nodes)
        return chained

    def _step_in_place(self, upto: str | Iterable[str] | None,
                       keep: Iterable[str] | None) -> Callable[[Node, list[Array]], tuple[Array, Any]]:
        """Return `forward_step`, in which some ReLUs write over their input."""
        in_place = self._in_place(upto, keep)

        def step(node: Node, inputs: list[Array]) -> tuple[Array, Any]:
            return self.forward_step(node, inputs, node.name in in_place)
        return step

    def forward_step(self, node: Node, inputs: list[Array], in_place: bool = False) -> tuple[Array, Any]:
        """Compute one node. in_place : whether a ReLU may write over its input."""
        layer, x = node.layer, inputs[0]
        if type(layer) is ChainLayer:
            return layer.forward(x)
        if not all_float32(inputs) or not all_float32(layer.params.values()):
            return layer.forward(*inputs)
        if type(layer) is Conv2D:
            return conv.forward(layer, x, self._weights_of(layer), self._is_pooled()), x
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
        if type(layer) is ChainLayer:
            return layer.backward(dout, cache)
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

    def _is_pooled(self) -> bool:
        """Return whether the network has a max pool."""
        if self.pooled is None or self.pooled[0] != len(self.nodes):
            self.pooled = len(self.nodes), any(isinstance(node.layer, MaxPool2D) for node in self.nodes)
        return self.pooled[1]

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

    def _sibling(self, nodes: list[Node]) -> "FastNetwork":
        sibling = FastNetwork(self.input_shape, self.aliases, self.winograd)
        # keyed by layers, so siblings with the same layers share them
        sibling.transformed, sibling.plans = self.transformed, self.plans
        sibling._with_nodes(nodes)
        return sibling

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for copies and other processes. They make the weights' copies and the plans again."""
        return {key: value for key, value in vars(self).items() if key not in ("transformed", "plans", "chained")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def _kind(self) -> str:
        return f"fast network, Winograd tile {self.winograd}: net.plain() computes as the definition reads"


def all_float32(arrays: Iterable[Array]) -> bool:
    """Return whether all arrays have the type float32."""
    for array in arrays:
        if array.dtype != FLOAT32:
            return False
    return True
