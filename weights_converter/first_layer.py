"""The filters of the first convolution of any network, for the pictures of them."""

import os
import re
from pathlib import Path

from minicnn.errors import InputError, unknown_name
from minicnn.models.first_layer import LARGEST_KERNEL, MOST_FILTERS
from minicnn.models.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.models.weights import Header
from weights_converter.convert import (
    check_first,
    default_output,
    finite_blocks,
    unknown_digest,
    write,
)
from weights_converter.digests import progress
from weights_converter.formats.containers import CAFFEMODEL, DEEP_COMPRESSION, open_arrays, read_values
from weights_converter.match import FLOATS, is_float, listed, match, no_weight, sources_of, type_name
from weights_converter.sources.layouts import AS_OURS, HWIO

OTHER_NETWORKS = {"RGB": TORCHVISION, "BGR": CAFFE_VGG}  # what is taken for those that are not known
CAFFES_OWN = (CAFFEMODEL, DEEP_COMPRESSION)  # kinds of files of networks that take BGR


def extract(path, output=None, name=None, channels=None, overwrite=False, say=print):
    """Write the filters of the first convolution of the file `path` as a network of one layer; the path written.

    name : of the array of filters, (F, 3, k, k) or (k, k, 3, F); by default the first. channels : "RGB" or
    "BGR", the order in which the network takes its channels, where it is known better than by
    `find_preprocessing`. Raises InputError where there are no such filters.
    """
    kind, sha256 = check_first(path, output, overwrite)
    with open_arrays(path, kind) as arrays:
        array = first_convolution(path, arrays, name)
        layout, shape = filter_layout(array.shape)
        preprocessing, why = find_preprocessing(array, arrays, kind, sha256, channels)
        say(f"{path} is {kind}: {array.name} {array.shape}, {shape[0]} filters of {shape[2]}x{shape[3]}, "
            f"channels taken as {preprocessing.channel_order}{why}")
        for line in unknown_digest(path, sha256):
            say(line)
        model_name = f"{re.sub(r'[^0-9A-Za-z_.]', '_', Path(path).stem)}-first_layer"
        target = Path(output) if output else default_output(model_name)
        options = {"filters": shape[0], "kernel_size": shape[2], "input_size": preprocessing.crop}
        header = Header(model_name, "first_layer", preprocessing, [], options, f"{array.name} of {file_name(path)}",
                        "of the file that it was taken from", sha256)
        write(path, target, filters(path, array, layout, shape), header, overwrite)
    name = target if output else model_name
    say(f"wrote {target}; python -m demos.filters --model {name} draws them")
    return target


def file_name(path):
    """The file's name, with marks for what is not UTF-8 in it: HDF5 has no other texts."""
    return os.fsencode(Path(path).name).decode("utf-8", "replace")


def first_convolution(path, arrays, name=None):
    """The array of that name, or the first that can be filters over three channels."""
    fitting = {array.name: array for array in arrays if filter_layout(array.shape)}
    candidates = {key: array for key, array in fitting.items() if is_float(array.dtype)}
    if name is None and candidates:
        return next(iter(candidates.values()))
    if name in candidates:
        return candidates[name]
    if name in fitting or fitting and not candidates:
        array = fitting.get(name) or next(iter(fitting.values()))
        raise InputError(f"{path}: {array.name} {array.shape} is {type_name(array.dtype)} instead of {FLOATS}; "
                         "save it as float32")
    if not candidates:
        shown = listed([f"{array.name} {array.shape}" for array in arrays], most=8)
        raise InputError(f"{path} has no filters over three channels, (F, 3, k, k) or (k, k, 3, F) with F up to "
                         f"{MOST_FILTERS:,} and k from 2 to {LARGEST_KERNEL}; it has {shown}")
    raise unknown_name("array of filters", name, candidates)


def filter_layout(shape):
    """(Layout, shape as OIHW) of square filters larger than 1x1 over three channels; None for anything else."""
    if len(shape) != 4:
        return None
    for layout, oihw in ((AS_OURS, shape), (HWIO, (shape[3], shape[2], shape[0], shape[1]))):
        filters, channels, height, width = oihw
        if channels == 3 and height == width and 2 <= width <= LARGEST_KERNEL and 1 <= filters <= MOST_FILTERS:
            return layout, oihw
    return None


def find_preprocessing(array, arrays, kind, sha256, channels=None):
    """(Preprocessing, how it is known, for a message) of the network whose filters `array` is.

    channels : what somebody says, who knows better; then what is published with the weights counts; else a file
    of Caffe's own is BGR, and any other RGB.
    """
    source = known_source(array, arrays, kind, sha256)
    if source:
        found, why = source.preprocessing, f", as {source.name} has them"
    elif kind in CAFFES_OWN:
        found, why = OTHER_NETWORKS["BGR"], ", as Caffe has them"
    else:
        found, why = OTHER_NETWORKS["RGB"], " (if not: --channels BGR)"
    if channels:
        why = ", as asked for"
    return (found if channels in (None, found.channel_order) else OTHER_NETWORKS[channels]), why


def known_source(array, arrays, kind, sha256):
    """The Source whose first convolution has this name and shape, where most of the file is of that source too.

    The name and shape alone would tell too little: conv1.weight (64, 3, 3, 3) is in every second network.
    """
    weights = sum(not no_weight(stored) for stored in arrays)
    for source in sources_of("auto", sha256):
        if array.name != next(iter(source.names)) or kind in CAFFES_OWN and source.publisher != "Caffe":
            continue
        found = match(source, arrays, features_only=True)
        shapes = {stored.name: target.layout.source_shape(shape) for stored, target, shape in found.arrays}
        if shapes.get(array.name) == array.shape and 2 * found.recognised >= weights:
            return source
    return None


def filters(path, array, layout, shape):
    """What `write_arrays` takes; InputError where a weight is not finite."""
    bad = []
    with progress("converting", 4 * array.size) as bar:
        values = layout.to_ours(read_values(path, array))
        yield "conv1/w", shape, finite_blocks(values, shape, array.name, bad, bar)
    if bad:
        raise InputError(f"{path}: weights that are not finite in {array.name}")
