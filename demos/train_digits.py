"""Train the shipped network `digits`: minicnn train_digits FOLDER_WITH_MNIST -o digits.h5"""

from argparse import ArgumentParser, Namespace
from functools import partial

from minicnn.datasets.mnist import PREPROCESSING, load_digits
from minicnn.models import digits
from minicnn.models.weights import Header, save_weights
from minicnn.training import Distortion, MiniBatches, accuracy, distort

from .shared.command import main
from .shared.training import train_with_progress, training_parser


def run(arguments: Namespace) -> None:
    """Train the network, print its accuracy on the test digits, and save it."""
    x, labels = load_digits(arguments.folder, "train")
    test_x, test_labels = load_digits(arguments.folder, "t10k")
    net = digits(seed=arguments.seed)
    augment = partial(distort, distortion=Distortion(elastic=6.0))
    batches = MiniBatches(x, labels, arguments.batch_size, arguments.seed, augment)
    train_with_progress(net, batches, arguments, weight_decay=1e-3)
    print(f"accuracy on {len(test_x)} test digits: {accuracy(net, test_x, test_labels):.2%}")
    header = Header("digits", "digits", PREPROCESSING, [str(digit) for digit in range(10)],
                    origin="trained by demos/train_digits.py on MNIST", licence="MIT")
    save_weights(arguments.out, net, header, overwrite=arguments.overwrite)
    print(f"wrote {arguments.out}")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = training_parser("train_digits", __doc__, steps=4000, batch_size=100)
    parser.add_argument("folder", help="folder of MNIST's idx files, or of train*.npz and t10k*.npz with arrays x, y")
    return parser


if __name__ == "__main__":
    main(run, parser())
