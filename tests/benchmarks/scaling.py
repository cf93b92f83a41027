"""Our time against the number of pixels and of pictures: python tests/benchmarks/scaling.py [--network NAME]

Forward and the gradient to the picture. The exponent is that of time = a * pixels ** exponent, fitted to logarithms:
1 is linear; above, the larger ones cost more than their share.
"""

import argparse
import time

import numpy as np

from minicnn import models

SIZES = (128, 181, 256, 362, 512, 724, 1024)
BATCHES = (1, 2, 4, 8, 16, 32)
BATCH_SIZE = 128  # pixels a side, for the batches
REPEATS = 3


def there_and_back(net, x):
    """Once; seconds."""
    start = time.perf_counter()
    trace = net.forward(x, keep=(net.output,))
    out = trace.activations[net.output]
    net.backward(trace, {net.output: np.ones_like(out)})
    return time.perf_counter() - start


def measure(net, shapes):
    """The least seconds for each shape, printed as they come."""
    rng, least = np.random.default_rng(0), []
    for shape in shapes:
        x = rng.standard_normal(shape, np.float32)
        least.append(min(there_and_back(net, x) for _ in range(REPEATS + 1)))
        print(f"  {shape[0]:>3} x {shape[2]:>4} x {shape[3]:>4}: {1e3 * least[-1]:>8.1f} ms, "
              f"{1e9 * least[-1] / (shape[0] * shape[2] * shape[3]):>7.0f} ns a pixel", flush=True)
    return least


def exponent(amounts, seconds):
    """The slope of the line through the logarithms."""
    return np.polyfit(np.log(amounts), np.log(seconds), 1)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="vgg16", choices=("vgg16", "vgg19", "squeezenet1_0", "squeezenet1_1"))
    name = parser.parse_args().network
    net = getattr(models, name)()
    net = net.trunk("pool5" if name.startswith("vgg") else "fire9/concat").fast()
    print(f"{name}, features")
    seconds = measure(net, [(1, 3, size, size) for size in SIZES])
    print(f"exponent over {SIZES[0]} to {SIZES[-1]} pixels a side: {exponent(np.square(SIZES), seconds):.2f}")
    seconds = measure(net, [(batch, 3, BATCH_SIZE, BATCH_SIZE) for batch in BATCHES])
    print(f"exponent over {BATCHES[0]} to {BATCHES[-1]} pictures: {exponent(BATCHES, seconds):.2f}")
