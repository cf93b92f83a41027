"""From a source file to minicnn's HDF5, checked in the order in which it would be cheapest to fail."""

import os
import re
from pathlib import Path
from time import perf_counter

import numpy as np

import minicnn
from minicnn.errors import InputError
from minicnn.files import check_target, replacing
from minicnn.models import cache_folder
from minicnn.models.weights import Header, row_blocks, write_arrays
from weights_converter.digests import file_sha256, progress
from weights_converter.sources.published import published_as
from weights_converter.formats.containers import open_arrays, read_values, recognise
from weights_converter.match import find_source

BUFFERS = ("/mean", "/var")  # of batch normalization: no parameters


def convert(path, output=None, network="auto", features_only=False, overwrite=False, say=print):
    """Convert the file `path` and return the path that was written; `say` gets a line for each thing to know.

    output : by default <name>.h5 in the cache folder. network : see `find_source`. features_only : without
    the classifier, which a file need not have then. Raises InputError for whatever cannot be used; then
    nothing is written, and what was there before stays.
    """
    start = perf_counter()
    kind, sha256 = check_first(path, output, overwrite)
    with open_arrays(path, kind) as arrays:
        match = find_source(path, arrays, network, features_only, sha256)
        for line in describe(path, kind, match, sha256):
            say(line)
        refuse_other_values(path, match)
        target = Path(output) if output else default_output(match.model_name)
        write(path, target, converted(path, match), header(match, sha256), overwrite)
    hint = "" if output else f"; load_model({match.model_name!r}) finds it"
    say(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) in {perf_counter() - start:.1f} s{hint}")
    return target


def check_first(path, output, overwrite):
    """(kind of file, sha256); before a long reading, InputError where `path` or the output cannot be used."""
    kind = recognise(path)
    if output:
        check_output(path, output, overwrite)
    else:
        cache_folder()
    return kind, checked_sha256(path)


def write(path, target, arrays, header, overwrite):
    """Write what was made of the file `path` to `target`; nothing of it is there when anything fails."""
    check_output(path, target, overwrite)
    with replacing(target, overwrite) as temporary:
        write_arrays(temporary, arrays, header)


def check_output(path, target, overwrite):
    """Raise InputError where what is made of the file `path` cannot be written to `target`."""
    if os.path.exists(target) and os.path.samefile(target, path):
        raise InputError(f"{target}: this is the source itself; give another name")
    check_target(target, overwrite)


def checked_sha256(path):
    """The file's sha256, hexadecimal; InputError where its name ends in another one's first eight digits."""
    digest = file_sha256(path)
    named = digest_in_name(path)
    if named and not digest.startswith(named):
        raise InputError(f"{path} is damaged: its sha256 begins with {digest[:8]}, not with {named} as "
                         "its name says (rename it if that is no digest)")
    return digest


def digest_in_name(path):
    """The eight digits with which the name says that the sha256 begins, as in vgg16-397923af.pth, or None."""
    found = re.search(r"-([0-9a-f]{8})$", Path(path).stem)
    return found and found[1]


def describe(path, kind, match, sha256):
    """Lines on what the file was found to be, what of it is left out, and whether it is as it was published."""
    source = match.source
    part = f" up to {match.last}" if match.last else ""
    count = sum(array.size for array, target, _ in match.arrays if not target.key.endswith(BUFFERS))
    line = (f"{path} is {kind}: {source.name}{part} with {source.publisher}'s names, "
            f"{len(match.arrays)} arrays, {count:,} parameters")
    if match.left_out:
        groups = dict.fromkeys(name.partition(".")[0] for name in match.left_out)
        line += f"; left out: {len(match.left_out)} arrays of {', '.join(groups)}"
    lines = [line]
    if source.note:
        lines.append(f"note: {source.note}")
    return lines + unknown_digest(path, sha256)


def unknown_digest(path, sha256):
    """A line that warns of a file that neither the list of published files nor its own name vouches for."""
    if published_as(sha256) or digest_in_name(path):
        return []
    return [f"warning: no published file with sha256 {sha256} is known here: values that were changed on the way "
            "would not be noticed"]


def default_output(name):
    """<name>.h5 in the user's cache folder, which is made."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made ({problem.strerror}); name a file with -o") from None
    return folder / f"{name}.h5"


def refuse_other_values(path, match):
    """Raise InputError where arrays by which the source is known have other values, or parameters are missing."""
    source = match.source
    for array in match.constants:
        if not np.array_equal(read_values(path, array), source.constants[array.name]):
            raise InputError(f"{path}: {array.name} does not have the values that {source.name} is known by")
    count = sum(array.size for array, target, _ in match.arrays if not target.key.endswith(BUFFERS))
    if not match.last and count != source.num_parameters:
        raise InputError(f"{path}: {count:,} parameters instead of {source.num_parameters:,}")


def converted(path, match):
    """(name here, shape here, blocks of rows) of every array, read one after the other.

    Raises InputError at the end, naming every array that is not finite.
    """
    bad = []
    with progress("converting", sum(4 * array.size for array, _, _ in match.arrays)) as bar:
        for array, target, shape in match.arrays:
            values = target.layout.to_ours(read_values(path, array))
            yield target.key, shape, finite_blocks(values, shape, array.name, bad, bar)
            values = None  # the next one is read only when this one's memory is free
    if bad:
        raise InputError(f"{path}: weights that are not finite in {', '.join(bad)}")


def finite_blocks(values, shape, name, bad, bar):
    """The rows in float32, a few megabytes at a time; `name` is appended to `bad` where one is not finite."""
    for block in row_blocks(values, shape[1:]):
        if not np.isfinite(block).all() and name not in bad:
            bad.append(name)
        bar.update(block.nbytes)
        yield block


def header(match, source_sha256):
    """What the weights file says of itself; class names for whole classifiers only."""
    source = match.source
    labels = imagenet_classes() if source.classes and not match.last else []
    options = {**source.options, "last": match.last} if match.last else source.options
    return Header(match.model_name, source.architecture, source.preprocessing, labels, options,
                  origin(source, source_sha256), source.licence, source_sha256)


def origin(source, sha256):
    """Where the weights come from; of other files than the published ones, names are all that is known."""
    if published_as(sha256):
        return source.origin
    return f"{source.origin}: by its names; not the published file, or not known to be"


def imagenet_classes():
    """The names of the 1000 classes, in the order of the scores."""
    return (Path(minicnn.__file__).parent / "data" / "imagenet_classes.txt").read_text("utf-8").splitlines()
