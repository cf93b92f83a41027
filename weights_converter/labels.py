"""The class names of a converted network: from ImageNet, from a file, or none."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import minicnn
from minicnn.errors import InputError, one_line
from minicnn.models.weights.recognise import require_ordinary, shown

from .match import Match

FILE_LIMIT = 10_000_000  # bytes
LONGEST = 200  # characters of a name; longer ones are cut


def read_labels(path: str | os.PathLike[str]) -> list[str]:
    """Return the class names of a file, in the order of the outputs.

    The file is a text in UTF-8 with one name a line, or JSON: a list of names, {"0": name, …}, or {name: number}.
    The configuration of a Hugging Face model, which has such a dict as id2label, is read too.
    Raises InputError if it is none of these. Control characters in the names are escaped, and long names cut.
    """
    where = shown(path)
    if require_ordinary(path) > FILE_LIMIT:
        raise InputError(f"{where} has more than {FILE_LIMIT:,} bytes, which are no class names")
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{where} is not a text in UTF-8; save the class names as a text, one a line") from None
    except OSError as problem:
        raise InputError(f"{where} cannot be read: {problem.strerror}") from None
    names = _names_in_json(text, where) if text.lstrip()[:1] in ("[", "{") else text.rstrip().splitlines()
    names = [one_line(name.strip(), LONGEST) for name in names]
    empty = [number for number, name in enumerate(names) if not name]
    if empty or not names:
        raise InputError(f"{where} has no name for class {empty[0]}" if names else f"{where} has no class names")
    return names


def _names_in_json(text: str, where: str) -> Sequence[str]:
    """Return the names in a JSON text, in the order of their numbers."""
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise InputError(f"{where} is not valid JSON: {one_line(problem, 100)}") from None
    if isinstance(found, dict) and isinstance(found.get("id2label"), dict):
        found = found["id2label"]
    if isinstance(found, dict) and all(type(number) is int for number in found.values()):
        found = {str(number): name for name, number in found.items()}  # {name: number}, as class_to_idx
    if isinstance(found, dict):
        expected = [str(number) for number in range(len(found))]
        if found.keys() != set(expected):
            raise InputError(f"{where} does not number its {len(found):,} class names from 0 to {len(found) - 1:,}")
        found = [found[number] for number in expected]
    # torchvision's and Keras's index of ImageNet has pairs such as ["n01440764", "tench"]
    found = [entry[-1] if isinstance(entry, list) and entry else entry for entry in found]
    if not all(isinstance(name, str) for name in found):
        raise InputError(f"{where} has class names that are no texts; expected a list of names or {{number: name}}")
    return found


def labels_of(match: Match, path: str | os.PathLike[str] | None, names: list[str] | None) -> list[str]:
    """Return the class names to store: `names`, ImageNet's for 1000 classes, or none.

    Raises InputError if the network has no classifier, or another number of classes than there are names.
    """
    if names is None:
        return [] if match.last or not match.source.classes or match.own_classes else imagenet_classes()
    if match.last or not match.source.classes:
        raise InputError(f"{match.model_name} has no classifier, so it takes no class names: leave out --labels")
    if len(names) != match.num_classes:
        raise InputError(f"{shown(path or '')} has {len(names):,} class names for a network of "
                         f"{match.num_classes:,} classes")
    return names


def describe_classes(match: Match, labels: list[str]) -> list[str]:
    """Return a line about the classes if they are not ImageNet's; else []."""
    if not match.own_classes:
        return []
    if labels:
        return [f"{len(labels):,} classes: {one_line(', '.join(labels[:8]), 100)}{', …' if len(labels) > 8 else ''}"]
    return [f"{match.num_classes:,} classes without names: class 0 to class {(match.num_classes or 1) - 1:,}; "
            "name them with --labels FILE"]


def imagenet_classes() -> list[str]:
    """Return the names of ImageNet's 1000 classes, in the order of the scores."""
    return (Path(minicnn.__file__).parent / "data" / "imagenet_classes.txt").read_text("utf-8").splitlines()
