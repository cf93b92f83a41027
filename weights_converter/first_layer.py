"""Convert only the filters of the first convolution, of any network, for pictures of them."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from minicnn.errors import InputError, unknown_name
from minicnn.models.first_layer import LARGEST_KERNEL, MOST_FILTERS
from minicnn.models.preprocessing import CAFFE_VGG, PREPROCESSINGS, TORCHVISION, Preprocessing
from minicnn.models.weights import Header
from minicnn.models.weights.recognise import shown

from .convert import (
    Blocks,
    FilePath,
    default_output,
    finite_blocks,
    require_finite,
    require_input_and_output,
    unknown_digest,
    write,
)
from .digests import progress
from .formats.containers import CAFFEMODEL, DEEP_COMPRESSION, open_arrays, read_values
from .formats.number_formats import is_weight_type, type_name
from .formats.stored import StoredArray
from .match import FLOATS, has_integers, listed, match, sources_of
from .sources.layouts import AS_OURS, HWIO, Layout
from .sources.source import Source

DEFAULT_PREPROCESSING = {"RGB": TORCHVISION, "BGR": CAFFE_VGG}  # of unknown networks, by channel order
CAFFE_KINDS = (CAFFEMODEL, DEEP_COMPRESSION)  # formats of networks that take BGR


def extract(path: FilePath, output: FilePath | None = None, name: str | None = None, channels: str | None = None,
            overwrite: bool = False, say: Callable[[str], object] = print,
            preprocessing_name: str | None = None) -> Path:
    """Write the filters of the first convolution of `path` as a network of one layer; return the path of its file.

    Parameters
    ----------
    path : a weights file of any network.
    output : by default <file's name>-first_layer.h5 in the cache folder.
    name : of the array of filters, of shape (F, 3, k, k) or (k, k, 3, F); by default the first such array.
    channels : "RGB" or "BGR", the order in which the network takes its channels; by default see
        `find_preprocessing`.
    overwrite : replace an existing output.
    say : function that takes each line of the report.
    preprocessing_name : of PREPROCESSINGS; overrides the channel order too.

    Raises InputError if the file has no such filters.
    """
    kind, sha256 = require_input_and_output(path, output, overwrite)
    with open_arrays(path, kind) as arrays:
        array, layout, shape = first_convolution(path, arrays, name)
        preprocessing, reason = find_preprocessing(array, arrays, kind, sha256, channels)
        if preprocessing_name:
            preprocessing, reason = PREPROCESSINGS[preprocessing_name], ", as given by --preprocessing"
        say(f"{shown(path)} is {kind}: {array.name} {array.shape}, {shape[0]} filters of {shape[2]}x{shape[3]}, "
            f"channels in the order {preprocessing.channel_order}{reason}")
        for line in unknown_digest(path, sha256):
            say(line)
        model_name = f"{re.sub(r'[^0-9A-Za-z_.]', '_', Path(path).stem)}-first_layer"
        target = Path(output) if output else default_output(model_name)
        options = {"filters": shape[0], "kernel_size": shape[2], "input_size": preprocessing.crop}
        header = Header(model_name, "first_layer", preprocessing, [], options, f"{array.name} of {file_name(path)}",
                        "of the file that it was taken from", sha256)
        write(path, target, filters(path, array, layout, shape), header, overwrite)
    say(f"wrote {target}; minicnn filters --model {target if output else model_name} draws them")
    return target


def file_name(path: FilePath) -> str:
    """Return the file's name with "�" for bytes that are not UTF-8, as HDF5 stores only UTF-8 texts."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def first_convolution(path: FilePath, arrays: Sequence[StoredArray],
                      name: str | None = None) -> tuple[StoredArray, Layout, tuple[int, ...]]:
    """Return the array `name`, or the first array that can be filters over three channels; its layout; OIHW shape.

    Raises InputError if there is no such array, or if it does not have a type of FLOATS.
    """
    fitting = {}
    for array in arrays:
        if found := filter_layout(array.shape):
            fitting[array.name] = array, *found
    floats = {key: entry for key, entry in fitting.items() if is_weight_type(entry[0].dtype)}
    if name is None and floats:
        return next(iter(floats.values()))
    if name in floats:
        return floats[name]
    if name in fitting or fitting and not floats:
        array, _, _ = fitting.get(name or "") or next(iter(fitting.values()))
        raise InputError(f"{path}: {array.name} {array.shape} is {type_name(array.dtype)} instead of {FLOATS}; "
                         "save it as float32")
    if not floats:
        shapes = listed([f"{array.name} {array.shape}" for array in arrays], limit=8)
        raise InputError(f"{path} has no filters over three channels, (F, 3, k, k) or (k, k, 3, F) with F up to "
                         f"{MOST_FILTERS:,} and k from 2 to {LARGEST_KERNEL}; it has {shapes}")
    raise unknown_name("array of filters", name, floats)


def filter_layout(shape: tuple[int, ...]) -> tuple[Layout, tuple[int, ...]] | None:
    """Return (Layout, OIHW shape) of square filters over three channels, larger than 1x1; None for other shapes."""
    if len(shape) != 4:
        return None
    for layout, oihw in ((AS_OURS, shape), (HWIO, (shape[3], shape[2], shape[0], shape[1]))):
        filters, channels, height, width = oihw
        if channels == 3 and height == width and 2 <= width <= LARGEST_KERNEL and 1 <= filters <= MOST_FILTERS:
            return layout, oihw
    return None


def find_preprocessing(array: StoredArray, arrays: Sequence[StoredArray], kind: str, sha256: str,
                       channels: str | None = None) -> tuple[Preprocessing, str]:
    """Return the Preprocessing of the network with the filters `array`, and the reason for it, for a message.

    A known source has its own. Other files of Caffe's formats take BGR, all other files RGB. `channels`, if given,
    overrides the channel order.
    """
    source = known_source(array, arrays, kind, sha256)
    if source:
        preprocessing, reason = source.preprocessing, f", as published for {source.name}"
    elif kind in CAFFE_KINDS:
        preprocessing, reason = DEFAULT_PREPROCESSING["BGR"], ", as usual in Caffe"
    else:
        preprocessing, reason = DEFAULT_PREPROCESSING["RGB"], ", the default (if this is wrong: --channels BGR)"
    if channels:
        reason = ", as given by --channels"
    if channels not in (None, preprocessing.channel_order):
        preprocessing = DEFAULT_PREPROCESSING[channels]
    return preprocessing, reason


def known_source(array: StoredArray, arrays: Sequence[StoredArray], kind: str, sha256: str) -> Source | None:
    """Return the Source whose first convolution has this name and shape, if most other arrays are of it too.

    The name and shape alone are not enough: many networks have a conv1.weight of shape (64, 3, 3, 3).
    """
    weights = sum(not has_integers(stored) for stored in arrays)
    for source in sources_of("auto", sha256):
        if kind in CAFFE_KINDS and source.publisher != "Caffe":
            continue
        candidate = match(source, arrays, features_only=True)
        first = next(iter(source.names.values())).key
        shapes = {stored.name: target.layout.source_shape(shape) for stored, target, shape in candidate.arrays
                  if target.key == first}
        if shapes.get(array.name) == array.shape and 2 * candidate.recognised >= weights:
            return source
    return None


def filters(path: FilePath, array: StoredArray, layout: Layout, shape: tuple[int, ...]) -> Iterator[Blocks]:
    """Yield the filters as `write_arrays` takes them. Raises InputError if a weight is not finite."""
    not_finite: list[str] = []
    with progress("converting", 4 * array.size) as bar:
        values = layout.to_ours(read_values(path, array))
        yield "conv1/w", shape, finite_blocks(values, shape, array.name, not_finite, bar)
    require_finite(path, not_finite)
