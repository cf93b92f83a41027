"""Trains the shipped `shapes` network on pictures drawn as it goes: python -m demos.train_shapes -o shapes.h5"""

import numpy as np

from demos.shared.command import main
from demos.shared.training import train_with_progress, training_parser
from minicnn.datasets.shapes import CLASSES, PREPROCESSING, ShapeBatches
from minicnn.models import shapes
from minicnn.models.weights import Header, save_weights
from minicnn.training.train import accuracy

TEST_SEED = 1_000_000  # pictures that no training sees


def run(arguments):
    """Train, report the accuracy on freshly drawn pictures, save."""
    net = shapes(seed=arguments.seed)
    # Noise in the pictures makes smooth filters and clean gradients: what a filter needs not, the noise punishes.
    batches = ShapeBatches(arguments.batch_size, arguments.seed, noise=0.6)
    train_with_progress(net, batches, arguments, weight_decay=0.3)
    fresh = [ShapeBatches(250, TEST_SEED)(step) for step in range(8)]
    x, labels = (np.concatenate(parts) for parts in zip(*fresh, strict=True))
    print(f"accuracy on {len(x)} freshly drawn pictures: {accuracy(net, x, labels):.2%}")
    header = Header("shapes", "shapes", PREPROCESSING, list(CLASSES),
                    origin="trained by demos/train_shapes.py on pictures drawn by minicnn/shapes.py", licence="MIT")
    save_weights(arguments.out, net, header, overwrite=arguments.overwrite)
    print(f"wrote {arguments.out}")


def parser():
    """The command line."""
    return training_parser("train_shapes", __doc__, steps=2500, batch_size=48)


if __name__ == "__main__":
    main(run, parser())
