"""A network: a list of named nodes and two loops."""

import copy
from collections import Counter
from typing import Any, NamedTuple

from minicnn.backend import Array, choose_device, device_of, to_device
from minicnn.errors import InputError, unknown_name
from minicnn.fast.memory import add
from minicnn.layers import AvgPool2D, Conv2D, DeconvReLU, GuidedReLU, Layer, MaxPool2D, ReLU
from minicnn.layers.conv import checked_winograd
from minicnn.layers.pool import Pool2D

POOLINGS = {"max": MaxPool2D, "avg": AvgPool2D}
RELUS = (ReLU, GuidedReLU, DeconvReLU)


class Node(NamedTuple):
    """A layer at work in a network: its output is called `name`, its inputs are the outputs of those names."""

    name: str
    layer: Layer
    inputs: tuple[str, ...]


class Trace(NamedTuple):
    """One forward pass: the activations that were kept, and what each layer needs to go back."""

    activations: dict[str, Array]
    caches: dict[str, Any]


def not_there(name):
    """The InputError for a way back from a layer of which the trace holds nothing."""
    return InputError(f"the forward pass ended before {name!r}, or an earlier way back has released it; give its "
                      "`upto` this name, or none, and run it again")


class SlowNetworkWarning(UserWarning):
    """A loop of many passes runs on a plain network."""


def warn_if_slow(net, passes):
    """Warn, through Python's `warnings`, before more than 20 passes over a plain float32 network on the CPU."""


class Network:
    """Named layers in execution order; `output` is the last one, the class scores (softmax is applied outside).

    input_shape : (C, H, W) of the pictures that the network was made for; trunks take other sizes too.
    aliases : other frameworks' names for these layers, resolved by `find`.
    """

    def __init__(self, input_shape, aliases=None):
        self.input_shape = tuple(input_shape)
        self.nodes = []
        self.positions = {"input": -1}  # name -> place in `nodes`; the input comes before them all
        self.aliases = dict(aliases or {})

    def add(self, name, layer, *inputs):
        """Append `layer` under `name`; its input is the node before, or those named. Returns the name.

        Raises InputError for a name that is taken, UnknownNameError for an input that is not there yet.
        """
        if name in self.positions:
            raise InputError(f"there is a layer {name!r} already")
        for source in inputs:
            if source not in self.positions:
                raise unknown_name("layer", source, self.positions)
        node = Node(name, layer, inputs or (self.output,))
        self.positions[name] = len(self.nodes)
        self.nodes.append(node)
        return name

    @property
    def output(self):
        """The name of the last node, or "input" while there is none."""
        return self.nodes[-1].name if self.nodes else "input"

    @property
    def device(self):
        """ "cpu" or "gpu": where the parameters live."""
        for node in self.nodes:
            for array in node.layer.params.values():
                return device_of(array)
        return "cpu"

    def layer_names(self):
        """All names, in execution order."""
        return [node.name for node in self.nodes]

    def find(self, name):
        """The network's own name for `name`, which may be an alias; UnknownNameError suggests the nearest."""
        name = self.aliases.get(str(name), name)
        if name not in self.positions:
            raise unknown_name("layer", name, [*self.positions, *self.aliases])
        return name

    def layer(self, name):
        """The layer of that name or alias. Raises InputError for "input", which is none."""
        if name == "input":
            raise InputError("'input' is the picture itself, not a layer")
        return self.nodes[self.positions[self.find(name)]].layer

    # ---- the two loops -------------------------------------------------------------------------------------------

    def forward(self, x, upto=None, keep=None, step=None):
        """Run `x`, of shape (N, C, H, W), through the layers and return the Trace; activations["input"] is x.

        upto : stop at this layer, or at the deepest of these. keep : the names whose activations are wanted;
        all, unless given. What the backward pass needs is kept in any case.
        step : called as step(node, inputs) instead of node.layer.forward(*inputs); it returns (out, cache) too.
        """
        nodes = self.nodes if upto is None else self._nodes_upto(upto)
        last_use = None if keep is None else self._last_use(nodes, keep)
        over = set() if keep is None else self._written_over(nodes, last_use)
        outs, caches = {"input": x}, {}
        for node in nodes:
            name, layer, inputs = node
            forward = layer.forward_over if name in over else layer.forward
            if step is None:
                outs[name], caches[name] = forward(*map(outs.get, inputs))
            else:
                outs[name], caches[name] = step(node, [outs[source] for source in inputs])
            if keep is not None:
                for done in last_use[name]:
                    del outs[done]
        return Trace(outs, caches)

    def backward(self, trace, seeds, wrt=("input",), release=False, step=None):
        """From gradients at some layers to the gradients at others: {layer name: gradient} in, the same out.

        seeds : the gradient of a scalar to each named activation; where it depends on several, all of them.
        wrt : the names whose gradients are wanted; the loop stops as soon as all of them are known.
        release : let go of what the trace holds as soon as it was used: less memory, and no second way back.
        step : called as step(node, dout, cache) instead of node.layer.backward(dout, cache); it returns the same.
        """
        wrt = (wrt,) if isinstance(wrt, str) else wrt
        for name in (*seeds, *wrt):
            if name not in self.positions:
                raise unknown_name("layer", name, self.positions)
            if name in seeds and name not in trace.caches and name != "input":
                raise not_there(name)
        stop = min(map(self.positions.get, wrt), default=len(self.nodes) - 1) + 1
        grads = dict(seeds)
        for node in reversed(self.nodes[stop:]):
            name, layer, inputs = node
            if name not in grads:
                continue  # nothing that was seeded depends on this layer
            if name not in trace.caches:
                raise not_there(name)
            dout = grads[name] if name in wrt else grads.pop(name)
            cache = trace.caches.pop(name) if release else trace.caches[name]
            dxs = layer.backward(dout, cache) if step is None else step(node, dout, cache)
            for source, dx in zip(inputs, dxs if isinstance(dxs, tuple) else (dxs,), strict=True):
                grads[source] = add(grads[source], dx) if source in grads else dx  # fan-out
        wanted = {}
        for name in wrt:
            if name not in grads:
                raise InputError(f"no gradient reaches {name!r} from the seeds at {', '.join(seeds)}")
            wanted[name] = grads[name]
        return wanted

    # ---- variations of the loops ---------------------------------------------------------------------------------

    def predict(self, x, layer=None):
        """The activation of `layer` (the output, unless given), keeping nothing else: for many images."""
        layer = self.output if layer is None else self.find(layer)
        return self.features(x, (layer,))[layer]

    def features(self, x, layers):
        """{name: activation} of these layers, keeping nothing else: where no way back follows."""
        layers = [self.find(name) for name in layers]
        nodes = self._nodes_upto(layers)
        last_use = self._last_use(nodes, layers)
        over = self._written_over(nodes, last_use)
        outs = {"input": x}
        for name, layer, inputs in nodes:
            forward = layer.forward_over if name in over else layer.forward
            outs[name] = forward(*map(outs.get, inputs))[0]
            for done in last_use[name]:
                del outs[done]
        return {name: outs[name] for name in layers}

    def forward_train(self, x, rng, keep=None):
        """`forward` as in training: Dropout drops, BatchNorm2D uses the batch; `rng`: numpy.random.Generator."""
        last_use = None if keep is None else self._last_use(self.nodes, keep)
        outs, caches = {"input": x}, {}
        for name, layer, inputs in self.nodes:
            outs[name], caches[name] = layer.forward_train(*map(outs.get, inputs), rng=rng)
            if keep is not None:
                for done in last_use[name]:
                    del outs[done]
        return Trace(outs, caches)

    def backward_params(self, trace, grads):
        """{layer name: gradient to its output} -> {layer name: {"w": dw, ...}} for the layers with parameters.

        A layer that several nodes share appears under the first one's name, with the sum.
        """
        owners, totals = self._owners(), {}
        for name, layer, _ in self.nodes:
            if name in grads:
                if name not in trace.caches:
                    raise not_there(name)
                self._add_params(totals, owners, layer, grads[name], trace.caches[name])
        return totals

    def backward_train(self, trace, seeds, only=None):
        """Both ways back in one, for training: from gradients at some layers to what `backward_params` returns.

        Each gradient, and what the trace holds, is let go as soon as it was used. only : the keys of the parameters
        that are asked for, as ("gamma", "beta"): layers without them are gone through, or not reached; all, unless
        given.
        """
        for name in seeds:
            if name not in self.positions:
                raise unknown_name("layer", name, self.positions)
            if name not in trace.caches:
                raise not_there(name)
        owners, totals = self._owners(only), {}
        first = min((self.positions[name] for name in owners.values()), default=len(self.nodes))
        grads = dict(seeds)
        for name, layer, inputs in reversed(self.nodes[first:]):
            if name not in grads:
                continue
            if name not in trace.caches:
                raise not_there(name)
            dout, cache = grads.pop(name), trace.caches.pop(name)
            self._add_params(totals, owners, layer, dout, cache)
            if self.positions[name] > first:
                dxs = layer.backward(dout, cache)
                for source, dx in zip(inputs, dxs if isinstance(dxs, tuple) else (dxs,), strict=True):
                    grads[source] = add(grads[source], dx) if source in grads else dx
        return {name: {key: gradient for key, gradient in totals[name].items() if only is None or key in only}
                for name in owners.values() if name in totals}  # in the order of the layers

    def _owners(self, only=None):
        """{id of a layer with parameters, with one of the keys in `only` if given: the name it goes by}."""
        return {id(layer): name for name, layer in self.parameter_layers().items()
                if only is None or not layer.params.keys().isdisjoint(only)}

    def _add_params(self, totals, owners, layer, dout, cache):
        """Add the gradients to the parameters of `layer`, if it has any, to its own in `totals`."""
        if id(layer) in owners:
            total = totals.setdefault(owners[id(layer)], {})
            for key, gradient in layer.backward_params(dout, cache).items():
                total[key] = total[key] + gradient if key in total else gradient

    def _nodes_upto(self, upto):
        """The nodes to run so that all the named activations are there."""
        names = [upto] if isinstance(upto, str) else list(upto)
        if not names:
            raise InputError("no layer is named, so there is nothing to compute")
        return self.nodes[:max(self.positions[self.find(name)] for name in names) + 1]

    def _last_use(self, nodes, keep):
        """{name: the activations, none of them in `keep`, that nobody reads after the node of that name}."""
        reader = {"input": nodes[0].name} if nodes else {}
        for name, _, inputs in nodes:
            reader.update(dict.fromkeys((*inputs, name), name))
        keep = {self.find(name) for name in keep}
        return {node.name: [done for done, last in reader.items() if last == node.name and done not in keep]
                for node in nodes}

    def _written_over(self, nodes, last_use):
        """The names of the ReLUs behind a convolution, which does not need its output to go back, where nobody else
        reads this either, as who read it before may hold it in a cache or hand it on: they may write over it."""
        readers = Counter(source for node in nodes for source in node.inputs)
        convolutions = {node.name for node in nodes if isinstance(node.layer, Conv2D) and readers[node.name] == 1}
        return {name for name, layer, inputs in nodes
                if type(layer) in RELUS and inputs[0] in convolutions.intersection(last_use[name])}

    # ---- siblings: the same weights, in other hands --------------------------------------------------------------

    def with_relu(self, relu):
        """A network with the same layers and weights, but every ReLU replaced by the layer `relu`, another rule."""
        return self._sibling([node._replace(layer=relu) if isinstance(node.layer, ReLU) else node
                              for node in self.nodes])

    def with_pooling(self, pooling):
        """A network with the same layers and weights, every pool of windows replaced by one of that kind: "max", or
        "avg", which Gatys et al. 2015 (arXiv:1505.07376) found to give smoother pictures."""
        if pooling not in POOLINGS:
            raise unknown_name("pooling", pooling, POOLINGS)
        kind = POOLINGS[pooling]
        return self._sibling([
            node._replace(layer=kind(pool.kernel_size, pool.stride, pool.pad, pool.ceil))
            if isinstance(pool := node.layer, Pool2D) and not isinstance(pool, kind) else node for node in self.nodes])

    def with_layers(self, layers):
        """A network with the same layers and weights, but for those in `layers`, {name: layer instead}."""
        layers = {self.find(name): layer for name, layer in layers.items()}
        return self._sibling([node._replace(layer=layers.get(node.name, node.layer)) for node in self.nodes])

    def to_device(self, device):
        """The same network with its parameters on "cpu", "gpu" or "auto"."""
        device = choose_device(device)
        return self if device == self.device else self._with_arrays(lambda array: to_device(array, device))

    def astype(self, dtype):
        """The same network with its parameters in another floating-point type."""
        return self._with_arrays(lambda array: array.astype(dtype))

    def with_winograd(self, winograd):
        """The same network and weights, its 3x3 convolutions computed so: 4, 2 or "off", see Conv2D."""
        def changed(layer):
            if isinstance(layer, Conv2D):
                layer.winograd = checked_winograd(winograd)
        return self._with_copies(changed)

    def _with_arrays(self, convert):
        """A network whose layers are copies with `convert` applied to every parameter and buffer."""
        def changed(layer):
            layer.params = {key: convert(array) for key, array in layer.params.items()}
            layer.buffers = {key: convert(array) for key, array in layer.buffers.items()}
        return self._with_copies(changed)

    def _with_copies(self, change):
        """A network whose layers are copies, each of them given to `change`."""
        copies = {}  # a layer that is used twice stays one layer
        for node in self.nodes:
            if id(node.layer) not in copies:
                layer = copies[id(node.layer)] = copy.copy(node.layer)
                change(layer)
        return self._sibling([node._replace(layer=copies[id(node.layer)]) for node in self.nodes])

    def trunk(self, last):
        """The network that ends at `last`: for features alone, or weights without a classifier."""
        return self._sibling(self._nodes_upto(last))

    def _sibling(self, nodes):
        sibling = Network(self.input_shape, self.aliases)
        sibling.nodes, sibling.positions = nodes, {node.name: i for i, node in enumerate(nodes)} | {"input": -1}
        return sibling

    # ---- plain and fast ------------------------------------------------------------------------------------------

    def fast(self):
        """Return the network that computes the same numbers, up to float32 rounding, in less time."""
        return self

    def plain(self):
        """Return the network that computes as the definition reads."""
        return self

    # ---- the table -----------------------------------------------------------------------------------------------

    def shapes(self, input_shape=None):
        """{name: output shape} for one image of `input_shape` (C, H, W), without computing anything."""
        shapes = {"input": (1, *(input_shape or self.input_shape))}
        for name, layer, inputs in self.nodes:
            try:
                shapes[name] = layer.output_shape(*[shapes[source] for source in inputs])
            except InputError as problem:
                raise InputError(f"layer {name!r}: {problem}") from None
        return shapes

    def parameter_layers(self):
        """{name: layer} of the layers with parameters, each once, under its first name."""
        layers, seen = {}, set()
        for node in self.nodes:
            if node.layer.params and id(node.layer) not in seen:
                layers[node.name] = node.layer
                seen.add(id(node.layer))
        return layers

    def num_parameters(self):
        """How many numbers training changes."""
        return sum(array.size for layer in self.parameter_layers().values() for array in layer.params.values())

    def __str__(self):
        """A table: name, layer, output shape, parameters, multiply-adds of one image."""
        shapes = self.shapes()
        owners = self.parameter_layers()
        rows = [("name", "layer", "output", "parameters", "multiply-adds"),
                ("input", "", "x".join(map(str, self.input_shape)), "", "")]
        total = 0
        for name, layer, inputs in self.nodes:
            work = layer.multiply_adds(shapes[inputs[0]], shapes[name])
            size = sum(array.size for array in layer.params.values()) if name in owners else 0
            total += work
            rows.append((name, repr(layer), "x".join(map(str, shapes[name][1:])),
                         f"{size:,}" if size else "", f"{work:,}" if work else ""))
        rows.append(("total", "", "", f"{self.num_parameters():,}", f"{total:,}"))
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        return "\n".join(
            f"{row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  "
            f"{row[3]:>{widths[3]}}  {row[4]:>{widths[4]}}" for row in rows)
