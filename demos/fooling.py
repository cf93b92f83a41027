"""Invisible changes that fool the network: minicnn fooling photo.jpg [--target stingray] [--transfer MODEL]"""

from dataclasses import asdict

import numpy as np

from minicnn import images, plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.visualize.synthesis.fooling import FOOLING_PRESETS, MARGIN, fooling_image, fooling_report
from minicnn.visualize.synthesis.fooling_check import check_first_step, check_fooling, check_transfer

from .shared.claim import make_folder
from .shared.command import demo_parser, main, natural_int, natural_number, positive_int, positive_number
from .shared.inputs import choose_model, load_photos, short_label
from .shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from .shared.picture import Picture, demo_folder, run_demo

STINGRAY = 6  # the target of CS231n
NAMES = ("fooling",)


def pictures(model, photos, target=None, seed=0, settings=MARGIN, other=None, run=None):
    """Technique 18: yield the Picture of a row per photo: the original, the result, the difference, and its size.

    target : a class; by default, see `default_target`. settings : FoolingSettings. other : another Model, which
    classifies the results, too. run : the LongRun that saves the pictures, or None.
    """
    targets = [default_target(model, photo) if target is None else target for photo in photos]
    for photo, chosen in zip(photos, targets, strict=True):
        if photo.label == chosen:
            raise InputError(f"{model.name} classifies {photo.name} as {short_label(model, chosen)} already; give "
                             "another --target")
    fooled, reports, checks = [], [], []
    for n, (photo, chosen) in enumerate(zip(photos, targets, strict=True)):
        picture, report, watch = fool(model, photo, chosen, settings, run, n)
        fooled.append(picture)
        reports.append(report)
        checks += check_fooling(model.net, photo.image, picture, report, chosen, model.preprocessing,
                                np.random.default_rng([seed, n]), photo.name, settings, watch.stopped is not None)
        checks.append(check_first_step(model.net, photo.x, watch.frames.get(1), chosen, model.preprocessing, settings,
                                       photo.name))
        if watch.stopped is not None:
            break
    photos, targets = photos[:len(fooled)], targets[:len(fooled)]
    if other is not None:
        checks += check_transfer(other.name, other.net, other.preprocessing, np.stack([p.image for p in photos]),
                                 np.stack(fooled), targets)
    yield Picture(
        "fooling", f"{model.name}: {sum(report.survived for report in reports)} of {len(reports)} pictures fool it"
        + (", stopped" if watch.stopped else ""), draw(model, photos, fooled, reports), np.stack(fooled),
        "The photo was changed in small steps along the gradient, until the network classified it as the target, even "
        "after rounding to the 8 bits of an image file. For a person it is the same photo. The change is visible only "
        "when it is multiplied by the factor above it.",
        "Szegedy et al. 2013 (arXiv:1312.6199), section 4; steps as in Stanford CS231n",
        checks, {"photos": [photo.name for photo in photos], "targets": targets, "steps": settings.num_steps,
                 "seed": seed, "reports": [report._asdict() for report in reports]} | asdict(settings), watch.history)
    if run is not None:
        run.finish(watch.stopped)


def fool(model, photo, target, settings, run, n):
    """Return (picture, Fooled, Watch) of the n-th photo. Ctrl-C ends it early and keeps the last picture."""
    watch = Watch(f"{photo.name}: {short_label(model, target)}", settings.num_steps, (settings.objective,), photo.x,
                  run=run, part=n, to_image=model.preprocessing.to_image, frames=[1])
    with watch:
        picture, report, watch.history = fooling_image(
            model.net, photo.x, target, model.preprocessing, settings, callback=watch,
            checkpoint=watch.checkpoint)
    if watch.stopped is not None:
        picture = model.preprocessing.to_image(watch.image)
        report = fooling_report(model.net, photo.image, picture, target, model.preprocessing, len(watch.history),
                                settings.margin)
    return picture, report, watch


def default_target(model, photo):
    """Return the stingray, as in CS231n, for a network of 1,000 classes; else the network's second choice."""
    num_classes = model.net.shapes()[model.net.output][1]
    return STINGRAY if num_classes == 1000 and photo.label != STINGRAY else photo.top[1][0]


def draw(model, photos, fooled, reports):
    """Return the figure: a row of four panels for each photo."""
    panels = []
    for photo, picture, report in zip(photos, fooled, reports, strict=True):
        label, probability = best_class(model, picture)
        change = picture.astype(np.float64) - photo.image
        enlarged, factor = plot.amplify(picture, change, least=0.0)
        size = np.abs(change).max(axis=2)
        what = f"difference x{factor:.3g}, 0 is grey" if change.any() else "no difference"
        panels += [(f"{photo.name}\n{short_label(model, photo.label)} {photo.top[0][1]:.1%}", photo.image),
                   (f"after {report.steps} steps\n{short_label(model, label)} {probability:.1%}", picture),
                   (f"{what}\nat most {report.linf} of 255", enlarged),
                   (f"its size, from 0 to {size.max():.0f} levels\nnorm {report.l2:.0f}, PSNR {report.psnr:.1f} dB",
                    size, plot.saliency_range(size))]
    return plot.show_panels(panels, 4)


def transfer_model(name, device, photo):
    """Return the Model that classifies the results, too. Raises InputError if it cannot classify such a picture."""
    other = load_model(name, device).fast()
    try:
        scores = other.net.predict(to_device(other.preprocessing.to_input(photo.image), other.net.device))
    except InputError as problem:
        raise InputError(f"--transfer {name}: {problem}") from None
    if scores.ndim != 2:
        raise InputError(f"--transfer {name}: it gives no class scores; name a network that does")
    return other


def best_class(model, picture):
    """Return the best class for a picture, uint8 (H, W, 3), and its probability."""
    x = model.preprocessing.to_input(picture)
    scores = to_host(model.net.predict(to_device(x, model.net.device)))[0]
    exp = np.exp(scores - scores.max())
    return int(scores.argmax()), float(exp.max() / exp.sum())


def with_files(made, folder, names):
    """Yield the Pictures, after writing each fooling image as a PNG of its own."""
    for picture in made:
        make_folder(folder)
        for name, image in zip(names, picture.array, strict=False):
            images.save_image(folder / f"{name}.png", image, overwrite=True)
        yield picture


def run(arguments):
    """Load the network and the photos, make the fooling images, and save them."""
    model, reason = choose_model(arguments.model, arguments.device, scores=True)
    print(reason)
    photos = load_photos(model, arguments.photos, arguments.seed)
    target = None if arguments.target is None else model.find_class(arguments.target)
    other = transfer_model(arguments.transfer, arguments.device, photos[0]) if arguments.transfer else None
    settings = chosen_settings(arguments, FOOLING_PRESETS)
    names = [f"fooled_{n}_{photo.name}" for n, photo in enumerate(photos)]
    folder = demo_folder(arguments, (*NAMES, *names))
    run = long_run(arguments, folder, NAMES[0], model,
                   {"target": target, "photos": [digest(photo.image) for photo in photos]}
                   | {key: value for key, value in asdict(settings).items() if key != "num_steps"})
    made = pictures(model, photos, target, arguments.seed, settings, other, run)
    run_demo(with_files(made, folder, names), model, arguments, NAMES, folder)


def parser():
    """Return the parser of the command line."""
    parser = demo_parser("fooling", __doc__)
    parser.add_argument("--target", metavar="CLASS", help="number or name of a class (default: stingray for ImageNet, "
                        "else the network's second choice)")
    parser.add_argument("--transfer", metavar="MODEL", help="another network that classifies the results, too "
                        "(default: none)")
    add_presets(parser, FOOLING_PRESETS, "margin")
    parser.add_argument("--steps", dest="num_steps", type=positive_int, metavar="N",
                        help="largest number of steps (default: the preset's, 100)")
    parser.add_argument("--objective", help="score or margin (default: the preset's)")
    parser.add_argument("--learning-rate", type=positive_number, metavar="RATE",
                        help="length of a step, at 224 pixels (default: the preset's)")
    parser.add_argument("--margin", type=natural_number, metavar="SCORE",
                        help="margin of the target over all other classes that ends the steps (default: the preset's)")
    parser.add_argument("--epsilon", type=natural_int, metavar="LEVELS", help="largest change of a colour, in levels "
                        "of 255; 0: no bound (default: the preset's)")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
