"""The pass forward and back, a line a layer: python -m demos.step_through photo.jpg [--layer conv1] [--pause]

--layer stops in the debugger inside that layer's forward, and again inside its backward; --pause waits after each line.
"""

import bdb
import pdb
import time

import numpy as np

from demos.shared.command import demo_parser, main
from demos.shared.inputs import choose_model, load_photos, short_label
from minicnn.backend import to_device
from minicnn.losses import one_hot

FORWARD = "{:<22} {:<15} {:<26} {:>16} {:>11} {:>14} {:>9} {:>12} {:>6}"
BACKWARD = "{:<22} {:<15} {:<26} {:>16} {:>9} {:>12} {:>6}"


def run(arguments):
    """Load, then step through the network with the first photo."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    net, photo = model.net, load_photos(model, arguments.photos, arguments.seed)[0]
    stop_at = None if arguments.layer is None else net.find(arguments.layer)
    try:
        outs, caches = step_forward(net, to_device(photo.x, net.device), stop_at, arguments.pause)
        seed = one_hot(outs[net.output], photo.label)
        print(f"\nscore of {short_label(model, photo.label)}: {float((outs[net.output] * seed).sum()):.4f}; "
              "its gradient goes back:\n")
        step_backward(net, caches, seed, stop_at, arguments.pause)
    except bdb.BdbQuit:
        print("left the debugger")


def step_forward(net, x, stop_at, pause):
    """Network.forward with a line a layer; returns (activations, caches)."""
    print(FORWARD.format("forward", "layer", "input", "output", "parameters", "multiply-adds", "ms", "cached", "zeros"))
    outs, caches = {"input": x}, {}
    for name, layer, inputs in net.nodes:
        xs = [outs[source] for source in inputs]
        start = time.perf_counter()
        if name == stop_at:
            out, cache = in_debugger(layer.forward, xs, {"x": xs[0], **layer.params})
        else:
            out, cache = layer.forward(*xs)
        seconds = time.perf_counter() - start
        outs[name], caches[name] = out, cache
        work = layer.multiply_adds(xs[0].shape, out.shape)
        show(FORWARD.format(
            name, type(layer).__name__, " + ".join(size(x) for x in xs), size(out),
            number(sum(array.size for array in layer.params.values())), number(work), f"{1000 * seconds:.2f}",
            f"{cached_bytes(cache):,} B", zeros(out)), pause)
    return outs, caches


def step_backward(net, caches, seed, stop_at, pause):
    """Network.backward with a line a layer; returns the gradient to the input."""
    print(BACKWARD.format("backward", "layer", "gradient to the output", "to the input", "ms", "norm", "zeros"))
    grads = {net.output: seed}
    for name, layer, inputs in reversed(net.nodes):
        dout = grads.pop(name)
        start = time.perf_counter()
        if name == stop_at:
            dxs = in_debugger(layer.backward, (dout, caches[name]), {"dout": dout, **layer.params})
        else:
            dxs = layer.backward(dout, caches[name])
        seconds = time.perf_counter() - start
        dxs = dxs if isinstance(dxs, tuple) else (dxs,)
        for source, dx in zip(inputs, dxs, strict=True):
            grads[source] = grads[source] + dx if source in grads else dx  # fan-out adds
        norm = float(sum((dx * dx).sum() for dx in dxs)) ** 0.5
        show(BACKWARD.format(name, type(layer).__name__, size(dout), " + ".join(size(dx) for dx in dxs),
                             f"{1000 * seconds:.2f}", f"{norm:.4g}", zeros(dxs[0])), pause)
    return grads["input"]


def in_debugger(function, arguments, arrays):
    """function(*arguments), stopped at its first line with the source in view; `arrays`: what the names are."""
    print(f"\nin {function.__qualname__}: " + ", ".join(f"{name} {array.shape}" for name, array in arrays.items()))
    print("n: next line, s: step into, p x.shape: look, pp locals().keys(): all names, c: go on, q: quit")
    debugger = pdb.Pdb(nosigint=True)
    debugger.rcLines = ["ll"]  # the whole function, before the first prompt
    with np.printoptions(threshold=20, precision=4):
        result = debugger.runcall(function, *arguments)
    if result is None:  # runcall returns None after q
        raise bdb.BdbQuit
    return result


def show(line, pause):
    """Print the line; with `pause`, wait for Enter."""
    if pause:
        input(line)
    else:
        print(line)


def size(array):
    """The shape of the first image, 3x224x224."""
    return "x".join(map(str, array.shape[1:]))


def number(value):
    """1,000; nothing for 0."""
    return f"{value:,}" if value else ""


def zeros(array):
    """The share of exact zeros, in per cent."""
    return f"{100 * float((array == 0).mean()):.0f} %"


def cached_bytes(cache):
    """The bytes of the arrays in a cache, itself an array, a tuple with arrays in it, or neither."""
    if hasattr(cache, "nbytes"):
        return cache.nbytes
    return sum(map(cached_bytes, cache)) if isinstance(cache, tuple | list) else 0


def parser():
    """The command line."""
    parser = demo_parser("step_through", __doc__, writes=False)
    parser.add_argument("--layer", help="stop in the debugger inside this layer, forward and back")
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each line")
    return parser


if __name__ == "__main__":
    main(run, parser())
