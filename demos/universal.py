"""One change that fools the network on almost any picture: minicnn universal [FOLDER] [--epsilon 10]

Half of the photos make the change, the other half test it. FOLDER is a folder of photos.
"""

from dataclasses import asdict, replace

import numpy as np
from matplotlib.figure import Figure

from minicnn import plot
from minicnn.errors import InputError
from minicnn.visualize.check import reported
from minicnn.visualize.synthesis.universal import (
    DRAWINGS,
    MOOSAVI,
    UNIVERSAL_PRESETS,
    add_perturbation,
    fooled_pictures,
    universal_perturbation,
)
from minicnn.visualize.synthesis.universal_check import NOISES, check_universal, fooling_rate, noise_like

from .fooling import best_class
from .pgd import drawn, photos_of
from .shared.command import demo_parser, main, positive_int, positive_number
from .shared.inputs import choose_model, short_label
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("universal", "universal_rates")
SHOWN = 3    # unseen photos in the figure with four panels
DRAWN, GALLERY = 180, 84  # drawings for the network `shapes`, and in the gallery
MOST = 400   # photos of a folder
FEWEST = 4


def gallery_pictures(model, seed=0):
    """Yield the Pictures for the gallery, of fewer drawings, to save time."""
    return pictures(model, drawn(model, GALLERY), replace(DRAWINGS, num_passes=2), seed)


def pictures(model, photos=None, settings=MOOSAVI, seed=0, run=None):
    """Technique 34: yield the Picture of a universal perturbation on unseen photos, and the Picture of its rates.

    photos : Photos; every second one makes the perturbation, the others test it. By default drawn shapes. run : the
    LongRun that saves the perturbation, or None.
    """
    photos = photos or drawn(model, DRAWN)
    if len(photos) < FEWEST:
        raise InputError(f"a universal perturbation needs at least {FEWEST} photos, and {len(photos)} "
                         f"{'is' if len(photos) == 1 else 'are'} given; give a folder of photos")
    order = np.random.default_rng([seed, 3]).permutation(len(photos))
    train, test = ([photos[n] for n in order[half::2]] for half in (0, 1))
    watch = Watch("universal perturbation", settings.num_passes * len(train), ("changed",), train[0].x, run=run)
    with watch:
        perturbation, rates, watch.history = universal_perturbation(
            model.net, np.concatenate([photo.x for photo in train]), model.preprocessing, settings, rng=seed,
            callback=watch, checkpoint=watch.checkpoint)
    watch.end()
    seen, unseen = (np.stack([photo.image for photo in some]) for some in (train, test))
    fooled = fooled_pictures(model.net, unseen, perturbation, model.preprocessing)
    # the fooled photos whose class was most probable come first
    shown = np.lexsort(([-photo.top[0][1] for photo in test], ~fooled))[:SHOWN]
    parameters = {"photos": len(photos), "made from": [photo.name for photo in train], "seed": seed,
                  "rate after each pass": list(rates), "unseen photos fooled": float(fooled.mean())} | asdict(settings)
    yield Picture(
        "universal", f"{model.name}: one change fools it on {fooled.mean():.0%} of {len(test)} unseen photos",
        draw(model, [test[n] for n in shown], perturbation, settings), perturbation,
        f"The same change was added to each photo. It was made from {len(train)} other photos, by adding up the "
        f"smallest changes that fool the network on them, and is at most {settings.epsilon:g} levels of 255 large "
        f"({settings.norm}). {'The' if fooled.any() else 'No photo is fooled; the'} third panel shows the change "
        "multiplied by the factor above it.",
        "Moosavi-Dezfooli et al. 2017 (arXiv:1610.08401), figures 1 and 3",
        check_universal(model.net, perturbation, rates, seen, unseen, model.preprocessing,
                        np.random.default_rng([seed, 1]), settings), parameters, watch.history,
        {"perturbation": enlarged_perturbation(perturbation)[0]})
    bars = rates_of(model, seen, unseen, perturbation, np.random.default_rng([seed, 2]))
    yield Picture(
        "universal_rates", f"{model.name}: fooling rates of the universal change and of noise",
        draw_rates(bars, rates, len(train), len(test)), np.array(list(bars.values())),
        "Left: the share of photos whose class changes. The same values in random places fool the network less often: "
        "the pattern matters, not its size. The last bar is normal noise of the same Euclidean norm. Right: the share "
        "of the photos it was made from, after each pass over them.",
        "Moosavi-Dezfooli et al. 2017 (arXiv:1610.08401), table 1",
        [reported(f"share fooled: {name}", share) for name, share in bars.items()], parameters | {"rates": bars})
    if run is not None:
        run.finish()


def rates_of(model, seen, unseen, perturbation, rng):
    """Return {name: share of the pictures that are fooled}: by the perturbation, its shuffled values, and noise.

    The noise is normal, and its Euclidean norm is that of the perturbation.
    """
    def rate(some, change):
        return fooling_rate(model.net, some, np.asarray(change, np.float64), model.preprocessing)
    noises = [noise_like(perturbation, rng) for _ in range(NOISES)]
    normal = rng.standard_normal(perturbation.shape)
    normal *= np.linalg.norm(perturbation.astype(np.float64)) / np.linalg.norm(normal)
    return {"photos it was made from": rate(seen, perturbation), "unseen photos": rate(unseen, perturbation),
            "unseen, its values shuffled": float(np.mean([rate(unseen, change) for change in noises])),
            "unseen, normal noise": rate(unseen, normal)}


def enlarged_perturbation(perturbation):
    """Return (picture, factor): the perturbation on grey, uint8 (H, W, 3), with its contrast enlarged by the factor."""
    factor = 127 / max(float(np.percentile(abs(perturbation), 99.9)), 1.0)
    return np.clip(np.rint(127.5 + factor * perturbation), 0, 255).astype(np.uint8), factor


def draw(model, photos, perturbation, settings):
    """Return the figure: a row of four panels for each photo."""
    enlarged, factor = enlarged_perturbation(perturbation)
    panels = []
    for photo in photos:
        picture = add_perturbation(photo.image, perturbation)
        label, probability = best_class(model, picture)
        change = abs(picture.astype(np.float64) - photo.image).max(axis=2)
        panels += [(f"{photo.name}\n{short_label(model, photo.label)} {photo.top[0][1]:.1%}", photo.image),
                   (f"plus the change\n{short_label(model, label)} {probability:.1%}", picture),
                   (f"the change x{factor:.3g}, 0 is grey\nat most {abs(perturbation).max()} of 255", enlarged),
                   (f"its size, from 0 to {change.max():.0f} levels\nnorm "
                    f"{np.linalg.norm(perturbation.astype(np.float64)):.0f}", change,
                    {"cmap": "hot", "vmin": 0, "vmax": max(change.max(), 1)})]
    return plot.show_panels(panels, 4)


def draw_rates(bars, rates, train, test):
    """Return the figure: the shares as bars, and the share after each pass."""
    figure = Figure(figsize=(10.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    counts = (train, test, test, test)
    for place, (share, count, colour) in enumerate(zip(bars.values(), counts, (
            "#d62728", "#d62728", "#999999", "#666666"), strict=True)):
        left.barh(-place, share, color=colour, alpha=0.5 if place == 0 else 1,
                  xerr=1.96 * (share * (1 - share) / count) ** 0.5)
        left.text(1.03, -place, f"{share:.1%}", va="center")
    left.set_yticks([-place for place in range(len(bars))], list(bars))
    left.set(xlim=(0, 1), xlabel="share of the photos that are fooled")
    right.plot(range(1, len(rates) + 1), rates, marker="o", color="#d62728")
    right.set(ylim=(0, 1), xlabel="pass over the photos", ylabel="share that is fooled",
              xticks=range(1, len(rates) + 1))
    right.grid(alpha=0.25)
    return plot.plain_text(figure)


def run(arguments):
    """Load the network and the photos, make the perturbation, and save the pictures."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    if not arguments.photos and model.name != "shapes":
        raise InputError(f"{model.name} needs a folder of photos: minicnn universal FOLDER")
    photos = photos_of(model, arguments.photos, arguments.seed, arguments.count) if arguments.photos \
        else drawn(model, min(arguments.count, DRAWN))
    arguments.preset = arguments.preset or ("drawings" if model.name == "shapes" else "few")
    settings = chosen_settings(arguments, UNIVERSAL_PRESETS)
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"photos": digest(np.stack([photo.image for photo in photos]))} | asdict(settings))
    run_demo(pictures(model, photos, settings, arguments.seed, run), model, arguments, NAMES, folder)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("universal", __doc__)
    add_presets(parser, UNIVERSAL_PRESETS, None)
    parser.add_argument("--norm", help="linf or l2 (default: the preset's)")
    parser.add_argument("--epsilon", type=positive_number, metavar="LEVELS", help="largest norm of the change, in "
                        "levels of 255 (default: the preset's)")
    parser.add_argument("--passes", dest="num_passes", type=positive_int, metavar="N", help="largest number of passes "
                        "over the photos (default: the preset's)")
    parser.add_argument("--count", type=positive_int, default=MOST, metavar="N",
                        help=f"largest number of photos (default: {MOST})")
    add_long_run_options(parser, 25)
    return parser


if __name__ == "__main__":
    main(run, parser())
