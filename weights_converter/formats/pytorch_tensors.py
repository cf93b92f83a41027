"""What the pickles of PyTorch's weight files say of tensors, and the arrays that these are."""

import struct
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.errors import InputError
from weights_converter.formats.stored import StoredArray, filled_array
from weights_converter.formats.unpickle import Placeholder, unpickle

DTYPES = {  # PyTorch's name of the type, as in torch.FloatStorage
    "Double": np.dtype("<f8"), "Float": np.dtype("<f4"), "Half": np.dtype("<f2"),
    "BFloat16": np.dtype([("bfloat16", "<u2")]),  # NumPy has none: the converter refuses it by this name
    "Long": np.dtype("<i8"), "Int": np.dtype("<i4"), "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"), "Byte": np.dtype("u1"), "Bool": np.dtype("?"),
    "ComplexDouble": np.dtype("<c16"), "ComplexFloat": np.dtype("<c8"),
}
# where a training keeps the state_dict beside other things, the first of them where there are several
CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "model_ema", "ema")
# of DataParallel and averaged models, Lightning, torch.compile: where all names have one, it goes
PREFIXES = ("module.", "model.", "net.", "_orig_mod.")
DIMENSION_LIMIT = 32


class Storage(NamedTuple):
    """Numbers that lie in the file in one piece, from which tensors are cut; a view of it begins at `start`."""

    key: str | int
    dtype: np.dtype
    size: int
    start: int = 0


class Tensor:
    """What the pickle says of a tensor, not checked yet: its Storage, and where its elements lie there."""

    def __init__(self, storage=None, offset=0, shape=(), strides=()):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def set_state(self, state):
        """As BUILD in the pickles of 2016 and 2017 wants it."""
        if len(state) == 4:  # for an empty tensor
            self.storage, self.offset, self.shape, self.strides = state
        elif len(state) == 5:  # for an empty Parameter: its tensor comes first
            tensor = state[0]
            self.storage, self.offset, self.shape, self.strides = (
                tensor.storage, tensor.offset, tensor.shape, tensor.strides)
        # for a Parameter made from its tensor: only whether it was trained


# ---- from a pickle to tensors ------------------------------------------------------------------------------

def unpickle_tensors(stream, order="<"):
    """The object of the pickle that has the tensors, and the Storages it speaks of by their keys."""
    storages = {}
    return unpickle(stream, known_names(order), partial(_storage, storages), strict=False), storages


def known_names(order="<"):
    """All that a pickle of weights may ask for; see Tensor.set_state for the types of tensors and Parameter."""
    known = {"torch._utils._rebuild_tensor": Tensor, "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
             "torch._utils._rebuild_parameter": _parameter, "torch.nn.parameter.Parameter": _parameter,
             "torch.Size": _size, "torch.storage.UntypedStorage": DTYPES["Byte"]}
    for name, dtype in DTYPES.items():
        for module in ("torch", "torch.cuda"):
            known[f"{module}.{name}Storage"] = dtype.newbyteorder(order)
            known[f"{module}.{name}Tensor"] = Tensor
    return known


def _rebuild_tensor(storage, offset, shape, strides, requires_grad, hooks, marks=None):
    if marks:
        raise InputError("it has tensors that are marked as conjugated or negated: save them resolved")
    return Tensor(storage, offset, shape, strides)


def _parameter(tensor=None, requires_grad=None, hooks=None):
    return Tensor() if tensor is None else tensor


def _size(sizes=()):
    return sizes  # checked with the tensor


def _storage(storages, key):
    """The Storage that a persistent id means: ("storage", type, key, device, size) and maybe the part of it.

    A Placeholder for one of a type that is not known, and for the class of a module with its source code.
    """
    if type(key) is tuple and len(key) > 1 and key[0] in ("storage", "module") and isinstance(key[1], Placeholder):
        return key[1]
    if type(key) is not tuple or len(key) not in (5, 6) or key[0] != "storage":
        raise InputError("it has a persistent id that means no storage: save the state_dict alone")
    _, dtype, name, _, size, *view = key
    if not isinstance(dtype, np.dtype) or not isinstance(name, str) or len(name) > 100:
        raise InputError("it has a storage without a type and a name")
    storage = Storage(name, dtype, natural(size))
    if storages.setdefault(name, storage) != storage:
        raise InputError("it has two different storages of the same name")
    if view and view[0] is not None:
        _, start, _ = view[0]
        return storage._replace(start=natural(start))
    return storage


def natural(value):
    """`value` itself; InputError where it is not a whole number from 0 on that fits 63 bits."""
    if type(value) is not int or not 0 <= value < 2**63:  # True and False are no numbers
        raise InputError("it has a size, stride or offset that is no natural number")
    return value


# ---- from tensors to arrays -------------------------------------------------------------------------------

def stored_arrays(found, read_storage, limit):
    """The StoredArrays of a state_dict; read_storage : function from a Storage to its numbers, in one dimension."""
    return [_stored_array(name, tensor, read_storage, limit) for name, tensor in _state_dict(found).items()]


def _state_dict(found):
    """{name: Tensor}, also where it is part of a checkpoint, and without the prefixes of wrappers."""
    if isinstance(found, dict):
        inner = [found[key] for key in CHECKPOINT_KEYS if isinstance(found.get(key), (dict, Placeholder))]
        found = next((part for part in inner if isinstance(part, dict)), inner[0] if inner else found)
    if isinstance(found, Placeholder):
        raise InputError(f"it has a whole {found} instead of its weights: save its state_dict() alone")
    if not isinstance(found, dict) or not found:
        kind = type(found).__name__.lower() if found else "nothing"
        raise InputError(f"it has no state_dict, but {kind}: save the state_dict, a dict of tensors by name")
    for key, value in found.items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise InputError(f"{repr(key)[:100]} in it is no tensor, but {_kind(value)}: save the "
                             f"state_dict alone, or as {', '.join(CHECKPOINT_KEYS)} in a dict")
    return _without_prefixes(found)


def _kind(value):
    """What the value is, for a message."""
    if not isinstance(value, Placeholder):
        return type(value).__name__.lower()
    unusual = value.name.startswith("torch._utils._rebuild")
    return f"a tensor of an unusual kind ({value})" if unusual else f"a {value}"


def _without_prefixes(tensors):
    """The tensors by the names that they have without DataParallel, averaging and the like around the network."""
    tensors = {name: tensor for name, tensor in tensors.items() if name != "n_averaged"}  # of how many it is the mean
    while tensors:
        common = [prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in tensors)]
        if not common:
            break
        tensors = {name.removeprefix(common[0]): tensor for name, tensor in tensors.items()}
    return tensors


def _stored_array(name, tensor, read_storage, limit):
    """The StoredArray of a tensor; InputError where its elements do not all lie in its storage."""
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise InputError(f"{name[:200]!r} has no storage, shape or strides")
    if len(shape) > DIMENSION_LIMIT or len(strides) != len(shape):
        raise InputError(f"{name[:200]!r} has {len(shape)} dimensions and {len(strides)} strides")
    first = storage.start + natural(tensor.offset)
    steps = [(natural(size) - 1) * natural(stride) for size, stride in zip(shape, strides, strict=True)]
    if prod(size or 1 for size in shape) * storage.dtype.itemsize > limit:
        raise InputError(f"{name[:200]!r} has the shape {str(shape)[:100]}, too large for the whole file")
    if 0 not in shape and first + sum(steps) >= storage.size:
        raise InputError(f"{name[:200]!r} has the shape {str(shape)[:100]}, which goes beyond its storage")
    return StoredArray(name, shape, storage.dtype, partial(_read, read_storage, storage, first, shape, strides))


def _read(read_storage, storage, first, shape, strides):
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    values = read_storage(storage)
    # where there is one element only, its stride does not matter, and may be beyond all bounds
    strides = [stride * values.itemsize if size > 1 else 0 for size, stride in zip(shape, strides, strict=True)]
    view = as_strided(values[first:], shape, strides)
    whole = view.size == values.size and view.flags.c_contiguous
    return view if whole else view.copy()  # a copy, so that a small part does not keep all in memory


def read_from_file(file, offsets, storage):
    """The numbers of the Storage, which begin at `offsets[key]` of the file."""
    file.seek(offsets[storage.key])
    return filled_array(file, storage.size, storage.dtype)


# ---- reading ----------------------------------------------------------------------------------------------

def unpacked(file, packing):
    """The next numbers in the file."""
    size = struct.calcsize(packing)
    data = file.read(size)
    if len(data) < size:
        raise InputError("it ends before its values")
    return struct.unpack(packing, data)


def skip_values(file, storage, end):
    """Where the values of the storage begin, which is here; the file is left behind them."""
    offset = file.tell()
    size = storage.size * storage.dtype.itemsize
    if size > end - offset:
        raise InputError("it is truncated: it ends before its values")
    file.seek(offset + size)
    return offset
