"""Terms: several losses of one image, each with a weight, and the gradient of their sum."""

from collections.abc import Mapping, Sequence
from typing import Any

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.network import Network

Activations = Mapping[str, Array]
LossAndSeeds = tuple[float, dict[str, Array]]
Terms = Sequence[tuple[float, Any]]  # [(weight, loss), …]


def weighted_sum(terms: Terms, activations: Activations) -> tuple[float, dict[str, Array], list[float]]:
    """Return (sum of weight * value, seeds of the sum, value of each loss) for terms [(weight, loss), …].

    >>> from minicnn.losses import L2, PNorm
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

    >>> from minicnn.losses import ClassScore
    >>> loss_and_gradient(net, x, [(1.0, ClassScore(net.output, label))])[1].shape
    (1, 3, 64, 64)
    """
    if not terms:
        raise InputError("there are no terms to compute the gradient of: give at least one (weight, loss)")
    layers = [loss.layer for _, loss in terms]
    trace = net.forward(image, upto=layers, keep=layers)
    total, seeds, values = weighted_sum(terms, trace.activations)
    return total, net.backward(trace, seeds, release=True)["input"], values
