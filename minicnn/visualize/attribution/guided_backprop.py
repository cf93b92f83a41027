"""The gradient of a single neuron to the pixels, by three rules for the backward pass of a ReLU."""

from minicnn.arguments import describe
from minicnn.backend import Array, get_array_module, to_host
from minicnn.errors import InputError
from minicnn.layers import DeconvReLU, GuidedReLU, ReLU
from minicnn.network import Network
from minicnn.visualize.entry import enter, require_channel, require_layer, require_position


def neuron_gradient(net: Network, x: Array, layer: str, channel: int | None = None,
                    position: tuple[int, int] | None = None, relu: type[ReLU] = ReLU) -> Array:
    """Return the gradient of one neuron per image to the pixels, (N, C, H, W) on the host.

    Parameters
    ----------
    net : the network.
    x : images of shape (N, C, H, W).
    layer : the neuron's layer, of any kind.
    channel : the neuron's channel. By default, the channel with the largest activation, in each image.
    position : (y, x) in the layer's map. By default, the position with the largest activation, in each image.
    relu : ReLU for the gradient itself, or GuidedReLU or DeconvReLU, which replaces each ReLU's backward pass.

    Raises
    ------
    InputError if the layer has no such channel or position.

    Examples
    --------
    >>> gradient = neuron_gradient(net, x, "conv1", channel=5, position=(10, 10))
    >>> np.unique(gradient[0].nonzero()[1])  # rows of the receptive field
    array([ 7,  8,  9, 10, 11, 12, 13])
    """
    x = enter(net, x)
    layer, relu = require_layer(net, layer), require_relu(relu)
    trace = net.forward(x, upto=layer, keep=(layer,))
    out = trace.activations[layer]
    seed = get_array_module(out).zeros_like(out)
    for n in range(len(out)):
        seed[n][choose_neuron(out[n], layer, channel, position)] = 1
    return to_host(net.with_relu(relu()).backward(trace, {layer: seed}, release=True)["input"])


def guided_backprop(net: Network, x: Array, layer: str, channel: int | None = None,
                    position: tuple[int, int] | None = None) -> Array:
    """Return the `neuron_gradient` with the rule GuidedReLU, (N, C, H, W) on the host.

    A gradient passes a ReLU only if the input and the gradient are both positive. The parameters are the same as in
    `neuron_gradient`. Springenberg et al. 2014 (arXiv:1412.6806), section 3.4.

    >>> guided_backprop(net, x, net.output, label).shape  # a class score is a neuron of the last layer
    (1, 3, 64, 64)
    """
    return neuron_gradient(net, x, layer, channel, position, GuidedReLU)


def deconvnet(net: Network, x: Array, layer: str, channel: int | None = None,
              position: tuple[int, int] | None = None) -> Array:
    """Return the `neuron_gradient` with the rule DeconvReLU, (N, C, H, W) on the host.

    A gradient passes a ReLU only if the gradient itself is positive. The parameters are the same as in
    `neuron_gradient`. Zeiler and Fergus 2014 (arXiv:1311.2901), section 2.1.

    >>> deconvnet(net, x, "relu2", channel=3).shape
    (1, 3, 64, 64)
    """
    return neuron_gradient(net, x, layer, channel, position, DeconvReLU)


def choose_neuron(out: Array, layer: str, channel: int | None = None,
                  position: tuple[int, int] | None = None) -> tuple[int, ...]:
    """Return the index of a neuron in `out`, the activations of one image, (C, H, W) or (C,).

    channel, position : the neuron's. One that is None is chosen such that the neuron has the largest activation.
    Raises InputError if the layer has no such channel or position.

    >>> choose_neuron(np.eye(3)[None], "conv1", position=(2, 1))
    (0, 2, 1)
    """
    C, *size = out.shape
    channel = None if channel is None else require_channel(layer, channel, C)
    place = None if position is None else require_position(layer, position, size)
    choices = out if channel is None else out[channel:channel + 1]
    if place is not None:
        choices = choices[:, place[0], place[1]]
    best = int(choices.argmax())
    if channel is None:
        channel, best = divmod(best, choices[0].size)
    if place is None and size:
        place = divmod(best, size[1])
    return (channel, *(place or ()))


def require_relu(relu: type[ReLU]) -> type[ReLU]:
    """Return the class. Raises InputError unless it is ReLU or one of its kinds."""
    if not (isinstance(relu, type) and issubclass(relu, ReLU)):
        raise InputError(f"relu is {describe(relu)}; expected the class ReLU, GuidedReLU or DeconvReLU")
    return relu
