"""MATLAB's version 5 format (.mat), read in place with bounded memory.

A MAT-file is a sequence of elements. Each has a tag with its type and size. An array is an element that contains
elements: flags, dimensions, name and content.

SciPy also reads this format, but one flipped bit in a hundred makes it crash Python, and it loads the whole file
into memory. This reader compares every size with the bytes that are there.
Format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf
"""

import io
import os
import struct
import tempfile
import zlib
from math import prod
from typing import Literal, NamedTuple

from minicnn.errors import InputError

from .stored import SIZE_LIMIT, SourceFile

HEADER = 128  # bytes before the first variable
COUNT_LIMIT = 1000  # variables, cells, or fields of a struct; far more than any network has
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15  # types of elements
TEXTS = {1: "utf-8", 2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16"}  # type of an element -> encoding
CELL, STRUCT, TEXT, OPAQUE = 1, 2, 4, 17  # classes of arrays that are not numbers


class Element(NamedTuple):
    """A piece of a MAT-file: its type, its content file[start:end], and the position of the next piece."""

    type: int
    start: int
    end: int
    next: int


class Matrix(NamedTuple):
    """An array of any class (cells and structs too). Its content is file[start:end]."""

    kind: int
    is_complex: bool
    dims: tuple[int, ...]
    name: str
    start: int
    end: int


class MatFile(NamedTuple):
    """A MAT-file, or one decompressed variable of it. `order` is the byte order, "<" or ">"."""

    file: SourceFile
    order: Literal["<", ">"]

    def element(self, start: int, end: int) -> Element:
        """Return the element at `start`. Raises InputError if it reaches beyond `end`."""
        tag = self.bytes_at(start, 8, end)
        kind, size = struct.unpack(f"{self.order}II", tag)
        if kind >> 16:  # a small element: up to four bytes of content are in the tag itself
            size, kind, begin = kind >> 16, kind & 0xFFFF, start + 4
            after = start + 8
        else:
            begin = start + 8
            after = begin + size + (0 if kind == COMPRESSED else -size % 8)
        if begin + size > min(after, end):
            raise InputError(f"the element at byte {start:,} is longer than the part that contains it; the file is "
                             "damaged or truncated")
        return Element(kind, begin, begin + size, after)

    def elements(self, start: int, end: int) -> list[Element]:
        """Return the elements from `start` to `end`."""
        elements: list[Element] = []
        while start < end:
            if len(elements) == COUNT_LIMIT:
                raise InputError(f"it has more than {COUNT_LIMIT:,} elements in one place, which no network needs")
            elements.append(self.element(start, end))
            start = elements[-1].next
        return elements

    def matrix(self, element: Element) -> Matrix:
        """Return the array of an element; its content is not read."""
        if element.type != MATRIX:
            raise InputError(f"it has an element of type {element.type} instead of an array; the file is damaged")
        if element.start == element.end:  # an empty array [] in a cell
            return Matrix(0, False, (0, 0), "", element.end, element.end)
        flags = self.element(element.start, element.end)
        bits = self.integers(flags, UINT32)[0]
        if bits & 255 == OPAQUE:  # an object has no dimensions; its content is not used
            return Matrix(OPAQUE, False, (1, 1), "", element.end, element.end)
        dims = self.element(flags.next, element.end)
        name = self.element(dims.next, element.end)
        return Matrix(bits & 255, bool(bits & 0x800), self.integers(dims, INT32), self.ascii(name),
                      name.next, element.end)

    def cells(self, matrix: Matrix) -> list[Matrix]:
        """Return the arrays in a cell array; [] if it is empty, also of another class."""
        if 0 in matrix.dims:
            return []
        if matrix.kind != CELL:
            raise InputError("it has an array of another class instead of a cell array; only SimpleNN networks of "
                             "MatConvNet can be read")
        elements = self.elements(matrix.start, matrix.end)
        if len(elements) != prod(matrix.dims):
            raise InputError(f"a cell array of shape {matrix.dims} has {len(elements)} cells; the file is damaged")
        return [self.matrix(element) for element in elements]

    def fields(self, matrix: Matrix) -> dict[str, Element]:
        """Return {name: Element} of a struct."""
        if matrix.kind != STRUCT or prod(matrix.dims) != 1:
            raise InputError("a layer is not a struct; only SimpleNN networks of MatConvNet can be read")
        width = self.element(matrix.start, matrix.end)
        names = self.element(width.next, matrix.end)
        length = self.integers(width, INT32)[0]
        packed = self.content(names, 64 * COUNT_LIMIT)
        if length < 1:
            raise InputError("a struct has field names of no length; the file is damaged")
        starts = range(0, len(packed), length)
        field_names = [packed[i:i + length].partition(b"\0")[0].decode("ascii") for i in starts]
        return dict(zip(field_names, self.elements(names.next, matrix.end), strict=True))

    def text(self, matrix: Matrix) -> str:
        """Return the text of a char array."""
        element = self.element(matrix.start, matrix.end)
        if matrix.kind != TEXT or element.type not in TEXTS:
            raise InputError("the name of a layer is not a text; the file is damaged")
        encoding = TEXTS[element.type]
        if encoding == "utf-16":  # the text has no byte order mark
            encoding += "-le" if self.order == "<" else "-be"
        return self.content(element, 400).decode(encoding)

    def integers(self, element: Element, kind: int) -> tuple[int, ...]:
        """Return the 32-bit integers of a short element. Raises InputError if its type is not `kind`."""
        packed = self.content(element, 128)
        if element.type != kind or len(packed) % 4 or not packed:
            raise InputError(f"it has an element of type {element.type} and {len(packed)} bytes instead of integers; "
                             "the file is damaged")
        return struct.unpack(f"{self.order}{len(packed) // 4}{'i' if kind == INT32 else 'I'}", packed)

    def ascii(self, element: Element) -> str:
        """Return the name that an element holds."""
        if element.type != INT8:
            raise InputError(f"it has an element of type {element.type} instead of a name; the file is damaged")
        return self.content(element, 200).decode("ascii")

    def content(self, element: Element, limit: int) -> bytes:
        """Return the bytes of an element. Raises InputError if there are more than `limit`."""
        size = element.end - element.start
        if size > limit:
            raise InputError(f"it has an element of {size:,} bytes instead of at most {limit:,}; the file is damaged")
        return self.bytes_at(element.start, size, element.end)

    def bytes_at(self, start: int, size: int, end: int) -> bytes:
        """Return `size` bytes from `start`. Raises InputError if there are fewer before `end`."""
        self.file.seek(start)
        data = self.file.read(min(size, end - start)) if start < end else b""
        if len(data) < size:
            raise InputError(f"it ends within an element, at byte {start:,}; download it again")
        return data


def open_mat(file: SourceFile) -> MatFile:
    """Return the MatFile of an open file. Raises InputError if the format is not version 5.

    The last four bytes of the header are the version and the number 0x4D49; they show the byte order.
    """
    orders: dict[bytes, Literal["<", ">"]] = {b"\x00\x01IM": "<", b"\x01\x00MI": ">"}
    mark = file.read(HEADER)[-4:]
    if mark not in orders:
        raise InputError("it is not a MAT-file of version 5; save it in MATLAB with -v7")
    return MatFile(file, orders[mark])


def variables(mat: MatFile) -> dict[str, Element]:
    """Return {name: Element} of all variables in the file."""
    found = {}
    for element in mat.elements(HEADER, mat.file.seek(0, os.SEEK_END)):
        if element.type == COMPRESSED:
            packed = mat.bytes_at(element.start, min(element.end - element.start, 1024), element.end)
            start = zlib.decompressobj().decompress(packed, 512)  # the first 512 bytes contain the name
            inside = MatFile(io.BytesIO(start), mat.order)
            found[inside.matrix(inside.element(0, 2**33)).name] = element
        else:
            found[mat.matrix(element).name] = element
    return found


def variable(mat: MatFile, element: Element) -> tuple[MatFile, Matrix]:
    """Return a variable's array and the file that it is in: `mat`, or a temporary file if it is compressed."""
    if element.type == COMPRESSED:
        mat = MatFile(_decompressed(mat.file, element), mat.order)
        element = mat.element(0, mat.file.seek(0, os.SEEK_END))
    return mat, mat.matrix(element)


def _decompressed(file: SourceFile, element: Element) -> "TemporaryFile":
    """Decompress the content of an element into a temporary file."""
    packed_size = element.end - element.start
    limit = min(SIZE_LIMIT, 100 * packed_size)  # weights shrink to nine tenths, a zip bomb to a thousandth
    inflate = zlib.decompressobj()
    with tempfile.TemporaryFile() as unpacked:
        file.seek(element.start)
        for start in range(0, packed_size, 2**14):  # small pieces, as one may expand a thousandfold
            unpacked.write(inflate.decompress(file.read(min(2**14, packed_size - start))))
            if unpacked.tell() > limit:
                raise InputError(f"its layers unpack to more than {limit:,} bytes, which weights never do")
        if not inflate.eof:
            raise InputError("its compressed layers are truncated; download it again")
        unpacked.flush()
        return TemporaryFile(os.dup(unpacked.fileno()))


class TemporaryFile(io.FileIO):
    """A deleted file that closes itself, and frees its disk space, once nothing refers to it.

    Other files print a ResourceWarning in that case.
    """

    def __del__(self) -> None:
        self.close()
