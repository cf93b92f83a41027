"""The decoder of a generator prior, its codes, and the pictures that it was trained on."""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicnn.backend import to_device, to_host
from minicnn.datasets.shapes import ShapeBatches
from minicnn.errors import InputError, one_line
from minicnn.models import Model, load_model, shapes_encoder
from minicnn.models.load import weights_path
from minicnn.models.photo_decoder import photo_encoder
from minicnn.models.weights import read_header, weights_digest
from minicnn.network import Network

from .layers import feature_layers
from .photo_folder import fit_photos, read_photos

BATCHES, BATCH_SIZE = 5, 24  # drawn training pictures that are used
MOST = 400  # photos that are used


class Source(NamedTuple):
    """A decoder with its encoder, and pictures that it was trained on.

    x : pictures, (N, C, H, W) on the host. labels : their classes, (N,); of photos the network's answers.
    codes : of the pictures, (N, …). kind : "drawn" or "photo", for captions.
    """

    decoder: Network
    encoder: Network
    x: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    kind: str


def shapes_source(model: Model) -> Source:
    """Return the Source of the shipped decoder of `shapes`, with newly drawn pictures of its training."""
    decoder = load_model("shapes_decoder", model.net.device).fast().net
    x, labels = (np.concatenate(parts) for parts in zip(*map(ShapeBatches(BATCH_SIZE, 0), range(BATCHES)), strict=True))
    encoder = shapes_encoder(model.net)
    return Source(decoder, encoder, x, labels, to_host(encoder.predict(to_device(x, model.net.device))), "drawn")


def photos_source(model: Model, file: str, folder: Path) -> Source:
    """Return the Source of a decoder that `demos.train_decoder --photos` has trained, with photos of the folder.

    The photos are spread over the folder. Raises InputError if the decoder is not one of this network's codes.
    """
    decoder = load_model(file, model.net.device).fast().net
    encoder = photo_encoder(model.net, code_layers(model.net))
    expected = tuple(encoder.shapes()[encoder.output][1:])
    if decoder.input_shape != expected or tuple(decoder.shapes()[decoder.output][1:]) != model.net.input_shape:
        raise InputError(f"{one_line(file)} is no decoder for {model.name}, whose codes have the shape {expected}: "
                         f"train one with {training_command(model)}")
    if read_header(weights_path(file)).source_sha256 != weights_digest(model.net):
        raise InputError(f"{one_line(file)} was trained on features of other weights, not of {model.name}: "
                         f"train one with {training_command(model)}")
    images = photo_images(model, folder, MOST)
    x = model.preprocessing.to_input(images)
    codes, labels = [], []
    for start in range(0, len(x), 16):
        part = to_device(x[start:start + 16], model.net.device)
        codes.append(to_host(encoder.predict(part)))
        labels.append(to_host(model.net.predict(part)).argmax(axis=1))
    return Source(decoder, encoder, x, np.concatenate(labels), np.concatenate(codes), "photo")


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
