"""What is in a weights file, without converting it: python -m weights_converter inspect FILE."""

from pathlib import Path

from minicnn.errors import InputError
from minicnn.models import cache_folder
from weights_converter.convert import checked_sha256, describe, refuse_other_values
from weights_converter.sources.published import published_as
from weights_converter.formats.containers import open_arrays, recognise
from weights_converter.match import find_source, type_name


def inspect(path, network="auto", features_only=False, say=print):
    """Say what the file is, its digest, its arrays and where each would go, and what would be converted.

    Raises InputError where the file cannot be read; that nothing fits its arrays is part of the report. Of the
    values only those are read by which the file is known: that all are sound, converting will tell.
    """
    kind = recognise(path)
    sha256 = checked_sha256(path)
    published = published_as(sha256)
    say(f"{path} is {kind}, {Path(path).stat().st_size:,} bytes")
    say(f"sha256 {sha256}: " + (f"published as {published.url}" if published else "of no published file known here"))
    with open_arrays(path, kind) as arrays:
        match = None
        try:
            match = find_source(path, arrays, network, features_only, sha256)
            refuse_other_values(path, match)
        except InputError as problem:
            verdict = [f"would not be converted: {problem}"]
        else:
            verdict = [f"names, shapes and types fit: would be converted to {_target(match.model_name)} if the values "
                       "are sound", *describe(path, kind, match, sha256)]
        targets = {array.name: target.key for array, target, _ in match.arrays} if match else {}
        for array in arrays:
            say(f"  {array.name:<32} {str(array.shape):<20} {type_name(array.dtype):<9}"
                + (f" -> {targets[array.name]}" if array.name in targets else ""))
    for line in verdict:
        say(line)


def _target(name):
    try:
        return cache_folder() / f"{name}.h5"
    except InputError:  # no home folder: wherever -o says
        return f"{name}.h5"
