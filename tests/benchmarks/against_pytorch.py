"""Our time and memory against PyTorch's on the same work: python tests/benchmarks/against_pytorch.py [--out plot.png]

Both in one process, two threads each, in turn: ours, PyTorch in its two memory layouts, ours, …, each call right after
an untimed one; what counts is the median of the paired ratios to the faster layout. Peak memory is of separate
processes, one for each. The share of the peak is that of the convolutions as defined, at the speed of a large product.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from workloads import WORKLOADS

import minicnn

THREADS = 2
SHORT, MORE = 0.3, 4  # seconds of a short work, which other work on a shared machine disturbs most; it has more pairs


class Row(NamedTuple):
    """A work: our time over PyTorch's, the least and the largest of the repeats, what it should be at most, and the
    peaks in megabytes (ours, NCHW, channels-last), or []."""

    name: str
    ratio: float
    spread: tuple
    reach: float
    memory: list


def seconds(function):
    """How long a call takes right after another one: what the other library left in the caches, and its threads that
    wait busily for more, are gone then."""
    function()
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(workload, repeats):
    """(ours, PyTorch NCHW, PyTorch channels-last: median seconds), and the paired ratios to the faster, sorted.

    A short work has MORE times as many pairs as `repeats`.
    """
    sides = workload.ours(), workload.theirs(False), workload.theirs(True)
    for side in sides:
        side()
    if sum(map(seconds, sides)) < SHORT * len(sides):
        repeats *= MORE
    times = np.array([[seconds(side) for side in sides] for _ in range(repeats)])
    medians = np.median(times, axis=0)
    faster = 1 + int(medians[2] < medians[1])
    return medians, sorted(times[:, 0] / times[:, faster])


def peak_memory(name, side):
    """Megabytes that a process takes at most that does the work three times with one of the two libraries."""
    done = subprocess.run([sys.executable, __file__, "--alone", name, side], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def work_alone(name, side):
    """Print how far the work's peak, its network included, is above what the imports took."""
    workload = WORKLOADS[name]
    before = peak()
    work = workload.ours() if side == "ours" else workload.theirs(side == "channels_last")
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak of making the network, with layers not used here
    for _ in range(3):
        work()
    print(peak() - before)


def peak():
    """The most memory that this process has had, in megabytes."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1000


def product_peak():
    """Billions of multiplications and additions a second in a large product on all threads."""
    a = np.ones((2048, 2048), np.float32)
    best = min(seconds(lambda: a @ a) for _ in range(10))
    return 2 * 2048**3 / best / 1e9


def share(workload, seconds, peak_rate):
    """What part of the product's speed the work's multiplications and additions reach; above 1 with Winograd's way."""
    return 2 * workload.multiply_adds() / seconds / 1e9 / peak_rate


def draw(rows, path):
    """Two panels of bars: time and peak memory, 1 being PyTorch's; red marks are goals, and what is beyond is grey."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = rows[::-1]
    panels = [("time of minicnn / time of PyTorch", [row.ratio for row in rows], [row.reach for row in rows])]
    if all(row.memory for row in rows):
        panels.append(("peak memory of minicnn / of PyTorch", [row.memory[0] / min(row.memory[1:]) for row in rows],
                       [1.0] * len(rows)))
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 + 3.2 * len(panels), 0.42 * len(rows) + 1.1),
                                   layout="constrained", sharey=True, squeeze=False)
    for axis, (title, values, goals) in zip(axes[0], panels, strict=True):
        axis.barh([row.name for row in rows], values,
                  color=["#3572A5" if round(value, 2) <= goal else "#b8c4ce"
                         for value, goal in zip(values, goals, strict=True)])
        spreads = [row.spread if axis is axes[0, 0] else (value, value)
                   for row, value in zip(rows, values, strict=True)]
        for y, (value, goal, spread) in enumerate(zip(values, goals, spreads, strict=True)):
            axis.plot(spread, [y, y], color="black", linewidth=1)
            axis.plot([goal, goal], [y - 0.5, y + 0.5], color="#c44", linewidth=1)
            axis.text(max(goal, spread[1]), y, f" {value:.2f}", va="center", fontsize=9)
        axis.set_xlim(0, 1.15 * max(1, *(spread[1] for spread in spreads)))
        axis.set_title(title + " (less is better)", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def run(arguments):
    """Print the table; draw it."""
    peak_rate = product_peak()  # before BLAS is held to one thread
    torch.set_num_threads(THREADS)
    minicnn.set_num_threads(THREADS)
    print(f"{THREADS} threads; NumPy's product reaches {peak_rate:.0f} GFLOP/s; PyTorch {torch.__version__}, "
          f"NumPy {np.__version__}")
    chosen = [name for name in WORKLOADS if all(word in name for word in arguments.only)]
    print(f"{'':<48} {'ours':>9} {'NCHW':>9} {'ch. last':>9}  ratio     spread  reach  of peak  "
          "MB: ours, NCHW, ch. last")
    rows = []
    for name in chosen:
        workload = WORKLOADS[name]
        medians, ratios = compare(workload, arguments.repeats)
        ratio, spread = statistics.median(ratios), (ratios[0], ratios[-1])
        memory = [] if arguments.no_memory else [peak_memory(name, side) for side in ("ours", "nchw", "channels_last")]
        rows.append(Row(name, ratio, spread, workload.reach, memory))
        print(f"{name:<48} " + " ".join(f"{1e3 * value:>6.1f} ms" for value in medians)
              + f"  {ratio:>5.2f}  {spread[0]:.2f}-{spread[1]:.2f}  {workload.reach:>5.2f}  "
              + f"{share(workload, medians[0], peak_rate):>7.0%}  "
              + ", ".join(f"{value:.0f}" for value in memory), flush=True)
    if arguments.out:
        draw(rows, arguments.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], help="words that the rows' names must have")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--out", help="a picture to write")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        work_alone(*arguments.alone)
    else:
        run(arguments)
