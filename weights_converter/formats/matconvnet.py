"""MatConvNet's SimpleNN networks (.mat): the variable `layers` is a cell array of structs, one for each layer."""

from functools import partial
from math import prod

import numpy as np

from minicnn.backend import Array
from minicnn.errors import InputError

from .mat_file import STRUCT, Element, MatFile, Matrix, open_mat, variable, variables
from .stored import SIZE_LIMIT, SourceFile, StoredArray, read_array

NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}  # of elements
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}  # of arrays


def matconvnet_arrays(file: SourceFile) -> list[StoredArray]:
    """List the arrays of `file`: <layer>.filters of shape (H, W, I, O) and <layer>.biases.

    No values are read, except that compressed layers are unpacked into a temporary file; it exists as long as the
    arrays do. Raises InputError if the file is not a SimpleNN network, or is larger than weights can be.
    """
    mat = open_mat(file)
    elements = variables(mat)
    if "params" in elements:
        raise InputError("it is a DagNN of MatConvNet; only its SimpleNN networks (a cell of layers) can be read")
    mat, layers = _layers(mat, elements)
    arrays = [array for layer in mat.cells(layers) for array in _layer_arrays(mat, layer)]
    total = sum(array.size * array.dtype.itemsize for array in arrays)
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    return arrays


def _layers(mat: MatFile, elements: dict[str, Element]) -> tuple[MatFile, Matrix]:
    """Return the cell array `layers` and the file that it is in: a variable, or a field of a struct such as `net`."""
    if "layers" in elements:
        return variable(mat, elements["layers"])
    for element in elements.values():
        inside, matrix = variable(mat, element)
        if matrix.kind == STRUCT and prod(matrix.dims) == 1:
            fields = inside.fields(matrix)
            if "params" in fields:
                raise InputError("it is a DagNN of MatConvNet; only its SimpleNN networks (a cell of layers) can be "
                                 "read")
            if "layers" in fields:
                return inside, inside.matrix(fields["layers"])
    raise InputError("it has no layers of MatConvNet; its variables: "
                     f"{', '.join(map(repr, list(elements)[:4])) or 'none'}")


def _layer_arrays(mat: MatFile, layer: Matrix) -> list[StoredArray]:
    """List the arrays of one layer; [] for a layer without weights, like a ReLU."""
    fields = mat.fields(layer)
    if "weights" in fields:
        parts = mat.cells(mat.matrix(fields["weights"]))
    else:  # before MatConvNet 1.0-beta10
        parts = [mat.matrix(fields[key]) for key in ("filters", "biases") if key in fields]
    if not parts:
        return []
    name = mat.text(mat.matrix(fields["name"])) if "name" in fields else "a layer without a name"
    if len(parts) > 2:
        raise InputError(f"{name!r} has {len(parts)} arrays instead of filters and biases; only convolutions can be "
                         "read")
    return [_stored_array(mat, f"{name}.{part}", matrix) for part, matrix
            in zip(("filters", "biases"), parts, strict=False) if prod(matrix.dims)]


def _stored_array(mat: MatFile, name: str, matrix: Matrix) -> StoredArray:
    """Return the StoredArray of a MATLAB array of numbers."""
    if matrix.kind not in CLASSES or matrix.is_complex:
        raise InputError(f"{name!r} is not an array of real numbers")
    element = mat.element(matrix.start, matrix.end)
    if element.type not in NUMBERS:
        raise InputError(f"{name!r} has elements of type {element.type}, which are not numbers; the file is damaged")
    stored = np.dtype(NUMBERS[element.type]).newbyteorder(mat.order)
    if min(matrix.dims) < 0 or prod(matrix.dims) * stored.itemsize != element.end - element.start:
        raise InputError(f"{name!r} announces the shape {matrix.dims}, which does not match its size in bytes; the "
                         "file is damaged")
    shape = matrix.dims
    if name.endswith(".filters"):
        shape += (1,) * (4 - len(shape))  # MATLAB drops trailing ones
    elif max(shape) == prod(shape):
        shape = (prod(shape),)
    dtype = np.dtype(CLASSES[matrix.kind])
    return StoredArray(name, shape, dtype, partial(_read, mat, element, stored, shape, dtype))


def _read(mat: MatFile, element: Element, stored: np.dtype, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """Read the values of an array. MATLAB may store them in a smaller type than the array's class.

    MATLAB's first index changes fastest, as in the transpose of a C-ordered array, so no copy is made for it.
    """
    values = read_array(mat.file, element.start, shape[::-1], stored).T
    return values.astype(dtype, copy=False)
