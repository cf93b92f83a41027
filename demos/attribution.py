"""Eight answers to which pixels made the class, side by side: python -m demos.attribution photo.jpg [--class NAME]"""

import numpy as np

from demos.shared.command import demo_parser, main, positive_int
from demos.shared.inputs import choose_model, load_photos, short_label
from demos.shared.picture import Picture, run_demo
from minicnn import plot
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, last_maps, upsample_maps
from minicnn.visualize.attribution.gradients import gradient_times_input, integrated_gradients, smooth_grad
from minicnn.visualize.attribution.gradients_check import (
    check_grad_cam,
    check_gradient_times_input,
    check_guided_grad_cam,
    check_integrated_gradients,
    check_smooth_grad,
)
from minicnn.visualize.attribution.saliency import guided_backprop, saliency_map
from minicnn.visualize.attribution.segment import outline, saliency_segment

NAMES = ("attribution",)
GALLERY_STEPS = 100  # of integrated gradients, where two dozen other pictures wait
STEPS = 400          # which miss at most a thousandth of the score


def pictures(model, photos, label=None, layer=None, seed=0, steps=GALLERY_STEPS):
    """Two rows a photo: the photo with its object outlined, and seven methods. steps : of integrated gradients."""
    layer = last_maps(model.net) if layer is None else model.net.find(layer)
    labels = [photo.label if label is None else label for photo in photos]
    explained = [attributions(model, photo, chosen, layer, seed, steps)
                 for photo, chosen in zip(photos, labels, strict=True)]
    panels = [panel for shown, _, _ in explained for panel in shown]
    _, found, heat = explained[0]
    yield Picture(
        "attribution", f"{model.name}: which pixels made the class", plot.show_panels(panels, 4),
        np.stack([np.concatenate(list(arrays.values())) for _, arrays, _ in explained]),
        "The same score, explained in seven ways. In red and blue, what speaks for the class and against it: the "
        "gradient times the pixels, and the gradient gathered on the way from a grey picture, which adds up to the "
        "score. Grad-CAM is coarse and tells classes apart; guided backprop is sharp and hardly does; their product "
        "is both. The yellow outline is the object, by the colours that SmoothGrad marks.",
        "Simonyan et al. 2013 (arXiv:1312.6034); Shrikumar et al. 2016 (arXiv:1605.01713); Smilkov et al. 2017 "
        "(arXiv:1706.03825); Sundararajan et al. 2017 (arXiv:1703.01365); Selvaraju et al. 2016 (arXiv:1610.02391); "
        "Springenberg et al. 2014 (arXiv:1412.6806)",
        checks_of(model.net, photos[0].x, labels[0], layer, found, heat, seed, steps),
        {"photos": [photo.name for photo in photos], "classes": labels, "layer": layer, "seed": seed,
         "scores": "unnormalised", "steps": steps, "samples": 25, "noise": 0.15, "baseline": 0.0,
         "array": ["photos", list(found), "channels", "rows", "columns"]})


def attributions(model, photo, label, layer, seed, steps):
    """(panels, {method: (1, C, H, W)}, the Grad-CAM map) of one photo."""
    net, x = model.net, photo.x
    heat = grad_cam(net, x, label, layer)  # first: the layer may have no maps
    found = {
        "gradient x input": gradient_times_input(net, x, label),
        "SmoothGrad": smooth_grad(net, x, label, rng=np.random.default_rng(seed)),
        "integrated gradients": integrated_gradients(net, x, label, steps=steps),
        "guided backprop": guided_backprop(net, x, net.output, label),
        "guided Grad-CAM": guided_grad_cam(net, x, label, layer)}
    saliency, smooth = saliency_map(net, x, label)[0], np.abs(found["SmoothGrad"][0]).max(axis=0)
    large = upsample_maps(heat, *photo.image.shape[:2])[0]
    object_mask = saliency_segment(photo.image, smooth)  # noise scatters the seeds of the plain saliency

    def colours(method):
        return plot.gradient_to_colours(model.preprocessing.to_pixel_directions(found[method])[0])
    panels = [
        (f"{photo.name}: {short_label(model, label)}", outline(photo.image, object_mask)),
        ("saliency", saliency, plot.saliency_range(saliency)),
        ("SmoothGrad", smooth, plot.saliency_range(smooth)),
        ("gradient x input", *signed(found["gradient x input"][0])),
        (f"Grad-CAM, {layer}", plot.overlay(photo.image, large)),
        ("guided backprop", colours("guided backprop")),
        ("guided Grad-CAM", colours("guided Grad-CAM")),
        ("integrated gradients", *signed(found["integrated gradients"][0]))]
    return panels, found, heat


def signed(attribution, percentile=99.0):
    """(map, imshow's options): the sum over channels, red for the class, blue against it, white at zero."""
    total = attribution.sum(axis=0)
    largest = float(np.percentile(np.abs(total), percentile)) or float(np.abs(total).max()) or 1.0
    return total, {"cmap": "seismic", "vmin": -largest, "vmax": largest}


def checks_of(net, x, label, layer, found, heat, seed, steps):
    """The promises of the methods, kept on one photo."""
    return [*check_gradient_times_input(net, x, label),
            *check_smooth_grad(net, x, label, found["SmoothGrad"], np.random.default_rng(seed)),
            *check_integrated_gradients(net, x, label, found["integrated gradients"],
                                        bound=1e-3 if steps >= STEPS else 1e-2),
            *check_grad_cam(net, x, label, heat, layer),
            *check_guided_grad_cam(heat, found["guided Grad-CAM"])]


def run(arguments):
    """Load, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.layer, arguments.seed, arguments.steps), model, arguments,
             NAMES)


def parser():
    """The command line."""
    parser = demo_parser("attribution", __doc__)
    parser.add_argument("--class", dest="label", help="number or name; left out, what the network sees")
    parser.add_argument("--layer", help="Grad-CAM's layer; left out, the last one with maps")
    parser.add_argument("--steps", type=positive_int, default=STEPS, help="of integrated gradients; their sum is the "
                        f"score to 1e-3 from {STEPS} on (default {STEPS})")
    return parser


if __name__ == "__main__":
    main(run, parser())
