"""From a source file to minicnn's HDF5, checked in the order in which it would be cheapest to fail."""

import hashlib
import re
from pathlib import Path
from time import perf_counter

import numpy as np

import minicnn
from minicnn.errors import InputError
from minicnn.files import replacing
from minicnn.models import build_network, cache_folder
from minicnn.weights import Header, refuse_non_finite, write_weights
from weights_converter.containers import open_arrays, read_values, recognise
from weights_converter.match import find_source


def convert(path, output=None, network="auto", features_only=False, overwrite=False, say=print):
    """Convert the file `path` and return the path that was written; `say` gets a line before and one after.

    output : by default <name>.h5 in the cache folder. network : see `find_source`. features_only : without
    the classifier, which a file need not have then. Raises InputError for whatever cannot be used; then
    nothing is written, and what was there before stays.
    """
    start = perf_counter()
    kind = recognise(path)
    source_sha256 = checked_sha256(path)
    with open_arrays(path, kind) as arrays:
        match = find_source(path, arrays, network, features_only)
        say(describe(path, kind, match))
        target = Path(output) if output else default_output(match)
        if target.exists() and target.samefile(path):
            raise InputError(f"{target}: this is the source itself; give another name")
        with replacing(target, overwrite) as temporary:
            write_weights(temporary, read_network(path, match), header(match, source_sha256))
    hint = "" if output else f"; load_model({match.model_name!r}) finds it"
    say(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB) in {perf_counter() - start:.1f} s{hint}")
    return target


def checked_sha256(path):
    """The file's sha256, hexadecimal; InputError where its name ends in another one's first eight digits."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            sha256.update(block)
    digest = sha256.hexdigest()
    found = re.search(r"-([0-9a-f]{8})$", Path(path).stem)  # as in vgg16-397923af.pth
    if found and not digest.startswith(found[1]):
        raise InputError(f"{path} is damaged: its sha256 begins with {digest[:8]}, not with {found[1]} as "
                         "its name says (rename it if that is no digest)")
    return digest


def describe(path, kind, match):
    """One line on what the file was found to be, and what of it is left out."""
    source = match.source
    part = f" up to {match.last}" if match.last else ""
    count = sum(array.size for array, _ in match.arrays)
    line = (f"{path} is {kind}: {source.name}{part} with {source.publisher}'s names, "
            f"{len(match.arrays)} arrays, {count:,} parameters")
    if match.left_out:
        groups = dict.fromkeys(name.partition(".")[0] for name in match.left_out)
        line += f"; left out: {len(match.left_out)} arrays of {', '.join(groups)}"
    return line


def default_output(match):
    """<name>.h5 in the user's cache folder, which is made."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made ({problem.strerror}); name a file with -o") from None
    return folder / f"{match.model_name}.h5"


def read_network(path, match):
    """The network with the file's values, float32.

    Raises InputError naming every array that is not finite, and a first layer that is not the expected one.
    """
    source = match.source
    for array in match.constants:
        if not np.array_equal(read_values(path, array), source.constants[array.name]):
            raise InputError(f"{path}: {array.name} does not have the values that {source.name} is known by")
    net = build_network(source.architecture, match.last, **source.options)
    read = {}
    for array, target in match.arrays:
        values = target.layout.to_ours(as_float32(read_values(path, array)))
        layer, _, key = target.key.rpartition("/")
        params = net.layer(layer).params
        if values.shape != params[key].shape:
            raise InputError(f"{path}: {array.name} becomes {values.shape} instead of {params[key].shape}")
        params[key] = read[array.name] = values
    refuse_non_finite(read, path)
    count = sum(values.size for values in read.values())
    expected = net.num_parameters() if match.last else source.num_parameters
    if count != expected:
        raise InputError(f"{path}: {count:,} parameters instead of {expected:,}")
    return net


def as_float32(array):
    """The array in float32, without a copy where it is so already; too large a float64 becomes infinite."""
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def header(match, source_sha256):
    """What the weights file says of itself; class names for whole networks only."""
    source = match.source
    labels = [] if match.last else imagenet_classes()
    options = {**source.options, "last": match.last} if match.last else source.options
    return Header(match.model_name, source.architecture, source.preprocessing, labels, options,
                  source.origin, source.licence, source_sha256)


def imagenet_classes():
    """The names of the 1000 classes, in the order of the scores."""
    return (Path(minicnn.__file__).parent / "data" / "imagenet_classes.txt").read_text("utf-8").splitlines()
