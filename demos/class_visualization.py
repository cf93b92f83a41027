"""The image that a class likes best: python -m demos.class_visualization --class tarantula [--steps 100]"""

from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from demos.command import demo_parser, main, natural_int, positive_int
from demos.inputs import choose_model, short_label, warn_about_memory
from demos.picture import Picture, run_demo
from minicnn import plot
from minicnn.backend import to_host
from minicnn.visualize.ascent import class_visualization
from minicnn.visualize.checks import check_class_visualization

TARANTULA, GORILLA = 76, 366  # two of CS231n's favourites
NAMES = ("class_visualization",)


def pictures(model, labels=None, num_steps=100, seed=0, size=None, **settings):
    """Technique 13: one image per class, or all of a small network's; of a single class, how it came about."""
    labels = labels or default_labels(model)
    settings = {"learning_rate": 25.0, "l2_reg": 1e-3, "blur_every": 10, "blur_sigma": 0.5, "max_jitter": 16} | settings
    ascents, checks = {}, []
    for label in labels:
        ascents[label] = ascend(model, label, num_steps, seed, size or model.net.input_shape[1], settings)
        checks += check_class_visualization(model.net, ascents[label].image, ascents[label].noise, label,
                                            model.preprocessing, np.random.default_rng([seed, label, 1]))
        if ascents[label].interrupted:
            break
    interrupted = ascents[label].interrupted
    panels = [(short_label(model, label), model.preprocessing.to_image(ascent.image))
              for label, ascent in ascents.items()]
    if len(labels) == 1:
        panels = [(f"step {step}", model.preprocessing.to_image(frame))
                  for step, frame in ascents[label].frames.items()] + panels
    title = f"{model.name}: " + ("interrupted" if interrupted else f"Iteration {num_steps} / {num_steps}")
    yield Picture(
        "class_visualization", title, plot.show_panels(panels, min(4, len(panels)), title),
        np.concatenate([ascent.image for ascent in ascents.values()]),
        f"Each image began as noise and was changed {num_steps} times so that the score of its class rose, with "
        "a small penalty on bright pixels, jitter and a little blur. What appears is what the network takes for the "
        "class, not what the class looks like.",
        "Simonyan et al. 2013 (arXiv:1312.6034), section 2; the settings are those of Stanford CS231n",
        checks, {"classes": list(ascents), "steps": num_steps, "seed": seed, "size": size} | settings,
        next(iter(ascents.values())).history)
    if interrupted:
        raise KeyboardInterrupt


class Ascent(NamedTuple):
    """How one image came about: what it began as, what it became, a few images between, and the losses."""

    noise: np.ndarray
    image: np.ndarray
    frames: dict[int, np.ndarray]
    history: list
    interrupted: bool


def ascend(model, label, num_steps, seed, size, settings):
    """The Ascent for one class, with a progress bar; Ctrl-C ends it early and keeps the image so far."""
    # the noise that class_visualization draws first from the same seed
    noise = np.random.default_rng([seed, label]).standard_normal((1, model.net.input_shape[0], size, size), np.float32)
    history, frames, latest, interrupted = [], {}, noise, False
    with tqdm(total=num_steps, desc=short_label(model, label), unit="step", leave=False, disable=None) as bar:
        def watch(progress, image):
            nonlocal latest
            latest = image
            history.append(progress)
            if progress.step in (1, num_steps // 10, num_steps // 4, num_steps // 2):
                frames[progress.step] = to_host(image)
            bar.update()
            bar.set_postfix(score=f"{progress.values[0]:.1f}")
        try:
            class_visualization(model.net, label, model.preprocessing, rng=np.random.default_rng([seed, label]),
                                size=size, num_steps=num_steps, callback=watch, **settings)
        except KeyboardInterrupt:
            interrupted = True
    return Ascent(noise, to_host(latest), frames, history, interrupted)


def default_labels(model):
    """Two favourites of ImageNet's 1,000 classes; of another network, the first twelve."""
    num_classes = model.net.shapes()[model.net.output][1]
    return [TARANTULA, GORILLA] if num_classes == 1000 else list(range(min(12, num_classes)))


def run(arguments):
    """Load, optimise, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    labels = [model.find_class(label) for label in arguments.labels or ()]
    settings = {"learning_rate": arguments.learning_rate, "l2_reg": arguments.l2_reg,
                "blur_every": arguments.blur_every, "max_jitter": arguments.max_jitter}
    side = arguments.size or model.net.input_shape[1]
    warn_about_memory(model.net, (1, model.net.input_shape[0], side, side))
    run_demo(pictures(model, labels, arguments.steps, arguments.seed, arguments.size, **settings), model, arguments,
             NAMES)


def parser():
    """The command line."""
    parser = demo_parser("class_visualization", __doc__)
    parser.add_argument("--class", dest="labels", action="append", help="number or name; may be given several times")
    parser.add_argument("--steps", type=positive_int, default=100)
    parser.add_argument("--size", type=positive_int, help="side of the image in pixels; left out, the network's own")
    parser.add_argument("--learning-rate", type=float, default=25.0, help="length of a step, at 224 pixels")
    parser.add_argument("--l2-reg", type=float, default=1e-3)
    parser.add_argument("--blur-every", type=positive_int, default=10)
    parser.add_argument("--max-jitter", type=natural_int, default=16, help="pixels, at 224 pixels")
    return parser


if __name__ == "__main__":
    main(run, parser())
