"""Print a line for each layer, forward and backward: minicnn step_through photo.jpg [--layer conv1] [--pause]

With --layer, the debugger stops inside that layer's forward and again inside its backward. With --pause, the demo waits
for Enter after each line.
"""

import bdb
import pdb
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from minicnn.backend import Array, to_device
from minicnn.losses import one_hot
from minicnn.network import Network, Node, Trace

from .shared.command import demo_parser, main
from .shared.inputs import choose_model, load_photos, short_label

FORWARD = "{:<22} {:<15} {:<26} {:>16} {:>11} {:>14} {:>9} {:>12} {:>6}"
BACKWARD = "{:<22} {:<15} {:<26} {:>16} {:>9} {:>12} {:>6}"


def run(arguments: Namespace) -> None:
    """Load the network and the first photo, then run one forward and one backward pass in the network's own loops."""
    model, choice = choose_model(arguments.model, arguments.device, scores=True)
    print(choice)
    photo = load_photos(model, arguments.photos, arguments.seed)[0]
    net = model.net.plain()  # the textbook layers, not the fast ones
    stop_at = None if arguments.layer is None else net.find(arguments.layer)
    try:
        trace = print_forward(net, to_device(photo.x, net.device), stop_at, arguments.pause)
        scores = trace.activations[net.output]
        seed = one_hot(scores, photo.label)
        print(f"\nscore of {short_label(model, photo.label)}: {float((scores * seed).sum()):.4f}; "
              "the backward pass sends its gradient to the input:\n")
        print_backward(net, trace, seed, stop_at, arguments.pause)
    except bdb.BdbQuit:
        print("left the debugger")


def print_forward(net: Network, x: Array, stop_at: str | None, pause: bool) -> Trace:
    """Return net.forward(x) and print a line for each layer."""
    print(FORWARD.format("forward", "layer", "input", "output", "parameters", "multiply-adds", "ms", "cached", "zeros"))
    return net.forward(x, step=partial(forward_step, stop_at=stop_at, pause=pause))


def print_backward(net: Network, trace: Trace, seed: Array, stop_at: str | None, pause: bool) -> Array:
    """Return the gradient of the scores' `seed` with respect to the input and print a line for each layer."""
    print(BACKWARD.format("backward", "layer", "gradient to the output", "to the input", "ms", "norm", "zeros"))
    step = partial(backward_step, stop_at=stop_at, pause=pause)
    return net.backward(trace, {net.output: seed}, step=step)["input"]


def forward_step(node: Node, inputs: Sequence[Array], stop_at: str | None, pause: bool) -> tuple[Array, Any]:
    """Return node.layer.forward(*inputs) and print its line. The debugger stops in the layer named `stop_at`."""
    name, layer, _ = node
    start = time.perf_counter()
    if name == stop_at:
        out, cache = in_debugger(layer.forward, inputs, {"x": inputs[0], **layer.params})
    else:
        out, cache = layer.forward(*inputs)
    seconds = time.perf_counter() - start
    show(FORWARD.format(
        name, type(layer).__name__, " + ".join(image_size(x) for x in inputs), image_size(out),
        count(sum(array.size for array in layer.params.values())),
        count(layer.multiply_adds(inputs[0].shape, out.shape)),
        f"{1000 * seconds:.2f}", f"{cached_bytes(cache):,} B", share_of_zeros(out)), pause)
    return out, cache


def backward_step(node: Node, dout: Array, cache: Any, stop_at: str | None, pause: bool) -> Array | tuple[Array, ...]:
    """Return node.layer.backward(dout, cache) and print its line. The debugger stops in the layer named `stop_at`."""
    name, layer, _ = node
    start = time.perf_counter()
    if name == stop_at:
        gradient = in_debugger(layer.backward, (dout, cache), {"dout": dout, **layer.params})
    else:
        gradient = layer.backward(dout, cache)
    seconds = time.perf_counter() - start
    dxs = gradient if isinstance(gradient, tuple) else (gradient,)  # one for each input
    norm = float(sum((dx * dx).sum() for dx in dxs)) ** 0.5
    show(BACKWARD.format(name, type(layer).__name__, image_size(dout), " + ".join(image_size(dx) for dx in dxs),
                         f"{1000 * seconds:.2f}", f"{norm:.4g}", share_of_zeros(dxs[0])), pause)
    return gradient


def in_debugger(function: Callable, arguments: Sequence, arrays: dict[str, Array]) -> Any:
    """Return function(*arguments), run under pdb from its first line on.

    arrays : {name: array} of the function's arguments and parameters, whose shapes are printed first.
    Raises bdb.BdbQuit if the user quits the debugger.
    """
    print(f"\nin {function.__qualname__}: " + ", ".join(f"{name} {array.shape}" for name, array in arrays.items()))
    print("n: next line, s: step into a call, p x.shape: print a value, pp locals().keys(): print all names, "
          "c: continue, q: quit")
    debugger = pdb.Pdb(nosigint=True)
    debugger.rcLines = ["ll"]  # list the whole function before the first prompt
    with np.printoptions(threshold=20, precision=4):
        result = debugger.runcall(function, *arguments)
    if result is None:  # runcall returns None after q
        raise bdb.BdbQuit
    return result


def show(line: str, pause: bool) -> None:
    """Print the line. With `pause`, wait for Enter."""
    if pause:
        input(line)
    else:
        print(line)


def image_size(array: Array) -> str:
    """Return the shape of one image of the batch, such as 3x224x224."""
    return "x".join(map(str, array.shape[1:]))


def count(value: int) -> str:
    """Return the number as text, such as 1,000; "" for 0."""
    return f"{value:,}" if value else ""


def share_of_zeros(array: Array) -> str:
    """Return the share of exact zeros in per cent."""
    return f"{100 * float((array == 0).mean()):.0f} %"


def cached_bytes(cache: Any) -> int:
    """Return the bytes of the arrays in a cache. A cache is an array, a tuple that holds arrays, or something else."""
    if hasattr(cache, "nbytes"):
        return cache.nbytes
    return sum(map(cached_bytes, cache)) if isinstance(cache, tuple | list) else 0


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = demo_parser("step_through", __doc__, writes=False)
    parser.add_argument("--layer", help="stop in the debugger inside this layer's forward and backward "
                        "(default: print all layers, and do not stop)")
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each line")
    return parser


if __name__ == "__main__":
    main(run, parser())
