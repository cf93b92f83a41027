"""MatConvNet's networks (.mat): MATLAB's version 5 format, of which only the weights are looked at.

A MAT-file is a row of elements, each with a tag that says its type and size; an array is an element with
elements in it (flags, dimensions, name, content). SciPy reads it too, but one flipped bit in a hundred makes it
crash Python, and it brings the whole file into memory; here every size is held against the bytes that are there.
Format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

import io
import os
import struct
import tempfile
import zlib
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.stored import SIZE_LIMIT, StoredArray, read_array

HEADER = 128  # bytes before the first variable
MOST = 1000  # variables, layers, fields of a struct: far more than any network has
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15  # types of elements
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "utf-8", 2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16"}
CELL, STRUCT, TEXT, OPAQUE = 1, 2, 4, 17  # classes of arrays; those of numbers may be stored as a smaller type
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}


class Element(NamedTuple):
    """A piece of a MAT-file: its type, where its content lies, and where the next piece begins."""

    type: int
    start: int
    end: int
    next: int


class Matrix(NamedTuple):
    """An array of any class (cells and structs are arrays too); `start` is where its content begins."""

    kind: int
    is_complex: bool
    dims: tuple[int, ...]
    name: str
    start: int
    end: int


def matconvnet_arrays(file):
    """The StoredArrays of `file`, open for reading bytes: <layer>.filters, (H, W, I, O), and <layer>.biases.

    The values are read later; a compressed file is unpacked into a temporary one, which goes with the arrays.
    Raises InputError for what is no chain of layers and where anything is larger than weights can be.
    """
    mat = MatFile(file, _byte_order(file))
    variables = _variables(mat, file.seek(0, os.SEEK_END))
    if "params" in variables:
        raise InputError("it is a DagNN of MatConvNet; only its SimpleNN networks (a cell of layers) can be read")
    if "layers" not in variables:
        raise InputError(f"it has no MatConvNet layers, only {', '.join(map(repr, list(variables)[:4])) or 'nothing'}")
    element = variables["layers"]
    if element.type == COMPRESSED:
        mat = MatFile(_unpacked(file, element), mat.order)
        element = mat.element(0, mat.file.seek(0, os.SEEK_END))
    arrays = [array for layer in mat.cells(mat.matrix(element)) for array in _layer_arrays(mat, layer)]
    total = sum(array.size * array.dtype.itemsize for array in arrays)
    if total > SIZE_LIMIT:
        raise InputError(f"its arrays claim {total:,} bytes, more than the limit of {SIZE_LIMIT:,}")
    return arrays


class MatFile(NamedTuple):
    """A MAT-file, or what one compressed variable of it unpacks to; `order` is "<" or ">"."""

    file: object
    order: str

    def element(self, start, end):
        """The element that begins at `start`; all of it must lie before `end`."""
        tag = self.bytes_at(start, 8, end)
        kind, size = struct.unpack(f"{self.order}II", tag)
        if kind >> 16:  # up to four bytes of content lie in the tag itself
            size, kind, begin = kind >> 16, kind & 0xFFFF, start + 4
            after = start + 8
        else:
            begin = start + 8
            after = begin + size + (0 if kind == COMPRESSED else -size % 8)
        if begin + size > min(after, end):
            raise InputError(f"an element at byte {start:,} reaches beyond what it is in")
        return Element(kind, begin, begin + size, after)

    def elements(self, start, end):
        """The elements from `start` to `end`, one after the other."""
        found = []
        while start < end:
            if len(found) == MOST:
                raise InputError(f"more than {MOST:,} elements where a network has a few")
            found.append(self.element(start, end))
            start = found[-1].next
        return found

    def matrix(self, element):
        """The array that an element is; its content stays unread."""
        if element.type != MATRIX:
            raise InputError(f"an element of type {element.type} where an array should be")
        if element.start == element.end:  # how [] is kept in a cell
            return Matrix(0, False, (0, 0), "", element.end, element.end)
        flags = self.element(element.start, element.end)
        bits = self.integers(flags, UINT32)[0]
        if bits & 255 == OPAQUE:  # an object, which has no dimensions; nothing of it is looked at
            return Matrix(OPAQUE, False, (1, 1), "", element.end, element.end)
        dims = self.element(flags.next, element.end)
        name = self.element(dims.next, element.end)
        return Matrix(bits & 255, bool(bits & 0x800), self.integers(dims, INT32), self.ascii(name),
                      name.next, element.end)

    def cells(self, matrix):
        """The arrays in a cell array; none in [], of whatever class."""
        if 0 in matrix.dims:
            return []
        if matrix.kind != CELL:
            raise InputError("an array of another class where a cell array should be")
        elements = self.elements(matrix.start, matrix.end)
        if len(elements) != prod(matrix.dims):
            raise InputError(f"a cell array of the shape {matrix.dims} has {len(elements)} cells")
        return [self.matrix(element) for element in elements]

    def fields(self, matrix):
        """{name: Element} of a struct."""
        if matrix.kind != STRUCT or prod(matrix.dims) != 1:
            raise InputError("a layer is no struct")
        width = self.element(matrix.start, matrix.end)
        names = self.element(width.next, matrix.end)
        length = self.integers(width, INT32)[0]
        packed = self.content(names, 64 * MOST)
        if length < 1:
            raise InputError("a struct has field names without letters")
        starts = range(0, len(packed), length)
        names_found = [packed[i:i + length].partition(b"\0")[0].decode("ascii") for i in starts]
        return dict(zip(names_found, self.elements(names.next, matrix.end), strict=True))

    def text(self, matrix):
        """The characters of a char array."""
        element = self.element(matrix.start, matrix.end)
        if matrix.kind != TEXT or element.type not in TEXTS:
            raise InputError("the name of a layer is no text")
        encoding = TEXTS[element.type]
        if encoding == "utf-16":  # without a mark of its byte order
            encoding += "-le" if self.order == "<" else "-be"
        return self.content(element, 400).decode(encoding)

    def integers(self, element, kind):
        """The few 32-bit integers of an element, which must be of that type."""
        packed = self.content(element, 128)
        if element.type != kind or len(packed) % 4 or not packed:
            raise InputError(f"an element of type {element.type} and {len(packed)} bytes where integers should be")
        return struct.unpack(f"{self.order}{len(packed) // 4}{'i' if kind == INT32 else 'I'}", packed)

    def ascii(self, element):
        """The name that an element holds."""
        if element.type != INT8:
            raise InputError(f"an element of type {element.type} where a name should be")
        return self.content(element, 200).decode("ascii")

    def content(self, element, limit):
        """The bytes of an element; InputError where they are more than `limit`."""
        size = element.end - element.start
        if size > limit:
            raise InputError(f"an element of {size:,} bytes where up to {limit:,} are expected")
        return self.bytes_at(element.start, size, element.end)

    def bytes_at(self, start, size, end):
        """`size` bytes from `start`; InputError where there are fewer before `end`."""
        self.file.seek(start)
        found = self.file.read(min(size, end - start)) if start < end else b""
        if len(found) < size:
            raise InputError(f"it ends within an element, at byte {start:,}")
        return found


def _byte_order(file):
    """ "<" or ">": how the number 0x4D49 and the version before it are written at the end of the header."""
    orders = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
    mark = file.read(HEADER)[-4:]
    if mark not in orders:
        raise InputError("it is no MAT-file of version 5")
    return orders[mark]


def _variables(mat, size):
    """{name: Element} of the whole file."""
    found = {}
    for element in mat.elements(HEADER, size):
        if element.type == COMPRESSED:
            packed = mat.bytes_at(element.start, min(element.end - element.start, 1024), element.end)
            start = zlib.decompressobj().decompress(packed, 512)  # enough for the name; what follows is left
            inside = MatFile(io.BytesIO(start), mat.order)
            found[inside.matrix(inside.element(0, 2**33)).name] = element
        else:
            found[mat.matrix(element).name] = element
    return found


def _unpacked(file, element):
    """A compressed element's content, as a file."""
    packed_size = element.end - element.start
    limit = min(SIZE_LIMIT, 100 * packed_size)  # weights shrink by a tenth, a bomb to a thousandth
    inflate = zlib.decompressobj()
    with tempfile.TemporaryFile() as unpacked:
        file.seek(element.start)
        for start in range(0, packed_size, 2**14):  # so small that what comes out, too, fits into memory
            unpacked.write(inflate.decompress(file.read(min(2**14, packed_size - start))))
            if unpacked.tell() > limit:
                raise InputError(f"its layers unpack to more than {limit:,} bytes, which weights do not")
        if not inflate.eof:
            raise InputError("its compressed layers are cut off")
        unpacked.flush()
        return UnpackedFile(os.dup(unpacked.fileno()))


class UnpackedFile(io.FileIO):
    """A temporary file that closes itself, and so goes, once nothing refers to it; others warn when they do."""

    def __del__(self):
        self.close()


def _layer_arrays(mat, layer):
    """The StoredArrays of one layer; none for one without weights, like a ReLU."""
    fields = mat.fields(layer)
    if "weights" in fields:
        parts = mat.cells(mat.matrix(fields["weights"]))
    else:  # before MatConvNet 1.0-beta10
        parts = [mat.matrix(fields[key]) for key in ("filters", "biases") if key in fields]
    if not parts:
        return []
    name = mat.text(mat.matrix(fields["name"])) if "name" in fields else "a layer without a name"
    if len(parts) > 2:
        raise InputError(f"{name!r} has {len(parts)} arrays, where a convolution has filters and biases")
    return [_stored_array(mat, f"{name}.{part}", matrix) for part, matrix
            in zip(("filters", "biases"), parts, strict=False) if prod(matrix.dims)]


def _stored_array(mat, name, matrix):
    if matrix.kind not in CLASSES or matrix.is_complex:
        raise InputError(f"{name!r} is no array of real numbers")
    element = mat.element(matrix.start, matrix.end)
    if element.type not in NUMBERS:
        raise InputError(f"{name!r} holds elements of type {element.type}, which is none of numbers")
    stored = np.dtype(NUMBERS[element.type]).newbyteorder(mat.order)
    if min(matrix.dims) < 0 or prod(matrix.dims) * stored.itemsize != element.end - element.start:
        raise InputError(f"{name!r} announces the shape {matrix.dims}, which is not what it has")
    shape = matrix.dims
    if name.endswith(".filters"):
        shape += (1,) * (4 - len(shape))  # MATLAB drops them
    elif max(shape) == prod(shape):
        shape = (prod(shape),)
    dtype = np.dtype(CLASSES[matrix.kind])
    return StoredArray(name, shape, dtype, partial(_read, mat, element, stored, shape, dtype))


def _read(mat, element, stored, shape, dtype):
    # MATLAB has the first index running fastest, as a transposed array has: no copy is made of it
    values = read_array(mat.file, element.start, shape[::-1], stored).T
    return values.astype(dtype, copy=False)
