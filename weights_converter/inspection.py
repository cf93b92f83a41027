"""What is in a weights file, without converting it: python -m weights_converter inspect FILE."""

from pathlib import Path

from minicnn.errors import InputError
from minicnn.models import cache_folder
from weights_converter.containers import open_arrays, recognise
from weights_converter.convert import checked_sha256, describe
from weights_converter.match import find_source
from weights_converter.published import published_as


def inspect(path, network="auto", features_only=False, say=print):
    """Say what the file is, its digest, its arrays and where each would go, and what would be converted.

    Raises InputError where the file cannot be read; that nothing fits its arrays is part of the report.
    """
    kind = recognise(path)
    sha256 = checked_sha256(path)
    published = published_as(sha256)
    say(f"{path} is {kind}, {Path(path).stat().st_size:,} bytes")
    say(f"sha256 {sha256}: " + (f"published as {published.url}" if published else "of no published file known here"))
    with open_arrays(path, kind) as arrays:
        try:
            match = find_source(path, arrays, network, features_only, sha256)
        except InputError as problem:
            match, verdict = None, [f"would not be converted: {problem}"]
        else:
            target = cache_folder() / f"{match.model_name}.h5"
            verdict = [f"would be converted to {target}", *describe(path, kind, match, sha256)]
        targets = {array.name: target.key for array, target, _ in match.arrays} if match else {}
        for array in arrays:
            say(f"  {array.name:<32} {str(array.shape):<20} {str(array.dtype):<9}"
                + (f" -> {targets[array.name]}" if array.name in targets else ""))
    for line in verdict:
        say(line)
