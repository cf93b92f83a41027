"""Classes painted by a decoder, not pixel by pixel: python -m demos.generator_prior [--class NAME] [--steps N]"""

from typing import NamedTuple

import numpy as np

from demos.shared.command import demo_parser, main, natural_number, positive_int, positive_number
from demos.shared.inputs import choose_model, short_label
from demos.shared.long_run import Watch, add_long_run_options, add_presets, chosen_settings, long_run
from demos.shared.picture import Picture, demo_folder, run_demo
from demos.train_decoder import BATCH_SIZE
from minicnn import plot
from minicnn.backend import to_device, to_host
from minicnn.datasets.shapes import ShapeBatches
from minicnn.errors import InputError
from minicnn.models import load_model, shapes_encoder
from minicnn.visualize.synthesis.ascent import CLASS_PRESETS, class_visualization
from minicnn.visualize.synthesis.generator import GENERATOR_PRESETS, code_range, generated_class
from minicnn.visualize.synthesis.generator_check import check_code_gradient, check_generated, nearest_drawn

NAMES = ("generator_prior",)
LABELS = (2, 1, 3, 7, 9, 10)  # of the shapes, the textures, and their pairs, as many as a row holds
TRAINED_ON = 5  # batches of the pictures that the decoder has seen


def pictures(model, labels=LABELS, num_steps=200, settings=None, seed=0, run=None):
    """Technique 16: what the classes like best of all that the shipped decoder can paint, beside pixels alone.

    settings : of `generated_class`, unless given for this decoder. run : the LongRun that saves it as it goes, or None.
    """
    decoder = load_model("shapes_decoder", model.net.device).net
    settings = settings or GENERATOR_PRESETS["shapes"]
    # what it was trained on: how its codes are spread, and whether it has kept any of them
    x, drawn_labels = (np.concatenate(parts) for parts in zip(
        *map(ShapeBatches(BATCH_SIZE, 0), range(TRAINED_ON)), strict=True))
    encoder = shapes_encoder(model.net)
    codes = to_host(encoder.predict(to_device(x, model.net.device)))
    start, highest = code_range(codes)
    made, stopped = Made([], [], [], []), None
    for label in labels:
        stopped = paint(model, decoder, label, start, highest, num_steps, settings, seed, run, made)
        if stopped is not None:
            break
    labels = list(labels[:len(made.painted)])
    painted = np.concatenate(made.painted)
    checks = [check_code_gradient(decoder, model.net, labels[0], made.codes[0], np.random.default_rng([seed, 17]))]
    if stopped is None:
        checks += check_generated(model.net, encoder, labels, painted, np.concatenate(made.by_pixels), x, drawn_labels,
                                  model.preprocessing)
    title = (f"{model.name}: {num_steps} steps in the code of a decoder, and on pixels"
             + (", stopped" if stopped else ""))
    yield Picture(
        "generator_prior", title, show_rows(model, labels, made, painted, x, title), painted,
        "Above, each pixel was changed so that the class's score rose: what comes out is a texture. In the middle the "
        "code of a decoder was changed, a small network that has learnt to paint drawn pictures from what the network "
        "makes of them: so the class's favourite is a picture, too. Below, the nearest picture of those that the "
        "decoder has seen: it has not learnt them by heart.",
        "Nguyen et al. 2016 (arXiv:1605.09304), section 3; the decoder is of the kind of Dosovitskiy and Brox 2016 "
        "(arXiv:1602.02644)",
        checks, {"classes": labels, "steps": num_steps, "seed": seed} | settings, made.history)
    if run is not None:
        run.finish(stopped)


class Made(NamedTuple):
    """Of each class the picture of pixels alone, the painted one, (1, C, H, W), its code; the first one's history."""

    by_pixels: list
    painted: list
    codes: list
    history: list


def paint(model, decoder, label, start, highest, num_steps, settings, seed, run, made):
    """Append one class's to `made`; returns what has stopped it early, or None."""
    def picture_of(code):
        return model.preprocessing.to_image(to_host(decoder.predict(to_device(code, decoder.device))))

    name = short_label(model, label)
    watch = Watch(f"{name}, code", num_steps, ("score",), start, run=run, to_image=picture_of)
    with watch:
        # a run that is gone on with finds what is finished in its checkpoint, and the callback is not called
        watch.latest, _, watch.history = generated_class(
            decoder, model.net, label, start, highest, num_steps=num_steps, callback=watch,
            checkpoint=run and run.checkpoint(f"code{label}"), **settings)
    made.codes.append(watch.image)
    made.painted.append(to_host(decoder.predict(to_device(watch.image, decoder.device))))
    made.history.extend(watch.history if len(made.painted) == 1 else [])
    if watch.stopped is not None:
        return watch.stopped
    watch = Watch(f"{name}, pixels", num_steps, ("score", "L2"), np.zeros_like(made.painted[-1]), run=run,
                  to_image=model.preprocessing.to_image)
    with watch:
        watch.latest, _ = class_visualization(
            model.net, label, model.preprocessing, rng=np.random.default_rng([seed, label]),
            callback=watch, checkpoint=run and run.checkpoint(f"pixels{label}"),
            **CLASS_PRESETS["cs231n"] | {"num_steps": num_steps})
    made.by_pixels.append(watch.image)
    return watch.stopped


def show_rows(model, labels, made, painted, drawn, title):
    """Pixels alone, painted, and the nearest drawn picture: a column for each class."""
    to_image = model.preprocessing.to_image
    chosen, distances = nearest_drawn(painted, drawn)
    blank = np.full((*painted.shape[2:], 3), 255, np.uint8)
    by_pixels = [to_image(x) for x in made.by_pixels] + [blank] * (len(labels) - len(made.by_pixels))
    panels = [(f"{short_label(model, label)}: pixels", image) for label, image in zip(labels, by_pixels, strict=True)]
    panels += [("painted", to_image(image)) for image in painted]
    panels += [(f"nearest drawn, {distance:.0f} away", to_image(drawn[index]))
               for index, distance in zip(chosen, distances, strict=True)]
    return plot.show_panels(panels, len(labels), title, size=2.0)


def run(arguments):
    """Load, optimise, save."""
    model, said = choose_model(arguments.model or "shapes", arguments.device)
    if model.name != "shapes":
        raise InputError(f"the decoder that is shipped paints for the network shapes, not for {model.name}")
    print(said)
    labels = tuple(model.find_class(label) for label in arguments.labels or ()) or LABELS
    settings = chosen_settings(arguments, GENERATOR_PRESETS)
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"seed": arguments.seed, "steps": arguments.steps} | settings)
    run_demo(pictures(model, labels, arguments.steps, settings, arguments.seed, run), model, arguments, NAMES, folder)


def parser():
    """The command line."""
    parser = demo_parser("generator_prior", __doc__, photos=False)
    parser.add_argument("--class", dest="labels", action="append", help="number or name; may be given several times")
    parser.add_argument("--steps", type=positive_int, default=200, help="for each class (default 200)")
    add_presets(parser, GENERATOR_PRESETS, "shapes")
    parser.add_argument("--learning-rate", type=positive_number, help="mean change of the code's numbers in the "
                        "first step")
    parser.add_argument("--last-rate", type=positive_number, help="and in the last")
    parser.add_argument("--decay", type=natural_number, help="what the code is multiplied with after each step")
    add_long_run_options(parser)
    return parser


if __name__ == "__main__":
    main(run, parser())
