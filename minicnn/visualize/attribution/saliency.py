"""Saliency maps: the pixels that a class score depends on, by one forward pass and one backward pass."""

from minicnn.backend import Array, to_host
from minicnn.losses import one_hot
from minicnn.network import Network
from minicnn.visualize.entry import Labels, enter


def saliency_map(net: Network, x: Array, label: Labels) -> Array:
    """Return how much the score of class `label` depends on each pixel of the images `x`, (N, H, W) on the host.

    A value is the absolute gradient of the score to a pixel, and the largest one of the pixel's channels.

    x : images of shape (N, C, H, W). label : one class, or one for each image. The score is taken before the softmax.
    Raises InputError if the images do not fit the network, and if a class does not exist.
    Simonyan, Vedaldi and Zisserman 2013 (arXiv:1312.6034), section 3.

    >>> saliency_map(net, x, label).shape
    (1, 64, 64)
    """
    x = enter(net, x)
    trace = net.forward(x, keep=(net.output,))  # of the activations, only the scores are needed
    scores = trace.activations[net.output]      # (N, classes)
    seed = one_hot(scores, label)               # the gradient of sum(scores[n, label[n]]) to the scores
    gradients = net.backward(trace, {net.output: seed}, release=True)
    dx = gradients["input"]                     # (N, C, H, W)
    return to_host(abs(dx).max(axis=1))         # (N, H, W)
