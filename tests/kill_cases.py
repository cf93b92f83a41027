"""The demos that can be continued, with settings for short runs, and the points where the runs are ended."""

import random
import signal

SHAPES = ["--model", "shapes", "--device", "cpu"]
FEW = ["--steps", "8", "--save-every", "3"]
SMALL_FOLDER = ["--device", "cpu", "--resume", "{out}/kept", "--out", "{out}"]

CASES = {  # name -> (module, arguments, options that continue the run)
    "class_visualization": ("class_visualization", [*SHAPES, "--class", "0", "--class", "1", "--steps", "12",
                                                    "--save-every", "4"], ["--resume"]),
    "class_presets": ("class_visualization", [*SHAPES, "--class", "0", "--compare", "--steps", "6", "--save-every", "4",
                                              "--size", "32"], ["--resume"]),
    "deepdream": ("deepdream", [*SHAPES, "--octaves", "2", "--steps", "6", "--save-every", "4", "--size", "64"],
                  ["--resume"]),
    "deepdream_zoom": ("deepdream", [*SHAPES, "--zoom", "3", "--octaves", "1", "--steps", "2", "--size", "48"],
                       ["--resume"]),
    "texture_gram": ("texture_gram", [*SHAPES, *FEW, "--size", "32"], ["--resume"]),
    "style_transfer": ("style_transfer", [*SHAPES, *FEW, "--size", "48"], ["--resume"]),
    "style_sweep": ("style_transfer", [*SHAPES, "--sweep", "--steps", "4", "--save-every", "3", "--size", "48"],
                    ["--resume"]),
    "inversion": ("inversion", [*SHAPES, "--rates", "8x0.01", "--save-every", "3"], ["--resume"]),
    "fooling": ("fooling", [*SHAPES, "--save-every", "3"], ["--resume"]),
    "pgd": ("pgd", [*SHAPES, "--steps", "4", "--save-every", "2", "--radii", "4"], ["--resume"]),
    "universal": ("universal", [*SHAPES, "--count", "12", "--passes", "2", "--save-every", "3"], ["--resume"]),
    "semantic_grid": ("semantic_grid", [*SHAPES, *FEW, "--cells", "5", "--size", "24"], ["--resume"]),
    "atlas": ("atlas", [*SHAPES, *FEW, "--count", "60", "--per-photo", "3", "--cells", "5", "--size", "24"],
              ["--resume"]),
    "multifaceted": ("multifaceted", [*SHAPES, "--save-every", "40", "--facets", "2"], ["--resume"]),
    "generator_prior": ("generator_prior", [*SHAPES, *FEW, "--class", "2"], ["--resume"]),
    "neuron_visualization": ("neuron_visualization", [*SHAPES, *FEW], ["--resume"]),
    "neuron_grid": ("neuron_visualization", [*SHAPES, *FEW, "--grid", "--columns", "2"], ["--resume"]),
    "neighbours": ("neighbours", SMALL_FOLDER, []),
    "training": ("train_shapes", ["--steps", "4", "--batch-size", "4", "--checkpoint", "{out}/state.npz", "-o",
                                  "{out}/shapes.h5"], ["--overwrite"]),
}


def all_points(seed=0):
    """Return 10 random points, one for each signal that asks to end, and every call that changes the file system."""
    rng = random.Random(seed)
    return [*(("call", rng.random(), signal.SIGKILL) for _ in range(10)),
            *(("call", rng.random(), number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
            ("file", None, signal.SIGKILL)]


def few_points(seed=0):
    """Return a random point for two signals, and three calls that change the file system."""
    rng = random.Random(seed)
    return [("call", rng.random(), signal.SIGKILL), ("call", rng.random(), signal.SIGTERM),
            *(("file", share, signal.SIGKILL) for share in (0.35, 0.7, 0.95))]
