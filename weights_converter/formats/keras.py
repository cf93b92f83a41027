"""HDF5 files: Keras's weights, as written by Keras 1 and 2, and by Keras 3 if the file's name ends in plain .h5.

An HDF5 file without layers of Keras is read as arrays whose names are their paths, as h5py writes them.

Each layer is a group with the attribute `weight_names`; its datasets are in that group or in groups below it. The
reader tests only that the attribute exists and takes the names from the datasets, which are the same. h5py stores
such lists as strings of variable length, and one damaged bit in them can crash HDF5 2.0.
"""

import re
from functools import partial
from math import prod
from typing import Any, TypeAlias

from minicnn.backend import Array
from minicnn.errors import InputError

from .stored import SIZE_LIMIT, SourceFile, StoredArray

ITEM_LIMIT = 10_000  # groups and datasets; a network has some hundreds
DEPTH_LIMIT = 20  # nested groups; HDF5 itself has no limit
KERAS_1 = {"W": "kernel", "b": "bias"}  # Keras 1's name -> Keras 2's

Hdf5: TypeAlias = Any  # an open h5py.File; h5py is imported only where a file is read, and has no type hints
Item: TypeAlias = Any  # an h5py.Group or h5py.Dataset


def keras_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of `file`: <layer>/kernel, <layer>/bias, …. No values are read.

    Raises InputError if the HDF5 file is not Keras's, if it has links to other files, or if an array is compressed.
    """
    import h5py

    hdf5 = h5py.File(file, "r")  # h5py reads through Python's file, so it holds no file of its own open
    try:
        return _arrays(hdf5)
    except Exception:
        hdf5.close()
        raise


def _arrays(hdf5: Hdf5) -> list[StoredArray]:
    """List the arrays of an open HDF5 file."""
    items: dict[str, tuple[Item, str]] = {}
    _collect(hdf5, "", "", items)
    root = "model_weights/" if "model_weights" in items else ""  # model.save also stores the optimizer's state
    weights = {path: (item, layer) for path, (item, layer) in items.items() if layer and layer.startswith(root)}
    if weights:
        named = {path: f"{layer.removeprefix(root)}/{_parameter(path, layer)}" for path, (_, layer) in weights.items()}
    else:
        require_plain_arrays(hdf5, items)
        named = {path: path for path in items}
    arrays = [_stored_array(hdf5, items[path][0], name) for path, name in named.items() if _is_dataset(items[path][0])]
    total = sum(array.size * array.dtype.itemsize for array in arrays)
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    return arrays


def _collect(group: Item, path: str, layer: str, items: dict[str, tuple[Item, str]]) -> None:
    """Add {path: (Group or Dataset, path of its layer or "")} to `items` for everything below `group`."""
    if path.count("/") == DEPTH_LIMIT:
        raise InputError(f"it has more than {DEPTH_LIMIT} nested groups, which no network needs")
    for name in group:
        item = _require_item(group, name)
        item_path = f"{path}/{name}" if path else name
        # Keras splits long lists of names into weight_names0, weight_names1, …
        is_layer = not _is_dataset(item) and ("weight_names" in item.attrs or "weight_names0" in item.attrs)
        items[item_path] = item, item_path if is_layer else layer
        if len(items) > ITEM_LIMIT:
            raise InputError(f"it has more than {ITEM_LIMIT:,} groups and datasets, which no network needs")
        if not _is_dataset(item):
            _collect(item, item_path, items[item_path][1], items)


def _require_item(group: Item, name: str) -> Item:
    """Return the Group or Dataset of that name.

    Raises InputError if its content is elsewhere: the converter must not open other files.
    """
    import h5py

    if "/" not in name and isinstance(group.get(name, getlink=True), h5py.HardLink):
        item = group[name]
        if isinstance(item, h5py.Group) or _is_dataset(item) and not (item.external or item.is_virtual):
            return item
    raise InputError(f"{name[:60]!r} is a link or is stored in another file, or is not an array; save the weights in "
                     "one file")


def _is_dataset(item: Item) -> bool:
    """Return True for a Dataset, False for a Group."""
    import h5py

    return isinstance(item, h5py.Dataset)


def require_plain_arrays(hdf5: Hdf5, items: dict[str, tuple[Item, str]]) -> None:
    """Raise InputError unless an HDF5 file without Keras layers has arrays under names in groups, as h5py writes."""
    if "architecture" in hdf5.attrs and "preprocessing" in hdf5.attrs:
        raise InputError("it is already a weights file of minicnn; load it with load_model")
    if any(re.search(r"(^|/)vars/\d+$", path) for path in items):
        raise InputError("it has Keras 3's own layout (.weights.h5), which does not name its arrays; "
                         'load it in Keras and save the whole model with model.save("model.h5")')
    if not any(_is_dataset(item) and item.shape for item, _ in items.values()):
        names = [path for path in items if "/" not in path]
        listed = ", ".join(repr(name[:60]) for name in names[:4]) + (", …" if len(names) > 4 else "")
        raise InputError(f"it is an HDF5 file without layers of Keras; it contains {listed or 'nothing'}")


def _parameter(path: str, layer: str) -> str:
    """Return kernel, bias, gamma, … for a path such as conv1/kernel:0, conv1_W:0 or conv1_W_1:0 of layer conv1.

    A network inside a network is one layer with groups in it: vgg16/block1_conv1/kernel:0 gives block1_conv1/kernel.
    """
    groups = path.removeprefix(f"{layer}/").split("/")[:-1]
    if groups and not {groups[-1], re.sub(r"_\d+$", "", groups[-1])} & {*layer.split("/")}:  # Keras numbers repeats
        return f"{groups[-1]}/{_parameter(path, f'{layer}/' + '/'.join(groups))}"
    name = re.sub(r":\d+$", "", path.rpartition("/")[2])
    name = name.removeprefix(layer.rpartition("/")[2] + "_")
    name = re.sub(r"_\d+$", "", name)
    return KERAS_1.get(name, name)


def _stored_array(hdf5: Hdf5, dataset: Item, name: str) -> StoredArray:
    """Return the StoredArray of a dataset. Raises InputError if it is compressed or is not an array of numbers."""
    if dataset.shape is None or dataset.dtype.hasobject:
        raise InputError(f"{name[:200]!r} is not an array of numbers")
    if dataset.id.get_create_plist().get_nfilters():  # HDF5 would decompress more than the shape announces
        raise InputError(f"{name[:200]!r} is compressed, which Keras never does; undo it with h5repack -f NONE")
    if dataset.id.get_storage_size() < prod(dataset.shape) * dataset.dtype.itemsize:
        raise InputError(f"{name[:200]!r} announces the shape {dataset.shape}, but has fewer bytes; the file is "
                         "damaged")
    return StoredArray(name, dataset.shape, dataset.dtype, partial(_read, hdf5, dataset))


def _read(hdf5: Hdf5, dataset: Item) -> Array:
    """Read the values. `hdf5` is an argument only to keep a reference: without one, h5py closes the file."""
    return dataset[()]
