"""Validation for texture synthesis and style transfer: weights, layers, and the size of the pictures."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from minicnn.arguments import describe, require_number
from minicnn.errors import InputError, one_line, unknown_name
from minicnn.network import Network

Layers = Mapping[str, float] | Iterable[str]  # {layer: weight}, or names of layers of weight 1

REDUCTIONS = ("sum", "mean", "relative")  # see terms.py
LARGEST_TRIED = 512  # pixels: the largest side that `require_size` tries


def as_weights(layers: Layers, kind: str) -> dict[str, float]:
    """Return {layer: weight} of such a mapping, or of names of layers of weight 1.

    kind : the word for these layers in a message. Raises InputError if a weight is negative or not finite.
    """
    if isinstance(layers, Mapping):
        weights = dict(layers)
    else:
        names = [layers] if isinstance(layers, str) else layers
        if not isinstance(names, (list, tuple, set)) or not all(isinstance(name, (str, int)) for name in names):
            raise InputError(f"the {kind} layers are {describe(layers)}; expected a dict {{layer: weight}}, or a list "
                             "of names of layers")
        weights = dict.fromkeys(names, 1.0)
    return {layer: require_weight(f"the weight of {kind} layer {one_line(repr(layer), 60)}", weight)
            for layer, weight in weights.items()}


def require_weight(name: str, weight: float) -> float:
    """Return a weight, called `name` in the message. Raises InputError if it is no number, negative or not finite."""
    return require_number(name, weight, 0)


def require_layers(net: Network, layers: Iterable[str]) -> list[str]:
    """Return the network's own names of these layers.

    Raises UnknownNameError if a name is misspelt, and InputError if layers are missing. The message names all missing
    layers and the layers of the network, since a file may hold only the first layers of a network.
    """
    layers = list(layers)
    missing = [layer for layer in layers if net.aliases.get(str(layer), layer) not in net.positions]
    for layer in map(str, missing):  # an alias may be a number
        # pool3 is no misspelt pool2 of a network that ends before pool3, so only names with equal digits are suggested
        alike = [name for name in (*net.positions, *net.aliases)
                 if net.aliases.get(name, name) in net.positions and digits_of(name) == digits_of(layer)]
        if get_close_matches(layer.lower(), alike):
            raise unknown_name("layer", layer, alike)
    if missing:
        present = [name for name in net.layer_names()
                   if name.split("/")[-1].startswith(("relu", "concat", "pool")) and "/relu" not in name]
        raise InputError(f"no layer {', '.join(map(repr, missing))}: the network, or the part of it that was loaded, "
                         f"ends at {net.output!r}; there are {', '.join(present)}")
    return [net.find(layer) for layer in layers]


def require_maps(net: Network, layers: Iterable[str]) -> None:
    """Raise InputError if one of these layers has no feature maps, which a Gram matrix needs."""
    shapes = net.shapes()
    for layer in layers:
        if len(shapes[net.find(layer)]) != 4:
            raise InputError(f"{layer!r} has no maps, so it has no Gram matrix; name a layer before it")


def digits_of(name: str) -> str:
    """Return the digits of a layer's name: "31" for relu3_1."""
    return "".join(filter(str.isdigit, name))


def require_size(net: Network, shape: Sequence[int], layers: Iterable[str], name: str) -> None:
    """Raise InputError if a picture of `shape`, (C, H, W), is too small for these layers.

    name : the picture's name in the message, which also gives a size that is large enough.
    """
    trunk = net.trunk(list(layers))
    try:
        trunk.shapes(shape)
    except InputError as problem:
        sides = (side for side in range(2, LARGEST_TRIED) if accepts(trunk, (shape[0], side, side)))
        raise InputError(f"{name} has {shape[2]}x{shape[1]} pixels, too few for {trunk.output!r} ({problem}); "
                         f"{next(sides, LARGEST_TRIED)} a side are enough, or take layers before it") from None


def accepts(net: Network, shape: Sequence[int]) -> bool:
    """Return True if a picture of `shape`, (C, H, W), is large enough for all layers of the network."""
    try:
        net.shapes(shape)
    except InputError:
        return False
    return True
