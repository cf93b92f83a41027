"""The presets of class visualization side by side for one class: the effect of regularization."""

from dataclasses import asdict, fields, replace

import numpy as np

from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.visualize.check import Check
from minicnn.visualize.synthesis.ascent_settings import DISTILL, PHOTOS, PUBLISHED, AscentSettings
from minicnn.visualize.synthesis.before_relu import first_relu_is_dead
from minicnn.visualize.synthesis.class_visualization_check import check_smoother, high_frequency_share

from .shared.ascent_options import amplified
from .shared.class_ascent import ascend_class, checks_of, default_labels
from .shared.inputs import short_label, warn_about_memory
from .shared.long_run import long_run
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("class_presets",)
GAINS = {"yosinski-1": 30.0, "yosinski-2": 100.0, "yosinski-3": 30.0, "yosinski-4": 25.0}
ON_SPECTRUM = ("num_steps", "gain", "l2_reg", "margin_weight", "max_jitter", "max_scale", "max_rotation", "border",
               "spectrum_power")
GALLERY_SIDE, GALLERY_STEPS = 128, 160  # at most, to save time
GAINS_DEAD = {"yosinski-1": 300.0, "yosinski-2": 300.0, "yosinski-3": 300.0, "yosinski-4": 1.0}


def quick_presets(net):
    """Return the published presets, DISTILL and PHOTOS, {name: AscentSettings}; Yosinski's take 60 longer steps.

    If faint pictures leave the first ReLU of `net` at 0, the first images have more noise, and the steps are still
    longer.
    """
    dead = first_relu_is_dead(net)
    presets = PUBLISHED | {"distill": DISTILL, "photos": PHOTOS}
    for name, gain in (GAINS_DEAD if dead else GAINS).items():
        presets[name] = replace(presets[name], num_steps=60, gain=gain)
        if dead:
            presets[name] = replace(presets[name], start_noise=50.0)
    if dead:
        presets["simonyan"] = replace(presets["simonyan"], start_noise=0.5, gain=5.0)
        for name in ("distill", "photos"):
            presets[name] = replace(presets[name], start_noise=1.0)
    return presets


def gallery_pictures(model, seed=0):
    """Yield the Picture of the gallery: of at most GALLERY_SIDE pixels, and fewer steps."""
    presets = {name: replace(preset, num_steps=min(preset.num_steps, GALLERY_STEPS))
               for name, preset in quick_presets(model.net).items()}
    yield from pictures(model, seed=seed, size=min(GALLERY_SIDE, model.net.input_shape[1]), presets=presets)


def pictures(model, label=None, seed=0, size=None, presets=None, run=None):
    """Techniques 12, 13 and 14: yield the Picture of one class by several presets.

    label : by default, the first of `default_labels`. presets : {name: AscentSettings}; by default, `quick_presets`.
    run : the LongRun that saves the images, or None.
    """
    label = default_labels(model)[0] if label is None else label
    presets = presets or quick_presets(model.net)
    size = size or model.net.input_shape[1]
    panels, images, checks, table, stopped = [], [], [], {}, None
    for name, settings in presets.items():
        if name == "simonyan":
            ascent = plain = plain_ascent(model, label, seed, size, settings, run)
        else:
            ascent = ascend_class(model, label, seed, size, settings, run, name)
        image, stopped = ascent.watch.image, ascent.watch.stopped
        images.append(image)
        score = score_of(model, model.preprocessing.to_input(model.preprocessing.to_image(image)), label)
        share = high_frequency_share(image) if image.any() else 0.0
        table[name] = asdict(settings) | {"score": score, "high_frequency_share": share}
        caption, picture = amplified(model, f"{name}, {len(ascent.watch.history)} steps", image)
        panels.append((f"{caption}\nscore {score:.1f}, {share:.0%} high frequencies", picture))
        if stopped is not None:
            break
        new = checks_of(model, ascent, label, seed, settings)
        if settings.blur_sigma:
            new += smoothness(model, image, plain, label)
        checks += [Check(f"{name}: {check.what}", *check[1:]) for check in new]
    title = (f"{model.name}: class visualization of {short_label(model, label)}, several ways"
             + (", stopped" if stopped else ""))
    yield Picture(
        "class_presets", title, plot.show_panels(panels, 4, title), np.concatenate(images),
        "One class, one seed, and eight ways to keep the image natural. Plain L2 (Simonyan) leaves high frequencies. "
        "Jitter and blur (CS231n), and Yosinski's decay, blur and pixels set to zero, remove them. In the last two "
        "images, waves of decorrelated colours were changed instead of pixels. In the last one (photos), coarse waves "
        "change the most, and the network saw the image at half to one and a half of its size, and turned. The "
        "percentage is the share of the energy above half of the highest frequency. Faint pictures are shown with more "
        "contrast, stated in the caption.",
        "Simonyan et al. 2013 (arXiv:1312.6034), figure 1; Yosinski et al. 2015 (arXiv:1506.06579), table 1, figure 3; "
        "Olah et al. 2017, Feature Visualization",
        checks, {"class": label, "seed": seed, "size": size, "presets": table},
        finished={name: model.preprocessing.to_image(image) for name, image in zip(presets, images, strict=False)})
    if run is not None:
        run.finish(stopped)


def plain_ascent(model, label, seed, size, settings, run):
    """Return the ClassAscent by plain L2, with the image of each step in its watch's `frames`."""
    return ascend_class(model, label, seed, size, settings, run, "simonyan", range(1, settings.num_steps + 1))


def smoothness(model, image, plain, label):
    """Return the Checks that an image (1, C, H, W) is smoother than the images of `plain`, by plain L2."""
    plain_images = [*plain.watch.frames.values()]
    scores = [progress.values[0] for progress in plain.watch.history[1:]]  # a step's values are from before the step
    scores += [score_of(model, last, label) for last in plain_images[-1:]]
    return check_smoother(image, score_of(model, image, label), plain_images, scores)


def score_of(model, x, label):
    """Return the score of a class for an image x (1, C, H, W)."""
    return float(to_host(model.net.predict(to_device(x, model.net.device)))[0, label])


def changed(name, preset, given):
    """Return a preset with the settings of the command line, {name: value}.

    A preset that changes waves ignores the settings that waves do not have.
    """
    if preset.parametrization == "fourier":
        given = {key: value for key, value in given.items() if key in ON_SPECTRUM}
    return replace(preset, **given)


def compare(model, labels, arguments):
    """Run `demos.class_visualization --compare`. Settings on the command line change all presets."""
    if len(labels) > 1 or arguments.preset:
        raise InputError("--compare shows all presets of one class: leave out " +
                         ("--preset" if len(labels) <= 1 else "the other --class"))
    label = labels[0] if labels else default_labels(model)[0]
    given = {field.name: value for field in fields(AscentSettings)
             if (value := getattr(arguments, field.name)) is not None}
    presets = {name: changed(name, preset, given) for name, preset in quick_presets(model.net).items()}
    side = arguments.size or model.net.input_shape[1]
    warn_about_memory(model.net, (1, model.net.input_shape[0], side, side))
    folder = demo_folder(arguments, NAMES)
    kept = {name: {key: value for key, value in asdict(preset).items() if key != "num_steps"}
            for name, preset in presets.items()}
    run = long_run(arguments, folder, NAMES[0], model,
                   {"size": side, "seed": arguments.seed, "class": label, "presets": kept})
    run_demo(pictures(model, label, arguments.seed, arguments.size, presets, run), model, arguments, NAMES, folder)
