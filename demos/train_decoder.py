"""Train a decoder from a network's features to pictures: minicnn train_decoder [--photos FOLDER --model NAME]

Without --photos, it is the shipped decoder of the network `shapes`, which is trained on drawn pictures.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minicnn.datasets.photo_classes import CLASSES as CALTECH
from minicnn.datasets.photo_classes import class_files
from minicnn.datasets.shapes import CLASSES, PREPROCESSING, ShapeBatches, draw_shapes
from minicnn.errors import InputError
from minicnn.images import fit, load_image
from minicnn.models import Model, load_model, photo_decoder, photo_encoder, shapes_decoder, shapes_encoder
from minicnn.models.weights import Header, save_weights, weights_digest
from minicnn.network import Network
from minicnn.training import CodeBatches, Likeness, accuracy
from minicnn.training.train import MiniBatches

from .shared.command import main, positive_int
from .shared.decoders import code_layers, photo_images
from .shared.inputs import choose_model
from .shared.layers import feature_layers
from .shared.photo_choice import add_photos_option
from .shared.training import train_with_progress, training_parser
from .train_photos import LICENCE, SPLIT_SEED

BATCH_SIZE = 24
TEST_SEED, TESTED = 1_000_000, 600  # seed and number of test images, which are not in any training
HELD_OUT = 10  # of photos, every tenth is for the test
# (layer, side of the blocks, weight), see `Likeness`
BLOCKS = [("input", 4, 1.5), ("chroma", 4, 1.5), ("relu1", 8, 2.0), ("relu2", 4, 1.0), ("relu3", 2, 1.0),
          ("relu5", 2, 1.0)]


def run(arguments: Namespace) -> None:
    """Train the decoder, print how much of the originals the decoded pictures keep, and save it."""
    if arguments.photo_folder:
        train_on_photos(arguments)
        return
    if arguments.model:
        raise InputError("--model needs --photos FOLDER; without them, the decoder of the network shapes is trained")
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


# ---- on photos -------------------------------------------------------------------------------------------------------


def train_on_photos(arguments: Namespace) -> None:
    """Train a decoder of any network's features on the photos of a folder."""
    model, line = choose_model(arguments.model, "cpu", scores=True)
    print(line)
    encoder = photo_encoder(model.net, code_layers(model.net))
    folder = Path(arguments.photo_folder)
    x, test_x = map(model.preprocessing.to_input, split_photos(model, folder, arguments.most))
    _, code_channels, *_ = encoder.shapes()[encoder.output]
    options = {"code_channels": code_channels, "size": model.net.input_shape[1]}
    decoder, likeness = photo_decoder(arguments.seed, **options), Likeness(encoder, photo_blocks(model))
    batches = MiniBatches(x, np.zeros(len(x)), min(arguments.batch_size, len(x)), arguments.seed, mirrored)
    train_with_progress(decoder, CodeBatches(batches, likeness), arguments, weight_decay=0.0, learning_rate=4e-3,
                        loss=likeness)
    print(kept_line(model, encoder, decoder, test_x))
    header = Header(f"{model.name}_decoder", "photo_decoder", model.preprocessing, options=options,
                    origin=f"trained by demos/train_decoder.py on {len(x):,} photos and the features of {model.name}",
                    source_sha256=weights_digest(model.net),
                    licence=LICENCE if model.sources == CALTECH and learnt_from(model, folder) else "")
    save_weights(arguments.out, decoder, header, overwrite=arguments.overwrite, half=True)
    print(f"wrote {arguments.out}: {decoder.num_parameters():,} parameters")


def split_photos(model: Model, folder: Path, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the photos of the training and of the test, uint8 (N, H, W, 3), up to `most` together.

    If the folder has the photos that the network has learnt from, they are those of its classes, as many of each class,
    and its held-out photos are the test. Else every tenth photo of the folder is for the test.
    """
    if learnt_from(model, folder):
        each = -(-most // len(model.sources))
        parts = class_files(folder, model.sources, seed=SPLIT_SEED)
        training, tested = ([path for paths in part for path in paths[:count]]
                            for part, count in zip(parts, (each, -(-each // HELD_OUT)), strict=True))
        return read_fitted(model, training), read_fitted(model, tested)
    images = photo_images(model, folder, most)
    tested = np.arange(len(images)) % HELD_OUT == HELD_OUT - 1
    tested[0] |= not tested.any()
    return images[~tested], images[tested]


def learnt_from(model: Model, folder: Path) -> bool:
    """Return True if the folder has the sub-folders from which the network has learnt its classes."""
    return bool(model.sources) and all((folder / source).is_dir() for source in model.sources.values())


def read_fitted(model: Model, paths: Sequence[Path]) -> np.ndarray:
    """Return the photos, cropped to the network's input, uint8 (N, H, W, 3)."""
    return np.stack([fit(load_image(path), model.preprocessing.resize, model.preprocessing.crop) for path in paths])


def photo_blocks(model: Model) -> list[tuple[str, int, float]]:
    """Return the blocks of `Likeness` for photos: 32 of the picture and 8 of the maps on a side, or one for each unit.

    Photos keep their places better than textures do, so the blocks of the picture are small.
    """
    shapes, side = model.net.shapes(), model.net.input_shape[1]
    layers = feature_layers(model.net)
    blocks = [("input", max(1, side // 32), 2.0), ("chroma", max(1, side // 32), 2.0)]
    return blocks + [(layer, max(1, shapes[layer][2] // 8), 1.0) for layer in layers]


def mirrored(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the photos x (N, C, H, W), each mirrored with a probability of one half."""
    return np.where(rng.random(len(x))[:, None, None, None] < 0.5, x[:, :, :, ::-1], x)


def kept_line(model: Model, encoder: Network, decoder: Network, x: np.ndarray) -> str:
    """Return how many of the held-out photos x keep the network's answer after decoding, and the error of colours."""
    decoded = np.concatenate([decoder.predict(encoder.predict(x[n:n + 16])) for n in range(0, len(x), 16)])
    answers = [np.concatenate([model.net.predict(each[n:n + 16]).argmax(axis=1) for n in range(0, len(x), 16)])
               for each in (x, decoded)]
    same = float((answers[0] == answers[1]).mean())
    error = float(((decoded - x) ** 2).mean() / x.var(axis=(2, 3), keepdims=True).mean())
    return (f"{len(x)} held-out photos, decoded from their features: {same:.1%} keep the network's answer; mean "
            f"squared error {error:.2f} of a photo's variance")


def parser() -> ArgumentParser:
    """Return the parser of the command line."""
    parser = training_parser("train_decoder", __doc__, steps=2400, batch_size=BATCH_SIZE)
    add_photos_option(parser)
    parser.add_argument("--model", help="with --photos: the network whose features are decoded (default: the best one "
                        "in the cache folder)")
    parser.add_argument("--most", type=positive_int, default=3000, metavar="N",
                        help="with --photos: largest number of photos, spread over the folder (default: 3000)")
    return parser


if __name__ == "__main__":
    main(run, parser())
