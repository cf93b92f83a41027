"""Train the shipped network `photos` on Caltech 101: minicnn train_photos FOLDER --checkpoint state.npz"""

import json
import time
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from minicnn.backend import Array, to_host
from minicnn.datasets.photo_classes import (
    CLASSES,
    PREPROCESSING,
    PhotoBatches,
    class_files,
    held_out_photos,
    read_small,
)
from minicnn.files import replacing
from minicnn.models import fold_norms, photos
from minicnn.models.weights import Header, save_weights
from minicnn.network import Network
from minicnn.plot import save_figure
from minicnn.training import AdversarialBatches, Adversary, WeightAverage, smoothed_cross_entropy

from .shared.command import main, natural_number, positive_int
from .shared.photos_log import curve_figure, show_table
from .shared.training import train_with_progress, training_parser

LICENCE = ("CC BY 4.0; trained on Caltech 101: Fei-Fei Li, Marco Andreeto, Marc'Aurelio Ranzato and Pietro Perona, "
           "2022, Caltech 101 (1.0), CaltechDATA, https://doi.org/10.22002/D1.20086")
SPLIT_SEED = 1  # of the held-out photos: the same for every training, so that trainings can be compared


def run(arguments: Namespace) -> None:
    """Train the network, print its accuracy on the held-out photos, and save it with its curve and its log.

    A training may continue with another number of steps: the learning rate, the radius and the size of the photos then
    follow the new number.
    """
    started = time.time()
    training, held_out = class_files(arguments.folder, CLASSES, seed=SPLIT_SEED)
    arrays = [[read_small(path) for path in paths] for paths in tqdm(training, "photos", unit="class", disable=None)]
    x, labels = held_out_photos(held_out)
    batches = PhotoBatches(arrays, arguments.batch_size, arguments.seed, arguments.per_class,
                           small_steps=int(0.8 * arguments.steps))
    print(f"{sum(map(len, arrays)):,} photos to train on, {len(x):,} held out, {len(CLASSES)} classes, "
          f"{batches.steps_per_epoch()} steps an epoch")
    net = photos(seed=arguments.seed, num_classes=len(CLASSES), batch_norm=True)
    average = WeightAverage(net, arguments.average)
    log = TrainingLog(arguments, average, x, labels)
    if arguments.checkpoint and Path(arguments.checkpoint).exists():
        arguments.overwrite = True  # of the file that the interrupted run has written
    adversary = Adversary(arguments.radius, PREPROCESSING.std, arguments.ascent, arguments.steps // 8,
                          arguments.steps // 4, arguments.seed)
    train_with_progress(
        net, AdversarialBatches(net.fast(), batches, adversary), arguments, arguments.learning_rate,
        callback=log.look, checkpoint_every=100, changeable=("steps",), weight_decay=arguments.weight_decay,
        loss=partial(smoothed_cross_entropy, smoothing=arguments.smoothing), average=average)
    table = log.finish(time.time() - started)
    show_table(table)
    print(f"wrote {arguments.out}")


class TrainingLog:
    """The accuracy on held-out photos during the training, in a JSON file beside the network, and its curve.

    Each look also writes the network, so that there is always one to try.
    """

    def __init__(self, arguments: Namespace, average: WeightAverage, x: Array, labels: Array) -> None:
        self.arguments, self.average, self.x, self.labels = arguments, average, x, labels
        self.out = Path(arguments.out)
        self.path = self.out.with_suffix(".json")
        self.looks: list[list[float]] = []
        if arguments.checkpoint and Path(arguments.checkpoint).exists() and self.path.exists():
            self.looks = json.loads(self.path.read_text(encoding="utf-8"))["looks"]

    def look(self, step: int) -> None:
        """Measure the accuracy after every `--look-every` steps."""
        if (step + 1) % self.arguments.look_every == 0 or step + 1 == self.arguments.steps:
            self.looks = [look for look in self.looks if look[0] < step + 1]
            card = self.write(step + 1, 0)
            print(f"step {step + 1}: {card['mean class accuracy']:.1%} of held-out photos, mean of the classes",
                  flush=True)

    def finish(self, seconds: float) -> dict[str, Any]:
        """Write the last state with the time of this run and return the run card."""
        return self.write(self.arguments.steps, seconds)

    def write(self, step: int, seconds: float) -> dict[str, Any]:
        """Write the network, the run card and the curve after `step` steps. Return the run card."""
        net = fold_norms(self.average.network())
        guesses = predictions(net.fast(), self.x)
        recalls = [float((guesses[self.labels == k] == k).mean()) for k in range(len(CLASSES))]
        right = float((guesses == self.labels).mean())
        if not self.looks or self.looks[-1][0] != step:
            self.looks.append([step, right, float(np.mean(recalls))])
        card = {
            "settings": {key: value for key, value in vars(self.arguments).items() if key not in ("folder", "out")},
            "parameters": net.num_parameters(), "held out": len(self.x), "seconds of this run": round(seconds),
            "mean class accuracy": float(np.mean(recalls)), "accuracy": right,
            "classes": {label: [recall, int((self.labels == k).sum())]
                        for k, (label, recall) in enumerate(zip(CLASSES, recalls, strict=True))},
            "confusions": confusions(guesses, self.labels), "looks": self.looks}
        header = Header("photos", "photos", PREPROCESSING, list(CLASSES), {"num_classes": len(CLASSES)},
                        origin=f"trained by demos/train_photos.py on {len(CLASSES)} classes of Caltech 101; mean class "
                               f"accuracy {np.mean(recalls):.1%} on {len(self.x)} held-out photos",
                        licence=LICENCE, sources=CLASSES)
        save_weights(self.out, net, header, overwrite=True, half=True)
        with replacing(self.path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(card, indent=1), encoding="utf-8")
        save_figure(self.out.with_name(f"{self.out.stem}_curve.png"), curve_figure(self.looks), overwrite=True)
        return card


def predictions(net: Network, x: Array) -> Array:
    """Return the class with the highest score of each image, (N,)."""
    return np.concatenate([to_host(net.predict(x[i:i + 50])).argmax(axis=1) for i in range(0, len(x), 50)])


def confusions(guesses: Array, labels: Array, count: int = 12) -> list[list[Any]]:
    """Return the most frequent mistakes, [label, taken for, number of photos, share of the class]."""
    table = np.zeros((len(CLASSES), len(CLASSES)), int)
    np.add.at(table, (labels, guesses), 1)
    sizes = table.sum(axis=1)
    np.fill_diagonal(table, 0)
    pairs = sorted(np.argwhere(table).tolist(), key=lambda pair: -table[pair[0], pair[1]] / sizes[pair[0]])[:count]
    names = list(CLASSES)
    return [[names[a], names[b], int(table[a, b]), float(table[a, b] / sizes[a])] for a, b in pairs]


def parser() -> Any:
    """Return the parser of the command line."""
    parser = training_parser("train_photos", __doc__, steps=2400, batch_size=32)
    parser.add_argument("folder", help="folder of Caltech 101, whose sub-folders are the classes")
    parser.add_argument("--radius", type=natural_number, default=0.5, metavar="R",
                        help="of adversarial training, in pixel values of 0..1; 0 trains without (default: 0.5)")
    parser.add_argument("--ascent", type=positive_int, default=1, metavar="STEPS",
                        help="steps up the gradient in adversarial training (default: 1)")
    parser.add_argument("--per-class", type=positive_int, default=100,
                        help="photos of a class in an epoch, at most (default: 100)")
    parser.add_argument("--learning-rate", type=natural_number, default=3e-3, help="of Adam (default: 0.003)")
    parser.add_argument("--weight-decay", type=natural_number, default=0.2, help="of the weights (default: 0.2)")
    parser.add_argument("--smoothing", type=natural_number, default=0.05,
                        help="share of the target that all classes get alike (default: 0.05)")
    parser.add_argument("--average", type=natural_number, default=0.995,
                        help="decay of the averaged weights, which are saved, in a step (default: 0.995)")
    parser.add_argument("--look-every", type=positive_int, default=100, metavar="STEPS",
                        help="steps between two tests on the held-out photos (default: 100)")
    return parser


if __name__ == "__main__":
    main(run, parser())
