"""Our t-SNE against scikit-learn's on the 10,000 test digits: python tests/benchmarks/tsne.py FOLDER_WITH_MNIST

Both map the features of the network `digits`, with their own defaults, one after the other in one process.
Trustworthiness (k = 12) measures how well neighbours on the map are neighbours in the features. The accuracy is the
share of points whose nearest point on the map is of the same class. --seeds N repeats the comparison with N seeds;
differences smaller than those between seeds are due to chance.
"""

import argparse
import time

import numpy as np
from sklearn.manifold import TSNE

from minicnn.datasets.mnist import load_digits
from minicnn.models import load_model
from minicnn.visualize.embedding.features import image_features
from minicnn.visualize.embedding.pca import pca
from minicnn.visualize.embedding.tsne import tsne
from minicnn.visualize.embedding.tsne_check import one_nearest_accuracy, trustworthiness


def seconds(function):
    """Return (the function's result, seconds of wall time, seconds of processor time)."""
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    return result, time.perf_counter() - wall, time.process_time() - processor


def report(name, features, labels, measured, divergence=""):
    """Print a line of the table."""
    positions, wall, processor = measured
    print(f"{name:<14} {wall:>8.1f} {processor:>11.1f} {trustworthiness(features, positions):>16.4f} "
          f"{one_nearest_accuracy(positions, labels):>15.4f} {divergence:>11}", flush=True)


def compare(features, labels, seed):
    """Print the lines of PCA and of both t-SNEs."""
    report("PCA", features, labels, seconds(lambda: pca(features, 2).positions))
    (positions, history), *times = seconds(lambda: tsne(features, rng=np.random.default_rng(seed)))
    report("minicnn", features, labels, (positions, *times), f"{history[-1][1]:.3f}")
    theirs = TSNE(random_state=seed, n_jobs=-1)
    measured = seconds(lambda: theirs.fit_transform(features))
    report("scikit-learn", features, labels, measured, f"{theirs.kl_divergence_:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="folder of MNIST's test digits, t10k*")
    parser.add_argument("--seeds", type=int, default=1)
    arguments = parser.parse_args()
    x, labels = load_digits(arguments.folder, "t10k")
    features = image_features(load_model("digits", "cpu").fast().net, x, batch_size=100)
    print(f"{len(x):,} points of {features.shape[1]}; the 1-NN accuracy of all the features is "
          f"{one_nearest_accuracy(features, labels):.4f}")
    print(f"{'':<14} {'seconds':>8} {'CPU seconds':>11} {'trustworthiness':>16} {'1-NN accuracy':>15} "
          f"{'divergence':>11}", flush=True)
    for seed in range(arguments.seeds):
        compare(features, labels, seed)
