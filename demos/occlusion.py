"""What a class needs to see: python -m demos.occlusion photo.jpg [--class NAME] [--window 32] [--stride 8]"""

import numpy as np
from matplotlib.patches import Rectangle
from tqdm import tqdm

from demos.command import demo_parser, main, positive_int
from demos.inputs import choose_model, load_photos, short_label
from demos.picture import Picture, run_demo
from minicnn import plot
from minicnn.visualize.checks_occlusion import check_occlusion
from minicnn.visualize.occlusion import class_probability, occlusion_map, spread_occlusion

NAMES = ("occlusion",)


def pictures(model, photos, label=None, window=None, stride=None):
    """Technique 9: a row per photo: hidden where it costs most, the map of the probability, and the photo under it."""
    x = np.concatenate([photo.x for photo in photos])
    H, W = x.shape[2:]
    window = window or max(1, round(32 * H / 224))
    stride = stride or max(1, round(8 * H / 224))
    labels = [photo.label if label is None else label for photo in photos]
    p = class_probability(model.net, x, labels)
    with tqdm(desc="occlusion", unit="window", leave=False, disable=None) as bar:
        def watch(done, total):
            bar.total = total
            bar.update(done - bar.n)
        maps = occlusion_map(model.net, x, labels, window, stride, callback=watch)
    spread = spread_occlusion(p[:, None, None] - maps, window, stride, H, W)
    corners = [tuple(int(stride * i) for i in np.unravel_index(values.argmin(), values.shape)) for values in maps]
    yield Picture(
        "occlusion", f"{model.name}: occlusion", draw(model, photos, labels, p, maps, spread, corners, window, stride),
        maps,
        "A square of the mean colour hides one place of the photo after another, and each time the network is asked "
        "how probable the class still is. Where the probability falls, the network has lost what it had recognised.",
        "Zeiler and Fergus 2014 (arXiv:1311.2901), section 4.2",
        check_occlusion(model.net, x, labels, maps, window, stride),
        {"photos": [photo.name for photo in photos], "classes": labels, "window": window, "stride": stride,
         "fill": "0, the mean colour", "probability": p.tolist(), "lowest": maps.min(axis=(1, 2)).tolist(),
         "window with the lowest, (top, left)": corners, "scores": "softmax"})


def draw(model, photos, labels, p, maps, spread, corners, window, stride):
    """The figure, a row of three panels per photo."""
    H, W = spread.shape[1:]
    panels, half = [], (window - stride) / 2 - 0.5
    for n, photo in enumerate(photos):
        (top, left), (rows, columns), name = corners[n], maps[n].shape, short_label(model, labels[n])
        hidden = photo.x.copy()
        hidden[..., top:top + window, left:left + window] = 0
        # Each value where the window's centre was, so that the map lies as the photo does.
        extent = (half, half + stride * columns, half + stride * rows, half)
        panels += [(f"{photo.name}: {name} {p[n]:.1%},\nwith this square hidden {maps[n].min():.1%}",
                    model.preprocessing.to_image(hidden)),
                   (f"probability of {name},\nby the square's centre", maps[n], {"cmap": "jet_r", "extent": extent}),
                   (f"how far it falls, over the photo:\n{spread[n].min():.2g} (blue) to {spread[n].max():.2g} (red)",
                    plot.overlay(photo.image, spread[n]))]
    figure = plot.show_panels(panels, 3, size=3.2)
    axes = figure.axes
    for n, (top, left) in enumerate(corners):
        photo_axis, map_axis = axes[3 * n:3 * n + 2]
        photo_axis.add_patch(Rectangle((left - 0.5, top - 0.5), window, window, fill=False, edgecolor="red"))
        map_axis.set(xlim=(-0.5, W - 0.5), ylim=(H - 0.5, -0.5))
        bar = figure.colorbar(map_axis.images[0], cax=map_axis.inset_axes([1.02, 0, 0.04, 1]))
        bar.formatter.set_useOffset(False)
    return figure


def run(arguments):
    """Load, hide, draw, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.window, arguments.stride), model, arguments, NAMES)


def parser():
    """The command line."""
    parser = demo_parser("occlusion", __doc__)
    parser.add_argument("--class", dest="label", help="number or name; left out, what the network sees")
    parser.add_argument("--window", type=positive_int, help="side of the square in pixels of the network's input; "
                        "left out, 32 of 224, in proportion")
    parser.add_argument("--stride", type=positive_int, help="pixels from one place to the next; left out, 8 of 224")
    return parser


if __name__ == "__main__":
    main(run, parser())
