"""Keras's HDF5 weights, as Keras 1 and 2 write them, and Keras 3 where the file's name ends in plain .h5.

Each layer is a group with the attribute `weight_names`, its datasets somewhere below. Only that the attribute is
there matters: the names in it are those of the datasets again, and h5py writes such lists as strings of variable
length, with which a damaged bit can crash HDF5 2.0.
"""

import re
from functools import partial
from math import prod

from minicnn.errors import InputError
from weights_converter.formats.stored import SIZE_LIMIT, StoredArray

MOST = 10_000  # groups and datasets; a network has some hundreds
DEEPEST = 20  # groups within each other; HDF5 itself recurses without an end
KERAS_1 = {"W": "kernel", "b": "bias"}  # what Keras 2 calls them


def keras_arrays(file):
    """The StoredArrays of `file`, open for reading bytes: <layer>/kernel, <layer>/bias, …; no values are read yet.

    Raises InputError for HDF5 that is not Keras's, for links, and for arrays that are not stored plainly.
    """
    import h5py

    hdf5 = h5py.File(file, "r")  # reads through Python's file: nothing else stays open
    try:
        return _arrays(hdf5)
    except Exception:
        hdf5.close()
        raise


def _arrays(hdf5):
    found = {}
    _collect(hdf5, "", "", found)
    root = "model_weights/" if "model_weights" in found else ""  # beside it lies the state of the optimizer
    weights = {path: (item, layer) for path, (item, layer) in found.items() if layer and layer.startswith(root)}
    if not weights:
        raise InputError(_what_else(hdf5, found))
    arrays = [_stored_array(hdf5, item, f"{layer.removeprefix(root)}/{_parameter(path, layer)}")
              for path, (item, layer) in weights.items() if _is_dataset(item)]
    total = sum(array.size * array.dtype.itemsize for array in arrays)
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    return arrays


def _collect(group, path, layer, found):
    """Enter into `found` {path: (Group or Dataset, the layer that it belongs to or "")} for all below `group`."""
    if path.count("/") == DEEPEST:
        raise InputError(f"it has more than {DEEPEST} groups within each other")
    for name in group:
        item = _item(group, name)
        below = f"{path}/{name}" if path else name
        is_layer = not _is_dataset(item) and ("weight_names" in item.attrs or "weight_names0" in item.attrs)
        found[below] = item, below if is_layer else layer  # weight_names0, 1, … are pieces of too long a list
        if len(found) > MOST:
            raise InputError(f"it has more than {MOST:,} groups and datasets")
        if not _is_dataset(item):
            _collect(item, below, found[below][1], found)


def _item(group, name):
    """The Group or Dataset of that name; InputError where it lies elsewhere: only `file` is to be read."""
    import h5py

    if "/" not in name and isinstance(group.get(name, getlink=True), h5py.HardLink):
        item = group[name]
        if isinstance(item, h5py.Group) or _is_dataset(item) and not (item.external or item.is_virtual):
            return item
    raise InputError(f"it keeps {name[:60]!r} elsewhere, behind a link, or as something else than an array")


def _is_dataset(item):
    import h5py

    return isinstance(item, h5py.Dataset)


def _what_else(hdf5, found):
    """What an HDF5 file is that has no layers of Keras."""
    if "architecture" in hdf5.attrs and "preprocessing" in hdf5.attrs:
        return "it is already a weights file of minicnn: load_model reads it"
    if any(re.search(r"(^|/)vars/\d+$", path) for path in found):
        return ("it is in Keras 3's own layout (.weights.h5), which does not name its arrays; "
                'load it there and save the whole model with model.save("model.h5")')
    names = [path for path in found if "/" not in path]
    shown = ", ".join(repr(name[:60]) for name in names[:4]) + (", …" if len(names) > 4 else "")
    return f"it is HDF5, but has no layers of Keras, only {shown or 'nothing'}"


def _parameter(path, layer):
    """kernel, bias, gamma, … for conv1/kernel:0, conv1_W:0 or conv1_W_1:0, whose layer is conv1."""
    name = re.sub(r":\d+$", "", path.rpartition("/")[2])
    name = name.removeprefix(layer.rpartition("/")[2] + "_")
    name = re.sub(r"_\d+$", "", name)
    return KERAS_1.get(name, name)


def _stored_array(hdf5, dataset, name):
    if dataset.shape is None or dataset.dtype.hasobject:
        raise InputError(f"{name[:200]!r} is no array of numbers")
    if dataset.id.get_create_plist().get_nfilters():  # HDF5 would unpack whatever comes, not only what the shape says
        raise InputError(f"{name[:200]!r} is compressed, which Keras never does; undo it with h5repack -f NONE")
    if dataset.id.get_storage_size() < prod(dataset.shape) * dataset.dtype.itemsize:
        raise InputError(f"{name[:200]!r} announces the shape {dataset.shape}, which is more than it has")
    return StoredArray(name, dataset.shape, dataset.dtype, partial(_read, hdf5, dataset))


def _read(hdf5, dataset):
    """The values; `hdf5` comes along because it closes itself once nothing refers to it."""
    return dataset[()]
