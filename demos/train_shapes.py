"""Train the shipped network `shapes` on shapes drawn during the training: minicnn train_shapes -o shapes.h5"""

from argparse import ArgumentParser, Namespace

import numpy as np

from minicnn.datasets.shapes import CLASSES, PREPROCESSING, ShapeBatches
from minicnn.models import shapes
from minicnn.models.weights import Header, save_weights
from minicnn.training import accuracy

from .shared.command import main
from .shared.training import train_with_progress, training_parser

TEST_SEED = 1_000_000  # of images that are not in any training


def run(arguments: Namespace) -> None:
    """Train the network, print its accuracy on new images, and save it."""
    net = shapes(seed=arguments.seed)
    # Noise in the images gives smooth filters and clean gradients, as it raises the cost of unused weights.
    batches = ShapeBatches(arguments.batch_size, arguments.seed, noise=0.6)
    train_with_progress(net, batches, arguments, weight_decay=0.3)
    test_batches = [ShapeBatches(250, TEST_SEED)(step) for step in range(8)]
    x, labels = (np.concatenate(parts) for parts in zip(*test_batches, strict=True))
    print(f"accuracy on {len(x)} new images: {accuracy(net, x, labels):.2%}")
    header = Header("shapes", "shapes", PREPROCESSING, list(CLASSES),
                    origin="trained by demos/train_shapes.py on images drawn by minicnn/datasets/shapes.py",
                    licence="MIT")
    save_weights(arguments.out, net, header, overwrite=arguments.overwrite)
    print(f"wrote {arguments.out}")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    return training_parser("train_shapes", __doc__, steps=2500, batch_size=48)


if __name__ == "__main__":
    main(run, parser())
