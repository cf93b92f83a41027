"""The edge between the user's arrays and the network: one way in, checked."""

from minicnn.backend import get_array_module, to_device
from minicnn.errors import InputError


def enter(net, x):
    """`x`, of shape (N, C, H, W), on the network's device. Raises InputError for a wrong shape or NaNs."""
    channels = net.input_shape[0]
    if x.ndim != 4 or x.shape[1] != channels or not x.size:
        raise InputError(f"expected images of shape (N, {channels}, H, W), got {x.shape}")
    x = to_device(x, net.device)
    if not bool(get_array_module(x).isfinite(x).all()):
        raise InputError("the image has values that are not finite")
    return x


def require_channels(layer, channels, count):
    """Raise InputError unless each of `channels`, one number or several, is a channel of the layer, which has `count`.
    """
    for channel in channels if hasattr(channels, "__len__") else [channels]:
        if not 0 <= channel < count:
            raise InputError(f"layer {layer!r} has channels 0 to {count - 1}, not {channel}")
