"""The strongest change within a given distance, and how far is enough: minicnn pgd [PHOTO …] [--epsilon 2]

PHOTO is a picture file or a folder of them.
"""

import os
from dataclasses import asdict, replace

import numpy as np
from matplotlib.figure import Figure

from minicnn import plot
from minicnn.errors import InputError
from minicnn.visualize.synthesis.epsilon_sweep import epsilon_sweep
from minicnn.visualize.synthesis.pgd import LINF, PGD_PRESETS, pgd_attack
from minicnn.visualize.synthesis.pgd_check import check_attack, check_sweep

from .fooling import best_class
from .shared.command import demo_parser, main, positive_int, positive_number
from .shared.inputs import Photo, choose_model, classify, load_photos, short_label
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.photo_folder import draw_photos, fit_photos, read_photos
from .shared.picture import Picture, demo_folder, file_stem, run_demo

NAMES = ("pgd", "epsilon_sweep")
SHOWN = 3                        # photos in the figure with four panels
DRAWN, SWEEP_SEED = 48, 40_000_000  # drawings for the sweep of `shapes`, from a seed that no training has used
GALLERY = 24                     # of them in the gallery
MOST = 64                        # photos of a sweep
RADII = {"linf": (0.25, 0.5, 1, 2, 4, 8, 16), "l2": (32, 64, 125, 250, 500, 1000, 2000)}  # levels; l2 at 224 pixels
BATCH = 16


def gallery_pictures(model, photos, seed=0):
    """Yield the Pictures for the gallery: with fewer drawings, radii and steps, to save time."""
    many = drawn(model, GALLERY) if model.name == "shapes" else None
    return pictures(model, photos, replace(LINF, num_steps=10), seed=seed, radii=(1, 2, 4, 8, 16), many=many)


def pictures(model, photos, settings=LINF, target=None, seed=0, radii=None, many=None, run=None):
    """Technique 34: yield the Picture of photos attacked within a ball, and the Picture of the success rate.

    photos : Photos for the panels. radii : of the sweep, in levels of 255. many : Photos for the sweep; by default the
    photos, and drawn shapes for the network `shapes`. run : the LongRun that saves the pictures, or None.
    """
    yield from attacked(model, photos[:SHOWN], settings, target, seed, run)
    many = many or (drawn(model, DRAWN) if model.name == "shapes" else photos)
    yield from swept(model, many[:MOST], settings, seed, radii or default_radii(model, settings), run)
    if run is not None:
        run.finish()


def attacked(model, photos, settings, target, seed, run):
    """Yield the Picture with a row of four panels for each photo."""
    results, reports, checks = [], [], []
    for n, photo in enumerate(photos):
        watch = Watch(photo.name, settings.num_steps, (settings.objective,), photo.x, run=run, part=n,
                      to_image=model.preprocessing.to_image, frames=[1, 2])
        with watch:
            made, (report,), _ = pgd_attack(model.net, photo.x, model.preprocessing, settings, target,
                                            rng=[seed, n], callback=watch, checkpoint=watch.checkpoint)
        watch.end()
        results.append(made[0])
        reports.append(report)
        checks += check_attack(model.net, photo.image, made[0], report, target, model.preprocessing, settings,
                               watch.frames, np.random.default_rng([seed, n]), photo.name)
    yield Picture(
        "pgd", f"{model.name}: {sum(report.fooled for report in reports)} of {len(reports)} pictures within "
        f"{settings.epsilon:g} levels ({settings.norm}) fool it", draw(model, photos, results, reports, settings),
        np.stack(results),
        f"Each step goes along the gradient and back into the ball: {ball_in_words(settings)}. The result is rounded "
        "to the 8 bits of an image file without leaving the ball. The change is visible only when it is multiplied by "
        "the factor above it.",
        "Madry et al. 2018 (arXiv:1706.06083), section 2.1", checks,
        {"photos": [photo.name for photo in photos], "target": target, "seed": seed,
         "reports": [report._asdict() for report in reports]} | asdict(settings),
        finished={f"{n}_{file_stem(photo.name)}": picture
                  for n, (photo, picture) in enumerate(zip(photos, results, strict=True))})


def swept(model, photos, settings, seed, radii, run):
    """Yield the Picture of the success rate against the radius."""
    x = np.concatenate([photo.x for photo in photos])
    steps = len(radii) * -(-len(x) // BATCH) * settings.num_steps
    watch = Watch("radii", steps, (settings.objective,), x[:1], run=run, part="sweep")
    with watch:
        found = epsilon_sweep(model.net, x, model.preprocessing, radii, settings, batch_size=BATCH, rng=seed,
                              callback=watch, checkpoint=watch.checkpoint)
    watch.end()
    rates, noise = found.fooled.mean(axis=1), found.noise.mean(axis=1)
    half = next((f"{radius:g}" for radius, rate in zip(radii, rates, strict=True) if rate >= 0.5), "no radius")
    yield Picture(
        "epsilon_sweep", f"{model.name}: half of {len(x)} pictures fool it from epsilon {half} on" if len(x) > 1 else
        f"{model.name}: the picture fools it from epsilon {half} on",
        draw_sweep(model, radii, rates, noise, len(x), settings), np.stack([np.array(radii), rates, noise]),
        "The share of the pictures that change the network's answer, against the radius of the ball "
        f"({ball_in_words(settings)}). The attack finds the one harmful direction; random noise of the same norm "
        "hardly ever does. Below one level of 255 nothing survives the rounding to 8 bits.",
        "Madry et al. 2018 (arXiv:1706.06083), figure 6; Goodfellow et al. 2014 (arXiv:1412.6572)",
        check_sweep(found, settings.norm),
        {"photos": [photo.name for photo in photos], "radii": list(radii), "fooled": rates.tolist(),
         "noise": noise.tolist(), "seed": seed, "array": ["radius", "fooled by the attack", "fooled by noise"]}
        | {key: value for key, value in asdict(settings).items() if key != "epsilon"})


def ball_in_words(settings):
    """Return the meaning of the norm in words."""
    return ("no colour of a pixel may change by more than epsilon levels of 255" if settings.norm == "linf" else
            "the Euclidean norm of the change, over all pixels and colours, is at most epsilon levels of 255")


def default_radii(model, settings):
    """Return the radii of the sweep. The norm of the same change per pixel grows with the side of the picture."""
    scale = 1 if settings.norm == "linf" else model.net.input_shape[1] / 224
    return [radius * scale for radius in RADII[settings.norm]]


def drawn(model, count):
    """Return Photos of `count` drawn shapes, the same number of each class."""
    return [classify(model, photo.name, photo.image) for photo in draw_photos(count, SWEEP_SEED)]


def draw(model, photos, results, reports, settings):
    """Return the figure: a row of four panels for each photo."""
    panels = []
    for photo, picture, report in zip(photos, results, reports, strict=True):
        label, probability = best_class(model, picture)
        change = picture.astype(np.float64) - photo.image
        enlarged, factor = plot.amplify(picture, change, least=0.0)
        size = np.abs(change).max(axis=2)
        what = f"difference x{factor:.3g}, 0 is grey" if change.any() else "no difference"
        panels += [(f"{photo.name}\n{short_label(model, photo.label)} {photo.top[0][1]:.1%}", photo.image),
                   (f"{settings.norm}, epsilon {settings.epsilon:g}\n{short_label(model, label)} {probability:.1%}",
                    picture),
                   (f"{what}\nat most {report.linf} of 255", enlarged),
                   (f"its size, from 0 to {size.max():.0f} levels\nnorm {report.l2:.0f}",
                    size, {"cmap": "hot", "vmin": 0, "vmax": max(size.max(), 1)})]
    return plot.show_panels(panels, 4)


def draw_sweep(model, radii, rates, noise, count, settings):
    """Return the figure of the two curves, with the 95 % intervals of a binomial distribution."""
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    axis = figure.subplots()
    for values, name, colour in ((rates, "projected gradient descent", "#d62728"),
                                 (noise, "random noise of the same norm", "#666666")):
        spread = 1.96 * np.sqrt(values * (1 - values) / count)
        axis.plot(radii, values, color=colour, marker="o", label=name)
        axis.fill_between(radii, np.maximum(values - spread, 0), np.minimum(values + spread, 1), color=colour,
                          alpha=0.15, linewidth=0)
    axis.set_xscale("log", base=2)
    axis.set_xticks(radii, [f"{radius:.3g}" for radius in radii])
    axis.minorticks_off()
    axis.set(ylim=(-0.03, 1.03), xlabel=f"epsilon: {settings.norm} norm of the change, levels of 255",
             ylabel=f"share of the pictures ({count}) that fool {model.name}")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="center right")
    return plot.plain_text(figure)


# ---- the command line ------------------------------------------------------------------------------------------------


def photos_of(model, paths, seed, most=MOST):
    """Return at most `most` Photos of picture files and folders. By default, see `load_photos`."""
    folders = [path for path in paths if os.path.isdir(path)]
    files = [path for path in paths if path not in folders]
    photos: list[Photo] = load_photos(model, files, seed) if files or not folders else []
    for folder in folders:
        for photo in fit_photos(model, read_photos(folder)):
            if len(photos) >= most:
                return photos
            photos.append(classify(model, photo.name, photo.image))
    return photos[:most]


def require_target(model, photos, target):
    """Raise InputError if one of the shown photos has the target as its class already."""
    for photo in photos:
        if target is not None and photo.label == target:
            raise InputError(f"{model.name} classifies {photo.name} as {short_label(model, target)} already; give "
                             "another --target")


def radius_list(text):
    """Return [1.0, 2.0, 4.0] for the argument "1,2,4"."""
    return [positive_number(part) for part in text.split(",")]


def run(arguments):
    """Load the network and the photos, attack them, and save the pictures."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = photos_of(model, arguments.photos, arguments.seed)
    target = None if arguments.target is None else model.find_class(arguments.target)
    require_target(model, photos[:SHOWN], target)
    settings = chosen_settings(arguments, PGD_PRESETS)
    if len(photos) < 8 and model.name != "shapes":
        print(f"note: the curve shows {len(photos)} photo{'s' * (len(photos) > 1)}; give a folder of photos for more")
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"target": target, "photos": [digest(photo.image) for photo in photos]} | asdict(settings))
    many = photos if arguments.photos else None
    run_demo(pictures(model, photos, settings, target, arguments.seed, arguments.radii, many, run), model, arguments,
             NAMES, folder)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("pgd", __doc__)
    parser.add_argument("--target", metavar="CLASS", help="number or name of a class to reach, in the panels (default: "
                        "any but the network's answer)")
    add_presets(parser, PGD_PRESETS, "linf")
    parser.add_argument("--norm", help="linf or l2 (default: the preset's)")
    parser.add_argument("--epsilon", type=positive_number, metavar="LEVELS", help="radius of the ball in the panels, "
                        "in levels of 255 (default: the preset's)")
    parser.add_argument("--radii", type=radius_list, metavar="1,2,4", help="radii of the sweep, in levels of 255 "
                        "(default: seven that double)")
    parser.add_argument("--steps", dest="num_steps", type=positive_int, metavar="N",
                        help="number of steps (default: the preset's, 20)")
    parser.add_argument("--objective", help="margin or cross-entropy (default: the preset's)")
    add_long_run_options(parser, 10)
    return parser


if __name__ == "__main__":
    main(run, parser())
