"""Gradient ascent on the image: which picture does a class like best, a neuron, a channel, a whole layer?"""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.errors import InputError, unknown_name
from minicnn.layers import Concat, Dropout, Flatten, GlobalAvgPool2D, ReLU
from minicnn.losses import L2, ChannelMean, ClassMargin, ClassScore, LayerNorm2, NeuronActivation
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.optimize import (
    Blur,
    Clamp,
    Decay,
    DesiredProgress,
    GradientDescent,
    Jitter,
    NormalizedStep,
    SmallContribution,
    SmallNorm,
    optimize_image,
)
from minicnn.receptive_field import receptive_field

# What the functions below take, by the name of who published it. Simonyan et al. give the objective and the zero image;
# the numbers are ours. Yosinski et al.: table 1, as their code spells it out (optimize_image.py of the Deep
# Visualization Toolbox), for CaffeNet, whose inputs are pixels in 0..255. On SqueezeNet they leave faint pictures, to
# which demos give contrast: after the 1,000 steps of "yosinski-3" some 1.5 grey levels from the mean colour, of
# "yosinski-4" 0.2. With a `gain` of 30, some 60 steps show more than that.
PLAIN = {"start_noise": 0.0, "policy": "normalized", "learning_rate": 25.0, "progress": 2.0, "gain": 1.0, "l2_reg": 0.0,
         "decay": 0.0, "blur_every": 4, "blur_sigma": 0.0, "small_norm": 0.0, "small_contribution": 0.0,
         "max_jitter": 0, "clamp": "last", "inputs": "torchvision"}
YOSINSKI = PLAIN | {"start_noise": 10.0, "policy": "constant", "learning_rate": 100.0, "inputs": "caffe"}
PUBLISHED = {
    "simonyan": PLAIN | {"num_steps": 100, "learning_rate": 5.0, "l2_reg": 1e-2, "clamp": "none"},
    "cs231n": PLAIN | {"num_steps": 100, "start_noise": 1.0, "l2_reg": 1e-3, "blur_every": 10, "blur_sigma": 0.5,
                       "max_jitter": 16, "clamp": "first"},
    "yosinski-1": YOSINSKI | {"num_steps": 500, "policy": "progress", "blur_sigma": 0.5, "small_norm": 50.0},
    "yosinski-2": YOSINSKI | {"num_steps": 750, "decay": 0.3, "small_norm": 20.0},
    "yosinski-3": YOSINSKI | {"num_steps": 1000, "decay": 1e-4, "blur_sigma": 1.0},
    "yosinski-4": YOSINSKI | {"num_steps": 1000, "policy": "progress", "learning_rate": 1e8, "blur_sigma": 0.5,
                              "small_contribution": 90.0},
}
# "margin" is ours. All others raise the score alone, with which those of similar classes rise, an iguana's with an
# alligator's, at times further: of SqueezeNet's own pictures by "cs231n", some one in twelve is seen as another class.
CLASS_PRESETS = {"margin": PUBLISHED["cs231n"] | {"margin_weight": 0.5}} | {
    name: preset | {"margin_weight": 0.0} for name, preset in PUBLISHED.items()}
# What a single neuron does not see keeps the noise that it began with: less of it. And it is at one place: less jitter.
NEURON_PRESETS = {"neuron": PUBLISHED["cs231n"] | {"start_noise": 0.2, "max_jitter": 8}} | PUBLISHED
INPUTS = {"torchvision": TORCHVISION, "caffe": CAFFE_VGG}
POLICIES = ("normalized", "constant", "progress")


def class_visualization(net, label, preprocessing, *, rng, size=None, margin_weight=0.5, **settings):
    """An image, (1, C, size, size) on the host, that maximises the class's score, and the history: see `ascend`.

    label : a class, or a sequence of them: an image each, (N, C, size, size). size : of the network's input, unless
    given. margin_weight : how much counts what the score is ahead of the best other class's; 0, as published, leaves
    open which class comes first. Progress.values[1] is that margin, unless its weight is 0. settings : of `ascend`,
    such as those of a preset, `**CLASS_PRESETS["yosinski-3"]`; those of "margin", unless given.
    Simonyan et al. 2013 (arXiv:1312.6034), section 2; Yosinski et al. 2015 (arXiv:1506.06579), section 4.
    """
    size, terms = size or net.input_shape[1], [(1.0, ClassScore(net.output, label))]
    if margin_weight:
        terms.append((margin_weight, ClassMargin(net.output, label)))
    return ascend(net, terms, preprocessing, (images_for(label), size), rng=rng, **settings)


def neuron_visualization(net, layer, channel, preprocessing, *, rng, position=None, size=None, **settings):
    """An image, (1, C, size, size) on the host, that maximises one neuron of a layer, and the history: see `ascend`.

    channel : one, or a sequence of them: an image each, (N, C, size, size). position : (y, x) in the layer's map;
    left out, that of `neuron_view`: the image is as large as what the neuron sees, or as the network's input.
    """
    layer = net.find(layer)
    size, position = neuron_view(net, layer, size, position)
    check_channel(net, layer, channel, size)
    return ascend(net, [(1.0, NeuronActivation(layer, channel, position))], preprocessing, (images_for(channel), size),
                  rng=rng, **settings)


def channel_visualization(net, layer, channel, preprocessing, *, rng, size=None, **settings):
    """An image, (1, C, size, size) on the host, that maximises the mean of a channel, and the history: see `ascend`.

    channel : one, or a sequence of them: an image each. size : of the network's input, unless given.
    """
    layer, size = net.find(layer), size or net.input_shape[1]
    check_channel(net, layer, channel, size)
    if map_side(net, layer, size) is None:
        raise InputError(f"layer {layer!r} has no maps, so no channels either: visualize its neurons")
    return ascend(net, [(1.0, ChannelMean(layer, channel))], preprocessing, (images_for(channel), size), rng=rng,
                  **settings)


def layer_visualization(net, layer, preprocessing, *, rng, size=None, **settings):
    """An image, (1, C, size, size) on the host, that maximises half the squared norm of a layer, and the history: see
    `ascend`. The objective of DeepDream (Mordvintsev et al. 2015), from noise."""
    layer, size = net.find(layer), size or net.input_shape[1]
    map_side(net, layer, size)
    return ascend(net, [(1.0, LayerNorm2(layer))], preprocessing, (1, size), rng=rng, **settings)


def ascend(net, terms, preprocessing, shape, *, rng, num_steps=100, start_noise=1.0, policy="normalized",
           learning_rate=25.0, progress=2.0, gain=1.0, l2_reg=1e-3, decay=0.0, blur_every=10, blur_sigma=0.5,
           small_norm=0.0, small_contribution=0.0, max_jitter=16, clamp="first", inputs="torchvision", callback=None,
           checkpoint=None):
    """Images (N, C, size, size) on the host that maximise the sum of `terms` - l2_reg * sum of image², and the history.

    terms : [(weight, loss), …] on one layer; of several images each takes its own steps. shape : (N, size). rng :
    numpy.random.Generator, for the first image, normal noise of standard deviation `start_noise`, and the jitter.
    policy : how long a step is. "normalized": `learning_rate`, whatever the gradient (CS231n); "constant":
    `learning_rate` times the gradient; "progress": as the second, but so that the objective would rise by `progress`.
    gain : every step is so many times longer.
    decay, blur_sigma (at every `blur_every`-th step; pixels), small_norm, small_contribution (percent of the pixels):
    Yosinski's four ways to keep the image natural, after each step, in this order: Decay, Blur, SmallNorm and
    SmallContribution of minicnn.optimize. max_jitter : pixels. clamp : to the colours that exist, "first" of these
    (CS231n) or "last" (Yosinski et al.), or "none".
    inputs : whose inputs the numbers are meant for, "torchvision" (colours over their standard deviation) or "caffe"
    (0..255): on a network with others, noise, steps and penalties are scaled to the same change of the picture.
    The numbers are for pictures of 224 pixels: on other sizes a normalized step and the jitter scale with the side,
    which keeps the change per pixel, and below 16 pixels the blur is less.
    callback : called with (Progress, image) after each step; Progress.values are the terms before the step.
    checkpoint : a Checkpoint to go on from later, see `optimize_image`.
    Where the first term is 0 for a first image, what comes into its ReLU is maximised instead: see `before_relu`.
    """
    check_settings(policy, clamp, inputs, decay, small_norm, small_contribution)
    (count, size), objective = shape, terms[0][1]
    scale = input_scale(preprocessing, inputs)
    first = first_images((count, net.input_shape[0], size, size), preprocessing, rng, start_noise, inputs)
    image = to_device(first, net.device)
    rate = gain * learning_rate * scale
    update = {"normalized": NormalizedStep(rate * size / 224, per_image=count > 1),
              "constant": GradientDescent(rate * scale),  # the gradient is 1 / scale of what it was
              "progress": DesiredProgress(gain * progress, rate * scale)}[policy]
    within = () if clamp == "none" else (Clamp(*(to_device(end, net.device) for end in preprocessing.valid_range())),)
    natural = (Decay(decay), Blur(min(blur_sigma, size / 32), blur_every), SmallNorm(small_norm),
               SmallContribution(small_contribution, update))
    used = (decay, blur_sigma, small_norm, small_contribution)
    natural = tuple(step for step, setting in zip(natural, used, strict=True) if setting)
    if not bool((values_of_images(objective, net.predict(image, objective.layer)) != 0).all()):
        net = before_relu(net, objective.layer)
    image, history = optimize_image(
        net, image, [*((-weight, loss) for weight, loss in terms), (l2_reg / scale**2, L2())],
        update=update, num_steps=num_steps,
        transforms=(Jitter(round(max_jitter * size / 224)),),
        project=within + natural if clamp == "first" else natural + within,
        callback=callback, rng=rng, checkpoint=checkpoint)
    return to_host(image), history


def first_images(shape, preprocessing, rng, start_noise=1.0, inputs="torchvision"):
    """What `ascend` begins with: normal noise of shape (N, C, H, W), float32, on the host."""
    return rng.standard_normal(shape, dtype="float32") * (start_noise * input_scale(preprocessing, inputs))


def input_scale(preprocessing, inputs):
    """How much more a change of the picture changes the input of this network than it does that of `inputs`."""
    def per_grey_level(one):
        return sum(one.scale / std for std in one.std) / len(one.std)
    if inputs not in INPUTS:
        raise unknown_name("inputs", inputs, INPUTS)
    return per_grey_level(preprocessing) / per_grey_level(INPUTS[inputs])


def check_settings(policy, clamp, inputs, decay, small_norm, small_contribution):
    """Raises InputError for a setting of `ascend` that cannot be meant."""
    for kind, name, names in (("policy", policy, POLICIES), ("clamp", clamp, ("first", "last", "none"))):
        if name not in names:
            raise unknown_name(kind, name, names)
    if not 0 <= decay < 1:
        raise InputError(f"the decay is the share that the image loses in a step: from 0 to below 1, not {decay}")
    for name, percent in (("small_norm", small_norm), ("small_contribution", small_contribution)):
        if not 0 <= percent < 100:
            raise InputError(f"{name} is the percentage of pixels set to 0: from 0 to below 100, not {percent}")


# ---- where a neuron is, and whether it speaks ------------------------------------------------------------------------


def neuron_view(net, layer, size=None, position=None):
    """(size, position): how large an image to make for a neuron of a layer, and where it is in the layer's map.

    The centre of an image of `size`, unless a position is given. Without either, the smallest image whose neuron sees
    no padding, or the network's input where that is smaller. Raises InputError for a position that is not there.
    """
    largest = net.input_shape[1]
    field = None if position is not None or size is not None else receptive_field(net, layer)
    if field is not None:
        first = -(field.start // field.stride)  # the first neuron whose field begins within the image
        size = field.start + field.stride * first + field.size
        if size < largest:
            return size, (first, first)
    size = min(size or largest, largest) if position is None and field is not None else size or largest
    side = map_side(net, layer, size)
    if side is None:
        if position is not None:
            raise InputError(f"layer {layer!r} has no maps, so its neurons have no position")
        return size, None
    if position is None:
        return size, (side // 2, side // 2)
    if len(position) != 2 or not all(0 <= place < side for place in position):
        raise InputError(f"layer {layer!r} has positions (y, x) up to {(side - 1, side - 1)} in an image of {size} "
                         f"pixels, not {tuple(position)}")
    return size, tuple(position)


def map_side(net, layer, size):
    """The side of a layer's maps for an image of `size`; None where it has none. InputError for too small an image."""
    shape = net.trunk(layer).shapes((net.input_shape[0], size, size))[layer]
    return shape[2] if len(shape) == 4 else None


def check_channel(net, layer, channel, size):
    """Raises InputError for a channel, or one of several, that the layer does not have."""
    channels = net.trunk(layer).shapes((net.input_shape[0], size, size))[layer][1]
    for one in channel if hasattr(channel, "__len__") else [channel]:
        if not 0 <= one < channels:
            raise InputError(f"layer {layer!r} has channels 0 to {channels - 1}, not {one}")


def images_for(labels):
    """How many images: one for each of several labels or channels."""
    return len(labels) if hasattr(labels, "__len__") else 1


def values_of_images(objective, out):
    """What each image (N,) has of an objective that is linear in `out`, the activations of its layer; of LayerNorm2,
    twice that."""
    _, seeds = objective({objective.layer: out})
    return (out * seeds[objective.layer]).reshape(len(out), -1).sum(axis=1)


def is_blind_to_grey(net):
    """Whether the first ReLU is silent on an image of the mean colour: from there no ascent begins."""
    first = next(node.name for node in net.nodes if isinstance(node.layer, ReLU))
    grey = to_device(np.zeros((1, *net.input_shape), np.float32), net.device)
    return not bool(net.predict(grey, first).any())


def before_relu(net, layer):
    """The network up to `layer`, which there gives what comes into the ReLUs, if nothing but concatenations, averages
    over the map and dropout lie between.

    The same number for a neuron that is active, and one with a gradient for a neuron that is not, so that the ascent
    can wake it up.
    """
    trunk = net.trunk(layer)
    reached, nodes = {trunk.output}, []
    for node in reversed(trunk.nodes):
        if node.name in reached and isinstance(node.layer, ReLU):
            node = node._replace(layer=Dropout(0.0))  # the identity
        elif node.name in reached and isinstance(node.layer, Concat | GlobalAvgPool2D | Dropout | Flatten):
            reached.update(node.inputs)
        nodes.append(node)
    trunk.nodes = nodes[::-1]
    return trunk
