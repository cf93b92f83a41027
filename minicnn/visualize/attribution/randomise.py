"""Whether a map shows what was learnt: the network's weights are drawn anew, from the scores down to the pixels.

The cascading parameter randomisation of Adebayo et al. 2018 (arXiv:1810.03292), section 3.1.
"""

import numpy as np

from minicnn.backend import to_device
from minicnn.errors import InputError
from minicnn.initialize import he_normal
from minicnn.visualize.attribution.compare import rank_correlations
from minicnn.visualize.entry import enter

TRIES = 100           # draws of a stage until something is left of the class score
UNMOVED = 0.5 ** 0.5  # a rank correlation above means that more than half of the ranks' variance is the same


def cascade(net, x, label, rng, stages=10):
    """Yield (name, network) for each stage, drawn anew together with all above it; name : the stage's lowest module.

    x : (1, C, H, W). stages : at most so many; the modules of the network, as many in each as may be, shared out among
    them. rng : numpy.random.Generator. Weights are drawn as before training. A stage is drawn again where nothing is
    left of the score of class `label`: behind a last ReLU, half of all draws show nothing at all. Raises InputError
    for less than one stage.
    """
    if stages < 1:
        raise InputError(f"expected at least 1 stage, not {stages}")
    x = enter(net, x)
    for names in stages_of(net, stages):
        for _ in range(TRIES):
            drawn = redrawn(net, names, rng)
            if bool((drawn.predict(x)[:, label] != 0).all()):
                break
        net = drawn
        yield module_of(names[-1]), net


def stages_of(net, stages):
    """The names of the layers with parameters in up to `stages` lists, from the output to the input."""
    names = list(net.parameter_layers())[::-1]
    modules = list(dict.fromkeys(map(module_of, names)))
    return [[name for name in names if module_of(name) in part]
            for part in np.array_split(modules, min(stages, len(modules)))]


def module_of(name):
    """fire9 of fire9/expand3x3, and conv1 of conv1."""
    return name.split("/")[0]


def redrawn(net, names, rng):
    """A network whose layers of these names are as before any training, the others copies of what they are."""
    net = net.astype(next(iter(net.parameter_layers().values())).params["w"].dtype)
    for name in names:
        layer = net.layer(name)
        for arrays in (layer.params, layer.buffers):
            arrays.update({key: to_device(first_values(key, array, rng), net.device) for key, array in arrays.items()})
    return net


def first_values(key, array, rng):
    """What an untrained layer holds in the place of this parameter or buffer, on the host."""
    if key == "w":
        return he_normal(array.shape, array[0].size, rng).astype(array.dtype.name)
    return np.full(array.shape, key in ("gamma", "var"), array.dtype.name)


def cascade_similarity(net, x, label, explain, rng, stages=10):
    """Yield (name, {method: how alike its maps are}) for each stage of the `cascade`: 1 is the trained network's map.

    explain : network -> {method: maps (1, H, W)}. The measure is Spearman's rank correlation; 0 where a map is flat.
    """
    trained = explain(net)
    for name, drawn in cascade(net, x, label, rng, stages):
        yield name, {method: float(rank_correlations([trained[method], found])[0, 1])
                     for method, found in explain(drawn).items()}


def upper_half(similarities):
    """The mean over draws with the upper half of the stages drawn anew; similarities : (draws, stages), top first."""
    return float(similarities[:, (similarities.shape[1] - 1) // 2].mean())


def unmoved(similarities):
    """The methods that fail the sanity check, {method: rank correlation}, of {method: (draws, stages)}: see UNMOVED."""
    halves = {method: upper_half(values) for method, values in similarities.items()}
    return {method: value for method, value in halves.items() if value > UNMOVED}
