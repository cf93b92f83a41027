"""Five maps of where a network finds a class: minicnn class_maps photo.jpg [--class NAME] [--layer NAME]"""

import numpy as np

from minicnn import plot
from minicnn.visualize.attribution.cams import grad_cam_plus_plus, layer_cam, score_cam
from minicnn.visualize.attribution.cams_check import check_grad_cam_plus_plus, check_layer_cam, check_score_cam
from minicnn.visualize.attribution.grad_cam import grad_cam, last_maps, upsample_maps
from minicnn.visualize.attribution.grad_cam_check import check_grad_cam
from minicnn.visualize.attribution.rise import RiseSettings, rise
from minicnn.visualize.attribution.rise_check import check_rise

from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model, load_photos, short_label
from .shared.picture import Picture, run_demo

NAMES = ("class_maps",)
GALLERY = {"channels": 32, "masks": 150}  # to save time
CHANNELS, MASKS = 128, 2000


def pictures(model, photos, label=None, layer=None, seed=0, channels=GALLERY["channels"], masks=GALLERY["masks"]):
    """Yield the Picture of a row per photo: Grad-CAM, Grad-CAM++, Layer-CAM at two layers, Score-CAM and RISE.

    label : the class; by default, each photo's best class. layer : with maps; by default, the last one. channels : of
    Score-CAM, the strongest. masks : of RISE.
    """
    net = model.net
    layer = last_maps(net) if layer is None else net.find(layer)
    labels = [photo.label if label is None else label for photo in photos]
    settings = RiseSettings(masks)
    maps = [class_maps(net, photo.x, chosen, layer, channels, settings, seed)
            for photo, chosen in zip(photos, labels, strict=True)]
    panels = []
    for photo, chosen, found in zip(photos, labels, maps, strict=True):
        panels.append((f"{photo.name}: {short_label(model, chosen)}", photo.image))
        panels += [(method, plot.overlay(photo.image, enlarged(values, photo.image)))
                   for method, values in found.items()]
    yield Picture(
        "class_maps", f"{model.name}: where the network finds a class", plot.show_panels(panels, 7, size=2.4),
        np.stack([np.stack([enlarged(values, photo.image) for values in found.values()])
                  for photo, found in zip(photos, maps, strict=True)]),
        "Six maps of the same class, from blue, low, to red, high. Grad-CAM weights the channels of a layer by their "
        "mean gradients. Grad-CAM++ gives channels that are active at few places more weight. Layer-CAM weights each "
        "place by its own gradient, so it works at an earlier layer with finer maps, too. Score-CAM uses no gradient: "
        "it weights each channel by the score of the photo that it leaves. RISE does not look into the network at all: "
        "it is the mean of random masks, weighted by the probability of the class that they leave.",
        "Selvaraju et al. 2016 (arXiv:1610.02391); Chattopadhyay et al. 2018 (arXiv:1710.11063); Jiang et al. 2021 "
        "(IEEE Transactions on Image Processing 30); Wang et al. 2020 (arXiv:1910.01279); Petsiuk et al. 2018 "
        "(arXiv:1806.07421)",
        checks_of(net, photos[0].x, labels[0], layer, maps[0], channels, settings, seed),
        {"photos": [photo.name for photo in photos], "classes": labels, "layer": layer,
         "finer layer": finer(net, layer), "channels of Score-CAM": channels,
         "masks of RISE": masks, "seed": seed, "scores": "unnormalised",
         "array": ["photos", list(maps[0]), "rows", "columns"]})


def class_maps(net, x, label, layer, channels, settings, seed):
    """Return {method: map (1, h, w)} of one photo."""
    return {"Grad-CAM": grad_cam(net, x, label, layer), "Grad-CAM++": grad_cam_plus_plus(net, x, label, layer),
            "Layer-CAM": layer_cam(net, x, label, layer),
            f"Layer-CAM, {finer(net, layer)}": layer_cam(net, x, label, finer(net, layer)),
            "Score-CAM": score_cam(net, x, label, layer, channels=channels),
            "RISE": rise(net, x, label, settings, rng=seed)}


def finer(net, layer):
    """Return the last layer before `layer` whose maps are at least twice as high, or else the layer itself."""
    shapes, names = net.shapes(), net.layer_names()
    before = [name for name in names[:net.positions[layer]]
              if len(shapes[name]) == 4 and shapes[name][2] >= 1.9 * shapes[layer][2]]
    return before[-1] if before else layer


def enlarged(values, image):
    """Return a map (1, h, w) in the size of the image, (H, W)."""
    return upsample_maps(values, *image.shape[:2])[0]


def checks_of(net, x, label, layer, found, channels, settings, seed):
    """Return the Checks of all maps of one photo."""
    fine = finer(net, layer)
    return [*check_grad_cam(net, x, label, found["Grad-CAM"], layer),
            check_grad_cam_plus_plus(net, x, label, found["Grad-CAM++"], layer),
            check_layer_cam(net, x, label, found["Layer-CAM"], layer),
            check_layer_cam(net, x, label, found[f"Layer-CAM, {fine}"], fine),
            check_score_cam(net, x, label, found["Score-CAM"], layer, channels=channels),
            check_rise(net, x, label, found["RISE"], np.random.default_rng(seed), settings)]


def run(arguments):
    """Load the network and the photos, make the picture and save it."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.layer, arguments.seed, arguments.channels, arguments.masks),
             model, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("class_maps", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts)")
    parser.add_argument("--layer", help="layer whose maps are weighted (default: the last one with maps "
                        "before the class scores)")
    parser.add_argument("--channels", type=positive_int, default=CHANNELS, metavar="N", help="strongest channels that "
                        "Score-CAM uses (default: %(default)s)")
    parser.add_argument("--masks", type=positive_int, default=MASKS, metavar="N", help="random masks of RISE; the "
                        "paper takes 4000 to 8000 (default: %(default)s)")
    return parser


if __name__ == "__main__":
    main(run, parser())
