"""What is known about a published training of a network."""

from typing import NamedTuple

import numpy as np

from minicnn.models.preprocessing import Preprocessing
from weights_converter.sources.layouts import AS_OURS, Layout


class Target(NamedTuple):
    """Where an array of the source goes ("conv1_1/w"), and how it lies there."""

    key: str
    layout: Layout


class Source(NamedTuple):
    """One training of one network, as somebody publishes it.

    name : of the converted model and its file; one for each training, as Caffe's SqueezeNet 1.1 is not
    torchvision's. publisher : whose names these are, for messages. names : {source name: Target} of all arrays
    of the network. features : the last layer before the classifier. options : for the network's builder.
    constants : arrays that must have exactly these values, for `preprocessing` says the same. left_out : known
    arrays that are no part of the network. classifier : False where its values are missing from the file.
    file_digest : how the sha256 of the only such file begins, where names and shapes do not tell. note : for
    the user. classes : False where the outputs are no scores of ImageNet's classes.
    """

    name: str
    architecture: str
    publisher: str
    names: dict[str, Target]
    num_parameters: int
    features: str
    preprocessing: Preprocessing
    origin: str
    licence: str
    options: dict = {}
    constants: dict[str, np.ndarray] = {}
    left_out: tuple[str, ...] = ()
    classifier: bool = True
    file_digest: str = ""
    note: str = ""
    classes: bool = True


def weights_and_biases(layers, weight=".weight", bias=".bias", layout=AS_OURS, layouts=None):
    """{"features.0": "conv1_1"} -> {"features.0.weight": conv1_1/w, "features.0.bias": conv1_1/b}.

    layout : of the weights; `layouts` has those of single layers of ours. Biases are the same everywhere.
    """
    names = {}
    for source, layer in layers.items():
        names[source + weight] = Target(f"{layer}/w", (layouts or {}).get(layer, layout))
        names[source + bias] = Target(f"{layer}/b", AS_OURS)
    return names
