"""Convert a source file to minicnn's HDF5 format. The cheapest validations come first."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError
from minicnn.files import replacing, require_target
from minicnn.models import cache_folder
from minicnn.models.weights import Header, row_blocks, write_arrays
from minicnn.models.weights.recognise import shown

from .digests import files_sha256, progress
from .formats.containers import open_arrays, read_values, recognise, source_files
from .formats.stored import StoredArray
from .labels import describe_classes, labels_of, read_labels
from .match import Match, find_source, listed
from .preprocessing import take_preprocessing
from .sources.published import published_as
from .sources.source import Source

BUFFERS = ("/mean", "/var")  # statistics of batch normalization, which do not count as parameters

FilePath = str | os.PathLike[str]
Blocks = tuple[str, tuple[int, ...], Iterator[Array]]  # an array's name, shape and rows, as write_arrays takes it


def convert(path: FilePath, output: FilePath | None = None, network: str = "auto", features_only: bool = False,
            overwrite: bool = False, say: Callable[[str], object] = print, labels: FilePath | None = None,
            preprocessing: str | None = None, prefix: str = "") -> Path:
    """Convert the file `path` and return the path of the HDF5 file.

    Parameters
    ----------
    path : a weights file of another framework.
    output : by default <name>.h5 in the cache folder, where load_model finds it by name.
    network : name of a source or of an architecture, or "auto": recognise it.
    features_only : leave out the classifier, which the file then need not contain.
    overwrite : replace an existing output.
    say : function that takes each line of the report.
    labels : a file of the class names; by default ImageNet's for 1000 classes, and no names for another number.
    preprocessing : a name of PREPROCESSINGS. By default see `take_preprocessing`.
    prefix : take only the arrays whose names begin with this text, of a file with several networks.

    Raises InputError if the file cannot be used. Then nothing is written, and an existing output stays as it was.
    """
    start = perf_counter()
    names = read_labels(labels) if labels else None
    kind, sha256 = require_input_and_output(path, output, overwrite)
    with open_arrays(path, kind) as arrays:
        match, taken = identify(path, arrays, network, features_only, sha256, preprocessing, prefix)
        require_values(path, match)
        class_names = labels_of(match, labels, names)
        for line in [*describe(path, kind, match, sha256), taken, *describe_classes(match, class_names)]:
            say(line)
        target = Path(output) if output else default_output(match.model_name)
        write(path, target, converted(path, match), header(match, sha256, class_names), overwrite)
    hint = "" if output else f"; load_model({match.model_name!r}) finds it"
    say(f"wrote {shown(target)} ({target.stat().st_size / 1e6:.1f} MB) in {perf_counter() - start:.1f} s{hint}")
    return target


def identify(path: FilePath, arrays: Sequence[StoredArray], network: str, features_only: bool, sha256: str,
             preprocessing: str | None, prefix: str) -> tuple[Match, str]:
    """Return the Match of a file's arrays with its preprocessing, and a line about the preprocessing."""
    match = find_source(path, arrays, network, features_only, sha256, prefix)
    array, target, shape = match.arrays[0]
    first = None
    if len(shape) == 4 and not preprocessing:
        with np.errstate(all="ignore"):  # damaged values, which are refused later
            first = target.layout.to_ours(read_values(path, array)).astype(np.float32).reshape(shape)
    try:
        return take_preprocessing(match, first, sha256, preprocessing)
    except InputError as problem:
        raise InputError(f"{shown(path)}: {problem}") from None


# ---- validation --------------------------------------------------------------------------------------------


def require_input_and_output(path: FilePath, output: FilePath | None, overwrite: bool) -> tuple[str, str]:
    """Return the format and the sha256 of the file `path`.

    Raises InputError if the file cannot be read, or `output` cannot be written. This takes less time than reading.
    """
    kind = recognise(path)
    if output:
        require_output(path, output, overwrite)
    else:
        cache_folder()
    return kind, require_digest(path, kind)


def require_output(path: FilePath, target: FilePath, overwrite: bool) -> None:
    """Raise InputError if `target` cannot be written, or is the source file `path` itself."""
    if os.path.exists(target) and os.path.samefile(target, path):
        raise InputError(f"{target}: this is the source itself; give another name")
    require_target(target, overwrite)


def require_digest(path: FilePath, kind: str) -> str:
    """Return the sha256 of the file and its parts, hexadecimal. Raises InputError if the file's name gives another."""
    digest = files_sha256(source_files(path, kind))
    expected = digest_in_name(path)
    if expected and not digest.startswith(expected):
        raise InputError(f"{shown(path)} is damaged: its sha256 begins with {digest[:8]}, not with {expected} as its "
                         "name says; download it again (or rename it if the name has no digest)")
    return digest


def digest_in_name(path: FilePath) -> str | None:
    """Return the first eight digits of the sha256 that the file's name gives, as in vgg16-397923af.pth, or None."""
    found = re.search(r"-([0-9a-f]{8})$", Path(path).stem)
    return found and found[1]


def require_values(path: FilePath, match: Match) -> None:
    """Raise InputError if arrays that identify the source have other values, or if parameters are missing."""
    source = match.source
    for array, name in match.constants:
        if not np.array_equal(read_values(path, array), source.constants[name]):
            raise InputError(f"{shown(path)} is not {source.name}: {array.name} has other values")
    count, expected = count_parameters(match), source.num_parameters
    if match.own_classes:  # the classifier has a row of weights and a bias for each class
        per_class = sum(array.size for array, _, shape in match.arrays[-2:]) // (match.num_classes or 1)
        expected += ((match.num_classes or 0) - (match.usual_classes or 0)) * per_class
    if not match.last and count != expected:
        raise InputError(f"{shown(path)} has {count:,} parameters instead of the {expected:,} of {source.name}")


# ---- report ------------------------------------------------------------------------------------------------


def describe(path: FilePath, kind: str, match: Match, sha256: str) -> list[str]:
    """Return lines with the file's format, network and size, its unused arrays, and warnings."""
    source = match.source
    part = f" up to {match.last}" if match.last else ""
    line = (f"{shown(path)} is {kind}: {source.name}{part} with {source.publisher}'s names, "
            f"{len(match.arrays)} arrays, {count_parameters(match):,} parameters")
    if match.left_out:
        groups = dict.fromkeys(name.partition(".")[0] for name in match.left_out)
        line += f"; left out: {len(match.left_out)} arrays of {', '.join(groups)}"
    lines = [line, *describe_wrappers(match)]
    if source.note:
        lines.append(f"note: {source.note}")
    return lines + unknown_digest(path, sha256)


def describe_wrappers(match: Match) -> list[str]:
    """Return lines about the wrappers that were taken off the names, and about arrays outside the network."""
    lines = []
    if match.choice.removed:
        lines.append(f"taken off the names: {listed(match.choice.removed, 4)}")
    if match.choice.others:
        lines.append(f"{len(match.choice.others)} other wrappers fit as well: {listed(match.choice.others, 4)}; "
                     f"to take one: --prefix {match.choice.others[0]}")
    if match.outside:
        lines.append(f"left out: {len(match.outside)} arrays outside the network: {listed(match.outside, 6)}")
    return lines


def count_parameters(match: Match) -> int:
    """Return the number of parameters in the arrays to convert, without statistics of batch normalization."""
    return sum(array.size for array, target, _ in match.arrays if not target.key.endswith(BUFFERS))


def unknown_digest(path: FilePath, sha256: str) -> list[str]:
    """Return a warning if neither the list of published files nor the file's name confirms its digest; else []."""
    if published_as(sha256) or digest_in_name(path):
        return []
    return [f"warning: no published file with sha256 {sha256} is known here: changed values would not be noticed"]


# ---- output ------------------------------------------------------------------------------------------------


def default_output(name: str) -> Path:
    """Return <name>.h5 in the user's cache folder; the folder is made if necessary."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise InputError(f"{folder} cannot be made ({problem.strerror}); name a file with -o") from None
    return folder / f"{name}.h5"


def write(path: FilePath, target: Path, arrays: Iterable[Blocks], header: Header, overwrite: bool) -> None:
    """Write the arrays converted from the file `path` to `target`. If anything fails, nothing is left of it."""
    require_output(path, target, overwrite)
    with replacing(target, overwrite) as temporary:
        write_arrays(temporary, arrays, header)


def converted(path: FilePath, match: Match) -> Iterator[Blocks]:
    """Yield (minicnn's name, shape, blocks of rows) of every array; one array is in memory at a time.

    Raises InputError at the end if values are not finite, with the names of all such arrays.
    """
    not_finite: list[str] = []
    with progress("converting", sum(4 * array.size for array, _, _ in match.arrays)) as bar:
        for array, target, shape in match.arrays:
            values = target.layout.to_ours(read_values(path, array))
            yield target.key, shape, finite_blocks(values, shape, array.name, not_finite, bar)
            del values  # free its memory before reading the next array
    require_finite(path, not_finite)


def finite_blocks(values: Array, shape: tuple[int, ...], name: str, not_finite: list[str],
                  bar: Any) -> Iterator[Array]:
    """Yield the rows in float32, a few megabytes at a time. Adds `name` to `not_finite` if a value is not finite."""
    for block in row_blocks(values, shape[1:]):
        if not np.isfinite(block).all() and name not in not_finite:
            not_finite.append(name)
        bar.update(block.nbytes)
        yield block


def require_finite(path: FilePath, not_finite: list[str]) -> None:
    """Raise InputError if there are names of arrays that are not finite."""
    if not_finite:
        raise InputError(f"{path} has NaN, infinite or too large values, which are not finite in "
                         f"{', '.join(not_finite)}")


def header(match: Match, source_sha256: str, labels: list[str]) -> Header:
    """Return the Header of the HDF5 file."""
    source = match.source
    options = {**source.options, "last": match.last} if match.last else source.options
    if match.own_classes:
        options = {**options, "num_classes": match.num_classes}
    return Header(match.model_name, source.architecture, source.preprocessing, labels, options,
                  origin(source, source_sha256), source.licence, source_sha256)


def origin(source: Source, sha256: str) -> str:
    """Return the origin of the weights; it is qualified if the file is not a known published one."""
    if published_as(sha256):
        return source.origin
    return f"{source.origin} (recognised by its array names; not a known published file)"
