"""Which of the known sources a file is, judged by the names, shapes and types of its arrays."""

from collections import Counter
from typing import NamedTuple

from minicnn.errors import InputError, unknown_name
from minicnn.layers import Add, Concat, ReLU
from minicnn.models import build_network
from minicnn.models.weights import named_arrays
from weights_converter.formats.onnx import export_hint
from weights_converter.formats.stored import StoredArray
from weights_converter.sources import SOURCES
from weights_converter.sources.source import Source, Target

FLOATS = "float16, float32 or float64"


class Match(NamedTuple):
    """How the arrays of a file fit a Source; they do where there are no `problems`.

    last : the layer at which the network ends, None where it is whole. arrays : what to read, where it goes,
    and its shape there. left_out : names that are known but not wanted. recognised : how many arrays have a
    name and shape of the source.
    """

    source: Source
    last: str | None
    arrays: list[tuple[StoredArray, Target, tuple[int, ...]]]
    constants: list[StoredArray]
    left_out: list[str]
    problems: list[str]
    recognised: int

    @property
    def model_name(self):
        """What the converted network is called: vgg16, or vgg16-relu2_2 where it ends there."""
        whole = self.last is None or not self.source.classifier and self.last == self.source.features
        name = self.source.name if whole else f"{self.source.name}-{self.last}"
        return name.replace("/", "_")


def find_source(path, arrays, network="auto", features_only=False, sha256=""):
    """The Match without problems among the sources of `network`, a name or "auto".

    sha256 : the file's, for the sources that are one file only. Raises InputError where none fits, with
    everything that is wrong for the nearest, and where several do.
    """
    sources = sources_of(network, sha256)
    names = {array.name for array in arrays}
    matches = [match(source, arrays, features_only) for source in sources if not names.isdisjoint(source.names)]
    fitting = [candidate for candidate in matches if not candidate.problems]
    different = {(candidate.model_name, candidate.source.preprocessing): candidate for candidate in fitting}
    if len(different) > 1:
        names = [candidate.source.name for candidate in different.values()]
        raise InputError(f"{path} fits {' and '.join(names)} alike; say which, as in --network {names[0]}")
    if fitting:
        return fitting[0]
    nearest = max(matches, key=lambda candidate: (candidate.recognised, -len(candidate.problems)), default=None)
    if not nearest or 2 * nearest.recognised < sum(not no_weight(array) for array in arrays):
        shown = ", ".join(array.name for array in arrays[:4]) + (", …" if len(arrays) > 4 else "")
        raise InputError(f"{path} has {len(arrays)} arrays ({shown}) that are not those of {known(sources)}; "
                         "of another network, --first-layer takes the filters of the first convolution"
                         + export_hint(arrays))
    hint = ""
    if not features_only and not match(nearest.source, arrays, features_only=True).problems:
        hint = "; if the layers that are there are enough, add --features-only"
    raise InputError(f"{path} does not fit {nearest.source.name} with {nearest.source.publisher}'s names: "
                     + "; ".join(nearest.problems) + hint)


def sources_of(network, sha256):
    """The sources that `network` can mean: their name, their architecture, or "auto" for all.

    A source that is one file only counts where it is that file, and then it alone, or where it is asked for.
    """
    sources = [source for source in SOURCES if network in ("auto", source.name, source.architecture)]
    if not sources:
        raise unknown_name("network", network, ["auto", *dict.fromkeys(source.name for source in SOURCES)])
    this_file = [source for source in sources if source.file_digest and sha256.startswith(source.file_digest)]
    return this_file or [source for source in sources if not source.file_digest or source.name == network]


def known(sources):
    """The networks by their publishers, for messages: "torchvision (vgg16, vgg19), Caffe (…)"."""
    publishers = {}
    for source in sources:
        publishers.setdefault(source.publisher, []).append(source.name)
    return ", ".join(f"{publisher} ({', '.join(names)})" for publisher, names in publishers.items())


def match(source, arrays, features_only):
    """The Match of a file's StoredArrays with one Source; `features_only`: without the classifier."""
    net = build_network(source.architecture, **source.options)
    stored = {array.name: array for array in arrays}
    last = _trunk_end(source, net, stored) if features_only or not source.classifier else None
    shapes = {key: array.shape for key, array in named_arrays(net.trunk(last) if last else net).items()}
    wanted = {name: target for name, target in source.names.items() if target.key in shapes}
    expected = {name: target.layout.source_shape(shapes[target.key]) for name, target in wanted.items()}
    expected |= {name: array.shape for name, array in source.constants.items()}
    names = {*source.names, *source.constants, *source.left_out}
    return Match(
        source, last,
        arrays=[(stored[name], target, shapes[target.key]) for name, target in wanted.items() if name in stored],
        constants=[stored[name] for name in source.constants if name in stored],
        left_out=[name for name in stored if name not in expected and (name in names or no_weight(stored[name]))],
        problems=_problems(arrays, stored, expected, names),
        recognised=sum(name in names and array.shape == expected.get(name, array.shape)
                       for name, array in stored.items()))


def _problems(arrays, stored, expected, names):
    """Everything that is wrong at once, one text for each kind of thing."""
    missing = [name for name in expected if name not in stored]
    extra = [name for name, array in stored.items() if name not in names and not no_weight(array)]
    repeated = [name for name, count in Counter(array.name for array in arrays).items() if count > 1]
    present = [(stored[name], shape) for name, shape in expected.items() if name in stored]
    misshaped = [f"{array.name} {array.shape} instead of {shape}"
                 for array, shape in present if array.shape != shape]
    mistyped = {}
    for array, _ in present:
        if not is_float(array.dtype):
            mistyped.setdefault(type_name(array.dtype), []).append(array.name)
    found = {"missing": missing, "not known": extra, "there twice": repeated, "of another shape": misshaped,
             **{f"{name} instead of {FLOATS}": arrays for name, arrays in mistyped.items()}}
    return [f"{kind}: {listed(names)}" for kind, names in found.items() if names]


def listed(names, most=100):
    """The names with commas between them; of a great many the first, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def no_weight(array):
    """Whether it is of whole numbers, as counts of batches and shapes are."""
    return array.dtype.kind in "iub"


def is_float(dtype):
    """Whether weights can have this type, one of FLOATS."""
    return dtype.kind == "f" and dtype.itemsize in (2, 4, 8)


def type_name(dtype):
    """What messages call it: float32, or bfloat16, which NumPy does not have: a reader has made a record of it."""
    return dtype.names[0] if dtype.names else str(dtype)


def _trunk_end(source, net, stored):
    """The layer at which the features end: the classifier, or the deepest layer that the file has arrays of.

    The layers before that one must all be there: a file with a hole in it is no trunk, but damaged.
    """
    before_classifier = net.nodes[:net.positions[source.features] + 1]
    layers = [node.name for node in before_classifier if node.layer.params]
    in_file = {target.key.rpartition("/")[0] for name, target in source.names.items() if name in stored}
    deepest = max((i for i, layer in enumerate(layers) if layer in in_file), default=-1)
    if deepest in (-1, len(layers) - 1):
        return source.features
    end = net.positions[layers[deepest]]
    while isinstance(net.nodes[end + 1].layer, (ReLU, Concat, Add)):  # they finish what the layer began
        end += 1
    return net.nodes[end].name
