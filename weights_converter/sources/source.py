"""Source: everything the converter must know about one published training of a network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from minicnn.backend import Array
from minicnn.models.preprocessing import Preprocessing

from .layouts import AS_OURS, Layout


class Target(NamedTuple):
    """The place of an array in the converted file ("conv1_1/w"), and its layout in the source file."""

    key: str
    layout: Layout


class Source(NamedTuple):
    """One training of one network, as published.

    name : of the converted model and its file. Each training has its own: Caffe's SqueezeNet 1.1 has other values
        than torchvision's.
    architecture : the builder in minicnn.models.
    publisher : whose array names these are; messages name it.
    names : {name in the file: Target} of all arrays of the network.
    num_parameters : of the whole network, without the statistics of batch normalization.
    features : name of the last layer before the classifier.
    preprocessing : of the input images.
    origin, licence : texts for the converted file.
    options : keyword arguments of the builder.
    constants : arrays that must have exactly these values, as they express what `preprocessing` says.
    left_out : known arrays that do not belong to the network.
    classifier : False if the file lacks the values of the classifier.
    file_digest : first digits of the sha256 of the only such file, if names and shapes do not identify it.
    note : a text for the user.
    classes : True if the outputs are scores of classes.
    names_tell_nothing : True if files with these names have several preprocessings, so that the values must tell.
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
    options: dict[str, Any] = {}
    constants: dict[str, Array] = {}
    left_out: tuple[str, ...] = ()
    classifier: bool = True
    file_digest: str = ""
    note: str = ""
    classes: bool = True
    names_tell_nothing: bool = False


def weights_and_biases(layers: Mapping[str, str], weight: str = ".weight", bias: str = ".bias",
                       layout: Layout = AS_OURS, layouts: Mapping[str, Layout] | None = None) -> dict[str, Target]:
    """Convert {"features.0": "conv1_1"} to {"features.0.weight": conv1_1/w, "features.0.bias": conv1_1/b}.

    layers : {layer's name in the file: minicnn's name}. weight, bias : the endings of the array names.
    layout : of the weights. layouts : {minicnn's name: layout} of layers with another one. Biases need none.
    """
    names = {}
    for source, layer in layers.items():
        names[source + weight] = Target(f"{layer}/w", (layouts or {}).get(layer, layout))
        names[source + bias] = Target(f"{layer}/b", AS_OURS)
    return names
