"""The objective numbers behind a comparison of attribution methods: on one picture, and on sets of them."""

import numpy as np

from minicnn.backend import to_host
from minicnn.visualize.attribution.compare import RANDOM, area, blurred, deletion_insertion
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.attribution.randomise import UNMOVED, cascade, cascade_similarity, stages_of, upper_half
from minicnn.visualize.check import Check, below

ONE_PICTURE = "reported, not judged of one picture"


def check_curves(net, x, label, deletion, insertion):
    """The curves of x (1, C, H, W) begin and end at the probabilities of whole pictures; and what lies under them."""
    x = to_host(x)
    photo, grey, soft = (float(class_probability(net, image, label)[0]) for image in (x, np.zeros_like(x), blurred(x)))
    errors = [abs(curve[:, end] - p).max() for curves, ends in ((deletion, (photo, grey)), (insertion, (soft, photo)))
              for curve in curves.values() for end, p in zip((0, -1), ends, strict=True)]
    checks = [below("curves: largest difference at their ends to the probability of the photo, all of it mean colour "
                    "and all of it blurred", max(errors), 1e-5)]
    for name, curves in (("deletion", deletion), ("insertion", insertion)):
        areas = {method: mean_area(curve) for method, curve in curves.items()}
        spread = np.std([area(curve) for curve in curves[RANDOM]])
        random = areas.pop(RANDOM)
        checks.append(Check(f"{name}: mean area of the methods", float(np.mean(list(areas.values()))),
                            f"{ONE_PICTURE}: in random order {random:.3f} ± {spread:.3f}", True))
    return checks


def check_correlations(maps, matrix):
    """Maps (M, H, W) and their rank correlations (M, M): symmetric, 1 with itself where a map is not flat."""
    varied = np.array([np.ptp(found) > 0 for found in maps])
    error = max(np.abs(matrix - matrix.T).max(), np.abs(np.diag(matrix) - varied).max())
    return [below("rank correlations: how far the matrix is from symmetric, its diagonal from 1", error, 1e-9)]


def check_cascade(net, x, label, rng, stages=10):
    """Stage by stage, the layers above are drawn anew and those below are not, and the trained network stays."""
    trained = {name: to_host(layer.params["w"]).copy() for name, layer in net.parameter_layers().items()
               if "w" in layer.params}
    wrong, above = 0, set()
    for names, (_, drawn) in zip(stages_of(net, stages), cascade(net, x, label, rng, stages), strict=True):
        above.update(names)
        wrong += sum(bool((to_host(drawn.layer(name).params["w"]) == w).all()) == (name in above)
                     for name, w in trained.items())
    wrong += sum(bool((to_host(net.layer(name).params["w"]) != w).any()) for name, w in trained.items())
    return [Check(f"randomisation: layers that are trained and should not be, or the reverse, in {len(trained)} layers",
                  wrong, "0", wrong == 0)]


def check_similarities(similarities):
    """{method: rank correlations with the trained network's maps, (draws, stages)}: the gradient follows the weights.

    How far the others do is a property of network and picture, and what the picture is there to show.
    """
    halves = {method: upper_half(values) for method, values in similarities.items()}
    stiffest = max(halves, key=halves.get)
    return [below("randomisation: rank correlation of the saliency with an untrained network's",
                  similarities["saliency"][:, -1].mean(), 0.9),
            Check(f"randomisation: rank correlation once the upper half is drawn anew, of what moves least, {stiffest}",
                  halves[stiffest], f"reported, not judged: above {UNMOVED:.2f} the map hardly shows what was learnt",
                  True)]


def check_mean_areas(net, x, labels, maps, rng, steps=10):
    """Pictures x (N, C, H, W), {method: maps (N, H, W)}: over the set, each method's curves beat random order."""
    areas = {"deletion": [], "insertion": []}
    for n, label in enumerate(labels):
        these = {method: found[n:n + 1] for method, found in maps.items()}
        curves = deletion_insertion(net, x[n:n + 1], int(label), these, rng, steps=steps, orders=2)
        for found, of_kind in zip(areas.values(), curves, strict=True):
            found.append({method: mean_area(curve) for method, curve in of_kind.items()})
    means = {kind: {method: float(np.mean([one[method] for one in found])) for method in found[0]}
             for kind, found in areas.items()}
    checks = []
    for kind, worst, sign in (("deletion", max, -1), ("insertion", min, 1)):
        random = means[kind].pop(RANDOM)
        method = worst(means[kind], key=means[kind].get)
        checks.append(Check(f"{kind}: mean area over {len(x)} pictures, of the worst method, {method}",
                            means[kind][method], f"{'less' if sign < 0 else 'more'} than {random:.3f}, in random order",
                            sign * (means[kind][method] - random) > 0))
    return checks


def check_sanity(net, x, labels, explain, rng):
    """Over a set of pictures, what Adebayo et al. 2018 (arXiv:1810.03292) found: with the upper half drawn anew, guided
    backprop hardly moves, the gradient does, and Grad-CAM is another map.

    explain : (network, x (1, C, H, W), label) -> {method: maps (1, H, W)}.
    """
    halves = []
    for image, label in zip(x, labels, strict=True):
        def maps(network, image=image, label=label):
            return explain(network, image[None], int(label))
        halves.append(next(cascade_similarity(net, image[None], int(label), maps, rng, stages=2))[1])
    guided, plain, cam = (float(np.mean([half[method] for half in halves]))
                          for method in ("guided backprop", "saliency", "Grad-CAM"))
    what = f"rank correlation with the trained network's map, upper half drawn anew, mean of {len(x)} pictures: "
    return [Check(what + "guided backprop", guided, f"more than {UNMOVED:.2f}: it hardly shows what was learnt",
                  guided > UNMOVED),
            Check(what + "saliency", plain, f"less than {guided:.3f}, guided backprop's", plain < guided),
            Check(what + "Grad-CAM", cam, f"at most {UNMOVED:.2f}", cam <= UNMOVED)]


def mean_area(curves):
    """The mean of the areas under curves (K, S)."""
    return float(np.mean([area(curve) for curve in curves]))
