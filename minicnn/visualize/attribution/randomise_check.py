"""The objective numbers of the randomisation test: for its networks, for one picture, and for a set of pictures."""

from collections.abc import Callable, Mapping

import numpy as np

from minicnn.backend import Array, to_host
from minicnn.network import Network
from minicnn.visualize.attribution.randomise import UNCHANGED, cascade, cascade_similarity, split_stages, upper_half
from minicnn.visualize.check import Check, below, reported


def check_cascade(net: Network, x: Array, label: int, rng: np.random.Generator, stages: int = 10) -> list[Check]:
    """Return the Check that each stage has random weights in its layers, and trained weights in the layers before.

    The trained network itself must not change.
    """
    trained = {name: to_host(layer.params["w"]).copy() for name, layer in net.parameter_layers().items()
               if "w" in layer.params}
    wrong, random_layers = 0, set()
    for names, (_, random) in zip(split_stages(net, stages), cascade(net, x, label, rng, stages), strict=True):
        random_layers.update(names)
        wrong += sum(bool((to_host(random.layer(name).params["w"]) == w).all()) == (name in random_layers)
                     for name, w in trained.items())
    wrong += sum(bool((to_host(net.layer(name).params["w"]) != w).any()) for name, w in trained.items())
    return [Check(f"randomisation: layers that are trained but should be random, or the reverse, in {len(trained)} "
                  "layers", wrong, "0", wrong == 0)]


def check_similarities(similarities: Mapping[str, Array]) -> list[Check]:
    """Return the Check that the saliency map changes with the weights; report the method that changes least.

    The change of the other methods depends on the network and the picture, and is the result that the picture shows.
    similarities : {method: rank correlations with the trained network's map, (draws, stages)}.
    """
    halves = {method: upper_half(values) for method, values in similarities.items()}
    least = max(halves, key=halves.__getitem__)
    return [below("randomisation: rank correlation of the saliency with an untrained network's, 1 if weights stay "
                  "trained", similarities["saliency"][:, -1].max(), 0.999),
            reported("randomisation: rank correlation after the upper half is random, of the least changed map, "
                     f"{least}", halves[least], f"above {UNCHANGED:.2f} the map hardly shows learned features")]


def check_sanity(net: Network, x: Array, labels: Array, explain: Callable[[Network, Array, int], Mapping[str, Array]],
                 rng: np.random.Generator) -> list[Check]:
    """Return the Checks of three findings of Adebayo et al. 2018 (arXiv:1810.03292) over a set of pictures.

    When the upper half of the weights is random, the map of guided backprop hardly changes, the gradient changes more,
    and Grad-CAM is another map.

    x : pictures (N, C, H, W). labels : (N,). explain : (network, x (1, C, H, W), label) -> {method: map (1, H, W)}.
    """
    halves = []
    for image, label in zip(x, labels, strict=True):
        def maps(network: Network, image: Array = image, label: int = label) -> Mapping[str, Array]:
            return explain(network, image[None], int(label))
        halves.append(next(cascade_similarity(net, image[None], int(label), maps, rng, stages=2))[1])
    guided, plain, cam = (float(np.mean([half[method] for half in halves]))
                          for method in ("guided backprop", "saliency", "Grad-CAM"))
    name = f"rank correlation with the trained network's map, upper half random, mean of {len(x)} pictures: "
    return [Check(name + "guided backprop", guided, f"more than {UNCHANGED:.2f}: it hardly shows learned features",
                  guided > UNCHANGED),
            Check(name + "saliency", plain, f"less than {guided:.3f}, guided backprop's", plain < guided),
            Check(name + "Grad-CAM", cam, f"at most {UNCHANGED:.2f}", cam <= UNCHANGED)]
