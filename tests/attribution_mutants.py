"""Attribution techniques broken in their characteristic ways, and the judged checks that must detect it.

A case of a technique is a function (net, x, label) -> (the right result, {name: a broken one}, check), and
check(result) returns the Checks of the result as it would be shown.
"""

from dataclasses import replace

import numpy as np

from minicnn.layers import DeconvReLU, GuidedReLU, ReLU
from minicnn.visualize import (
    RELEVANCE_PRESETS,
    RiseSettings,
    deconvnet,
    deeplift,
    deletion_insertion,
    grad_cam,
    grad_cam_plus_plus,
    gradient_times_input,
    guided_backprop,
    guided_grad_cam,
    integrated_gradients,
    layer_cam,
    neuron_gradient,
    occlusion_map,
    rank_correlations,
    relevance_map,
    rise,
    saliency_map,
    score_cam,
    smooth_grad,
    spread_occlusion,
    upsample_maps,
)
from minicnn.visualize.attribution.cams_check import check_grad_cam_plus_plus, check_layer_cam, check_score_cam
from minicnn.visualize.attribution.compare import attribution_maps
from minicnn.visualize.attribution.compare_check import check_correlations, check_maps
from minicnn.visualize.attribution.deeplift_check import check_deeplift
from minicnn.visualize.attribution.deletion_check import check_curves
from minicnn.visualize.attribution.grad_cam import last_maps
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam, check_guided_grad_cam
from minicnn.visualize.attribution.gradients import class_gradient, score_seeds
from minicnn.visualize.attribution.gradients_check import (
    check_gradient_times_input,
    check_integrated_gradients,
    check_smooth_grad,
)
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient
from minicnn.visualize.attribution.occlusion import class_probability
from minicnn.visualize.attribution.occlusion_check import check_occlusion
from minicnn.visualize.attribution.relevance_check import check_relevance
from minicnn.visualize.attribution.rise_check import check_rise
from minicnn.visualize.attribution.saliency_check import check_saliency


def turned(result):
    """Return {name: the result moved to wrong pixels} of an array (..., H, W)."""
    return {"upside down": result[..., ::-1, :], "mirrored": result[..., ::-1], "transposed": result.swapaxes(-1, -2),
            "moved by 8 pixels": np.roll(result, 8, axis=-1)}


def another(net, x, label):
    """Return the class with the second largest score, or the largest if `label` is another one."""
    order = np.argsort(-net.predict(x)[0])
    return int(order[0] if order[0] != label else order[1])


def saliency(net, x, label):
    gradient = class_gradient(net, x, label)
    right = saliency_map(net, x, label)
    broken = turned(right) | {
        "sum of the colours": np.abs(gradient.sum(axis=1)), "without the absolute value": gradient.max(axis=1),
        "mean of the colours": np.abs(gradient).mean(axis=1),
        "another class": saliency_map(net, x, another(net, x, label)),
        "guided rule": saliency_map(net.with_relu(GuidedReLU()), x, label),
        "deconvnet's rule": saliency_map(net.with_relu(DeconvReLU()), x, label), "squared": right ** 2}
    return right, broken, lambda maps: check_saliency(net, x, [label], maps, np.random.default_rng(0))


def product(net, x, label):
    right = gradient_times_input(net, x, label)
    broken = turned(right) | {"sign flipped": -right, "without the picture": class_gradient(net, x, label),
                              "channels swapped": right[:, ::-1], "absolute": np.abs(right),
                              "guided rule": gradient_times_input(net.with_relu(GuidedReLU()), x, label)}
    return right, broken, lambda found: check_gradient_times_input(net, x, label, found, np.random.default_rng(0))


def smooth(net, x, label):
    def run(net=net, **settings):
        return smooth_grad(net, x, label, rng=np.random.default_rng(3), **({"samples": 8} | settings))
    right = run()
    broken = turned(right) | {
        "sign flipped": -right, "plain gradient": class_gradient(net, x, label), "less noise": run(noise=0.05),
        "half of the samples": run(samples=4), "guided rule": run(net.with_relu(GuidedReLU()))}
    return right, broken, lambda found: check_smooth_grad(net, x, label, found, np.random.default_rng(3), samples=8)


def integrated(net, x, label):
    right = integrated_gradients(net, x, label, steps=48)
    gradients = right / np.where(x == 0, 1, x)
    broken = turned(right) | {
        "sign flipped": -right, "absolute": np.abs(right), "without the difference": gradients,
        "the picture alone": gradient_times_input(net, x, label),
        "from another baseline": integrated_gradients(net, x, label, baseline=1.0, steps=48)}
    return right, broken, lambda found: check_integrated_gradients(net, x, label, found, steps=48)


def rules(rule):
    """Return the case of the gradient of the class score by one rule, shown instead of another."""
    layers = {"gradient": ReLU, "deconvnet": DeconvReLU, "guided backprop": GuidedReLU}

    def case(net, x, label):
        shown = {name: neuron_gradient(net, x, net.output, label, None, relu) for name, relu in layers.items()}
        right = shown.pop(rule)
        broken = turned(right) | shown | {"sign flipped": -right, "absolute": np.abs(right),
                                          "channels swapped": right[:, ::-1]}
        return right, broken, lambda found: check_neuron_gradient(net, x, net.output, label, None, found, rule)
    return case


def neuron(net, x, label):
    layer = last_maps(net)
    out = net.predict(x, layer)[0]
    channel, y, column = (int(index) for index in np.unravel_index(out.argmax(), out.shape))
    right = guided_backprop(net, x, layer, channel, (y, column))
    neighbour = (y, column + (1 if column + 1 < out.shape[2] else -1))
    broken = turned(right) | {
        "deconvnet": deconvnet(net, x, layer, channel, (y, column)),
        "plain gradient": neuron_gradient(net, x, layer, channel, (y, column)),
        "the neuron beside": guided_backprop(net, x, layer, channel, neighbour)}
    return right, broken, lambda found: check_neuron_gradient(net, x, layer, channel, (y, column), found)


def cam(layer):
    """Return the case of Grad-CAM at a layer; None is the last one with maps."""
    def case(net, x, label):
        name = last_maps(net) if layer is None else layer
        trace, seeds = score_seeds(net, x, label, (name,))
        maps, gradient = trace.activations[name], net.backward(trace, seeds, wrt=(name,))[name]
        right = grad_cam(net, x, label, name)

        def weighted(weights):
            return (weights[:, :, None, None] * maps).sum(axis=1)
        mean, largest = gradient.mean(axis=(2, 3)), gradient.max(axis=(2, 3))
        broken = {
            "uniform weights": np.maximum(weighted(np.full_like(mean, 1 / mean.shape[1])), 0),
            "sign flipped": np.maximum(-weighted(mean), 0), "without the ReLU": weighted(mean),
            "gradient times maps": np.maximum((gradient * maps).sum(axis=1) / maps[0, 0].size, 0),
            "absolute weights": np.maximum(weighted(np.abs(mean)), 0),
            "another class": grad_cam(net, x, another(net, x, label), name),
            "upside down": right[:, ::-1], "mirrored": right[:, :, ::-1]}
        if np.abs(largest - mean).max() > 1e-3 * np.abs(mean).max():
            broken["max for mean"] = np.maximum(weighted(largest), 0)
        broken = {what: heat for what, heat in broken.items() if np.abs(heat - right).max() > 1e-2 * right.max()}
        return right, broken, lambda heat: check_grad_cam(net, x, label, heat, name)
    return case


def enlarged_cam(net, x, label):
    heat, (H, W) = grad_cam(net, x, label), x.shape[2:]
    right = upsample_maps(heat, H, W)
    nearest = heat[:, np.arange(H)[:, None] * heat.shape[1] // H, np.arange(W) * heat.shape[2] // W]
    broken = turned(right) | {"nearest pixel": nearest, "half a cell off": upsample_maps(heat, 2 * H, 2 * W)[:, :H, :W]}
    return right, broken, lambda large: check_grad_cam(net, x, label, heat, None, large)


def guided_cam(net, x, label):
    heat, right = grad_cam(net, x, label), guided_grad_cam(net, x, label)
    large = upsample_maps(heat, *x.shape[2:])[:, None]
    broken = turned(right) | {
        "sign flipped": -right, "absolute": np.abs(right), "plain gradient": large * class_gradient(net, x, label),
        "guided backprop alone": guided_backprop(net, x, net.output, label),
        "Grad-CAM upside down": large[:, :, ::-1] * guided_backprop(net, x, net.output, label)}
    return right, broken, lambda found: check_guided_grad_cam(net, x, label, heat, found)


def occlusion(net, x, label):
    side = x.shape[2] // 7
    right = occlusion_map(net, x, label, side, side)
    black = x.min(axis=(0, 2, 3))[:, None, None]
    broken = {
        "window moved by 8 pixels": occlusion_map(net, np.roll(x, (8, 8), (2, 3)), label, side, side),
        "window of half the size": occlusion_map(net, x, label, side // 2, side)[:, :right.shape[1], :right.shape[2]],
        "another colour": occlusion_map(net, x, label, side, side, black), "the fall": right.max() - right,
        "another class": occlusion_map(net, x, another(net, x, label), side, side),
        "upside down": right[:, ::-1], "mirrored": right[:, :, ::-1], "transposed": right.swapaxes(1, 2)}
    return right, broken, lambda maps: check_occlusion(net, x, [label], maps, side, side)


def spread_map(net, x, label):
    side = x.shape[2] // 7
    maps = occlusion_map(net, x, label, 2 * side, side)
    drops = class_probability(net, x, label)[:, None, None] - maps
    right = spread_occlusion(drops, 2 * side, side, *x.shape[2:])
    broken = turned(right) | {"sign flipped": -right,
                              "from the window's corner": spread_occlusion(
                                  np.pad(drops, ((0, 0), (0, 1), (0, 1)), mode="edge"), side, side, *x.shape[2:])}
    return right, broken, lambda spread: check_occlusion(net, x, [label], maps, 2 * side, side, spread=spread)


SETTINGS = {"samples": 2, "steps": 16, "masks": 6}


def compared(net, x, label):
    side = x.shape[2] // 7
    settings = SETTINGS | {"stride": side, "window": side}
    right = attribution_maps(net, x, label, rng=np.random.default_rng(0), **settings)
    broken = {f"{method}, mirrored": right | {method: right[method][..., ::-1]}
              for method in ("SmoothGrad", "integrated gradients", "DeepLIFT", "LRP", "Grad-CAM++", "Layer-CAM",
                             "Score-CAM", "RISE", "occlusion")}
    broken["Grad-CAM for Grad-CAM++"] = right | {"Grad-CAM++": right["Grad-CAM"]}
    broken["gradient x input for LRP"] = right | {"LRP": right["gradient x input"]}
    broken["guided backprop for deconvnet"] = right | {"deconvnet": right["guided backprop"]}
    broken["gradient for guided backprop"] = right | {"guided backprop": right["saliency"]}
    return right, broken, lambda maps: check_maps(net, x, label, maps, np.random.default_rng(0), **settings)


def different(right, broken):
    """Return the broken results that differ: z+ has no negative value, and two classes may have about the same map."""
    return {name: found for name, found in broken.items()
            if np.linalg.norm(found - right) > 0.1 * np.linalg.norm(right)}


def relevance(name):
    """Return the case of relevance propagation by one of the presets, or by its rules with something left out."""
    settings = RELEVANCE_PRESETS[name]

    def case(net, x, label):
        def run(**changed):
            return relevance_map(net, x, label, replace(settings, **changed))
        right = run()
        broken = turned(right) | {
            "sign flipped": -right, "absolute": np.abs(right), "channels swapped": right[:, ::-1],
            "biases keep their share": run(keep_bias=True), "a large epsilon": run(epsilon=0.3),
            "another class": relevance_map(net, x, another(net, x, label), settings),
            "another rule at the pixels": run(pixels="epsilon" if settings.pixels == "box" else "box")}
        if settings.rule == "gamma":
            broken |= {"the rule z+": run(rule="positive"), "another gamma": run(gamma=1.0)}
        return right, different(right, broken), lambda found: check_relevance(net, x, label, found,
                                                                              np.random.default_rng(0), settings)
    return case


def lifted(net, x, label):
    right = deeplift(net, x, label)
    broken = turned(right) | {
        "sign flipped": -right, "absolute": np.abs(right), "channels swapped": right[:, ::-1],
        "gradient x input": gradient_times_input(net, x, label),
        "another class": deeplift(net, x, another(net, x, label)),
        "from another baseline": deeplift(net, x, label, baseline=1.0),
        "integrated gradients": integrated_gradients(net, x, label, steps=32)}
    return right, broken, lambda found: check_deeplift(net, x, label, found, np.random.default_rng(0))


def later_cam(method, check, **settings):
    """Return the case of Grad-CAM++, Layer-CAM or Score-CAM at an inner layer, where they differ."""
    def case(net, x, label):
        layer = net.layer_names()[net.positions[last_maps(net)] - 5]
        right = method(net, x, label, layer, **settings)
        others = {one.__name__: one(net, x, label, layer)
                  for one in (grad_cam, grad_cam_plus_plus, layer_cam) if one is not method}
        broken = others | {"upside down": right[:, ::-1], "mirrored": right[:, :, ::-1], "squared": right ** 2,
                           "another class": method(net, x, another(net, x, label), layer, **settings)}
        if settings:
            broken["other channels"] = method(net, x, label, layer, channels=2)
        return right, different(right, broken), lambda heat: [check(net, x, label, heat, layer, **settings)]
    return case


def by_masks(net, x, label):
    settings = RiseSettings(masks=12)
    right = rise(net, x, label, settings, rng=1)
    broken = turned(right) | {
        "other masks": rise(net, x, label, settings, rng=2),
        "a finer grid": rise(net, x, label, RiseSettings(12, 9), rng=1),
        "not divided by the share": right / 2, "less its mean": right - right.mean(),
        "another class": rise(net, x, another(net, x, label), settings, rng=1),
        "of the mirrored photo": rise(net, x[..., ::-1].copy(), label, settings, rng=1)}
    return right, broken, lambda maps: [check_rise(net, x, label, maps, np.random.default_rng(1), settings)]


def curves(net, x, label):
    maps = {"saliency": saliency_map(net, x, label),
            "guided": np.abs(guided_backprop(net, x, net.output, label)).max(axis=1)}

    def run(maps, picture=x):
        return deletion_insertion(net, picture, label, maps, np.random.default_rng(0), steps=6, orders=1)
    right = run(maps)
    broken = {"least important first": run({method: -values for method, values in maps.items()}),
              "maps exchanged": tuple({**both, "saliency": both["guided"], "guided": both["saliency"]}
                                      for both in right),
              "maps upside down": run({method: values[:, ::-1] for method, values in maps.items()}),
              "insertion for deletion": right[::-1], "of the mirrored photo": run(maps, x[..., ::-1].copy())}
    return right, broken, lambda both: check_curves(net, x, label, *both, maps)


def correlations(net, x, label):
    maps = np.concatenate([saliency_map(net, x, label), np.abs(guided_backprop(net, x, net.output, label)).max(axis=1),
                           np.abs(gradient_times_input(net, x, label)).sum(axis=1)])
    right = rank_correlations(maps)
    broken = {"Pearson's": np.corrcoef(maps.reshape(3, -1)), "rows exchanged": right[::-1], "sign flipped": -right,
              "squared": right ** 2}
    return right, broken, lambda matrix: check_correlations(maps, matrix)


RELEVANCE = {f"LRP, {name}": relevance(name) for name in RELEVANCE_PRESETS}
CASES = {"saliency": saliency, "gradient x input": product, "SmoothGrad": smooth, "integrated gradients": integrated,
         **{rule: rules(rule) for rule in ("gradient", "deconvnet", "guided backprop")}, "guided neuron": neuron,
         "Grad-CAM": cam(None), "Grad-CAM enlarged": enlarged_cam, "guided Grad-CAM": guided_cam,
         "Grad-CAM++": later_cam(grad_cam_plus_plus, check_grad_cam_plus_plus),
         "Layer-CAM": later_cam(layer_cam, check_layer_cam),
         "Score-CAM": later_cam(score_cam, check_score_cam, channels=6), "RISE": by_masks, **RELEVANCE,
         "DeepLIFT": lifted, "occlusion": occlusion, "occlusion over the photo": spread_map, "all maps": compared,
         "curves": curves, "rank correlations": correlations}
