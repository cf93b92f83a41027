"""Averaged weights: a network that follows the trained one slowly, and so has less of the noise of the batches."""

from dataclasses import dataclass

from minicnn.backend import Array
from minicnn.models.weights import named_arrays
from minicnn.network import Network


@dataclass
class Average:
    """The running average of one array."""

    decay: float
    value: Array


class WeightAverage:
    """The running averages of all parameters and buffers of a network: Polyak and Juditsky 1992, with a fixed decay.

    average = decay average + (1 - decay) weights, after each step; at the start with a smaller decay, as the first
    weights are random.

    >>> WeightAverage(minicnn.models.shapes(), 0.99).network()
    <Network: 15 layers up to 'fc6', 168,588 parameters>
    """

    def __init__(self, net: Network, decay: float) -> None:
        self.net, self.decay = net, decay
        self.parts = {f"average/{name}": Average(decay, array) for name, array in named_arrays(net).items()}

    def follow(self, step: int) -> None:
        """Add the network's present weights to the averages. step : of the training, from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, array in named_arrays(self.net).items():
            part = self.parts[f"average/{name}"]
            part.value = decay * part.value + (1 - decay) * array

    def network(self) -> Network:
        """Return a plain network of the same layers with the averages as its weights."""
        net = self.net.plain().astype("float32")
        for node in net.nodes:
            for arrays in (node.layer.params, node.layer.buffers):
                for key in arrays:
                    arrays[key] = self.parts[f"average/{node.name}/{key}"].value
        return net
