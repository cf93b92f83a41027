"""A sanity check of attribution methods: does a map change when the network's weights are replaced by random ones?

The cascading parameter randomisation of Adebayo et al. 2018 (arXiv:1810.03292), section 3.1: from the last layer to the
first, stage by stage.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from minicnn.arguments import Seed, describe, require_callable, require_generator, require_whole
from minicnn.backend import Array, to_device
from minicnn.errors import InputError
from minicnn.initialize import he_normal
from minicnn.network import Network
from minicnn.visualize.attribution.compare import rank_correlations
from minicnn.visualize.entry import enter, require_labels, require_network

TRIES = 100               # draws of a stage until the class score is not 0
UNCHANGED = 0.5 ** 0.5    # with a higher rank correlation, more than half of the variance of the ranks is the same


def cascade_similarity(net: Network, x: Array, label: int, explain: Callable[[Network], Mapping[str, Array]],
                       rng: Seed, stages: int = 10) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield (name, {method: similarity of its map to the trained network's map}) for each stage of the `cascade`.

    The similarity is Spearman's rank correlation: 1 if the map is the same, 0 if a map is constant.

    explain : a function network -> {method: map (1, H, W)}. The other parameters are the same as in `cascade`.
    Adebayo et al. 2018 (arXiv:1810.03292), section 3.1.

    >>> def explain(net):
    ...     return {"saliency": minicnn.visualize.saliency_map(net, x, label)}
    >>> [name for name, similarity in cascade_similarity(net, x, label, explain, rng, stages=2)]
    ['conv4', 'conv1']
    """
    require_network(net)
    if require_callable("explain", explain) is None or not isinstance(trained := explain(net), Mapping):
        raise InputError(f"explain is {describe(explain)}; expected a function network -> {{method: map}}")
    for name, random in cascade(net, x, label, rng, stages):
        yield name, {method: float(rank_correlations([trained[method], values])[0, 1])
                     for method, values in explain(random).items()}


def cascade(net: Network, x: Array, label: int, rng: Seed,
            stages: int = 10) -> Iterator[tuple[str, Network]]:
    """Yield (name, network) for each stage: a network with random weights from the last module down to module `name`.

    The weights are drawn as before training. A stage is drawn again if the score of class `label` is 0: after a last
    ReLU, half of all draws give 0, and all gradients are 0, too.

    Parameters
    ----------
    net : the trained network. It is not changed.
    x : one image, (1, C, H, W).
    label : the class.
    rng : the generator of the weights, or a seed.
    stages : largest number of stages. The network's modules are divided equally among them.

    Raises
    ------
    InputError if there is less than one stage.
    """
    x, rng, stages = enter(net, x), require_generator(rng), require_whole("stages", stages, 1)
    label, = require_labels(net, label, 1)
    for names in split_stages(net, stages):
        for _ in range(TRIES):
            random = with_random_weights(net, names, rng)
            if bool((random.predict(x)[:, label] != 0).all()):
                break
        net = random
        yield module_name(names[-1]), net


def split_stages(net: Network, stages: int) -> list[list[str]]:
    """Return the names of the layers with parameters in at most `stages` lists, from the output to the input."""
    names = list(net.parameter_layers())[::-1]
    modules = list(dict.fromkeys(map(module_name, names)))
    return [[name for name in names if module_name(name) in part]
            for part in np.array_split(modules, min(stages, len(modules)))]


def module_name(layer: str) -> str:
    """Return the name of a layer's module: fire9 for fire9/expand3x3, and conv1 for conv1."""
    return layer.split("/")[0]


def with_random_weights(net: Network, names: Sequence[str] | Mapping[str, object],
                        rng: np.random.Generator) -> Network:
    """Return a copy of the network whose layers `names` are initialised as before training."""
    net = net.astype(next(iter(net.parameter_layers().values())).params["w"].dtype)  # a copy
    for name in names:
        layer = net.layer(name)
        for arrays in (layer.params, layer.buffers):
            arrays.update({key: to_device(initial_values(key, array, rng), net.device)
                           for key, array in arrays.items()})
    return net


def initial_values(key: str, array: Array, rng: np.random.Generator) -> Array:
    """Return the values of a parameter or buffer before training, on the host. key : its name, such as "w"."""
    if key == "w":
        return he_normal(array.shape, array[0].size, rng).astype(array.dtype.name)
    return np.full(array.shape, key in ("gamma", "var"), array.dtype.name)


def upper_half(similarities: Array) -> float:
    """Return the mean similarity after the upper half of the stages is random. similarities : (draws, stages)."""
    return float(similarities[:, (similarities.shape[1] - 1) // 2].mean())


def unchanged_methods(similarities: Mapping[str, Array]) -> dict[str, float]:
    """Return {method: rank correlation} of the methods that fail the sanity check: see UNCHANGED.

    similarities : {method: (draws, stages)}.
    """
    halves = {method: upper_half(values) for method, values in similarities.items()}
    return {method: value for method, value in halves.items() if value > UNCHANGED}
