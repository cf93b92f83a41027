"""Seven attribution methods and a segmentation, of one class: minicnn attribution photo.jpg [--class NAME]"""

import numpy as np

from minicnn import plot
from minicnn.visualize.attribution.grad_cam import grad_cam, guided_grad_cam, last_maps, upsample_maps
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam, check_guided_grad_cam
from minicnn.visualize.attribution.gradients import gradient_times_input, integrated_gradients, smooth_grad
from minicnn.visualize.attribution.gradients_check import (
    check_gradient_times_input,
    check_integrated_gradients,
    check_smooth_grad,
)
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.attribution.saliency_check import check_saliency_map
from minicnn.visualize.attribution.segment import outline, saliency_segment

from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model, load_photos, short_label
from .shared.picture import Picture, run_demo

NAMES = ("attribution",)
GALLERY_STEPS = 100  # of integrated gradients in the gallery, to save time
STEPS = 400          # of integrated gradients: the sum misses at most a thousandth of the score


def pictures(model, photos, label=None, layer=None, seed=0, steps=GALLERY_STEPS):
    """Yield the Picture of two rows per photo: the photo with its object outlined, and seven methods.

    label : the class; by default, each photo's best class. layer : of Grad-CAM; by default, the last one with maps.
    steps : of integrated gradients.
    """
    layer = last_maps(model.net) if layer is None else model.net.find(layer)
    labels = [photo.label if label is None else label for photo in photos]
    explained = [attributions(model, photo, chosen, layer, seed, steps)
                 for photo, chosen in zip(photos, labels, strict=True)]
    panels = [panel for photo_panels, _, _ in explained for panel in photo_panels]
    _, found, shown = explained[0]
    yield Picture(
        "attribution", f"{model.name}: the pixels that a class score depends on", plot.show_panels(panels, 4),
        np.stack([np.concatenate(list(arrays.values())) for _, arrays, _ in explained]),
        "Seven methods explain the same class score. Red pixels raise the score and blue pixels lower it: by the "
        "gradient times the pixels, and by integrated gradients, which add up to the change of the score from the mean "
        "colour to the photo. Grad-CAM is coarse and differs between classes. Guided backprop is sharp and hardly "
        "differs. Their product is sharp and differs. The yellow outline is the object, found by the colours of the "
        "pixels that SmoothGrad marks.",
        "Simonyan et al. 2013 (arXiv:1312.6034); Shrikumar et al. 2016 (arXiv:1605.01713); Smilkov et al. 2017 "
        "(arXiv:1706.03825); Sundararajan et al. 2017 (arXiv:1703.01365); Selvaraju et al. 2016 (arXiv:1610.02391); "
        "Springenberg et al. 2014 (arXiv:1412.6806)",
        checks_of(model.net, photos[0].x, labels[0], layer, found, shown, seed, steps),
        {"photos": [photo.name for photo in photos], "classes": labels, "layer": layer, "seed": seed,
         "scores": "unnormalised", "steps": steps, "samples": 25, "noise": 0.15, "baseline": 0.0,
         "array": ["photos", list(found), "channels", "rows", "columns"]})


def attributions(model, photo, label, layer, seed, steps):
    """Return (panels, {method: attribution (1, C, H, W)}, (saliency, Grad-CAM, Grad-CAM enlarged)) of one photo."""
    net, x = model.net, photo.x
    heat = grad_cam(net, x, label, layer)  # first, as it raises an error if the layer has no maps
    found = {
        "gradient x input": gradient_times_input(net, x, label),
        "SmoothGrad": smooth_grad(net, x, label, rng=np.random.default_rng(seed)),
        "integrated gradients": integrated_gradients(net, x, label, steps=steps),
        "guided backprop": guided_backprop(net, x, net.output, label),
        "guided Grad-CAM": guided_grad_cam(net, x, label, layer)}
    saliency, smooth = saliency_map(net, x, label)[0], np.abs(found["SmoothGrad"][0]).max(axis=0)
    large = upsample_maps(heat, *photo.image.shape[:2])[0]
    object_mask = saliency_segment(photo.image, smooth)  # the plain saliency is too noisy for this

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
    return panels, found, (saliency[None], heat, large[None])


def signed(attribution, percentile=99.0):
    """Return (the sum over channels, imshow's options): positive values are red, negative ones blue, and 0 is white."""
    total = attribution.sum(axis=0)
    largest = float(np.percentile(np.abs(total), percentile)) or float(np.abs(total).max()) or 1.0
    return total, {"cmap": "seismic", "vmin": -largest, "vmax": largest}


def checks_of(net, x, label, layer, found, shown, seed, steps):
    """Return the Checks of all methods on one photo. found, shown : of `attributions`."""
    saliency, heat, large = shown
    rng = np.random.default_rng(seed)
    return [*check_gradient_times_input(net, x, label, found["gradient x input"], rng),
            check_saliency_map(net, x, label, saliency),
            *check_smooth_grad(net, x, label, found["SmoothGrad"], np.random.default_rng(seed)),
            *check_integrated_gradients(net, x, label, found["integrated gradients"], steps=steps),
            *check_neuron_gradient(net, x, net.output, label, None, found["guided backprop"]),
            *check_grad_cam(net, x, label, heat, layer, large),
            *check_guided_grad_cam(net, x, label, heat, found["guided Grad-CAM"])]


def run(arguments):
    """Load the network and the photos, make the picture and save it."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.layer, arguments.seed, arguments.steps), model, arguments,
             NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("attribution", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts)")
    parser.add_argument("--layer", help="the layer of Grad-CAM (default: the last one with maps "
                        "before the class scores)")
    parser.add_argument("--steps", type=positive_int, default=STEPS, metavar="N", help="steps of integrated gradients; "
                        f"from {STEPS} on, their sum is the score within a thousandth (default: {STEPS})")
    return parser


if __name__ == "__main__":
    main(run, parser())
