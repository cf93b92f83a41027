"""Losses: objectives of an image or of a network in training, with hand-written gradients.

A loss reads the activations of one named layer and returns its value and a seed for `Network.backward`. A regularizer
is a loss on "input". Losses are minimised; a negative weight maximises a score.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from minicnn.backend import Array, get_array_module
from minicnn.errors import InputError
from minicnn.layers import Gram
from minicnn.network import Network

PRODUCTS = 2**22  # dot products that GuideMatch computes at a time

Activations = Mapping[str, Array]
LossAndSeeds = tuple[float, dict[str, Array]]
Terms = Sequence[tuple[float, Any]]  # [(weight, loss), …]


@dataclass(frozen=True)
class ClassScore:
    """Sum over images of the unnormalised score (logit) of class `label` at `layer`, the network's output.

    label : one class for all images, or a sequence with one for each image.
    """

    layer: str
    label: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        scores = activations[self.layer]  # (N, classes)
        seed = one_hot(scores, self.label)
        return float((scores * seed).sum()), {self.layer: seed}


@dataclass(frozen=True)
class ClassMargin:
    """Sum over images of the score of class `label` minus the best score of another class; positive if `label` wins.

    label : one class for all images, or a sequence with one for each image.
    """

    layer: str
    label: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        scores = activations[self.layer]  # (N, classes)
        seed = one_hot(scores, self.label)
        others = scores - 1e30 * seed
        rivals = get_array_module(scores).arange(scores.shape[1]) == others.argmax(axis=1)[:, None]  # (N, classes)
        seed = seed - rivals
        return float((scores * seed).sum()), {self.layer: seed}


@dataclass(frozen=True)
class ChannelMean:
    """Sum over images of the mean activation of one channel.

    channel : one for all images, or a sequence with one for each image.
    """

    layer: str
    channel: Any

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        seed, value = get_array_module(out).zeros_like(out), 0.0
        for images, channel in channel_of_images(self.channel, len(out)):
            seed[images, channel] = 1 / out[0, 0].size
            value = value + out[images, channel].mean(axis=(1, 2)).sum()
        return float(value), {self.layer: seed}


@dataclass(frozen=True)
class NeuronActivation:
    """Sum over images of the activation of one neuron.

    channel : one for all images, or a sequence with one for each image. position : (y, x) in the layer's map, or None
    for a layer without maps.
    """

    layer: str
    channel: Any
    position: tuple[int, int] | None = None

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        seed, value = get_array_module(out).zeros_like(out), 0.0
        for images, channel in channel_of_images(self.channel, len(out)):
            neuron = (images, channel, *(self.position or ()))
            seed[neuron] = 1
            value = value + out[neuron].sum()
        return float(value), {self.layer: seed}


def channel_of_images(channel: Any, count: int) -> list[tuple[slice, int]]:
    """Return [(slice of the images, its channel), …]: one slice for all `count` images, or one for each image.

    Raises InputError if there are several channels, but not as many as images.

    >>> channel_of_images([7, 9], 2)
    [(slice(0, 1, None), 7), (slice(1, 2, None), 9)]
    """
    if not hasattr(channel, "__len__"):
        return [(slice(None), channel)]
    if len(channel) != count:
        raise InputError(f"{len(channel)} channels for {count} images")
    return [(slice(n, n + 1), int(one)) for n, one in enumerate(channel)]


@dataclass(frozen=True)
class LayerNorm2:
    """Half the squared norm of a whole layer, or of one channel: 1/2 sum of out². Its seed is `out`.

    The objective of DeepDream (Mordvintsev et al. 2015).
    """

    layer: str
    channel: int | None = None

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        if self.channel is None:
            return float((out * out).sum()) / 2, {self.layer: out}
        chosen = out[:, self.channel]
        seed = get_array_module(out).zeros_like(out)
        seed[:, self.channel] = chosen
        return float((chosen * chosen).sum()) / 2, {self.layer: seed}


@dataclass(frozen=True)
class GuideMatch:
    """Sum over positions of the largest dot product with a vector of `guide`: the objective of guided DeepDream.

    guide : maps (1, C, h, w) of another image at the layer, with any h and w. At each position, the seed is the vector
    with the largest dot product (objective_guide in dream.ipynb, Mordvintsev et al. 2015).
    """

    layer: str
    guide: Array = field(repr=False)

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        N, C, H, W = out.shape
        guide = self.guide[0].reshape(C, -1)  # (C, P)
        vectors = out.transpose(0, 2, 3, 1).reshape(-1, C)  # (N H W, C)
        matched = get_array_module(out).empty_like(vectors)
        rows = max(1, PRODUCTS // guide.shape[1])  # at a time, as all products together need much memory
        for start in range(0, len(vectors), rows):
            best = (vectors[start:start + rows] @ guide).argmax(axis=1)
            matched[start:start + rows] = guide.T[best]
        seed = matched.reshape(N, H, W, C).transpose(0, 3, 1, 2)
        return float((out * seed).sum()), {self.layer: seed}


@dataclass(frozen=True)
class FeatureMatch:
    """Sum of (out - target)²: the loss of feature inversion, and the content loss of style transfer."""

    layer: str
    target: Array = field(repr=False)

    def __call__(self, activations: Activations) -> LossAndSeeds:
        difference = activations[self.layer] - self.target
        return float((difference * difference).sum()), {self.layer: 2 * difference}


@dataclass(frozen=True)
class GramMatch:
    """Sum of (Gram(out) - target)²: the style loss of one layer. target : (N, C, C).

    mask : (H, W), multiplies the features first, so that a part of the image gets its own style (Gatys et al. 2017,
    arXiv:1611.07865, section 4). By default the whole image counts.
    """

    layer: str
    target: Array = field(repr=False)
    gram: Gram = Gram()
    mask: Array | None = field(default=None, repr=False)

    def __call__(self, activations: Activations) -> LossAndSeeds:
        out = activations[self.layer]
        gram, cache = self.gram.forward(out if self.mask is None else out * self.mask)
        difference = gram - self.target
        seed = self.gram.backward(2 * difference, cache)
        return float((difference * difference).sum()), {self.layer: seed if self.mask is None else seed * self.mask}


@dataclass(frozen=True)
class TotalVariation:
    """Sum of (dy² + dx²)^(beta / 2) over pixels. dy and dx are the differences to the pixel below and to the right.

    Mahendran and Vedaldi 2015 (arXiv:1412.0035), equation 4. The last row and column have only one difference.
    """

    beta: float = 2.0
    layer: str = "input"

    def __call__(self, activations: Activations) -> LossAndSeeds:
        x = activations[self.layer]
        xp = get_array_module(x)
        dy, dx = xp.zeros_like(x), xp.zeros_like(x)
        dy[:, :, :-1] = x[:, :, 1:] - x[:, :, :-1]
        dx[..., :-1] = x[..., 1:] - x[..., :-1]
        squares = dy * dy + dx * dx
        if self.beta == 2:
            value, slope = squares, 2.0
        else:
            value = squares ** (self.beta / 2)
            # for beta < 2 the slope is infinite on a flat patch
            slope = self.beta * xp.maximum(squares, 1e-12) ** (self.beta / 2 - 1)
        # d value / d difference = slope * difference; the two pixels of a difference get opposite gradients
        ddy, ddx = slope * dy, slope * dx
        seed = -ddy - ddx
        seed[:, :, 1:] += ddy[:, :, :-1]
        seed[..., 1:] += ddx[..., :-1]
        return float(value.sum()), {self.layer: seed}


@dataclass(frozen=True)
class L2:
    """Sum of x²."""

    layer: str = "input"

    def __call__(self, activations: Activations) -> LossAndSeeds:
        x = activations[self.layer]
        return float((x * x).sum()), {self.layer: 2 * x}


@dataclass(frozen=True)
class PNorm:
    """Sum of |x|^p, p > 1."""

    p: float = 6.0
    layer: str = "input"

    def __call__(self, activations: Activations) -> LossAndSeeds:
        x = activations[self.layer]
        xp = get_array_module(x)
        size = abs(x)
        return float((size ** self.p).sum()), {self.layer: self.p * size ** (self.p - 1) * xp.sign(x)}


def weighted_sum(terms: Terms, activations: Activations) -> tuple[float, dict[str, Array], list[float]]:
    """Return (sum of weight * value, seeds of the sum, value of each loss) for terms [(weight, loss), …].

    >>> weighted_sum([(2.0, L2()), (1.0, PNorm(6))], {"input": np.ones((1, 3, 2, 2))})[0]
    36.0
    """
    total, values = 0.0, []
    seeds: dict[str, Array] = {}
    for weight, loss in terms:
        value, loss_seeds = loss(activations)
        total += weight * value
        values.append(value)
        for layer, seed in loss_seeds.items():
            seed = float(weight) * seed  # a NumPy float64 would make the seed float64
            seeds[layer] = seeds[layer] + seed if layer in seeds else seed
    return total, seeds, values


def loss_and_gradient(net: Network, image: Array, terms: Terms) -> tuple[float, Array, list[float]]:
    """Return (total, its gradient to the image, value of each loss): one pass forward, the losses, one pass back.

    image : (N, C, H, W). terms : [(weight, loss), …], see `weighted_sum`. Raises InputError if there are no terms.

    >>> loss_and_gradient(net, x, [(1.0, ClassScore(net.output, label))])[1].shape
    (1, 3, 64, 64)
    """
    if not terms:
        raise InputError("there are no terms to compute the gradient of: give at least one (weight, loss)")
    layers = [loss.layer for _, loss in terms]
    trace = net.forward(image, upto=layers, keep=layers)
    total, seeds, values = weighted_sum(terms, trace.activations)
    return total, net.backward(trace, seeds, release=True)["input"], values


def cross_entropy(scores: Array, labels: Any) -> tuple[float, Array]:
    """Return the mean over images of -log softmax(scores)[label], and its gradient to scores, (N, classes).

    >>> cross_entropy(np.zeros((1, 4)), [2])[1]
    array([[ 0.25,  0.25, -0.75,  0.25]])
    """
    xp = get_array_module(scores)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probabilities = shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))
    target = one_hot(scores, labels)
    # d value / d scores = (softmax - one hot) / N
    N = scores.shape[0]
    return -float((log_probabilities * target).sum()) / N, (xp.exp(log_probabilities) - target) / N


def one_hot(scores: Array, labels: Any) -> Array:
    """Return zeros like `scores`, (N, classes), with a 1 at each image's label.

    labels : one class for all images, or a sequence with one for each image.
    Raises InputError if a label is not a class, or if there are not as many labels as images.

    >>> one_hot(np.zeros((2, 3)), [0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    N, num_classes = scores.shape
    labels = [labels] * N if isinstance(labels, int) or not hasattr(labels, "__len__") else labels
    if len(labels) != N:
        raise InputError(f"{len(labels)} labels for {N} images")
    encoded = get_array_module(scores).zeros_like(scores)
    for n, label in enumerate(labels):
        if not 0 <= int(label) < num_classes:
            raise InputError(f"no class {int(label)}: the network has {num_classes}, numbered from 0")
        encoded[n, int(label)] = 1
    return encoded
