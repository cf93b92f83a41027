"""The parts of a photo that a class depends on, by hiding them: minicnn occlusion photo.jpg [--class NAME]"""

import argparse

import numpy as np
from matplotlib.patches import Rectangle
from tqdm.auto import tqdm

from minicnn import plot
from minicnn.visualize.attribution.occlusion import class_probability, occlusion_map, pixel_pair, spread_occlusion
from minicnn.visualize.attribution.occlusion_check import check_occlusion

from .shared.command import demo_parser, main, positive_int
from .shared.inputs import choose_model, load_photos, short_label
from .shared.picture import Picture, run_demo

NAMES = ("occlusion",)


def pictures(model, photos, label=None, window=None, stride=None, colour=None):
    """Technique 9: yield the Picture of a row per photo: the most harmful window, the map, and the map over the photo.

    window, stride : pixels of the network's input, one number or (down, across). By default, 32 and 8 of 224 pixels.
    colour : (R, G, B) of the window in 0..255. By default, the mean colour.
    """
    x = np.concatenate([photo.x for photo in photos])
    H, W = x.shape[2:]
    window = window or max(1, round(32 * H / 224))
    stride = stride or max(1, round(8 * H / 224))
    fill = 0.0 if colour is None else model.preprocessing.to_input(np.array([[colour]]))[0]  # (C, 1, 1)
    labels = [photo.label if label is None else label for photo in photos]
    p = class_probability(model.net, x, labels)
    with tqdm(desc="occlusion", unit="window", leave=False, disable=None) as bar:
        def watch(done, total):
            bar.total = total
            bar.update(done - bar.n)
        maps = occlusion_map(model.net, x, labels, window, stride, fill, callback=watch)
    spread = spread_occlusion(p[:, None, None] - maps, window, stride, H, W)
    corners = [tuple(int(step * i) for step, i in
                     zip(pixel_pair("stride", stride, 1), np.unravel_index(values.argmin(), values.shape), strict=True))
               for values in maps]
    colour_name = "the mean colour" if colour is None else "the colour {}, {}, {}".format(*colour)
    yield Picture(
        "occlusion", f"{model.name}: occlusion",
        draw(model, photos, labels, p, maps, spread, corners, window, stride, fill), maps,
        f"A window of {colour_name} hides one place of the photo after another. For each place, the network computes "
        "the probability of the class again. If the probability falls, the hidden part is important for the class.",
        "Zeiler and Fergus 2014 (arXiv:1311.2901), section 4.2",
        check_occlusion(model.net, x, labels, maps, window, stride, fill, spread),
        {"photos": [photo.name for photo in photos], "classes": labels, "window": window, "stride": stride,
         "fill": colour_name, "probability": p.tolist(), "lowest": maps.min(axis=(1, 2)).tolist(),
         "window with the lowest, (top, left)": corners, "scores": "softmax"})


def draw(model, photos, labels, p, maps, spread, corners, window, stride, fill):
    """Return the figure, with a row of three panels for each photo."""
    H, W = spread.shape[1:]
    (height, width), (down, across) = pixel_pair("window", window, 1), pixel_pair("stride", stride, 1)
    y, x = (height - down) / 2 - 0.5, (width - across) / 2 - 0.5
    panels = []
    for n, photo in enumerate(photos):
        (top, left), (rows, columns), name = corners[n], maps[n].shape, short_label(model, labels[n])
        hidden = photo.x.copy()
        hidden[..., top:top + height, left:left + width] = fill
        # Each value is drawn at the window's centre, so that the map lies exactly as the photo does.
        extent = (x, x + across * columns, y + down * rows, y)
        panels += [(f"{photo.name}: {name} {p[n]:.1%},\nwith this window hidden {maps[n].min():.1%}",
                    model.preprocessing.to_image(hidden)),
                   (f"probability of {name},\nat the window's centre", maps[n], {"cmap": "jet_r", "extent": extent}),
                   (f"fall of the probability, over the photo:\n{spread[n].min():.2g} (blue) to "
                    f"{spread[n].max():.2g} (red)", plot.overlay(photo.image, spread[n]))]
    figure = plot.show_panels(panels, 3, size=3.2)
    axes = figure.axes
    for n, (top, left) in enumerate(corners):
        photo_axis, map_axis = axes[3 * n:3 * n + 2]
        photo_axis.add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, edgecolor="red"))
        map_axis.set(xlim=(-0.5, W - 0.5), ylim=(H - 0.5, -0.5))
        bar = figure.colorbar(map_axis.images[0], cax=map_axis.inset_axes((1.02, 0, 0.04, 1)))
        bar.ax.ticklabel_format(axis="y", useOffset=False)
    return figure


def run(arguments):
    """Load the network and the photos, make the picture and save it."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    label = None if arguments.label is None else model.find_class(arguments.label)
    run_demo(pictures(model, photos, label, arguments.window, arguments.stride, arguments.fill), model, arguments,
             NAMES)


def pixels(text):
    """Return one number of pixels, or (down, across), for an argument such as "32" or "32,16"."""
    numbers = tuple(positive_int(part.strip()) for part in text.split(","))
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError(f"expected one number, or two as DOWN,ACROSS, not {text!r}")
    return numbers[0] if len(numbers) == 1 else numbers


def colour(text):
    """Return [R, G, B] for an argument such as "128", a grey level, or "255,0,0"."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (1, 3) or not all(part.isdecimal() and int(part) <= 255 for part in parts):
        raise argparse.ArgumentTypeError(f"expected a grey level, or three numbers R,G,B, of 0 to 255, not {text!r}")
    return [int(part) for part in (parts if len(parts) == 3 else 3 * parts)]


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("occlusion", __doc__)
    parser.add_argument("--class", dest="label", metavar="CLASS", help="number or name of the class (default: the "
                        "class that the network predicts)")
    parser.add_argument("--window", type=pixels, metavar="SIDE|DOWN,ACROSS", help="size of the window in pixels of the "
                        "network's input (default: 32 of 224)")
    parser.add_argument("--stride", type=pixels, metavar="STEP|DOWN,ACROSS", help="pixels from one place of the window "
                        "to the next (default: 8 of 224)")
    parser.add_argument("--fill", type=colour, metavar="GREY|R,G,B", help="colour of the window, 0 to 255 (default: "
                        "the mean colour)")
    return parser


if __name__ == "__main__":
    main(run, parser())
