"""Images per second of a sweep for maximally activating patches: python tests/benchmarks/sweep.py [--workers 1 2]

The shipped network `shapes` reads drawn shapes from memory: in this process with one thread and with all threads, then
in pools of worker processes with one thread each. All must give the same patches.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context

import numpy as np

from minicnn import get_num_threads, load_model, set_num_threads
from minicnn.datasets.shapes import CLASSES, draw_shapes
from minicnn.sweep import start_worker
from minicnn.visualize.units.patches import top_patches

LAYER, BATCH = "relu5", 32


def measure(net, x, executor):
    """Return (images per second, the TopPatches). Eight batches come first, unmeasured, so that the workers start."""
    batches = [x[start:start + BATCH] for start in range(0, len(x), BATCH)]
    top_patches(net, batches[:8], LAYER, executor=executor)
    start = time.perf_counter()
    found = top_patches(net, batches, LAYER, executor=executor)
    return len(x) / (time.perf_counter() - start), found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    arguments = parser.parse_args()
    model = load_model("shapes", "cpu").fast()
    images, _ = draw_shapes(np.arange(arguments.pictures) % len(CLASSES), np.random.default_rng(0))
    x = model.preprocessing.to_input(images)
    print(f"{len(x):,} images of 64x64, {LAYER}, batches of {BATCH}")
    threads, first = get_num_threads(), None
    for name, count, workers in [("this process, 1 thread", 1, 0), (f"this process, {threads} threads", threads, 0),
                                 *((f"{workers} worker processes", 1, workers) for workers in arguments.workers)]:
        set_num_threads(count)
        pool = ProcessPoolExecutor(workers, get_context("spawn"), start_worker) if workers else nullcontext()
        with pool as executor:
            rate, found = measure(model.net, x, executor)
        first = first or found
        same = all(np.array_equal(a, b) for a, b in zip(first, found, strict=True))
        print(f"{name:<24} {rate:>7.0f} images per second" + ("" if same else "   OTHER PATCHES"), flush=True)
