"""A network: a list of named nodes, one loop forward and one loop back."""

import copy
import operator
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from minicnn.backend import Array, Generator, choose_device, device_of, to_device
from minicnn.errors import InputError, unknown_name
from minicnn.layers import AvgPool2D, Layer, MaxPool2D, ReLU
from minicnn.layers.pool import Pool2D
from minicnn.layers.relevance import relevance_layer
from minicnn.shown import html_table, network_rows, text_table, trace_rows

__all__ = ["Network", "Node", "SlowNetworkWarning", "Trace", "warn_if_slow"]

POOLINGS: dict[str, type[Pool2D]] = {"max": MaxPool2D, "avg": AvgPool2D}
MANY_PASSES = 20  # from here on, `warn_if_slow` recommends the fast network


class Node(NamedTuple):
    """A layer in a network. Its output has the name `name`; its inputs are the outputs with the names `inputs`."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


class Trace(NamedTuple):
    """The record of one forward pass: the activations that were kept, and the cache of each layer for `backward`."""

    activations: dict[str, Array]
    caches: dict[str, Any]

    def __repr__(self) -> str:
        """Return one line, without the values."""
        return f"<Trace: {len(self.activations)} activations up to {next(reversed(self.activations), None)!r}>"

    def _repr_html_(self) -> str:
        """Return a table of the activations' shapes as HTML, for notebooks."""
        return html_table(trace_rows(self), repr(self))


class SlowNetworkWarning(UserWarning):
    """A loop of many passes runs on a plain network."""


class Network:
    """Named layers in execution order. `output` is the last one: the class scores, before the softmax.

    input_shape : (C, H, W) of the images that the network was made for. Layers without a fixed size take others too.
    aliases : names that other frameworks give these layers, {alias: name}; `find` resolves them.

    >>> tiny = Network((3, 8, 8))
    >>> tiny.add("relu", ReLU())
    'relu'
    """

    def __init__(self, input_shape: Sequence[int], aliases: dict[str, str] | None = None) -> None:
        self.input_shape = tuple(input_shape)
        self.nodes: list[Node] = []
        self.positions = {"input": -1}  # name -> index in `nodes`; the input comes before them all
        self.aliases = dict(aliases or {})

    def add(self, name: str, layer: Layer, *inputs: str) -> str:
        """Append `layer` under `name` and return the name. By default its input is the output of the last node.

        Raises InputError if the name is taken, UnknownNameError if an input does not exist.
        """
        if name in self.positions:
            raise InputError(f"there is already a layer {name!r}")
        for source in inputs:
            if source not in self.positions:
                raise unknown_name("layer", source, self.positions)
        node = Node(name, layer, inputs or (self.output,))
        self.positions[name] = len(self.nodes)
        self.nodes.append(node)
        return name

    @property
    def output(self) -> str:
        """The name of the last node; "input" if there are no nodes."""
        return self.nodes[-1].name if self.nodes else "input"

    @property
    def device(self) -> str:
        """The device of the parameters, "cpu" or "gpu"."""
        for node in self.nodes:
            for array in node.layer.params.values():
                return device_of(array)
        return "cpu"

    def layer_names(self) -> list[str]:
        """Return all names in execution order."""
        return [node.name for node in self.nodes]

    def find(self, name: str) -> str:
        """Return the network's own name for `name`, which may be an alias. UnknownNameError suggests the nearest."""
        name = self.aliases.get(str(name), name) if isinstance(name, (str, int)) and self.aliases else name
        if not isinstance(name, str) or name not in self.positions:
            raise unknown_name("layer", name, [*self.positions, *self.aliases])
        return name

    def layer(self, name: str) -> Layer:
        """Return the layer with this name or alias. Raises InputError for "input", which is not a layer."""
        if name == "input":
            raise InputError("'input' is the image itself, not a layer")
        return self.nodes[self.positions[self.find(name)]].layer

    # ---- the two loops -------------------------------------------------------------------------------------------

    def forward(self, x: Array, upto: str | Iterable[str] | None = None, keep: Iterable[str] | None = None,
                step: Callable[[Node, list[Array]], tuple[Array, Any]] | None = None) -> Trace:
        """Run `x`, of shape (N, C, H, W), through the layers and return the Trace; activations["input"] is x.

        upto : stop after this layer, or after the deepest of several. By default all layers run.
        keep : names of the activations that the trace keeps. By default it keeps all. Caches are always kept.
        step : called as step(node, inputs) -> (out, cache) instead of the layer's `forward`.
        """
        nodes = self.nodes if upto is None else self._nodes_upto(upto)
        done_after = {} if keep is None else self._last_use(nodes, keep)
        outs, caches = {"input": x}, {}
        for node in nodes:
            inputs = list(map(outs.__getitem__, node.inputs))
            outs[node.name], caches[node.name] = node.layer.forward(*inputs) if step is None else step(node, inputs)
            del inputs
            for name in done_after.get(node.name, ()):
                del outs[name]
        return Trace(outs, caches)

    def backward(self, trace: Trace, seeds: dict[str, Array], wrt: str | Sequence[str] = ("input",),
                 release: bool = False, step: Callable[[Node, Array, Any], Any] | None = None,
                 add: Callable[[Array, Array], Array] = operator.add) -> dict[str, Array]:
        """Return the gradients to the layers `wrt`, {name: gradient}, from gradients at other layers, the seeds.

        seeds : {name: gradient of a scalar to this activation}. If the scalar depends on several, give them all.
        wrt : names of the gradients to return. The loop stops when all of them are known.
        release : delete each cache of the trace after its use. That saves memory, and a second pass is not possible.
        step : called as step(node, dout, cache) instead of the layer's `backward`; returns the gradient to the input,
        a tuple for several inputs, or None to go no further back along this path.
        add : called as add(a, b) instead of a + b for the gradients of an activation that several nodes read.
        """
        wrt = (wrt,) if isinstance(wrt, str) else wrt
        for name in (*seeds, *wrt):
            if name not in self.positions:
                raise unknown_name("layer", name, self.positions)
        first = min(map(self.positions.__getitem__, wrt), default=-1) + 1  # the first node that a gradient passes
        grads = dict(seeds)
        for node in reversed(self.nodes[first:]):
            if node.name not in grads:
                continue  # no seed depends on this layer
            if node.name not in trace.caches:
                raise not_in_trace(node.name)
            cache = trace.caches.pop(node.name) if release else trace.caches[node.name]
            dout = grads[node.name] if node.name in wrt else grads.pop(node.name)
            dxs = node.layer.backward(dout, cache) if step is None else step(node, dout, cache)
            del cache
            if dxs is None:
                continue
            for source, dx in zip(node.inputs, dxs if isinstance(dxs, tuple) else (dxs,), strict=True):
                grads[source] = add(grads[source], dx) if source in grads else dx  # fan-out: gradients add
            del dout, dxs, dx  # so that each gradient is freed as soon as it was used
        wanted = {}
        for name in wrt:
            if name not in grads:
                raise InputError(f"no gradient reaches {name!r} from the seeds at {', '.join(seeds)}")
            wanted[name] = grads[name]
        return wanted

    # ---- uses of the loops ---------------------------------------------------------------------------------------

    def predict(self, x: Array, layer: str | None = None) -> Array:
        """Return the activation of `layer`, by default of the output, and keep nothing else."""
        layer = self.output if layer is None else self.find(layer)
        return self.features(x, (layer,))[layer]

    def features(self, x: Array, layers: Iterable[str]) -> dict[str, Array]:
        """Return {name: activation} of these layers and keep nothing else, no caches either."""
        layers = [self.find(name) for name in layers]

        def forward_only(node: Node, inputs: list[Array]) -> tuple[Array, None]:
            return self.forward_step(node, inputs)[0], None
        activations = self.forward(x, upto=layers, keep=layers, step=forward_only).activations
        return {name: activations[name] for name in layers}

    def forward_train(self, x: Array, rng: Generator, keep: Iterable[str] | None = None) -> Trace:
        """Return the Trace of a pass as in training: Dropout drops, BatchNorm2D normalizes by the batch.

        rng : a numpy.random.Generator.
        """
        def forward_train(node: Node, inputs: list[Array]) -> tuple[Array, Any]:
            if type(node.layer).forward_train is Layer.forward_train:  # the layer does not differ in training
                return self.forward_step(node, inputs)
            return node.layer.forward_train(*inputs, rng=rng)
        return self.forward(x, keep=keep, step=forward_train)

    def backward_params(self, trace: Trace, grads: dict[str, Array]) -> dict[str, dict[str, Array]]:
        """Return the gradients to the parameters, {name: {"w": dw, …}}, from gradients to the layers' outputs.

        A layer that several nodes share appears under the name of the first, with the sum of their gradients.
        """
        totals: dict[str, dict[str, Array]] = {}
        owners = self._owners()
        for node in self.nodes:
            if node.name in grads and id(node.layer) in owners:
                if node.name not in trace.caches:
                    raise not_in_trace(node.name)
                self._add_params(totals, owners, node, grads[node.name], trace.caches[node.name])
        return totals

    def backward_train(self, trace: Trace, seeds: dict[str, Array],
                       only: Sequence[str] | None = None) -> dict[str, dict[str, Array]]:
        """Return what `backward_params` returns, from gradients at some layers. Releases the trace as it goes.

        only : keys of the parameters to compute, such as ("gamma", "beta"). By default all.
        """
        owners = self._owners(only)
        totals: dict[str, dict[str, Array]] = {}
        first = min((self.positions[name] for name in owners.values()), default=len(self.nodes))

        def backward_train(node: Node, dout: Array, cache: Any) -> Any:
            if id(node.layer) in owners:
                self._add_params(totals, owners, node, dout, cache)
            return self.backward_step(node, dout, cache) if self.positions[node.name] > first else None
        self.backward(trace, seeds, wrt=(), release=True, step=backward_train)
        return {name: {key: gradient for key, gradient in totals[name].items() if only is None or key in only}
                for name in owners.values() if name in totals}  # in the order of the layers

    def forward_step(self, node: Node, inputs: list[Array]) -> tuple[Array, Any]:
        """Compute one node, as `forward` does without `step`."""
        return node.layer.forward(*inputs)

    def backward_step(self, node: Node, dout: Array, cache: Any) -> Any:
        """Go back through one node, as `backward` does without `step`."""
        return node.layer.backward(dout, cache)

    def params_step(self, node: Node, dout: Array, cache: Any) -> dict[str, Array]:
        """Return the gradients to the parameters of one node."""
        return node.layer.backward_params(dout, cache)

    def _owners(self, only: Sequence[str] | None = None) -> dict[int, str]:
        """Return {id of a layer: its first name} of the layers with parameters, or with one of the keys `only`."""
        return {id(layer): name for name, layer in self.parameter_layers().items()
                if only is None or not layer.params.keys().isdisjoint(only)}

    def _add_params(self, totals: dict[str, dict[str, Array]], owners: dict[int, str], node: Node, dout: Array,
                    cache: Any) -> None:
        """Add the node's parameter gradients to the sums of its layer in `totals`."""
        total = totals.setdefault(owners[id(node.layer)], {})
        for key, gradient in self.params_step(node, dout, cache).items():
            total[key] = total[key] + gradient if key in total else gradient

    def _nodes_upto(self, upto: str | Iterable[str]) -> list[Node]:
        """Return the nodes that must run to compute all the named activations."""
        names = [upto] if isinstance(upto, str) else list(upto)
        if not names:
            raise InputError("no layer is named: name at least one to compute")
        return self.nodes[:max(self.positions[self.find(name)] for name in names) + 1]

    def _last_use(self, nodes: list[Node], keep: Iterable[str]) -> dict[str, list[str]]:
        """Return {name: activations, none of them in `keep`, that no node after the one of that name reads}."""
        reader = {"input": nodes[0].name} if nodes else {}
        for node in nodes:
            reader.update(dict.fromkeys((*node.inputs, node.name), node.name))
        keep = {self.find(name) for name in keep}
        last_use: dict[str, list[str]] = {}
        for name, last in reader.items():
            if name not in keep:
                last_use.setdefault(last, []).append(name)
        return last_use

    # ---- siblings: networks that share the weights ---------------------------------------------------------------

    def with_relu(self, relu: ReLU) -> "Network":
        """Return a network with the same layers and weights, in which each ReLU is replaced by the layer `relu`."""
        return self._sibling([node._replace(layer=relu) if isinstance(node.layer, ReLU) else node
                              for node in self.nodes])

    def with_rule(self, rule: Callable[[Layer], Layer]) -> "Network":
        """Return a network with the same layers and weights, whose backward pass hands relevance down by `rule`.

        rule : makes a layer to put in the place of one that adds up its inputs, such as EpsilonRelevance. See
        minicnn/layers/relevance.py for the rules and for the other layers.
        """
        return self._sibling([node._replace(layer=relevance_layer(node.layer, rule)) for node in self.nodes])

    def with_pooling(self, pooling: str) -> "Network":
        """Return a network with the same layers and weights, in which each pool has the kind "max" or "avg".

        Gatys et al. 2015 (arXiv:1505.07376) found that average pooling gives smoother images.
        """
        if pooling not in POOLINGS:
            raise unknown_name("pooling", pooling, POOLINGS)
        kind = POOLINGS[pooling]
        return self._sibling([
            node._replace(layer=kind(pool.kernel_size, pool.stride, pool.pad, pool.ceil))
            if isinstance(pool := node.layer, Pool2D) and not isinstance(pool, kind) else node for node in self.nodes])

    def with_layers(self, layers: dict[str, Layer]) -> "Network":
        """Return a network with the same layers and weights, except for those in `layers`, {name: new layer}."""
        layers = {self.find(name): layer for name, layer in layers.items()}
        return self._sibling([node._replace(layer=layers.get(node.name, node.layer)) for node in self.nodes])

    def to_device(self, device: str) -> "Network":
        """Return the same network with its parameters on "cpu", "gpu" or "auto"."""
        device = choose_device(device)
        return self if device == self.device else self._with_arrays(lambda array: to_device(array, device))

    def astype(self, dtype: Any) -> "Network":
        """Return a copy of the network with its parameters in another floating-point type."""
        return self._with_arrays(lambda array: array.astype(dtype))

    def trunk(self, last: str | Iterable[str]) -> "Network":
        """Return the network that ends at `last`, for features alone or for weights without a classifier."""
        return self._sibling(self._nodes_upto(last))

    def fast(self, winograd: Any = 4) -> "Network":
        """Return the FastNetwork of the same layers: the same results up to float32 rounding, faster.

        winograd : 4 or 2, the tile size for 3x3 convolutions, or "off", see minicnn/fast/winograd.py.
        """
        from minicnn.fast.network import FastNetwork  # the library works without minicnn.fast
        return FastNetwork(self.input_shape, self.aliases, winograd)._with_nodes(self.nodes)

    def plain(self) -> "Network":
        """Return the network that computes each layer as its definition reads."""
        return Network(self.input_shape, self.aliases)._with_nodes(self.nodes)

    def _with_arrays(self, convert: Callable[[Array], Array]) -> "Network":
        """Return a network whose layers are copies with `convert` applied to each parameter and buffer."""
        copies: dict[int, Layer] = {}  # a layer that several nodes share stays one layer
        for node in self.nodes:
            if id(node.layer) not in copies:
                layer = copies[id(node.layer)] = copy.copy(node.layer)
                layer.params = {key: convert(array) for key, array in layer.params.items()}
                layer.buffers = {key: convert(array) for key, array in layer.buffers.items()}
        return self._sibling([node._replace(layer=copies[id(node.layer)]) for node in self.nodes])

    def _sibling(self, nodes: list[Node]) -> "Network":
        """Return a network of the same kind with these nodes."""
        return Network(self.input_shape, self.aliases)._with_nodes(nodes)

    def _with_nodes(self, nodes: list[Node]) -> "Network":
        self.nodes = list(nodes)
        self.positions = {"input": -1} | {node.name: i for i, node in enumerate(nodes)}
        return self

    # ---- the table -----------------------------------------------------------------------------------------------

    def shapes(self, input_shape: Sequence[int] | None = None) -> dict[str, tuple[int, ...]]:
        """Return {name: output shape} for one image of `input_shape` (C, H, W), without computing anything."""
        shapes: dict[str, tuple[int, ...]] = {"input": (1, *(input_shape or self.input_shape))}
        for name, layer, inputs in self.nodes:
            try:
                shapes[name] = layer.output_shape(*[shapes[source] for source in inputs])
            except InputError as problem:
                raise InputError(f"layer {name!r}: {problem}") from None
        return shapes

    def parameter_layers(self) -> dict[str, Layer]:
        """Return {name: layer} of the layers with parameters. A shared layer appears once, under its first name."""
        layers, seen = {}, set()
        for node in self.nodes:
            if node.layer.params and id(node.layer) not in seen:
                layers[node.name] = node.layer
                seen.add(id(node.layer))
        return layers

    def num_parameters(self) -> int:
        """Return the number of values that training changes."""
        return sum(array.size for layer in self.parameter_layers().values() for array in layer.params.values())

    def __repr__(self) -> str:
        kind = type(self).__name__
        return f"<{kind}: {len(self.nodes)} layers up to {self.output!r}, {self.num_parameters():,} parameters>"

    def __str__(self) -> str:
        """Return the kind of network and a table: name, layer, output shape, parameters, multiply-adds of one image."""
        return "\n".join([self._kind(), *text_table(network_rows(self))])

    def _repr_html_(self) -> str:
        """Return the same table as HTML, for notebooks."""
        return html_table(network_rows(self), self._kind())

    def _kind(self) -> str:
        """Return one line that says how this network computes."""
        return "plain network: each layer runs as its definition reads; net.fast() gives the same results sooner"


def not_in_trace(name: str) -> InputError:
    """Return the InputError for a backward pass through a layer whose cache the trace does not hold."""
    return InputError(f"the trace has no cache of {name!r}: the forward pass ended before it, or an earlier backward "
                      "pass with release=True deleted it; run the forward pass again, up to this layer")


def warn_if_slow(net: Network, passes: int) -> None:
    """Warn, once per place in the code, before a loop of more than 20 passes over a plain float32 network.

    >>> warn_if_slow(net, passes=5)  # few passes: no warning
    """
    floats32 = all(array.dtype.itemsize <= 4 for layer in net.parameter_layers().values()
                   for array in layer.params.values())
    if type(net) is Network and passes > MANY_PASSES and floats32 and net.device == "cpu":
        warnings.warn(f"a loop of {passes} passes over a plain network is slow: net.fast() gives the same results "
                      "sooner", SlowNetworkWarning, stacklevel=3)
