"""The tensors in the pickles of PyTorch's weight files, and the conversion to StoredArrays."""

import struct
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicnn.backend import Array
from minicnn.errors import InputError

from .number_formats import SHORT_FLOATS, record
from .stored import SourceFile, StoredArray, filled_array
from .unpickle import Placeholder, unpickle

DTYPES: dict[str, np.dtype] = {  # PyTorch's name of the type, as in torch.FloatStorage
    "Double": np.dtype("<f8"), "Float": np.dtype("<f4"), "Half": np.dtype("<f2"), "BFloat16": record("bfloat16", "<u2"),
    "Long": np.dtype("<i8"), "Int": np.dtype("<i4"), "Short": np.dtype("<i2"),
    "Char": np.dtype("i1"), "Byte": np.dtype("u1"), "Bool": np.dtype("?"),
    "ComplexDouble": np.dtype("<c16"), "ComplexFloat": np.dtype("<c8"),
}
NEW_DTYPES: dict[str, np.dtype] = {  # types without a storage of their own, as in torch.uint16: _rebuild_tensor_v3
    "uint16": np.dtype("<u2"), "uint32": np.dtype("<u4"), "uint64": np.dtype("<u8"),
    **{name: record(name) for name in (*SHORT_FLOATS, "float8_e8m0fnu") if name.startswith("float8")},
}
# keys of a checkpoint that may hold a whole module instead of its state_dict
CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "model_ema", "ema")
DEEPEST = 10  # dicts in dicts
DIMENSION_LIMIT = 32


class Storage(NamedTuple):
    """Numbers in one contiguous piece of the file, which tensors are parts of. A partial storage begins at `start`."""

    key: str | int
    dtype: np.dtype
    size: int
    start: int = 0


class Tensor:
    """A tensor as the pickle describes it, not yet validated: its Storage, and its elements' places there."""

    def __init__(self, storage: Any = None, offset: Any = 0, shape: Any = (), strides: Any = ()) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def set_state(self, state: Any) -> None:
        """Set the state with which the pickles of 2016 and 2017 complete a tensor (opcode BUILD).

        A Parameter that was made from its tensor gets a shorter state, which only says whether it was trained.
        """
        if len(state) == 4:  # for an empty tensor
            self.storage, self.offset, self.shape, self.strides = state
        elif len(state) == 5:  # for an empty Parameter: the first item is its tensor
            tensor = state[0]
            self.storage, self.offset, self.shape, self.strides = (
                tensor.storage, tensor.offset, tensor.shape, tensor.strides)


# ---- from a pickle to tensors ------------------------------------------------------------------------------

def unpickle_tensors(stream: SourceFile, order: Literal["<", ">"] = "<") -> tuple[Any, dict[str, Storage]]:
    """Return the object of the pickle that has the tensors, and {key: Storage} for all storages in it."""
    storages: dict[str, Storage] = {}
    return unpickle(stream, known_names(order), partial(_storage, storages), strict=False), storages


def known_names(order: Literal["<", ">"] = "<") -> dict[str, Any]:
    """Return {name: object} for all names that a pickle of weights may use. `order` is the byte order."""
    known = {"torch._utils._rebuild_tensor": Tensor, "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
             "torch._utils._rebuild_tensor_v3": _rebuild_tensor_v3,
             "torch._utils._rebuild_parameter": _parameter, "torch.nn.parameter.Parameter": _parameter,
             "torch.Size": _size, "torch.storage.UntypedStorage": DTYPES["Byte"]}
    for name, dtype in DTYPES.items():
        for module in ("torch", "torch.cuda"):
            known[f"{module}.{name}Storage"] = dtype.newbyteorder(order)
            known[f"{module}.{name}Tensor"] = Tensor
    return known | {f"torch.{name}": dtype.newbyteorder(order) for name, dtype in NEW_DTYPES.items()}


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any, hooks: Any,
                    marks: Any = None) -> Tensor:
    """Do what torch._utils._rebuild_tensor_v2 does, with its parameters."""
    if marks:
        raise InputError("it has tensors that are marked as conjugated or negated: save them resolved")
    return Tensor(storage, offset, shape, strides)


def _rebuild_tensor_v3(storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any, hooks: Any,
                       dtype: Any, marks: Any = None) -> Any:
    """Do what torch._utils._rebuild_tensor_v3 does: the storage is bytes, and the tensor has the type."""
    if isinstance(dtype, Placeholder):
        return Placeholder(f"torch._utils._rebuild_tensor_v3 of {dtype}")
    if not isinstance(storage, Storage) or not isinstance(dtype, np.dtype) or storage.size % dtype.itemsize:
        raise InputError("it has a tensor whose storage does not fit its type; the file is damaged")
    typed = storage._replace(dtype=dtype, size=storage.size // dtype.itemsize, start=storage.start // dtype.itemsize)
    return _rebuild_tensor(typed, offset, shape, strides, requires_grad, hooks, marks)


def _parameter(tensor: Any = None, requires_grad: Any = None, hooks: Any = None) -> Any:
    """Do what torch._utils._rebuild_parameter does: a Parameter is its tensor."""
    return Tensor() if tensor is None else tensor


def _size(sizes: Any = ()) -> Any:
    """Do what torch.Size does; the tensor that uses it is validated later."""
    return sizes


def _storage(storages: dict[str, Storage], key: Any) -> Storage | Placeholder:
    """Return the Storage of a persistent id ("storage", type, key, device, size), and maybe a part of it.

    Returns a Placeholder for a storage of an unknown type, and for the class of a module with its source code.
    """
    if type(key) is tuple and len(key) > 1 and key[0] in ("storage", "module") and isinstance(key[1], Placeholder):
        return key[1]
    if type(key) is not tuple or len(key) not in (5, 6) or key[0] != "storage":
        raise InputError("it has a persistent id of no storage: save the state_dict alone")
    _, dtype, name, _, size, *view = key
    if not isinstance(dtype, np.dtype) or not isinstance(name, str) or len(name) > 100:
        raise InputError("it has a storage without a type and a name; the file is damaged")
    storage = Storage(name, dtype, require_natural(size))
    if storages.setdefault(name, storage) != storage:
        raise InputError("it has two different storages of the same name; the file is damaged")
    if view and view[0] is not None:
        _, start, _ = view[0]
        return storage._replace(start=require_natural(start))
    return storage


def require_natural(value: Any) -> int:
    """Return `value`. Raises InputError if it is not an integer from 0 to 2**63 - 1; True and False are refused."""
    if type(value) is not int or not 0 <= value < 2**63:
        raise InputError("it has a size, stride or offset that is no natural number; the file is damaged")
    return value


# ---- from tensors to arrays -------------------------------------------------------------------------------

def stored_arrays(found: Any, read_storage: Callable[[Storage], Array], limit: int) -> list[StoredArray]:
    """List the arrays of a state_dict, or of a checkpoint that contains one or several at any depth.

    An array in a dict in a dict has the keys as its name: state_dict.module.conv1.weight.
    read_storage : function from a Storage to its numbers, of shape (size,). limit : bytes of an array at most.
    """
    tensors = dict(_tensors(found, "", set()))
    if not tensors:
        raise _no_tensors(found)
    return [_stored_array(name, tensor, read_storage, limit) for name, tensor in tensors.items()]


def _tensors(found: Any, path: str, above: set[int]) -> Iterator[tuple[str, Tensor]]:
    """Yield (name, Tensor) of all tensors in a dict and the dicts in it. Raises InputError for unusual tensors there.

    A pickle can put a dict into itself: `above` holds the dicts around this one.
    """
    if not isinstance(found, dict) or id(found) in above or len(above) > DEEPEST:
        return
    tensors = {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, Tensor)}
    for key, value in found.items():
        if key in tensors:
            yield f"{path}{key}", value
        elif isinstance(value, Placeholder) and value.name.startswith("torch._utils._rebuild") and tensors:
            raise InputError(f"{repr(key)[:100]} in it is no tensor, but {_describe(value)}: save the float weights")
        elif isinstance(key, str | int):
            yield from _tensors(value, f"{path}{str(key)[:200]}.", above | {id(found)})


def _no_tensors(found: Any) -> InputError:
    """Return the error for a pickle without tensors in dicts."""
    if isinstance(found, dict):
        inner = [found[key] for key in CHECKPOINT_KEYS if isinstance(found.get(key), (dict, Placeholder))]
        found = next((part for part in inner if isinstance(part, dict)), inner[0] if inner else found)
    if isinstance(found, Placeholder):
        return InputError(f"it has a whole {found} instead of its weights: save its state_dict() alone")
    if not isinstance(found, dict) or not found:
        kind = type(found).__name__.lower() if found else "nothing"
        return InputError(f"it has no state_dict, but {kind}: save the state_dict, a dict of tensors by name")
    key, value = next(iter(found.items()))
    return InputError(f"{repr(key)[:100]} in it is no tensor, but {_describe(value)}: save the state_dict alone, or "
                      f"as {', '.join(CHECKPOINT_KEYS)} in a dict")


def _describe(value: Any) -> str:
    """Describe a value that is not a tensor, for a message."""
    if not isinstance(value, Placeholder):
        return type(value).__name__.lower()
    if "_rebuild_qtensor" in value.name:
        return "a quantised tensor"
    unusual = value.name.startswith("torch._utils._rebuild")
    return f"a tensor of an unusual kind ({value})" if unusual else f"a {value}"


def _stored_array(name: str, tensor: Tensor, read_storage: Callable[[Storage], Array], limit: int) -> StoredArray:
    """Return the StoredArray of a tensor. Raises InputError if its elements are not all inside its storage."""
    storage, shape, strides = tensor.storage, tensor.shape, tensor.strides
    if not isinstance(storage, Storage) or type(shape) is not tuple or type(strides) is not tuple:
        raise InputError(f"{name[:200]!r} has no storage, shape or strides; the file is damaged")
    if len(shape) > DIMENSION_LIMIT or len(strides) != len(shape):
        raise InputError(f"{name[:200]!r} has {len(shape)} dimensions and {len(strides)} strides; the file is damaged")
    first = storage.start + require_natural(tensor.offset)
    steps = [(require_natural(size) - 1) * require_natural(stride) for size, stride in zip(shape, strides, strict=True)]
    if prod(size or 1 for size in shape) * storage.dtype.itemsize > limit:
        raise InputError(f"{name[:200]!r} has the shape {str(shape)[:100]}, too large for the whole file; the file is "
                         "damaged")
    if 0 not in shape and first + sum(steps) >= storage.size:
        raise InputError(f"{name[:200]!r} has the shape {str(shape)[:100]}, which goes beyond its storage; the file "
                         "is damaged")
    return StoredArray(name, shape, storage.dtype, partial(_read, read_storage, storage, first, shape, strides))


def _read(read_storage: Callable[[Storage], Array], storage: Storage, first: int, shape: tuple[int, ...],
          strides: tuple[int, ...]) -> Array:
    """Read a tensor's elements, which begin at number `first` of its storage."""
    if 0 in shape:
        return np.empty(shape, storage.dtype)
    values = read_storage(storage)
    # the stride of a dimension of size 1 is not used, and may be too large for NumPy
    byte_strides = [stride * values.itemsize if size > 1 else 0 for size, stride in zip(shape, strides, strict=True)]
    view = as_strided(values[first:], shape, byte_strides)
    whole = view.size == values.size and view.flags.c_contiguous
    return view if whole else view.copy()  # a view of a small part would keep the whole storage in memory


# ---- values in a plain file -------------------------------------------------------------------------------

def read_from_file(file: SourceFile, offsets: Mapping[str | int, int], storage: Storage) -> Array:
    """Read the numbers of a Storage, which begin at `offsets[key]` of the file."""
    file.seek(offsets[storage.key])
    return filled_array(file, storage.size, storage.dtype)


def unpacked(file: SourceFile, packing: str) -> tuple[Any, ...]:
    """Read the next numbers of the file, in a format of the struct module."""
    size = struct.calcsize(packing)
    data = file.read(size)
    if len(data) < size:
        raise InputError("it ends before its values; download it again")
    return struct.unpack(packing, data)


def skip_values(file: SourceFile, storage: Storage, end: int) -> int:
    """Return the position of the storage's values, which is the current one, and move the file behind them."""
    offset = file.tell()
    size = storage.size * storage.dtype.itemsize
    if size > end - offset:
        raise InputError("it is truncated: it ends before its values; download it again")
    file.seek(offset + size)
    return offset
