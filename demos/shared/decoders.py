"""The decoder of a generator prior, its codes, and the pictures that it was trained on."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.datasets.shapes import ShapeBatches
from minicnn.errors import InputError, one_line
from minicnn.models import Model, load_model, shapes_encoder
from minicnn.models.load import EMBEDDED, weights_path
from minicnn.models.photo_decoder import photo_encoder
from minicnn.models.weights import read_header, weights_digest
from minicnn.network import Network
from minicnn.visualize.synthesis.generator import code_range

from .default_network import PHOTOS, SHAPES
from .layers import feature_layers
from .photo_folder import fit_photos, read_photos

BATCHES, BATCH_SIZE = 5, 24  # drawn training pictures that are used
MOST = 400  # photos that are used
DECODED = (PHOTOS, SHAPES)  # the networks with a shipped decoder


class Source(NamedTuple):
    """A decoder with its encoder, and pictures that it was trained on.

    x : pictures, (N, C, H, W) on the host; none if there are no photos. labels : their classes, (N,); of photos the
    network's answers. start, highest : the mean of the codes and their upper bound, see `code_range`, (1, …).
    kind : "drawn" or "photo", for captions.
    """

    decoder: Network
    encoder: Network
    x: np.ndarray
    labels: np.ndarray
    start: np.ndarray
    highest: np.ndarray
    kind: str


def has_decoder(model: Model) -> bool:
    """Return True if a decoder of this network's features comes with the library."""
    if f"{model.name}_decoder" not in EMBEDDED:
        return False
    source = read_header(weights_path(f"{model.name}_decoder")).source_sha256
    return not source or source == weights_digest(model.net)


def shipped_source(model: Model, folder: Path | None = None) -> Source:
    """Return the Source of the shipped decoder. The pictures are drawn for `shapes`, and the folder's for `photos`.

    Without a folder, `photos` has no pictures to compare with. Raises InputError if no decoder of the network is
    shipped.
    """
    if not has_decoder(model):
        raise InputError(f"the shipped decoders are for {' and '.join(DECODED)}, not for {one_line(model.name)}; "
                         f"leave out --model, or give --decoder FILE, which is trained by {training_command(model)}")
    if model.name == SHAPES:
        return shapes_source(model)
    if folder is not None:
        return photos_source(model, f"{model.name}_decoder", folder)
    decoder = load_model(f"{model.name}_decoder", model.net.device).fast().net
    none = np.zeros((0, *model.net.input_shape), np.float32)
    return Source(decoder, photo_encoder(model.net, code_layers(model.net)), none, np.zeros(0, np.int64),
                  *norm_range(decoder), "photo")


def norm_range(decoder: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return `code_range` of a decoder's training photos from its first layer, which holds the channels' statistics."""
    grid = decoder.input_shape[1:]
    buffers = decoder.layer("norm0").buffers
    mean, deviation = (to_host(array).reshape(1, -1, 1, 1) for array in (buffers["mean"], buffers["var"] ** 0.5))
    return np.tile(mean, (1, 1, *grid)), np.tile(3 * deviation, (1, 1, *grid))


def shapes_source(model: Model) -> Source:
    """Return the Source of the shipped decoder of `shapes`, with newly drawn pictures of its training."""
    decoder = load_model("shapes_decoder", model.net.device).fast().net
    x, labels = (np.concatenate(parts) for parts in zip(*map(ShapeBatches(BATCH_SIZE, 0), range(BATCHES)), strict=True))
    encoder = shapes_encoder(model.net)
    codes = to_host(encoder.predict(to_device(x, model.net.device)))
    return Source(decoder, encoder, x, labels, *code_range(codes), "drawn")


def photos_source(model: Model, file: str, folder: Path) -> Source:
    """Return the Source of a decoder that `demos.train_decoder --photos` has trained, with photos of the folder.

    The photos are spread over the folder. Raises InputError as `fitting_decoder` does.
    """
    decoder, encoder = fitting_decoder(model, file)
    images = photo_images(model, folder, MOST)
    x = model.preprocessing.to_input(images)
    codes, labels = [], []
    for start in range(0, len(x), 16):
        part = to_device(x[start:start + 16], model.net.device)
        codes.append(to_host(encoder.predict(part)))
        labels.append(to_host(model.net.predict(part)).argmax(axis=1))
    return Source(decoder, encoder, x, np.concatenate(labels), *code_range(np.concatenate(codes)), "photo")


def fitting_decoder(model: Model, file: str) -> tuple[Network, Network]:
    """Return the decoder in a file, and the encoder of the network. Raises InputError if it is not of these codes."""
    decoder = load_model(file, model.net.device).fast().net
    encoder = photo_encoder(model.net, code_layers(model.net))
    expected = tuple(encoder.shapes()[encoder.output][1:])
    if decoder.input_shape != expected or tuple(decoder.shapes()[decoder.output][1:]) != model.net.input_shape:
        raise InputError(f"{one_line(file)} is no decoder for {model.name}, whose codes have the shape {expected}: "
                         f"train one with {training_command(model)}")
    if read_header(weights_path(file)).source_sha256 != weights_digest(model.net):
        raise InputError(f"{one_line(file)} was trained on features of other weights, not of {model.name}: "
                         f"train one with {training_command(model)}")
    return decoder, encoder


def code_layers(net: Network) -> list[str]:
    """Return the two layers whose activations are the code: the first end of a stage and the last one.

    Raises InputError if the network has no layers with maps at the ends of stages.
    """
    layers = feature_layers(net)
    if not layers:
        raise InputError("the network has no layer with maps at the end of a stage, so no decoder fits it")
    return list(dict.fromkeys((layers[0], layers[-1])))


def photo_images(model: Model, folder: Path, most: int) -> np.ndarray:
    """Return up to `most` photos of a folder, spread over it, cropped to the network's input, uint8 (N, H, W, 3).

    Raises InputError if there are fewer than two.
    """
    fitted = [photo.image for photo in islice(fit_photos(model, read_photos(folder, most=most)), most)]
    if len(fitted) < 2:
        raise InputError(f"{one_line(folder)}: a decoder needs at least two photos")
    return np.stack(fitted)


def training_command(model: Model) -> str:
    """Return the command that trains a decoder for the network."""
    return f"minicnn train_decoder --photos FOLDER --model {model.name} -o decoder.h5"
