"""The dream from noise, for demos.deepdream --from-noise: the objective of DeepDream on a spectrum, without a photo."""

from dataclasses import asdict, replace

import numpy as np

from minicnn import plot
from minicnn.errors import InputError
from minicnn.visualize.synthesis.ascent_check import check_ascent, kept_steps
from minicnn.visualize.synthesis.ascent_settings import CS231N
from minicnn.visualize.synthesis.before_relu import default_settings
from minicnn.visualize.synthesis.canvas import first_images
from minicnn.visualize.synthesis.deepdream_check import check_noise_dream
from minicnn.visualize.synthesis.dream_steps_check import DreamGoal
from minicnn.visualize.synthesis.neuron_visualization import layer_visualization

from .dream_flight import SMOOTH, SOURCE
from .shared.long_run import Watch, digest, long_run
from .shared.picture import Picture, demo_folder, run_demo

NAMES = ("deepdream_noise",)
FOR_A_PHOTO = ("octave_scale", "num_octaves", "step_size", "max_jitter", "tile", "zoom")  # options of dreams of a photo
SHOWN = (0, 16, 64)  # steps in the figure, before the last one


def run(model, dream, arguments):
    """Make the dream from noise and save it. dream : the Dream of the command line, see demos.deepdream."""
    given = [name for name in FOR_A_PHOTO if getattr(arguments, name) is not None]
    if arguments.photos or given:
        raise InputError(f"a dream from noise needs no {'photo' if arguments.photos else option(given[0])}; leave out "
                         f"--from-noise, or the {'photo' if arguments.photos else 'option'}")
    settings = default_settings(model.net, CS231N)
    settings = replace(settings, num_steps=arguments.num_steps or settings.num_steps)
    size = arguments.size or model.net.input_shape[1]
    folder = demo_folder(arguments, NAMES)
    run = long_run(arguments, folder, NAMES[0], model,
                   {"guide": dream.guide is not None and digest(dream.guide), "layer": dream.layer,
                    "channel": dream.channel, "size": size, "seed": arguments.seed} | asdict(settings))
    run_demo(pictures(model, dream, size, arguments.seed, settings, run), model, arguments, NAMES, folder)


def option(name):
    """Return the option of the command line for a setting."""
    return "--octaves" if name == "num_octaves" else "--" + name.replace("_", "-")


def pictures(model, dream, size, seed=0, settings=None, run=None):
    """Yield the Picture of a dream from noise, with images of earlier steps.

    settings : AscentSettings; by default, see `default_settings`. run : the LongRun that saves the dream, or None.
    """
    settings, objective = settings or default_settings(model.net, CS231N), dream.objective(model)
    shape, preprocessing = (1, model.net.input_shape[0], size, size), model.preprocessing
    noise = first_images(shape, preprocessing, np.random.default_rng(seed), settings)
    watch = Watch(f"{dream.caption}, from noise", settings.num_steps, ("objective", "L2"), noise, run=run,
                  to_image=preprocessing.to_image, frames=kept_steps(settings).union(SHOWN))
    with watch:
        watch.latest, watch.history = layer_visualization(
            model.net, preprocessing=preprocessing, settings=settings, rng=np.random.default_rng(seed), size=size,
            callback=watch, checkpoint=watch.checkpoint, **objective)
    goal = DreamGoal(model.net, **objective)
    checks = [*check_noise_dream(model.net, noise, watch.image, preprocessing, **objective),
              *check_ascent(model.net, goal, preprocessing, settings, watch.frames, watch.image,
                            np.random.default_rng(seed), steps=len(watch.history))]
    frames = {0: noise, **watch.frames}
    panels = [(f"step {step}", preprocessing.to_image(frames[step]), SMOOTH) for step in SHOWN
              if step in frames and step < len(watch.history)]
    if dream.guide is not None:
        panels.insert(0, ("guide", dream.guide, SMOOTH))
    panels.append((dream.caption, preprocessing.to_image(watch.image), SMOOTH))
    title = f"{model.name}: a dream from noise, {dream.caption}" + (", stopped" if watch.stopped else "")
    yield Picture(
        NAMES[0], title, plot.show_panels(panels, len(panels), title), watch.image,
        "The picture started as noise and was changed along the gradient of a dream's objective. It owes nothing to a "
        "photo, so it shows only the patterns of the layer, of the channel or of the guide.",
        SOURCE + "; Olah et al. 2017, Feature Visualization", checks,
        {"dream": dream.caption, "size": size, "seed": seed} | asdict(settings), watch.history,
        {"picture": preprocessing.to_image(watch.image)})
    if run is not None:
        run.finish(watch.stopped)
    elif watch.stopped is not None:
        raise watch.stopped
