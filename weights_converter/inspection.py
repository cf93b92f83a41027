"""Describe a weights file without converting it: minicnn inspect FILE."""

from collections.abc import Callable
from pathlib import Path

from minicnn.errors import InputError
from minicnn.models import cache_folder
from minicnn.models.weights.recognise import shown

from .convert import FilePath, describe, identify, require_digest, require_values
from .formats.containers import open_arrays, recognise
from .formats.number_formats import type_name
from .labels import describe_classes, labels_of
from .sources.published import published_as


def inspect(path: FilePath, network: str = "auto", features_only: bool = False,
            say: Callable[[str], object] = print, preprocessing: str | None = None, prefix: str = "") -> None:
    """Report the file's format and digest, its arrays with their targets, and the network that it would become.

    Parameters
    ----------
    path : a weights file.
    network, features_only, preprocessing, prefix : as for `convert`.
    say : function that takes each line of the report.

    Only the values that identify a network are read, so non-finite values elsewhere are not found.
    Raises InputError if the file cannot be read. If no network fits, the report says so.
    """
    kind = recognise(path)
    sha256 = require_digest(path, kind)
    published = published_as(sha256)
    say(f"{shown(path)} is {kind}, {Path(path).stat().st_size:,} bytes")
    say(f"sha256 {sha256}: " + (f"published as {published.url}" if published else "not a published file known here"))
    with open_arrays(path, kind) as arrays:
        match = None
        try:
            match, line = identify(path, arrays, network, features_only, sha256, preprocessing, prefix)
            require_values(path, match)
            labels = labels_of(match, None, None)
        except InputError as problem:
            verdict = [f"would not be converted: {problem}"]
        else:
            verdict = [f"names, shapes and types fit: would be converted to {_target(match.model_name)} if all values "
                       "are finite", *describe(path, kind, match, sha256), line, *describe_classes(match, labels)]
        targets = {array.name: target.key for array, target, _ in match.arrays} if match else {}
        for array in arrays:
            say(f"  {array.name:<32} {str(array.shape):<20} {type_name(array.dtype):<9}"
                + (f" -> {targets[array.name]}" if array.name in targets else ""))
    for line in verdict:
        say(line)


def _target(name: str) -> Path:
    """Return the default output; only its name if the user has no home folder, so that -o is needed."""
    try:
        return cache_folder() / f"{name}.h5"
    except InputError:
        return Path(f"{name}.h5")
