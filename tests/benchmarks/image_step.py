"""Time of a step of class visualization outside the network: python tests/benchmarks/image_step.py

One step by "distill" (spectrum, colours, jitter, scale, crop, Adam) and one by "cs231n" (pixels) take turns in the same
process, so that other work on the machine slows both. Needs squeezenet1_1 in the cache folder.
"""

import argparse
import statistics
import time

import numpy as np

from minicnn import load_model, set_num_threads
from minicnn.losses import ClassScore, loss_and_gradient
from minicnn.optimize import Clamp, optimize_image
from minicnn.visualize.synthesis.ascent import ascent_update, regularizers
from minicnn.visualize.synthesis.ascent_settings import CLASS_PRESETS
from minicnn.visualize.synthesis.canvas import Canvas

TARANTULA = 76


class Ascent:
    """A class visualization that is continued step by step."""

    def __init__(self, model, preset, size):
        settings = CLASS_PRESETS[preset]
        self.net, self.rng = model.net, np.random.default_rng(0)
        self.canvas = Canvas(model.preprocessing, settings, size, model.net.device)
        self.update = ascent_update(settings, 1.0, (1, size))
        self.project = regularizers(settings, size, self.update, Clamp(*model.preprocessing.valid_range()))
        self.z, self.inside = self.canvas.draw(1, self.rng), 0.0

    def network(self, *arguments):
        """Return `loss_and_gradient`, and note its time."""
        start = time.perf_counter()
        result = loss_and_gradient(*arguments)
        self.inside = time.perf_counter() - start
        return result

    def step(self):
        """Take a step and return (milliseconds in the network, milliseconds outside)."""
        start = time.perf_counter()
        self.z, _ = optimize_image(self.net, self.z, [(-1.0, ClassScore(self.net.output, TARANTULA))],
                                   update=self.update, num_steps=1, transforms=self.canvas.transforms(),
                                   project=self.project, rng=self.rng, compute=self.network,
                                   parametrization=self.canvas.parametrization)
        whole = time.perf_counter() - start
        assert self.z.dtype == np.float32
        return 1e3 * self.inside, 1e3 * (whole - self.inside)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="number of steps (default: 200)")
    parser.add_argument("--size", type=int, default=224, help="side of the picture in pixels (default: 224)")
    parser.add_argument("--threads", type=int, default=2, help="number of threads (default: 2)")
    arguments = parser.parse_args()
    set_num_threads(arguments.threads)
    model = load_model("squeezenet1_1").fast()
    ascents = {preset: Ascent(model, preset, arguments.size) for preset in ("distill", "cs231n")}
    times = {preset: [] for preset in ascents}
    for _ in range(arguments.steps):
        for preset, ascent in ascents.items():
            times[preset].append(ascent.step())
    for preset, both in times.items():
        inside, outside = (statistics.median(part) for part in zip(*both[10:], strict=True))
        print(f"{preset}: {outside:.1f} ms outside the network, {inside:.1f} ms inside; medians of {len(both) - 10} "
              f"steps, {arguments.size} pixels, threads: {arguments.threads}")
