"""The part of a photo that four methods find for a class: minicnn agreement photo.jpg [--class NAME]"""

import numpy as np
from matplotlib.patches import Rectangle

from minicnn import plot
from minicnn.visualize.attribution.grad_cam import grad_cam, last_maps, upsample_maps
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam
from minicnn.visualize.attribution.guided_backprop import guided_backprop
from minicnn.visualize.attribution.guided_backprop_check import check_neuron_gradient
from minicnn.visualize.attribution.occlusion import class_probability, occlusion_map, spread_occlusion
from minicnn.visualize.attribution.occlusion_check import check_occlusion
from minicnn.visualize.attribution.peaks import map_peaks
from minicnn.visualize.attribution.peaks_check import check_peaks, report_peaks
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.attribution.saliency_check import check_saliency_map

from .shared import portrait
from .shared.command import demo_parser, main
from .shared.inputs import choose_model, load_photos, short_label
from .shared.picture import Picture, run_demo

NAMES = ("agreement",)
FACE_CLASS = "face"  # a class of `photos`; networks of ImageNet have none
FINE, COARSE = ("saliency", "guided backprop"), ("Grad-CAM", "occlusion")  # maps of pixels, and of larger places
MARK = "#30e030"     # colour of the face's box and of the peaks


def pictures(model, photos, label=None):
    """Yield the Picture of the first photo: its classes, and four maps of one class with the peak of each.

    label : the class; by default, the photo's best class.
    """
    photo = photos[0]
    label = photo.label if label is None else label
    maps, checks = four_maps(model, photo, label)
    peaks = map_peaks(np.stack(list(maps.values())))
    name = short_label(model, label)
    box = face_box(model, photo, name)
    checks += report_peaks(maps) if box is None else check_peaks(maps, box, f"the box of the {FACE_CLASS}")
    known = "" if box is None else (" The green frame was drawn by hand around the face, and each method has its "
                                    "largest value in it.")
    yield Picture(
        "agreement", f"{model.name}: four methods on {photo.name}, {name}", draw(model, photo, name, maps, peaks, box),
        np.stack(list(maps.values())),
        "Four methods answer the same question: which part of the photo makes it this class? Saliency and guided "
        "backprop are gradients of the score to each pixel. Grad-CAM weights the last maps by their gradients. "
        "Occlusion hides one place after another and measures the fall of the probability. The cross is the largest "
        f"value of each map, after a blur.{known}",
        "Simonyan et al. 2013 (arXiv:1312.6034); Springenberg et al. 2014 (arXiv:1412.6806); Selvaraju et al. 2016 "
        "(arXiv:1610.02391); Zeiler and Fergus 2014 (arXiv:1311.2901)", checks,
        {"photo": photo.name, "class": label, "classes of the photo": photo.top, "array": [*maps],
         "peaks": peaks.tolist(), "box": None if box is None else list(portrait.FACE)})


def four_maps(model, photo, label):
    """Return ({method: map (H, W)}, the Checks of each map) of one class of the photo."""
    net, x, (H, W) = model.net, photo.x, photo.image.shape[:2]
    window, stride = max(1, round(48 * H / 224)), max(1, round(16 * H / 224))
    layer = last_maps(net)
    saliency, guided = saliency_map(net, x, label), guided_backprop(net, x, net.output, label)
    heat = grad_cam(net, x, label, layer)
    large = upsample_maps(heat, H, W)
    probabilities = occlusion_map(net, x, label, window, stride)
    falls = spread_occlusion(class_probability(net, x, label)[:, None, None] - probabilities, window, stride, H, W)
    checks = [check_saliency_map(net, x, label, saliency[0]),
              *check_neuron_gradient(net, x, net.output, label, None, guided),
              *check_grad_cam(net, x, label, heat, layer, large[0]),
              *check_occlusion(net, x, [label], probabilities, window, stride, spread=falls)]
    return {"saliency": saliency[0], "guided backprop": np.abs(guided[0]).max(axis=0), "Grad-CAM": large[0],
            "occlusion": falls[0]}, checks


def face_box(model, photo, name):
    """Return where the face is, bool (H, W), if the photo is the portrait's head and the class the face; else None."""
    if photo.name != portrait.NAME or name != FACE_CLASS or photo.whole.shape != portrait.head().shape:
        return None
    return portrait.face_mask(model.preprocessing)


def draw(model, photo, name, maps, peaks, box):
    """Return the figure: the photo, and each map over it with its peak and the face's box."""
    classes = "\n".join(f"{short_label(model, chosen)} {share:.1%}" for chosen, share in photo.top[:2])
    panels = [(classes, photo.image),
              *((f"{method}\n{name}", maps[method], plot.saliency_range(maps[method])) for method in FINE),
              *((f"{method}\n{name}", plot.overlay(photo.image, maps[method])) for method in COARSE)]
    figure = plot.show_panels(panels, len(panels), size=2.7)
    axes = figure.axes[:len(panels)]
    for axis, (y, x) in zip(axes[1:], peaks, strict=True):
        axis.plot(x, y, "+", color=MARK, markersize=14, markeredgewidth=2.5)
    for axis in axes if box is not None else ():
        rows, columns = np.flatnonzero(box.any(axis=1)), np.flatnonzero(box.any(axis=0))
        axis.add_patch(Rectangle((columns[0] - 0.5, rows[0] - 0.5), len(columns), len(rows), fill=False, edgecolor=MARK,
                                 linewidth=1.5))
    return figure


def run(arguments):
    """Load the network and the photo, make the picture and save it."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label), model, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("agreement", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts)")
    return parser


if __name__ == "__main__":
    main(run, parser())
