"""The classifier of a fine-tuned network: any number of classes, and often another name for its last layer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from minicnn.network import Network

from .formats.stored import StoredArray
from .sources.source import Source, Target
from .wrappers import WORD

MOST_CLASSES = 100_000

Shape = tuple[int, ...]


class Classifier(NamedTuple):
    """The last layer with weights: the keys of its arrays, the shape of its weights, and the source's names of them.

    `weight` is "" if the outputs are no classes.
    """

    weight: str = ""
    bias: str = ""
    shape: Shape = ()
    names: tuple[tuple[str, Target], ...] = ()

    @classmethod
    def of(cls, source: Source, net: Network, shapes: Mapping[str, Shape]) -> "Classifier":
        """Return the Classifier of a source's network."""
        if not source.classes:
            return cls()
        layer = [node.name for node in net.nodes if node.layer.params][-1]
        keys = f"{layer}/w", f"{layer}/b"
        names = [(name, target) for key in keys for name, target in source.names.items() if target.key == key]
        return cls(*keys, shapes[keys[0]], tuple(names))

    def number_in(self, target: Target, shape: Shape) -> int | None:
        """Return the number of classes that the weights or biases of this shape have; None if the shape is wrong."""
        rest = self.shape[1:] if target.key == self.weight else ()
        for number in sorted(set(shape)):
            if 1 <= number <= MOST_CLASSES and target.layout.source_shape((number, *rest)) == shape:
                return number
        return None

    def with_classes(self, shapes: Mapping[str, Shape], number: int | None) -> dict[str, Shape]:
        """Return the shapes of all arrays for this number of classes."""
        if not number or not self.weight:
            return dict(shapes)
        return {**shapes, self.weight: (number, *self.shape[1:]), self.bias: (number,)}


def classes_of(classifier: Classifier, stored: Mapping[str, StoredArray]) -> int | None:
    """Return the number of classes in a file: from the classifier's weights, or else the network's own."""
    if not classifier.weight:
        return None
    for name, target in classifier.names:
        if target.key == classifier.weight and name in stored:
            return classifier.number_in(target, stored[name].shape) or classifier.shape[0]
    return classifier.shape[0]


def renamed_classifier(classifier: Classifier, arrays: Sequence[StoredArray],
                       stored: Mapping[str, StoredArray]) -> dict[str, StoredArray]:
    """Return {source's name: array} of a last layer under another name, such as Caffe's fc8_flickr or a new head.

    Returns {} if the file has the usual names, or if not exactly one pair of weights and biases can be the last layer.
    """
    if len(classifier.names) != 2 or any(name in stored for name, _ in classifier.names):
        return {}
    used = {array.name for array in stored.values()}
    rest = {array.name: array for array in arrays if array.name not in used}
    (weight, weight_target), (bias, bias_target) = classifier.names
    weight_end, bias_end = _ending(weight), _ending(bias)
    pairs = []
    for name, array in rest.items():
        other = rest.get(name.removesuffix(weight_end) + bias_end)
        if not name.endswith(weight_end) or other is None:
            continue
        number = classifier.number_in(weight_target, array.shape)
        if number and classifier.number_in(bias_target, other.shape) == number:
            pairs.append({weight: array, bias: other})
    return pairs[0] if len(pairs) == 1 else {}


def _ending(name: str) -> str:
    """Return the last word of an array's name, with what joins it: .weight, /kernel, _W."""
    words = list(WORD.finditer(name))
    if len(words) > 1:
        return name[words[-1].start() - 1:]
    return "_" + name.rpartition("_")[2]
