"""Find the known source of a file by the names, shapes and types of its arrays."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError, unknown_name
from minicnn.layers import Add, Concat, ReLU
from minicnn.models import build_network
from minicnn.models.weights import named_arrays
from minicnn.network import Network
from weights_converter.formats.onnx import export_hint
from weights_converter.formats.stored import StoredArray
from weights_converter.sources import SOURCES
from weights_converter.sources.source import Source, Target

FLOATS = "float16, float32 or float64"

Shape = tuple[int, ...]


class Match(NamedTuple):
    """The assignment of a file's arrays to a Source; they fit if there are no `problems`.

    last : name of the layer at which the network ends; None for the whole network.
    arrays : (array in the file, its Target, minicnn's shape) of each array to convert.
    constants : arrays in the file that must have the values of the source's constants.
    left_out : names of known arrays that are not converted.
    problems : a text for each kind of error.
    recognised : number of arrays in the file with a name and shape of the source.
    """

    source: Source
    last: str | None
    arrays: list[tuple[StoredArray, Target, Shape]]
    constants: list[StoredArray]
    left_out: list[str]
    problems: list[str]
    recognised: int

    @property
    def model_name(self) -> str:
        """Name of the converted network: vgg16, or vgg16-relu2_2 if it ends there."""
        whole = self.last is None or not self.source.classifier and self.last == self.source.features
        name = self.source.name if whole else f"{self.source.name}-{self.last}"
        return name.replace("/", "_")


def find_source(path: str | os.PathLike[str], arrays: Sequence[StoredArray], network: str = "auto",
                features_only: bool = False, sha256: str = "") -> Match:
    """Return the Match without problems of a file's arrays.

    Parameters
    ----------
    path : of the file, for messages.
    arrays : all arrays of the file.
    network : name of a source or of an architecture, or "auto" for all sources.
    features_only : leave out the classifier.
    sha256 : of the file, hexadecimal; identifies the sources that are one file only.

    Raises InputError if no source fits, with all problems of the nearest one, or if several fit.
    """
    sources = sources_of(network, sha256)
    names = {array.name for array in arrays}
    matches = [match(source, arrays, features_only) for source in sources if not names.isdisjoint(source.names)]
    fitting = [candidate for candidate in matches if not candidate.problems]
    different = {(candidate.model_name, candidate.source.preprocessing): candidate for candidate in fitting}
    if len(different) > 1:
        source_names = [candidate.source.name for candidate in different.values()]
        raise InputError(f"{path} fits {' and '.join(source_names)} equally well; choose one, as in "
                         f"--network {source_names[0]}")
    if fitting:
        return fitting[0]
    nearest = max(matches, key=lambda candidate: (candidate.recognised, -len(candidate.problems)), default=None)
    if not nearest or 2 * nearest.recognised < sum(not has_integers(array) for array in arrays):
        examples = ", ".join(array.name for array in arrays[:4]) + (", …" if len(arrays) > 4 else "")
        raise InputError(f"{path} has {len(arrays)} arrays ({examples}) that do not belong to any known network: "
                         f"{publishers_of(sources)}; for any other network, --first-layer converts the filters of the "
                         f"first convolution{export_hint(arrays)}")
    hint = ""
    if not features_only and not match(nearest.source, arrays, features_only=True).problems:
        hint = "; if you need only the layers that are there, add --features-only"
    raise InputError(f"{path} does not fit {nearest.source.name} with {nearest.source.publisher}'s names: "
                     + "; ".join(nearest.problems) + hint)


def sources_of(network: str, sha256: str) -> list[Source]:
    """Return the sources of that name or architecture; all if `network` is "auto".

    A source with a file_digest is included only if it is asked for by name, or if the file has this digest. In the
    second case it is the only one.
    """
    sources = [source for source in SOURCES if network in ("auto", source.name, source.architecture)]
    if not sources:
        raise unknown_name("network", network, ["auto", *dict.fromkeys(source.name for source in SOURCES)])
    by_digest = [source for source in sources if source.file_digest and sha256.startswith(source.file_digest)]
    return by_digest or [source for source in sources if not source.file_digest or source.name == network]


def publishers_of(sources: Iterable[Source]) -> str:
    """List the networks by publisher, for messages: "torchvision (vgg16, vgg19), Caffe (…)"."""
    publishers: dict[str, list[str]] = {}
    for source in sources:
        publishers.setdefault(source.publisher, []).append(source.name)
    return ", ".join(f"{publisher} ({', '.join(names)})" for publisher, names in publishers.items())


def match(source: Source, arrays: Sequence[StoredArray], features_only: bool) -> Match:
    """Return the Match of a file's arrays with one Source. features_only : leave out the classifier."""
    net = build_network(source.architecture, **source.options)
    stored = {array.name: array for array in arrays}
    last = _trunk_end(source, net, stored) if features_only or not source.classifier else None
    shapes = {key: array.shape for key, array in named_arrays(net.trunk(last) if last else net).items()}
    targets = {name: target for name, target in source.names.items() if target.key in shapes}
    expected = {name: target.layout.source_shape(shapes[target.key]) for name, target in targets.items()}
    expected |= {name: array.shape for name, array in source.constants.items()}
    names = {*source.names, *source.constants, *source.left_out}
    return Match(
        source, last,
        arrays=[(stored[name], target, shapes[target.key]) for name, target in targets.items() if name in stored],
        constants=[stored[name] for name in source.constants if name in stored],
        left_out=[name for name in stored
                  if name not in expected and (name in names or has_integers(stored[name]))],
        problems=_problems(arrays, stored, expected, names),
        recognised=sum(name in names and array.shape == expected.get(name, array.shape)
                       for name, array in stored.items()))


def _problems(arrays: Sequence[StoredArray], stored: Mapping[str, StoredArray], expected: Mapping[str, Shape],
              names: set[str]) -> list[str]:
    """Return all problems at once, one text for each kind."""
    present = [(stored[name], shape) for name, shape in expected.items() if name in stored]
    problems = {
        "missing": [name for name in expected if name not in stored],
        "not known": [name for name, array in stored.items() if name not in names and not has_integers(array)],
        "there twice": [name for name, count in Counter(array.name for array in arrays).items() if count > 1],
        "of another shape": [f"{array.name} {array.shape} instead of {shape}"
                             for array, shape in present if array.shape != shape],
    }
    for array, _ in present:
        if not is_float(array.dtype):
            problems.setdefault(f"{type_name(array.dtype)} instead of {FLOATS}", []).append(array.name)
    return [f"{kind}: {listed(found)}" for kind, found in problems.items() if found]


def listed(names: Sequence[str], limit: int = 100) -> str:
    """Join the names with commas. Beyond `limit` names only their number is given."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def has_integers(array: StoredArray) -> bool:
    """Return True for an array of integers or booleans, such as a count of batches: it is no weight."""
    return array.dtype.kind in "iub"


def is_float(dtype: np.dtype) -> bool:
    """Return True if weights can have this type, one of FLOATS."""
    return dtype.kind == "f" and dtype.itemsize in (2, 4, 8)


def type_name(dtype: np.dtype) -> str:
    """Return the name of a type, for messages: float32, or bfloat16.

    NumPy has no bfloat16. The readers represent it by a record with one field of that name.
    """
    return dtype.names[0] if dtype.names else str(dtype)


def _trunk_end(source: Source, net: Network, stored: Mapping[str, StoredArray]) -> str:
    """Return the layer at which the features of the file end.

    This is the last layer before the classifier, or the ReLU, Concat or Add after the deepest layer that the file has
    arrays of. A gap in the middle does not shorten the trunk: the arrays that are missing there are a problem.
    """
    before_classifier = net.nodes[:net.positions[source.features] + 1]
    layers = [node.name for node in before_classifier if node.layer.params]
    in_file = {target.key.rpartition("/")[0] for name, target in source.names.items() if name in stored}
    deepest = max((i for i, layer in enumerate(layers) if layer in in_file), default=-1)
    if deepest in (-1, len(layers) - 1):
        return source.features
    end = net.positions[layers[deepest]]
    while isinstance(net.nodes[end + 1].layer, (ReLU, Concat, Add)):
        end += 1
    return net.nodes[end].name
