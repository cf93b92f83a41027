"""The published presets of class visualization side by side on one class: what regularisation does to the picture."""

import numpy as np

from demos import class_visualization
from demos.shared.ascent_options import amplified
from demos.shared.inputs import short_label, warn_about_memory
from demos.shared.long_run import long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.errors import InputError
from minicnn.visualize.check import Check
from minicnn.visualize.synthesis.ascent import CLASS_PRESETS, PUBLISHED, is_blind_to_grey
from minicnn.visualize.synthesis.ascent_check import check_smoother, high_frequency_share

NAMES = ("class_presets",)
GAINS = {"yosinski-1": 30.0, "yosinski-2": 100.0, "yosinski-3": 30.0, "yosinski-4": 25.0}
GAINS_BLIND = {"yosinski-1": 300.0, "yosinski-2": 300.0, "yosinski-3": 300.0, "yosinski-4": 1.0}


def quick_presets(net):
    """The published presets, Yosinski's with fewer and larger steps; more noise and larger steps still where `net`
    sees nothing in faint pictures."""
    blind = is_blind_to_grey(net)
    presets = {name: CLASS_PRESETS[name] for name in PUBLISHED}
    for name, gain in (GAINS_BLIND if blind else GAINS).items():
        presets[name] = presets[name] | {"num_steps": 60, "gain": gain}
    for name in presets:
        if blind and name != "cs231n":
            presets[name] = presets[name] | ({"start_noise": 0.5, "gain": 5.0} if name == "simonyan" else
                                             {"start_noise": 50.0})
    return presets


def pictures(model, label=None, seed=0, size=None, presets=None, run=None):
    """Techniques 12, 13 and 14 on one class. presets : {name: settings}; `quick_presets`, unless given."""
    label = class_visualization.default_labels(model)[0] if label is None else label
    presets = presets or quick_presets(model.net)
    size = size or model.net.input_shape[1]
    panels, images, checks, table, stopped = [], [], [], {}, None
    for name, settings in presets.items():
        if name == "simonyan":
            ascent = plain = plain_ascent(model, label, seed, size, settings, run)
        else:
            ascent = class_visualization.ascend(model, label, seed, size, settings, run, name)
        image, stopped = ascent.watch.image, ascent.watch.stopped
        images.append(image)
        scored = score_of(model, model.preprocessing.to_input(model.preprocessing.to_image(image)), label)
        share = high_frequency_share(image) if image.any() else 0.0
        table[name] = settings | {"score": scored, "high_frequency_share": share}
        caption, picture = amplified(model, f"{name}, {len(ascent.watch.history)} steps", image)
        panels.append((f"{caption}\nscore {scored:.1f}, {share:.0%} high frequencies", picture))
        if stopped is not None:
            break
        found = class_visualization.checks_of(model, ascent, label, seed, settings)
        if settings["blur_sigma"]:
            plain_images = [*plain.watch.frames.values()]
            scores = [score_of(model, one, label) for one in plain_images[-1:]]
            scores = [progress.values[0] for progress in plain.watch.history[1:]] + scores
            found += check_smoother(image, score_of(model, image, label), plain_images, scores)
        checks += [Check(f"{name}: {check.what}", *check[1:]) for check in found]
    title = f"{model.name}: {short_label(model, label)}" + (", stopped" if stopped else "")
    yield Picture(
        "class_presets", title, plot.show_panels(panels, 3, title), np.concatenate(images),
        "One class, one seed, six ways to keep the image natural. Plain L2 (Simonyan) leaves high frequencies; jitter "
        "and blur (CS231n) and Yosinski's decay, blur and pixels set to zero take them away. The percentage is the "
        "share of the energy above half of the highest frequency; faint pictures are shown with more contrast, as "
        "the caption says.",
        "Simonyan et al. 2013 (arXiv:1312.6034), figure 1; Yosinski et al. 2015 (arXiv:1506.06579), table 1, figure 3",
        checks, {"class": label, "seed": seed, "size": size, "presets": table})
    if run is not None:
        run.finish(stopped)


def plain_ascent(model, label, seed, size, settings, run):
    """The Ascent by plain L2, the image of each step in its watch's `frames`, also where it went on from a state."""
    every = range(1, settings["num_steps"] + 1)
    ascent = class_visualization.ascend(model, label, seed, size, settings, run, "simonyan", every)
    if ascent.watch.stopped is None and len(ascent.watch.frames) < len(every):
        ascent = class_visualization.ascend(model, label, seed, size, settings, None, "simonyan", every)
    return ascent


def score_of(model, x, label):
    """The score of the class for an image x (1, C, H, W)."""
    return float(to_host(model.net.predict(to_device(x, model.net.device)))[0, label])


def compare(model, labels, arguments):
    """`demos.class_visualization --compare`: settings that were given hold for all presets."""
    if len(labels) > 1 or arguments.preset != "margin":
        raise InputError("--compare shows all presets of one class: leave out " +
                         ("--preset" if len(labels) <= 1 else "the other --class"))
    label = labels[0] if labels else class_visualization.default_labels(model)[0]
    presets = {}
    for name, preset in quick_presets(model.net).items():
        given = {key: getattr(arguments, key) for key in preset}
        presets[name] = preset | {key: value for key, value in given.items() if value is not None}
    side = arguments.size or model.net.input_shape[1]
    warn_about_memory(model.net, (1, model.net.input_shape[0], side, side))
    folder = demo_folder(arguments, NAMES)
    plain = {name: {key: value for key, value in preset.items() if key != "num_steps"}
             for name, preset in presets.items()}
    run = long_run(arguments, folder, NAMES[0], model,
                   {"size": side, "seed": arguments.seed, "class": label, "presets": plain})
    run_demo(pictures(model, label, arguments.seed, arguments.size, presets, run), model, arguments, NAMES, folder)
