"""The pixels that a class score depends on, as a saliency map: minicnn saliency photo.jpg … [--class NAME]"""

import numpy as np

from minicnn import plot
from minicnn.visualize.attribution.saliency import saliency_map
from minicnn.visualize.attribution.saliency_check import check_saliency

from .shared.command import demo_parser, main
from .shared.inputs import choose_model, load_photos, short_label
from .shared.picture import Picture, run_demo

NAMES = ("saliency",)


def pictures(model, photos, label=None, seed=0):
    """Technique 10: yield the Picture of a row of photos above a row of their saliency maps.

    label : the class. By default, each photo's best class; for one photo, its three best classes.
    """
    if len(photos) == 1 and label is None:
        shown = [(photos[0], best) for best, _ in photos[0].top[:3]]
    else:
        shown = [(photo, photo.label if label is None else label) for photo in photos]
    x = np.concatenate([photo.x for photo, _ in shown])
    labels = [chosen for _, chosen in shown]
    maps = saliency_map(model.net, x, labels)
    captions = [short_label(model, chosen) for chosen in labels]
    map_panels = [(caption, saliency, plot.saliency_range(saliency))
                  for caption, saliency in zip(captions, maps, strict=True)]
    if len({photo.name for photo, _ in shown}) == 1:
        panels = [(photos[0].name, photos[0].image), *map_panels]
    else:
        panels = [(photo.name, photo.image) for photo, _ in shown] + map_panels
    figure = plot.show_panels(panels, len(panels) if len(photos) == 1 else len(shown))
    yield Picture(
        "saliency", f"{model.name}: saliency", figure, maps,
        "A pixel is bright if a small change of it changes the class score much. The brightness is the gradient of the "
        "score to the pixel: its largest absolute value over the colours. The map takes one forward pass and one "
        "backward pass.",
        "Simonyan, Vedaldi and Zisserman 2013 (arXiv:1312.6034), section 3",
        check_saliency(model.net, x, labels, maps, np.random.default_rng(seed)),
        {"photos": [photo.name for photo, _ in shown], "classes": labels, "seed": seed,
         "scores": "unnormalised", "colours": "hot, cut off at the 99.7th percentile"})


def run(arguments):
    """Load the network and the photos, make the picture and save it."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.seed), model, arguments, NAMES)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("saliency", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts; for one photo, the three most probable classes)")
    return parser


if __name__ == "__main__":
    main(run, parser())
