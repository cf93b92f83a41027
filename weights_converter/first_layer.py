"""The filters of the first convolution of any network, for the pictures of them."""

import re
from pathlib import Path

from minicnn.errors import InputError, unknown_name
from minicnn.preprocessing import CAFFE_VGG, TORCHVISION
from minicnn.weights import Header
from weights_converter.containers import CAFFEMODEL, open_arrays, read_values, recognise
from weights_converter.convert import checked_sha256, default_output, finite_blocks, unknown_digest, write
from weights_converter.digests import progress
from weights_converter.layouts import AS_OURS, HWIO
from weights_converter.match import is_float, listed


def extract(path, output=None, name="auto", bgr=False, overwrite=False, say=print):
    """Write the filters of the first convolution of the file `path` as a network of one layer; the path written.

    name : of the array of filters, (F, 3, k, k) or (k, k, 3, F); "auto" takes the first. bgr : the network
    takes its channels as blue, green, red, as Caffe's do. Raises InputError where there is none.
    """
    kind = recognise(path)
    sha256 = checked_sha256(path)
    with open_arrays(path, kind) as arrays:
        array = first_convolution(path, arrays, name)
        layout, shape = filter_layout(array.shape)
        bgr = bgr or kind == CAFFEMODEL
        order = "BGR, as Caffe has it" if kind == CAFFEMODEL else "BGR" if bgr else "RGB (if not: --bgr)"
        say(f"{path} is {kind}: {array.name} {array.shape}, {shape[0]} filters of {shape[2]}x{shape[3]}, "
            f"channels taken as {order}")
        for line in unknown_digest(path, sha256):
            say(line)
        model_name = f"{re.sub(r'[^0-9A-Za-z_.]', '_', Path(path).stem)}-first_layer"
        target = Path(output) if output else default_output(model_name)
        header = Header(model_name, "first_layer", CAFFE_VGG if bgr else TORCHVISION, [],
                        {"filters": shape[0], "kernel_size": shape[2]}, f"{array.name} of {Path(path).name}",
                        "of the file that it was taken from", sha256)
        write(path, target, filters(path, array, layout, shape), header, overwrite)
    name = target if output else model_name
    say(f"wrote {target}; python -m demos.filters --model {name} draws them")
    return target


def first_convolution(path, arrays, name):
    """The array of that name, or the first that can be filters over three channels."""
    candidates = {array.name: array for array in arrays if filter_layout(array.shape) and is_float(array.dtype)}
    if name == "auto" and candidates:
        return next(iter(candidates.values()))
    if name in candidates:
        return candidates[name]
    if not candidates:
        shown = listed([f"{array.name} {array.shape}" for array in arrays], most=8)
        raise InputError(f"{path} has no filters over three channels, (F, 3, k, k) or (k, k, 3, F); it has {shown}")
    raise unknown_name("array of filters", name, candidates)


def filter_layout(shape):
    """(Layout, shape as OIHW) of square filters larger than 1x1 over three channels; None for anything else."""
    if len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3] > 1:
        return AS_OURS, shape
    if len(shape) == 4 and shape[2] == 3 and shape[0] == shape[1] > 1:
        return HWIO, (shape[3], shape[2], shape[0], shape[1])
    return None


def filters(path, array, layout, shape):
    """What `write_arrays` takes; InputError where a weight is not finite."""
    bad = []
    with progress("converting", 4 * array.size) as bar:
        values = layout.to_ours(read_values(path, array))
        yield "conv1/w", shape, finite_blocks(values, shape, array.name, bad, bar)
    if bad:
        raise InputError(f"{path}: weights that are not finite in {array.name}")
