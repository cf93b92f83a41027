"""The image that a class likes best: python -m demos.class_visualization --class tarantula [--steps 100]"""

import numpy as np
from tqdm import tqdm

from demos.command import demo_parser, main
from demos.inputs import choose_model, short_label
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
    done, checks, histories, frames, interrupted = {}, [], [], {}, False
    for label in labels:
        noise = np.random.default_rng([seed, label]).standard_normal((1, *model.net.input_shape), dtype="float32")
        latest = [noise]
        with tqdm(total=num_steps, desc=short_label(model, label), unit="step", leave=False) as bar:
            def show(progress, image, bar=bar, latest=latest):
                latest[0] = image
                bar.update()
                bar.set_postfix(score=f"{progress.values[0]:.1f}")
                if len(labels) == 1 and progress.step in (1, num_steps // 10, num_steps // 4, num_steps // 2):
                    frames[progress.step] = model.preprocessing.to_image(to_host(image))
            try:
                _, history = class_visualization(model.net, label, model.preprocessing, size=size, callback=show,
                                                 rng=np.random.default_rng([seed, label]), num_steps=num_steps,
                                                 **settings)
                histories.append(history)
            except KeyboardInterrupt:
                interrupted = True  # the image so far is kept
        done[label] = to_host(latest[0])
        checks += check_class_visualization(model.net, done[label], noise, label, model.preprocessing,
                                            np.random.default_rng([seed, label, 1]))
        if interrupted:
            break
    panels = [(short_label(model, label), model.preprocessing.to_image(image))
              for label, image in done.items()]
    if frames:
        panels = [(f"step {step}", frame) for step, frame in sorted(frames.items())] + panels
    title = f"{model.name}: " + ("interrupted" if interrupted else f"Iteration {num_steps} / {num_steps}")
    yield Picture(
        "class_visualization", title, plot.show_panels(panels, min(4, len(panels)), title),
        np.concatenate(list(done.values())),
        f"Each image began as noise and was changed {num_steps} times so that the score of its class rose, with "
        "a small penalty on bright pixels, jitter and a little blur. What appears is what the network takes for the "
        "class, not what the class looks like.",
        "Simonyan et al. 2013 (arXiv:1312.6034), section 2; the settings are those of Stanford CS231n",
        checks, {"classes": list(done), "steps": num_steps, "seed": seed, "learning_rate": 25.0, "l2_reg": 1e-3,
                 "blur_every": 10, "blur_sigma": 0.5, "max_jitter": 16} | settings, histories[0] if histories else [])
    if interrupted:
        raise KeyboardInterrupt


def default_labels(model):
    """All classes of a small network; of a large one, two."""
    return list(range(len(model.labels))) if len(model.labels) <= 12 else [TARANTULA, GORILLA]


def run(arguments):
    """Load, optimise, save."""
    model, said = choose_model(arguments.model, arguments.device)
    print(said)
    labels = [model.find_class(label) for label in arguments.labels or ()]
    settings = {"learning_rate": arguments.learning_rate, "l2_reg": arguments.l2_reg,
                "blur_every": arguments.blur_every, "max_jitter": arguments.max_jitter}
    run_demo(pictures(model, labels, arguments.steps, arguments.seed, arguments.size, **settings), model, arguments,
             NAMES)


def parser():
    """The command line."""
    parser = demo_parser("class_visualization", __doc__)
    parser.add_argument("--class", dest="labels", action="append", help="number or name; may be given several times")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--size", type=int, help="side of the image in pixels; left out, the network's own")
    parser.add_argument("--learning-rate", type=float, default=25.0, help="length of a step, at 224 pixels")
    parser.add_argument("--l2-reg", type=float, default=1e-3)
    parser.add_argument("--blur-every", type=int, default=10)
    parser.add_argument("--max-jitter", type=int, default=16, help="pixels, at 224 pixels")
    return parser


if __name__ == "__main__":
    main(run, parser())
