"""Array-likes, as NumPy reads them: nested lists, tensors, PIL images, and arrays of any type."""

from typing import Any

import numpy as np

from minicnn.arguments import describe, is_number, plain
from minicnn.backend import Array, is_device_array
from minicnn.errors import InputError, one_line

LARGEST = 2**34  # numbers: 64 GB as float32


def as_numbers(name: str, value: Any) -> Array:
    """Return an array-like as a NumPy or CuPy array of whole numbers, floating-point numbers or True and False.

    Array-likes are arrays, nested lists, tensors of PyTorch and others, PIL images, and all else that NumPy reads.
    Raises InputError, with `name`, for texts, dictionaries, complex numbers, masked values and all other things.

    >>> as_numbers("x", [[1, 2], [3, 4]]).shape
    (2, 2)
    """
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise InputError(f"{name} has masked values; replace them first, such as by {name}.filled(0)")
    if is_device_array(value):
        array = value
    elif value is None or isinstance(value, (str, bytes, bytearray, dict, set, frozenset)):
        raise InputError(f"{name} is {describe(value)}; expected an array of numbers")
    else:
        array = host_array(name, value)
    if array.size > LARGEST:
        raise InputError(f"{name} is {describe(value)}; expected at most {LARGEST:,} numbers")
    if array.dtype.kind == "O":
        array = numbers_of_objects(name, array)
    if array.dtype.kind == "c":
        raise InputError(f"{name} holds complex numbers, {describe(array)}; give the real part, {name}.real")
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} is {describe(value)}; expected an array of numbers")
    return array


def host_array(name: str, value: Any) -> np.ndarray:
    """Return what NumPy reads from a value. Raises InputError if it reads nothing, as for lists of unequal lengths."""
    if hasattr(value, "detach") and hasattr(value, "cpu"):  # a tensor of PyTorch may need a gradient, or be on a GPU
        value = value.detach().cpu()
        value = value.float() if str(value.dtype) == "torch.bfloat16" else value  # NumPy has no such type
    try:
        return np.asarray(value)
    except Exception as problem:  # each library has its own errors
        reason = one_line(problem, 100) or type(problem).__name__
        raise InputError(f"{name} is {describe(value)}, which NumPy cannot read as an array of numbers "
                         f"({reason})") from None


def numbers_of_objects(name: str, array: np.ndarray) -> np.ndarray:
    """Return an array of Python objects as float64. Raises InputError if one of them is not a number."""
    wrong = next((one for one in array.flat if not is_number(plain(one))), 0)
    if wrong != 0 or array.shape == ():
        raise InputError(f"{name} holds {describe(wrong if array.shape else array.item())}; expected numbers only")
    return array.astype(np.float64)
