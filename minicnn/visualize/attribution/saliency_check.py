"""Checks of saliency maps and of guided backprop."""

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.gradient_check import directional_error
from minicnn.layers import ReLU
from minicnn.losses import one_hot
from minicnn.receptive_field import receptive_field
from minicnn.visualize.attribution.compare import block_grid, block_order, exchange_curve
from minicnn.visualize.attribution.saliency import guided_backprop, saliency_map
from minicnn.visualize.check import Check, above, below


def check_saliency(net, x, labels, rng, grid=7):
    """Images x (N, C, H, W): the gradient is the score's slope, and blanking what is salient hurts the class.

    The deletion curve: blocks of the picture, on a grid x grid, are set to the mean colour (0), the most salient first,
    until half are gone; the mean probability of the classes is compared with that for blocks in random order. Blocks,
    as single pixels that are blanked at random are a noise, which hurts a network however little they say. Only images
    that the network takes for their class count: one that it does not see can but rise. Without any it is not judged.
    """
    exact = net.astype("float64").to_device("cpu")
    # A little noise breaks the ties of flat areas, where a max pool has no derivative.
    x64 = to_host(x) + 1e-2 * rng.standard_normal(x.shape)
    seed = one_hot(exact.predict(x64), labels)

    def score(image):
        return float((exact.predict(image) * seed).sum())
    gradient = exact.backward(exact.forward(x64), {exact.output: seed})["input"]
    slope_error = directional_error(score, x64, gradient, rng)

    saliency = saliency_map(net, x, labels)
    seen = to_host(net.predict(to_device(x, net.device))).argmax(axis=1) == np.asarray(labels)
    counted = seen if seen.any() else ~seen
    blocks = block_grid(*saliency.shape[1:], grid)
    salient, random = [], []
    for image, label, values in zip(to_host(x)[counted][:, None], np.asarray(labels)[counted], saliency[counted],
                                    strict=True):
        def curve(order, image=image, label=label):
            return exchange_curve(net, image, np.zeros_like(image), label, blocks, order, steps=7, share=0.5)
        salient.append(curve(block_order(values, blocks, rng)).mean())
        random += [curve(rng.permutation(grid**2)).mean() for _ in range(3)]
    salient, random = float(np.mean(salient)), float(np.mean(random))
    return [above("largest saliency", saliency.max(), 0.0),
            below("slope of the score along 5 random directions against the gradient, float64", slope_error, 1e-6),
            Check("mean probability of the class while up to half of the picture is blanked, most salient parts first",
                  salient, f"less than {random:.4f}, in random order" if seen.any() else
                  f"reported, not judged of a class that the network does not see: in random order {random:.4f}",
                  bool(salient < random or not seen.any()))]


def check_neuron_gradient(net, x, layer, channel, position, rng):
    """Guided backprop of one neuron: exactly zero outside the pixels it sees, not so within; and what the ReLUs do.

    The last number is the parameter-randomisation test of Adebayo et al. 2018 (arXiv:1810.03292): the correlation of
    the picture with that of a network whose weights are shuffled. It is reported, not judged.
    """
    guided = guided_backprop(net, x, layer, channel, position)[0]
    H, W = guided.shape[1:]
    field = receptive_field(net, layer)
    top, bottom, left, right = (0, H, 0, W) if field is None else field.box(*position, H, W)
    outside = np.abs(guided).copy()
    outside[:, top:bottom, left:right] = 0
    touched = count_relus(net, layer)
    similarity = randomised_similarity(net, x, layer, channel, position, guided, rng)
    return [below("largest gradient outside the receptive field", outside.max(), 0.0),
            above("largest gradient inside", np.abs(guided).max(), 0.0),
            Check("ReLUs that obeyed the rule, of those on the path", touched[0], str(touched[1]),
                  touched[0] == touched[1]),
            Check("correlation with the same picture of a network whose weights are shuffled", similarity,
                  "reported, not judged: above 0.5 the picture shows edges more than what was learnt", True)]


def count_relus(net, layer):
    """(ReLUs replaced by with_relu, ReLUs on the path) among the layers up to `layer`."""
    class Marked(ReLU):
        pass
    layer = net.find(layer)
    path = {layer}
    for node in reversed(net.nodes):
        if node.name in path:
            path.update(node.inputs)
    marked = net.with_relu(Marked())
    on_path = [name for name, step, _ in net.nodes if name in path and isinstance(step, ReLU)]
    return sum(type(marked.layer(name)) is Marked for name in on_path), len(on_path)


def randomised_similarity(net, x, layer, channel, position, guided, rng):
    """Correlation of |guided| with the same picture of a sibling whose filters are shuffled in every layer.

    Of a neuron in a map, the sibling shows the strongest one at the same place: the same one is often silent there.
    """
    sibling = net.trunk(layer).astype(x.dtype)
    for owner in sibling.parameter_layers().values():
        for key, values in owner.params.items():
            owner.params[key] = to_device(rng.permutation(to_host(values).ravel()).reshape(values.shape), net.device)
    other = guided_backprop(sibling, x, layer, None if position else channel, position)[0]
    a, b = np.abs(guided).ravel(), np.abs(other).ravel()
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else 0.0
