"""Which pixels a score, or a single neuron, depends on: one pass forward, one back."""

from minicnn.backend import get_array_module, to_host
from minicnn.errors import InputError
from minicnn.layers import DeconvReLU, GuidedReLU, ReLU
from minicnn.losses import one_hot
from minicnn.visualize.entry import enter


def saliency_map(net, x, label):
    """|gradient of the class score to the pixels|, the largest over the channels, (N, H, W) on the host.

    x : (N, C, H, W). label : one class, or one per image; the score is unnormalised. Simonyan, Vedaldi and
    Zisserman 2013 (arXiv:1312.6034), section 3.
    """
    x = enter(net, x)
    trace = net.forward(x, keep=(net.output,))
    seed = one_hot(trace.activations[net.output], label)
    dx = net.backward(trace, {net.output: seed}, release=True)["input"]
    return to_host(abs(dx).max(axis=1))


def neuron_gradient(net, x, layer, channel=None, position=None, relu=ReLU):
    """The gradient of one neuron per image to the pixels, (N, C, H, W) on the host, by the ReLU rule `relu`.

    layer : any name. channel, position (y, x) : which neuron; left out, the image's strongest one there.
    Raises InputError for a channel or position that the layer does not have.
    """
    x = enter(net, x)
    layer = net.find(layer)
    trace = net.forward(x, upto=layer, keep=(layer,))
    out = trace.activations[layer]
    seed = get_array_module(out).zeros_like(out)
    for n in range(len(out)):
        seed[(n, *choose_neuron(out[n], layer, channel, position))] = 1
    return to_host(net.with_relu(relu()).backward(trace, {layer: seed}, release=True)["input"])


def guided_backprop(net, x, layer, channel=None, position=None):
    """`neuron_gradient` with GuidedReLU everywhere: Springenberg et al. 2014 (arXiv:1412.6806)."""
    return neuron_gradient(net, x, layer, channel, position, GuidedReLU)


def deconvnet(net, x, layer, channel=None, position=None):
    """`neuron_gradient` with DeconvReLU everywhere: Zeiler and Fergus 2014 (arXiv:1311.2901)."""
    return neuron_gradient(net, x, layer, channel, position, DeconvReLU)


def choose_neuron(out, layer, channel=None, position=None):
    """The index into `out`, (C, H, W) or (C,), of the neuron asked for; of the strongest one for what is None."""
    C, *size = out.shape
    if channel is not None and not 0 <= channel < C:
        raise InputError(f"layer {layer!r} has channels 0 to {C - 1}, not {channel}")
    if position is not None and (len(size) != len(position)
                                 or not all(0 <= p < s for p, s in zip(position, size, strict=True))):
        raise InputError(f"layer {layer!r} has positions (y, x) up to {tuple(s - 1 for s in size)}, not {position}")
    choices = out if channel is None else out[channel:channel + 1]
    if position is not None:
        choices = choices[:, position[0], position[1]]
    best = int(choices.argmax())
    if channel is None:
        channel, best = divmod(best, choices[0].size)
    if position is None and size:
        position = divmod(best, size[1])
    return (channel, *(position or ()))


def pointing_game(maps, masks, margin=0):
    """The share of maps (N, H, W) whose largest value lies inside the object's mask (N, H, W); arrays on the host.

    margin : pixels around the object that count as a part of it. Zhang et al. 2016 (arXiv:1608.00507).
    """
    best = maps.reshape(len(maps), -1).argmax(axis=1)
    return float(widened(masks, margin).reshape(len(masks), -1)[range(len(masks)), best].mean())


def widened(masks, margin):
    """Masks (N, H, W) with all pixels that are up to `margin` steps, across or down, from them."""
    for _ in range(margin):
        wider = masks.copy()
        wider[:, 1:] |= masks[:, :-1]
        wider[:, :-1] |= masks[:, 1:]
        wider[:, :, 1:] |= masks[:, :, :-1]
        wider[:, :, :-1] |= masks[:, :, 1:]
        masks = wider
    return masks
