"""The edge of the visualizations: networks, images, labels, channels and positions, checked before any computation."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from minicnn.arguments import count_of, describe, listed, require_callable, require_kind, require_whole, whole
from minicnn.array_likes import as_numbers
from minicnn.backend import Array, get_array_module, to_device
from minicnn.errors import InputError
from minicnn.images import MAX_PIXELS
from minicnn.losses.classes import class_numbers
from minicnn.models.preprocessing import Preprocessing
from minicnn.network import Network
from minicnn.optimize.checkpoint import Checkpoint

Labels = int | Sequence[int] | Array  # one class for all images, or one for each image


def enter(net: Network, x: Any, name: str = "x") -> Array:
    """Return the images `x` as floating-point numbers (N, C, H, W) in the network's type, on its device.

    x : an array, nested lists, a tensor, or any other array-like of numbers, of any type. One image may lack its axis
    N. Floating-point images with their channels last, (H, W, C) or (N, H, W, C), are transposed if the layout is
    unmistakable. Whole numbers in this layout are the pixels of a picture, which `Preprocessing.to_input` converts.
    Raises InputError if the shape does not fit the network, and if a value is no number, NaN or infinite.

    >>> enter(net, x).shape, enter(net, x[0].tolist()).shape
    ((1, 3, 64, 64), (1, 3, 64, 64))
    """
    if not isinstance(net, Network):
        raise not_a_network("net", net)
    if type(x) is not np.ndarray or x.dtype.kind != "f":
        x = as_numbers(name, x)
    channels = net.input_shape[0]
    if x.ndim != 4 or x.shape[1] != channels or not x.size or x.shape[2] * x.shape[3] > MAX_PIXELS:
        x = in_layout(name, x, channels)
    with np.errstate(over="ignore"):  # a number that is too large becomes infinite, which is refused below
        x = to_device(x, net.device).astype(dtype_of(net, x), copy=False)
    if not bool(get_array_module(x).isfinite(x).all()):
        raise InputError(f"{'the image' if name == 'x' else name} has values that are not finite")
    return x


def images_for(net: Network, x: Any, name: str = "x") -> Array:
    """Return many images as an array (N, C, H, W) of their own type, on their own device, to `enter` batch by batch.

    Raises InputError if they do not fit the network.

    >>> images_for(net, x[0].tolist()).shape
    (1, 3, 64, 64)
    """
    return in_layout(name, as_numbers(name, x), require_network(net).input_shape[0])


def in_layout(name: str, x: Array, channels: int) -> Array:
    """Return images of another layout as (N, C, H, W). Raises InputError if they have none that is unmistakable."""
    shape, pixels = tuple(x.shape), x.dtype.kind not in "f"
    if x.ndim in (3, 4) and x.size and shape[-3] != channels and shape[-1] == channels or x.ndim == 2 and pixels:
        if pixels:
            raise InputError(f"{name} is a picture, {describe(x)}, and not the network's input of shape "
                             f"(N, {channels}, H, W); convert it with model.preprocessing.to_input({name})")
        x = x.swapaxes(-1, -2).swapaxes(-2, -3)  # (..., H, W, C) -> (..., C, H, W)
    elif x.ndim == 2 and channels == 1:
        x = x[None]
    x = x[None] if x.ndim == 3 and x.shape[0] == channels else x
    if x.ndim != 4 or x.shape[1] != channels or not x.size:
        raise InputError(f"expected images of shape (N, {channels}, H, W), got {shape}; "
                         "model.preprocessing.to_input(picture) makes them from pictures (H, W, 3)")
    if x.shape[2] * x.shape[3] > MAX_PIXELS:
        raise InputError(f"{name} has {x.shape[3]}x{x.shape[2]} pixels, more than {MAX_PIXELS:,}; scale it down")
    return x


def dtype_of(net: Network, x: Array) -> Any:
    """Return the type of the network's parameters; of a network without any, float64 for float64 x, else float32."""
    for node in net.nodes:
        for array in node.layer.params.values():
            return array.dtype
    return x.dtype if x.dtype == np.float64 else np.dtype(np.float32)


def not_a_network(name: str, value: Any) -> InputError:
    """Return the error for something that is not a Network, such as the Model that holds one."""
    if isinstance(getattr(value, "net", None), Network):
        return InputError(f"{name} is a {type(value).__name__}; give its network, model.net")
    return InputError(f"{name} is {describe(value)}; expected a Network, such as load_model(...).net")


def require_network(net: Any, name: str = "net") -> Network:
    """Return the network. Raises InputError for anything else.

    >>> require_network(net) is net
    True
    """
    if not isinstance(net, Network):
        raise not_a_network(name, net)
    return net


def require_layer(net: Any, layer: Any) -> str:
    """Return the network's own name of a layer. Raises InputError for anything but a name that exists.

    >>> require_layer(net, "relu1")
    'relu1'
    """
    require_network(net)
    if not isinstance(layer, str) and str(plain_name(layer)) not in net.aliases:
        raise InputError(f"layer is {describe(layer)}; expected the name of a layer, such as {net.output!r}")
    return net.find(layer)


def plain_name(layer: Any) -> Any:
    """Return a number or text, which may be an alias, as it is, and "" for everything else."""
    small = isinstance(layer, int) and not isinstance(layer, bool) and abs(layer) < 10_000
    return layer if isinstance(layer, str) or small else ""


def require_scores(net: Any) -> int:
    """Return the number of the network's classes. Raises InputError if it has no class scores.

    >>> require_scores(net)
    12
    """
    shape = require_network(net).shapes()[net.output]
    if len(shape) != 2:
        raise InputError(f"{net.output!r} has no class scores but an output of {shape}; "
                         "use a network with its classifier")
    return shape[1]


def require_labels(net: Any, label: Any, count: int) -> list[int]:
    """Return the class of each of `count` images, as Python numbers.

    label : one class for all images, or one for each: numbers, NumPy scalars, arrays or tensors of whole numbers.
    Raises InputError if the network has no class scores, or if a label is not one of its classes.

    >>> require_labels(net, np.array(2), 3)
    [2, 2, 2]
    """
    return class_numbers(label, count, require_scores(net))


def require_maps(layer: str, shape: tuple[int, ...]) -> None:
    """Raise InputError unless a layer's output of this `shape` consists of maps, (N, C, H, W).

    >>> require_maps("conv1", (1, 64, 32, 32))
    """
    if len(shape) != 4:
        raise InputError(f"layer {layer!r} has no maps: its output is {shape}")


def require_channels(layer: str, channels: Any, count: int) -> Any:
    """Return one channel, or a list of several, as Python numbers.

    Raises InputError unless all are channels of a layer with `count` channels.

    >>> require_channels("conv1", np.array([0, 63]), count=64)
    [0, 63]
    """
    if count_of(channels) is None:
        return require_channel(layer, channels, count)
    if not len(channels):
        raise InputError(f"the list of channels is empty; layer {layer!r} has channels 0 to {count - 1}")
    return [require_channel(layer, channel, count) for channel in listed(channels)]


def require_channel(layer: str, channel: Any, count: int) -> int:
    """Return one channel of a layer with `count` channels. Raises InputError if there is no such channel.

    >>> require_channel("conv1", np.int64(63), count=64)
    63
    """
    number = whole(channel)
    if number is None or not 0 <= number < count:
        raise InputError(f"layer {layer!r} has channels 0 to {count - 1}, not "
                         f"{describe(channel if number is None else number)}")
    return number


def require_position(layer: str, position: Any, size: Sequence[int]) -> tuple[int, ...]:
    """Return a position (y, x) in a layer's map of `size` (H, W) as Python numbers.

    position : two whole numbers in a tuple, a list or an array, such as a row of np.argwhere.
    Raises InputError if they are not two whole numbers, or lie outside the map.

    >>> require_position("conv1", np.array([3, 4]), (32, 32))
    (3, 4)
    """
    numbers = [None] if count_of(position) is None else [whole(place) for place in listed(position)]
    if len(numbers) != len(size) or not all(place is not None and 0 <= place < side
                                            for place, side in zip(numbers, size, strict=True)):
        raise InputError(f"layer {layer!r} has positions (y, x) up to {tuple(side - 1 for side in size)}, not "
                         f"{describe(position) if None in numbers else tuple(numbers)}")
    return tuple(place for place in numbers if place is not None)


def require_side(name: str, value: Any) -> int:
    """Return the side of a square picture in pixels. Raises InputError if it is no side of a picture.

    >>> require_side("size", 64)
    64
    """
    return require_whole(name, value, 1, int(MAX_PIXELS ** 0.5), "of pixels")


def require_sides(name: str, value: Any) -> tuple[int, int]:
    """Return (height, width) in pixels from two whole numbers.

    >>> require_sides("size", [48, 64])
    (48, 64)
    """
    if count_of(value) != 2:
        raise InputError(f"{name} is {describe(value)}; expected two whole numbers of pixels, (height, width)")
    height, width = (require_whole(name, side, 1, MAX_PIXELS, "of pixels") for side in listed(value))
    if height * width > MAX_PIXELS:
        raise InputError(f"{name} is {(height, width)}: more than {MAX_PIXELS:,} pixels")
    return height, width


def require_preprocessing(preprocessing: Any, net: Network | None = None) -> Preprocessing:
    """Return the preprocessing. Raises InputError for anything else, or if the network takes other channels.

    >>> require_preprocessing(model.preprocessing, net) is model.preprocessing
    True
    """
    require_kind("preprocessing", preprocessing, Preprocessing, "give the network's, model.preprocessing")
    if net is not None and len(preprocessing.std) != net.input_shape[0]:
        raise InputError(f"the preprocessing is for {len(preprocessing.std)} channels, and the network takes "
                         f"{net.input_shape[0]}; give the network's own, model.preprocessing")
    return preprocessing


def require_watchers(callback: Any, checkpoint: Any = None) -> None:
    """Raise InputError unless the callback is a function or None, and the checkpoint a Checkpoint or None.

    >>> require_watchers(None, None)
    """
    require_callable("callback", callback)
    if checkpoint is not None:
        require_kind("checkpoint", checkpoint, Checkpoint, "expected a minicnn.optimize.Checkpoint, or None")
