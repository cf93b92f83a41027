"""Find the known source of a file by the names, shapes and types of its arrays."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from minicnn.errors import InputError, one_line, unknown_name
from minicnn.layers import Add, Concat, ReLU
from minicnn.models import build_network
from minicnn.models.weights import named_arrays
from minicnn.models.weights.recognise import shown
from minicnn.network import Network

from .classifier import Classifier, classes_of, renamed_classifier
from .formats.number_formats import is_short, is_weight_type, scales_of, type_name
from .formats.onnx import export_hint
from .formats.stored import StoredArray
from .sources import SOURCES
from .sources.source import Source, Target
from .wrappers import Choice, Fit, NameIndex, choose, words_of

FLOATS = "float64, float32 or a type that float32 holds exactly"

Shape = tuple[int, ...]


class Match(NamedTuple):
    """The assignment of a file's arrays to a Source; they fit if there are no `problems`.

    last : name of the layer at which the network ends; None for the whole network.
    arrays : (array in the file, its Target, minicnn's shape) of each array to convert.
    constants : (array in the file, the source's name) of arrays that must have the values of the source's constants.
    left_out : names of known arrays that are not converted.
    outside : names of arrays that do not belong to the network, such as criterion.weight.
    problems : a text for each kind of error.
    recognised : number of arrays in the file with a name and shape of the source.
    num_classes : number of outputs of the classifier; None if the source has no classes.
    usual_classes : the number in the published network, such as ImageNet's 1000.
    choice : the wrappers that were taken off the names.
    """

    source: Source
    last: str | None
    arrays: list[tuple[StoredArray, Target, Shape]]
    constants: list[tuple[StoredArray, str]]
    left_out: list[str]
    outside: list[str]
    problems: list[str]
    recognised: int
    num_classes: int | None
    usual_classes: int | None
    choice: Choice

    @property
    def model_name(self) -> str:
        """Name of the converted network: vgg16, or vgg16-relu2_2 if it ends there."""
        whole = self.last is None or not self.source.classifier and self.last == self.source.features
        name = self.source.name if whole else f"{self.source.name}-{self.last}"
        return name.replace("/", "_")

    @property
    def own_classes(self) -> bool:
        """True if the classifier has another number of outputs than the published one."""
        return not self.last and self.num_classes != self.usual_classes


def find_source(path: str | os.PathLike[str], arrays: Sequence[StoredArray], network: str = "auto",
                features_only: bool = False, sha256: str = "", prefix: str = "") -> Match:
    """Return the Match without problems of a file's arrays.

    Parameters
    ----------
    path : of the file, for messages.
    arrays : all arrays of the file.
    network : name of a source or of an architecture, or "auto" for all sources.
    features_only : leave out the classifier. A file that has exactly the layers before it needs no such request.
    sha256 : of the file, hexadecimal; identifies the sources that are one file only.
    prefix : take only the arrays whose names begin with this text.

    Raises InputError if no source fits, with all problems of the nearest one, or if several fit.
    """
    sources = sources_of(network, sha256)
    arrays = with_prefix(path, arrays, prefix)
    matches = all_matches(sources, arrays, features_only)
    fitting = [candidate for candidate in matches if not candidate.problems]
    most = max((candidate.recognised for candidate in fitting), default=0)
    fitting = [candidate for candidate in fitting if candidate.recognised == most]
    different = {(candidate.model_name, candidate.source.preprocessing): candidate for candidate in fitting}
    if len(different) > 1:
        source_names = [candidate.source.name for candidate in different.values()]
        raise InputError(f"{shown(path)} fits {' and '.join(source_names)} equally well; choose one, as in "
                         f"--network {source_names[0]}")
    if fitting:
        require_not_quantised(path, fitting[0], arrays)
        return fitting[0]
    raise no_source(path, arrays, sources, matches, features_only)


def all_matches(sources: Sequence[Source], arrays: Sequence[StoredArray], features_only: bool) -> list[Match]:
    """Return a Match, with its problems, for each source whose names occur in the file."""
    found = NameIndex(sources).fits(arrays)
    return [match(sources[number], arrays, features_only, found[number]) for number in sorted(found)]


def no_source(path: str | os.PathLike[str], arrays: Sequence[StoredArray], sources: Sequence[Source],
              matches: Sequence[Match], features_only: bool) -> InputError:
    """Return the error for a file that fits no source, with the problems of the nearest one."""
    nearest = max(matches, key=lambda candidate: (candidate.recognised, -len(candidate.problems)), default=None)
    weights = sum(not has_integers(array) for array in arrays)
    if not nearest or 2 * nearest.recognised < min(weights, len(nearest.source.names)):
        examples = ", ".join(array.name for array in arrays[:4]) + (", …" if len(arrays) > 4 else "")
        return InputError(f"{shown(path)} has {len(arrays)} arrays ({examples}) that do not belong to any known "
                          f"network: {publishers_of(sources)}; for any other network, --first-layer converts the "
                          f"filters of the first convolution{export_hint(arrays)}")
    hint = part_hint(path)
    if not features_only and not match(nearest.source, arrays, features_only=True).problems:
        hint += "; if you need only the layers that are there, add --features-only"
    return InputError(f"{shown(path)} does not fit {nearest.source.name} with {nearest.source.publisher}'s names: "
                      + "; ".join(nearest.problems) + hint)


def with_prefix(path: str | os.PathLike[str], arrays: Sequence[StoredArray], prefix: str) -> list[StoredArray]:
    """Return the arrays whose names begin with `prefix`. Raises InputError if there are none."""
    chosen = [array for array in arrays if array.name.startswith(prefix)]
    if not chosen and prefix:
        raise InputError(f"{shown(path)} has no array whose name begins with {one_line(prefix, 100)!r}; its names "
                         f"begin with {listed(list(dict.fromkeys(array.name.split('.')[0] for array in arrays)), 8)}")
    return chosen


def part_hint(path: str | os.PathLike[str]) -> str:
    """Return advice for one part of a model that was saved in several files; else ""."""
    part = re.search(r"^(.*)-\d{5}-of-(\d{5})\.(\w+)$", os.path.basename(os.fspath(path)))
    if not part or int(part[2]) < 2:
        return ""
    return (f"; this is one of {int(part[2])} files of the model: put them into one folder and convert their index, "
            f"{one_line(part[1], 100)}.{part[3]}.index.json")


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


# ---- one source ----------------------------------------------------------------------------------------------


def match(source: Source, arrays: Sequence[StoredArray], features_only: bool = False,
          fits: Sequence[Fit] | None = None) -> Match:
    """Assign the arrays of a file to the arrays of `source`, after taking the wrappers off their names.

    fits : the ways to read the arrays as arrays of this source, if they are known already.
    """
    fits = NameIndex([source]).fits(arrays).get(0, []) if fits is None else fits
    net, shapes = network_and_shapes(source.architecture, tuple(source.options.items()))
    classifier = Classifier.of(source, net, shapes)
    choice = choose(fits, lambda fit: _has_right_shape(fit, source, shapes, classifier),
                    list(source.names)) if fits else Choice({}, "", [], [])
    stored = {name: fit.array for name, fit in choice.fits.items()}
    if not features_only:
        stored |= renamed_classifier(classifier, arrays, stored)
    features_only = features_only or not source.classifier or _is_complete_trunk(source, net, stored)
    last = _trunk_end(source, net, stored) if features_only else None
    kept = set(named_arrays(net.trunk(last))) if last else set(shapes)
    targets = {name: target for name, target in source.names.items() if target.key in kept}
    num_classes = classes_of(classifier, stored)
    shapes = classifier.with_classes(shapes, num_classes)
    expected = {name: target.layout.source_shape(shapes[target.key]) for name, target in targets.items()}
    expected |= {name: array.shape for name, array in source.constants.items()}
    used = {array.name for array in stored.values()}
    rest = [array for array in arrays if array.name not in used and not has_integers(array)]
    unknown = _unknown(source, targets, rest, choice.wrapper)
    return Match(
        source, last,
        arrays=[(stored[name], target, shapes[target.key]) for name, target in targets.items() if name in stored],
        constants=[(stored[name], name) for name in source.constants if name in stored],
        left_out=[stored[name].name for name in stored if name not in expected],
        outside=[array.name for array in rest if array.name not in unknown],
        problems=_problems(arrays, stored, expected, unknown),
        recognised=sum(array.shape == expected.get(name, array.shape) for name, array in stored.items()),
        num_classes=num_classes, usual_classes=classifier.shape[0] if classifier.weight else None, choice=choice)


@cache
def network_and_shapes(architecture: str, options: tuple[tuple[str, Any], ...]) -> tuple[Network, dict[str, Shape]]:
    """Return the network of an architecture and {"conv1/w": shape, …}. The arrays of zeros take no memory."""
    net = build_network(architecture, **dict(options))
    return net, {key: array.shape for key, array in named_arrays(net).items()}


def _has_right_shape(fit: Fit, source: Source, shapes: Mapping[str, Shape], classifier: Classifier) -> bool:
    """Return True if the array has the shape that the source gives to this name, with any number of classes."""
    target = source.names.get(fit.name)
    if target is None:
        return fit.name not in source.constants or source.constants[fit.name].shape == fit.array.shape
    if target.key in (classifier.weight, classifier.bias):
        return classifier.number_in(target, fit.array.shape) is not None
    return target.layout.source_shape(shapes[target.key]) == fit.array.shape


def _is_complete_trunk(source: Source, net: Network, stored: Mapping[str, StoredArray]) -> bool:
    """Return True if the file has each array of the features and none of the classifier."""
    features = set(named_arrays(net.trunk(source.features)))
    has_classifier = any(target.key not in features for target in source.names.values())
    return has_classifier and all((target.key in features) == (name in stored) for name, target in source.names.items())


def _unknown(source: Source, targets: Mapping[str, Target], rest: Sequence[StoredArray], wrapper: str) -> list[str]:
    """Return the names in `rest` that show that the file is of another network.

    They stand in a module of this network, as features.30.weight does, or belong to a sibling, as VGG-19's conv3_4.
    """
    own = {words_of(name)[0] for name in targets}
    siblings = {words_of(name) for other in SOURCES if 2 * len(other.names.keys() & source.names.keys())
                > len(source.names) for name in (*other.names, *other.constants)}
    unknown = []
    for array in rest:
        words = words_of(array.name.removeprefix(wrapper)) if array.name.startswith(wrapper) else ()
        if words and (words[0] in own or words in siblings):
            unknown.append(array.name)
    return unknown


def _problems(arrays: Sequence[StoredArray], stored: Mapping[str, StoredArray], expected: Mapping[str, Shape],
              unknown: list[str]) -> list[str]:
    """Return all problems at once, one text for each kind."""
    present = [(stored[name], shape) for name, shape in expected.items() if name in stored]
    problems = {
        "missing": [name for name in expected if name not in stored],
        "not known": unknown,
        "there twice": [name for name, count in Counter(array.name for array in arrays).items() if count > 1],
        "of another shape": [f"{array.name} {array.shape} instead of {shape}"
                             for array, shape in present if array.shape != shape],
    }
    for array, _ in present:
        if not is_weight_type(array.dtype):
            problems.setdefault(f"{type_name(array.dtype)} instead of {FLOATS}", []).append(array.name)
    return [f"{kind}: {listed(found)}" for kind, found in problems.items() if found]


def require_not_quantised(path: str | os.PathLike[str], match: Match, arrays: Sequence[StoredArray]) -> None:
    """Raise InputError if weights are short numbers that the file's scales would have to multiply."""
    short = [array for array, _, _ in match.arrays if is_short(array.dtype)]
    scales = scales_of(array.name for array in arrays) if short else []
    if scales:
        raise InputError(f"{shown(path)} is quantised: {short[0].name} is {type_name(short[0].dtype)} and "
                         f"{scales[0]} belongs to it; take the float file")


def listed(names: Sequence[str], limit: int = 100) -> str:
    """Join the names with commas. Beyond `limit` names only their number is given."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def has_integers(array: StoredArray) -> bool:
    """Return True for an array of integers or booleans, such as a count of batches: it is no weight."""
    return array.dtype.kind in "iub"


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
