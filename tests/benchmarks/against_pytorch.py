"""Our time and memory against PyTorch's on the same work: python tests/benchmarks/against_pytorch.py [--out plot.png]

Both in one process, two threads each, in turn: ours, PyTorch in its two memory layouts, ours, …; what counts is the
median of the paired ratios to the faster layout. Peak memory is of separate processes, one for each.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from workloads import WORKLOADS

import minicnn

THREADS = 2


def seconds(function):
    """How long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(workload, repeats):
    """(ours, PyTorch NCHW, PyTorch channels-last: median seconds), and the median paired ratio to the faster."""
    sides = workload.ours(), workload.theirs(False), workload.theirs(True)
    for side in sides:
        side()
        side()
    times = np.array([[seconds(side) for side in sides] for _ in range(repeats)])
    medians = np.median(times, axis=0)
    faster = 1 + int(medians[2] < medians[1])
    return medians, statistics.median(times[:, 0] / times[:, faster])


def peak_memory(name, side):
    """Megabytes that a process takes at most that does the work three times with one of the two libraries."""
    done = subprocess.run([sys.executable, __file__, "--alone", name, side], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def work_alone(name, side):
    """Print the growth of this process's peak over what the imports took."""
    workload = WORKLOADS[name]
    before = peak()
    work = workload.ours() if side == "ours" else workload.theirs(side == "channels_last")
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


def draw(rows, path):
    """The ratios as bars, 1 being PyTorch's faster layout."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [row[0] for row in rows][::-1]
    figure, axes = pyplot.subplots(figsize=(9, 0.45 * len(rows) + 1.2), layout="constrained")
    axes.barh(names, [row[2] for row in rows][::-1], color="#3572A5")
    axes.axvline(1, color="#c44", label="PyTorch, the faster of its two layouts")
    for y, row in enumerate(rows[::-1]):
        axes.text(row[2] + 0.01, y, f"{row[2]:.2f}", va="center", fontsize=9)
    axes.set_xlabel("time of minicnn / time of PyTorch (less is faster)")
    axes.legend(loc="lower right", fontsize=8)
    figure.savefig(path, dpi=110)


def run(arguments):
    """Print the table; draw it."""
    peak_rate = product_peak()  # before BLAS is held to one thread
    torch.set_num_threads(THREADS)
    minicnn.set_num_threads(THREADS)
    print(f"{THREADS} threads; NumPy's product reaches {peak_rate:.0f} GFLOP/s; PyTorch {torch.__version__}, "
          f"NumPy {np.__version__}")
    chosen = [name for name in WORKLOADS if all(word in name for word in arguments.only)]
    print(f"{'':<48} {'ours':>9} {'NCHW':>9} {'ch. last':>9}  ratio  reach   peak MB: ours, NCHW, ch. last")
    rows = []
    for name in chosen:
        workload = WORKLOADS[name]
        medians, ratio = compare(workload, arguments.repeats)
        memory = [] if arguments.no_memory else [peak_memory(name, side) for side in ("ours", "nchw", "channels_last")]
        rows.append((name, medians, ratio))
        print(f"{name:<48} " + " ".join(f"{1e3 * value:>6.1f} ms" for value in medians)
              + f"  {ratio:>5.2f}  {workload.reach:>5.2f}   " + ", ".join(f"{value:.0f}" for value in memory),
              flush=True)
    if arguments.out:
        draw(rows, arguments.out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--only", nargs="*", default=[], help="words that the rows' names must have")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--out", help="a picture to write")
    parser.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        work_alone(*arguments.alone)
    else:
        run(arguments)
