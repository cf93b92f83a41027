"""Draw how two threads share a pass of SqueezeNet 1.1: python tests/benchmarks/rows_picture.py [--out rows.png]

The picture shows the plan of `net.fast()` for an image of 224 x 224 pixels: every map, the rows of each thread, the
steps, and the meetings between them. It is minicnn/fast/rows.png.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from matplotlib.patches import Patch
from PIL import Image

from minicnn import models, set_num_threads

PICTURE = Path(__file__).parents[2] / "minicnn" / "fast" / "rows.png"
COLOURS = ("#7FB2DD", "#F0B45A")  # of the threads
MEETING = "#b03030"
STEP = "#e9edf0"
TEXT = 8          # points
WIDTH = 0.68      # of a map, where maps follow at a distance of 1
TALLEST = 0.86    # the image, where a row of maps has a height of 1
NAMES = {"input": "image", "relu_conv1": "conv1", "relu_conv10": "conv10"}


def plan_of_squeezenet(threads=2):
    """The plan of the only chain, and a space with its maps."""
    set_num_threads(threads)
    net = models.squeezenet1_1().fast()
    x = np.zeros((1, 3, 224, 224), np.float32)
    chained = net._chained(x, None, (net.output,))
    plan = chained.nodes[0].layer.plan
    return plan, plan.make_space(differentiable=True)


def short_name(stage):
    """A short name for the map, such as 'fire2 squeeze' or 'fire2 expand'."""
    fire, _, rest = stage.name.partition("/")
    if not rest:
        return NAMES.get(stage.name, stage.name)
    return f"{fire} {'expand' if rest == 'concat' else 'squeeze'}"


def draw_map(axis, x, base, stage, shares, is_whole):
    """One map as a rectangle on the line `base`: each thread's rows in its colour; dashed if only bands exist."""
    height = stage.shape[0]
    unit = TALLEST * (height / 224) ** 0.5 / height
    top = base + height * unit
    for (first, last), colour in zip(shares, COLOURS, strict=True):
        axis.bar(x, (last - first) * unit, WIDTH, top - last * unit, color=colour, alpha=1 if is_whole else 0.4,
                 linewidth=0)
        axis.text(x, top - (first + last) / 2 * unit, last - first, ha="center", va="center", fontsize=TEXT)
    axis.bar(x, height * unit, WIDTH, base, fill=False, edgecolor="black", linewidth=0.7,
             linestyle="-" if is_whole else (0, (2, 1.5)))


def draw_way(axis, plan, base, steps, is_whole, order):
    """All steps of one way as rectangles behind their maps, and a line for each meeting between two of them."""
    places = {stage.name: i for i, stage in enumerate(plan.chain.stages)}
    for number, step in enumerate(steps, 1):
        columns = [places[stage.name] for stage in step.stages]
        low, high = min(columns) - 0.44, max(columns) + 0.44
        axis.bar((low + high) / 2, 1.02, high - low, base - 0.03, color=STEP, zorder=0)
        axis.text((low + high) / 2, base + 1.04, number, ha="center", va="bottom", fontsize=TEXT)
        for i, stage in enumerate(step.stages):
            shares = [step.rows(i, share) for share in step.shares]
            draw_map(axis, places[stage.name], base, stage, shares, is_whole(stage))
        if number < len(steps):
            edge = max(columns) + 0.5 if order > 0 else min(columns) - 0.5
            axis.plot([edge, edge], [base - 0.05, base + 1.1], color=MEETING, linewidth=1.3)


def draw(path):
    """Draw the picture: the way forward above, the way back below, the names of the maps between them."""
    plan, space = plan_of_squeezenet()
    stages = plan.chain.stages
    figure, axis = pyplot.subplots(figsize=(9.6, 4.9), layout="constrained")
    forward, back = 1.85, 0.0
    draw_way(axis, plan, forward, plan.forward_steps, lambda stage: stage.name in space.maps, 1)
    is_whole_back = {name for name, _ in space.gradients} | {plan.chain.last.name, plan.chain.entry.name}
    draw_way(axis, plan, back, plan.backward_steps, lambda stage: stage.name in is_whole_back, -1)
    image = TALLEST * (stages[0].shape[0] / 224) ** 0.5
    axis.bar(0, image, WIDTH, forward, color="white", edgecolor="black", linewidth=0.7)
    axis.text(0, forward + image / 2, stages[0].shape[0], ha="center", va="center", fontsize=TEXT)
    for i, stage in enumerate(stages):
        axis.text(i, (forward + back + 1.17) / 2 - 0.02, short_name(stage).replace(" ", "\n"), rotation=90, ha="center",
                  va="center", fontsize=TEXT, linespacing=0.95)
    for y, text in ((forward + 0.5, "forward: maps →"), (back + 0.5, "← back: gradients")):
        axis.text(-0.75, y, text, rotation=90, ha="center", va="center", fontsize=TEXT + 2)
    axis.set_xlim(-1.05, len(stages) - 0.5)
    axis.set_ylim(-0.08, forward + 1.2)
    axis.axis("off")
    figure.suptitle("One pass of SqueezeNet 1.1 on two threads: each thread owns the same rows of every map",
                    fontsize=TEXT + 3)
    axis.set_title("A number is the count of rows. The height of a map stands for the square root of its rows.",
                   fontsize=TEXT, pad=2)
    marks = [Patch(color=COLOURS[0], label="rows of thread 1"), Patch(color=COLOURS[1], label="rows of thread 2"),
             Patch(facecolor="white", edgecolor="black", linestyle="--", label="exists only band by band"),
             Patch(color=STEP, label="one step"),
             pyplot.Line2D([], [], color=MEETING, label="the threads meet")]
    figure.legend(handles=marks, loc="outside lower center", ncols=5, fontsize=TEXT, frameon=False,
                  handlelength=1.3, columnspacing=2)
    figure.savefig(path, dpi=100)
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)  # a third of the bytes


def main():
    """Read the option and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=PICTURE, help="where to draw (default: %(default)s)")
    draw(parser.parse_args().out)


if __name__ == "__main__":
    main()
