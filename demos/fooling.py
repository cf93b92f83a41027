"""A change nobody sees fools the network: python -m demos.fooling photo.jpg [--target stingray] [--transfer MODEL]"""

import numpy as np

from demos.shared.command import demo_parser, main, natural_int, natural_number, positive_int, positive_number
from demos.shared.inputs import choose_model, load_photos, short_label
from demos.shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, digest, long_run
from demos.shared.picture import Picture, demo_folder, make_folder, run_demo
from minicnn import images, plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.models import load_model
from minicnn.visualize.synthesis.fooling import FOOLING_PRESETS, fooling_image, fooling_report
from minicnn.visualize.synthesis.fooling_check import check_fooling, check_transfer

STINGRAY = 6  # CS231n's target
NAMES = ("fooling",)


def pictures(model, photos, target=None, num_steps=100, seed=0, settings=None, other=None, run=None):
    """Technique 18: a row per photo: the original, the fooled one, the difference, and ten times the difference.

    settings : of `fooling_image`; the preset "margin", unless given. other : a Model that is shown the results too.
    run : the LongRun that saves it as it goes, or None.
    """
    settings = settings or FOOLING_PRESETS["margin"]
    targets = [default_target(model, photo) if target is None else target for photo in photos]
    for photo, chosen in zip(photos, targets, strict=True):
        if photo.label == chosen:
            raise InputError(f"{model.name} takes {photo.name} for {short_label(model, chosen)} already; give another "
                             "--target")
    fooled, reports, checks = [], [], []
    for n, (photo, chosen) in enumerate(zip(photos, targets, strict=True)):
        picture, report, watch = fool(model, photo, chosen, num_steps, settings, run, n)
        fooled.append(picture)
        reports.append(report)
        checks += check_fooling(model.net, photo.image, picture, report, chosen, model.preprocessing,
                                np.random.default_rng([seed, n]), photo.name, settings["epsilon"])
        if watch.stopped is not None:
            break
    photos, targets = photos[:len(fooled)], targets[:len(fooled)]
    if other is not None:
        checks += check_transfer(other.name, other.net, other.preprocessing, np.stack([p.image for p in photos]),
                                 np.stack(fooled), targets)
    yield Picture(
        "fooling", f"{model.name}: {sum(report.survived for report in reports)} of {len(reports)} pictures fool it"
        + (", stopped" if watch.stopped else ""), draw(model, photos, fooled, reports), np.stack(fooled),
        "The photo was changed a little at a time along the gradient, until the network took it for something else, "
        "even when rounded to the 8 bits of an image file. To us it is the same photo; only ten times the difference "
        "shows what was done.",
        "Szegedy et al. 2013 (arXiv:1312.6199), section 4; the steps are those of Stanford CS231n",
        checks, {"photos": [photo.name for photo in photos], "targets": targets, "steps": num_steps, "seed": seed,
                 "reports": [report._asdict() for report in reports]} | settings, watch.history)
    if run is not None:
        run.finish(watch.stopped)


def fool(model, photo, target, num_steps, settings, run, n):
    """(picture, Fooled, Watch) of the n-th photo; Ctrl-C ends it early and keeps the picture so far."""
    watch = Watch(f"{photo.name}: {short_label(model, target)}", num_steps, (settings["objective"],), photo.x,
                  run=run, to_image=model.preprocessing.to_image)
    with watch:
        picture, report, watch.history = fooling_image(
            model.net, photo.x, target, model.preprocessing, num_steps=num_steps, callback=watch,
            checkpoint=run and run.checkpoint(n), **settings)
    if watch.stopped is not None:
        picture = model.preprocessing.to_image(watch.image)
        report = fooling_report(model.net, photo.image, picture, target, model.preprocessing, len(watch.history),
                                settings["margin"])
    return picture, report, watch


def default_target(model, photo):
    """A stingray, as in CS231n, where the network knows 1,000 classes and sees none; else its second choice."""
    num_classes = model.net.shapes()[model.net.output][1]
    return STINGRAY if num_classes == 1000 and photo.label != STINGRAY else photo.top[1][0]


def draw(model, photos, fooled, reports):
    """The figure, a row of four panels per photo."""
    panels = []
    for photo, picture, report in zip(photos, fooled, reports, strict=True):
        label, probability = best_class(model, picture)
        change = picture.astype(np.int64) - photo.image
        panels += [(f"{photo.name}\n{short_label(model, photo.label)} {photo.top[0][1]:.1%}", photo.image),
                   (f"after {report.steps} steps\n{short_label(model, label)} {probability:.1%}", picture),
                   (f"difference: at most {report.linf} of 255,\nnorm {report.l2:.0f}, PSNR {report.psnr:.1f} dB",
                    around_grey(change)),
                   ("difference x10\n", around_grey(10 * change))]
    return plot.show_panels(panels, 4)


def transfer_model(name, device, photo):
    """The Model that is shown the results; InputError, before any work, where it cannot take such a picture."""
    other = load_model(name, device)
    try:
        scores = other.net.predict(to_device(other.preprocessing.to_input(photo.image), other.net.device))
    except InputError as problem:
        raise InputError(f"--transfer {name}: {problem}") from None
    if scores.ndim != 2:
        raise InputError(f"--transfer {name}: it gives no class scores; name a network that does")
    return other


def around_grey(change):
    """A change in levels of 255, (H, W, 3), as a picture: grey where there is none."""
    return np.clip(change + 128, 0, 255).astype(np.uint8)


def best_class(model, picture):
    """(class, probability) of what the network takes a picture for, uint8 (H, W, 3)."""
    x = model.preprocessing.to_input(picture)
    scores = to_host(model.net.predict(to_device(x, model.net.device)))[0]
    exp = np.exp(scores - scores.max())
    return int(scores.argmax()), float(exp.max() / exp.sum())


def with_files(made, folder, names):
    """The same Pictures, after each fooled picture was written as a PNG of its own."""
    for picture in made:
        make_folder(folder)
        for name, image in zip(names, picture.array, strict=False):
            images.save_image(folder / f"{name}.png", image, overwrite=True)
        yield picture


def run(arguments):
    """Load, fool, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    photos = load_photos(model, arguments.photos, arguments.seed)
    target = None if arguments.target is None else model.find_class(arguments.target)
    other = transfer_model(arguments.transfer, arguments.device, photos[0]) if arguments.transfer else None
    settings = chosen_settings(arguments, FOOLING_PRESETS)
    names = [f"fooled_{n}_{photo.name}" for n, photo in enumerate(photos)]
    folder = demo_folder(arguments, (*NAMES, *names))
    run = long_run(arguments, folder, NAMES[0], model,
                   {"target": target, "photos": [digest(photo.image) for photo in photos]} | settings)
    made = pictures(model, photos, target, arguments.steps, arguments.seed, settings, other, run)
    run_demo(with_files(made, folder, names), model, arguments, NAMES, folder)


def parser():
    """The command line."""
    parser = demo_parser("fooling", __doc__)
    parser.add_argument("--target", help="number or name of a class; left out, a stingray, or the second choice")
    parser.add_argument("--steps", type=positive_int, default=100, help="when to give up (default 100)")
    parser.add_argument("--transfer", metavar="MODEL", help="another network that is shown the results")
    add_presets(parser, FOOLING_PRESETS, "margin")
    parser.add_argument("--objective", help="score or margin")
    parser.add_argument("--learning-rate", type=positive_number, help="length of a step, at 224 pixels")
    parser.add_argument("--margin", type=natural_number, help="by how much the target's score must be above all others")
    parser.add_argument("--epsilon", type=natural_int, help="the most, in levels of 255, by which a colour may "
                        "change; 0, no bound")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
