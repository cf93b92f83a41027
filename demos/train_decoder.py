"""Train the decoder of the shipped network `shapes`, from its features to images: minicnn train_decoder"""

from argparse import ArgumentParser, Namespace

import numpy as np

from minicnn.datasets.shapes import CLASSES, PREPROCESSING, ShapeBatches, draw_shapes
from minicnn.models import load_model, shapes_decoder, shapes_encoder
from minicnn.models.weights import Header, save_weights
from minicnn.training import CodeBatches, Likeness, accuracy

from .shared.command import main
from .shared.training import train_with_progress, training_parser

BATCH_SIZE = 24
TEST_SEED, TESTED = 1_000_000, 600  # seed and number of test images, which are not in any training
# (layer, side of the blocks, weight), see `Likeness`
BLOCKS = [("input", 4, 1.5), ("chroma", 4, 1.5), ("relu1", 8, 2.0), ("relu2", 4, 1.0), ("relu3", 2, 1.0),
          ("relu5", 2, 1.0)]


def run(arguments: Namespace) -> None:
    """Train the decoder, print the network's accuracy on decoded images, and save it."""
    net = load_model("shapes", "cpu").fast().net
    encoder, decoder = shapes_encoder(net), shapes_decoder(seed=arguments.seed)
    likeness = Likeness(encoder, BLOCKS)
    batches = CodeBatches(ShapeBatches(arguments.batch_size, arguments.seed), likeness)
    train_with_progress(decoder, batches, arguments, weight_decay=0.0, learning_rate=4e-3, loss=likeness)
    labels = np.arange(TESTED) % len(CLASSES)
    x = PREPROCESSING.to_input(draw_shapes(labels, np.random.default_rng(TEST_SEED))[0])
    decoded = np.concatenate([decoder.predict(encoder.predict(x[n:n + 50])) for n in range(0, len(x), 50)])
    print(f"accuracy of the network on {len(x)} new images, decoded from their features: "
          f"{accuracy(net, decoded, labels):.1%} (on the images: {accuracy(net, x, labels):.1%})")
    header = Header("shapes_decoder", "shapes_decoder", PREPROCESSING,
                    origin="trained by demos/train_decoder.py on images drawn by minicnn/datasets/shapes.py",
                    licence="MIT")
    save_weights(arguments.out, decoder, header, overwrite=arguments.overwrite)
    print(f"wrote {arguments.out}")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    return training_parser("train_decoder", __doc__, steps=2400, batch_size=BATCH_SIZE)


if __name__ == "__main__":
    main(run, parser())
