"""Protocol buffers (https://protobuf.dev/programming-guides/encoding), read in place in a file.

The protobuf library parses the whole file into memory and then copies every array out of its message, which takes
twice the file's size. This reader skips the bytes of an array until its values are requested.
"""

from collections.abc import Iterable, Iterator
from math import prod

import numpy as np
import numpy.typing as npt

from minicnn.backend import Array
from minicnn.errors import InputError

from .stored import SIZE_LIMIT, SourceFile

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types; 3 and 4, the obsolete groups, are refused
FIELD_LIMIT = 100_000  # fields in all messages that are read from a file; VGG-19 has some hundreds
TEXT_LIMIT = 1000  # bytes of a name
DIMENSION_LIMIT = 32
BLOCK = 2**20  # bytes that are decoded at a time

Span = tuple[int, int]  # (start, end): positions in the file
Value = int | Span  # a VARINT's number, a LENGTH's span, or the position of four or eight bytes


class Message:
    """A message in a file. `fields` is {number: [(wire type, value), …]}; a LENGTH's value is a span (start, end).

    All messages of a file share one count of fields, limited to FIELD_LIMIT, so that a hostile file cannot take hours.
    """

    def __init__(self, file: SourceFile, start: int, end: int, root: "Message | None" = None) -> None:
        self.file = file
        self.root = root or self
        self.num_fields = 0
        self.fields: dict[int, list[tuple[int, Value]]] = {}
        for number, kind, value in fields(file, start, end):
            self.root.num_fields += 1
            if self.root.num_fields > FIELD_LIMIT:
                raise InputError(f"it has more than {FIELD_LIMIT:,} fields, which no weights need")
            self.fields.setdefault(number, []).append((kind, value))

    @classmethod
    def of_file(cls, file: SourceFile) -> "Message":
        """Read the whole file as one message."""
        return cls(file, 0, file.seek(0, 2))

    def spans(self, number: int) -> list[Span]:
        """Return the positions [(start, end), …] of a field's values; [] if the field is absent."""
        return [value for value in self._values(number, LENGTH) if isinstance(value, tuple)]

    def messages(self, number: int) -> Iterator["Message"]:
        """Yield the messages in a field."""
        for start, end in self.spans(number):
            yield Message(self.file, start, end, self.root)

    def text(self, number: int) -> str:
        """Return the text in a field: the last one if it is repeated, "" if it is absent."""
        for start, end in self.spans(number)[-1:]:
            if end - start > TEXT_LIMIT:
                raise InputError(f"it has a name of {end - start:,} bytes; the limit is {TEXT_LIMIT:,}")
            self.file.seek(start)
            return self.file.read(end - start).decode("utf-8")
        return ""

    def integer(self, number: int) -> int:
        """Return the integer in a field: the last one if it is repeated, 0 if it is absent."""
        values = [value for value in self._values(number, VARINT) if isinstance(value, int)]
        return signed(values[-1]) if values else 0

    def integers(self, number: int) -> list[int]:
        """Return the few integers of a repeated field, each in a field of its own or packed into one."""
        integers: list[int] = []
        for kind, value in self.fields.get(number, []):
            if kind == LENGTH and isinstance(value, tuple):
                integers += self._packed(*value)
            elif kind == VARINT and isinstance(value, int):
                integers.append(signed(value))
            else:
                raise InputError(f"field {number} has wire type {kind} instead of integers; the file is damaged")
            if len(integers) > DIMENSION_LIMIT:  # here, as a file can have millions of them
                raise InputError(f"it has an array of more than {DIMENSION_LIMIT} dimensions")
        return integers

    def _packed(self, start: int, end: int) -> Iterator[int]:
        """Yield the integers that are packed into file[start:end]."""
        if end - start > 10 * DIMENSION_LIMIT:
            raise InputError(f"the dimensions of an array take {end - start:,} bytes; the limit is "
                             f"{10 * DIMENSION_LIMIT}")
        self.file.seek(start)
        data = self.file.read(end - start)
        used = 0
        while used < len(data):
            value, used = varint(data, used)
            yield signed(value)

    def _values(self, number: int, wire_type: int) -> list[Value]:
        """Return all values of a field. Raises InputError if one has another wire type."""
        values = self.fields.get(number, [])
        for kind, _ in values:
            if kind != wire_type:
                raise InputError(f"field {number} has wire type {kind} instead of {wire_type}; the file is damaged")
        return [value for _, value in values]


def fields(file: SourceFile, start: int, end: int) -> Iterator[tuple[int, int, Value]]:
    """Yield (number, wire type, value) of each field of the message in file[start:end].

    The value is an integer for a VARINT, a span (start, end) for a LENGTH, and a position for the other two.
    """
    position = start
    while position < end:
        file.seek(position)
        data = file.read(min(end - position, 20))  # enough for two varints
        tag, used = varint(data, 0)
        number, kind = tag >> 3, tag & 7
        value: Value
        if not 0 < number < 2**29:
            raise InputError(f"it has a field with the number {number}; the file is damaged")
        if kind == VARINT:
            value, used = varint(data, used)
            following = position + used
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            value = position + used
            following = value + (8 if kind == EIGHT_BYTES else 4)
        elif kind == LENGTH:
            length, used = varint(data, used)
            following = position + used + length
            value = (position + used, following)
        else:
            raise InputError(f"field {number} has the unknown wire type {kind}; the file is damaged")
        if following > end:
            raise InputError(f"field {number} is longer than the message that contains it; the file is truncated or "
                             "damaged")
        yield number, kind, value
        position = following


def varint(data: bytes, position: int) -> tuple[int, int]:
    """Decode the integer at data[position:]; return it and the position behind it.

    A varint has 7 bits a byte, the lowest first; the last byte is below 128.
    """
    value = 0
    for count, byte in enumerate(data[position:position + 10]):
        value |= (byte & 127) << (7 * count)
        if byte < 128:
            if value >= 2**64:
                raise InputError("it has an integer of more than 64 bits; the file is damaged")
            return value, position + count + 1
    raise InputError("it has an integer without an end; the file is truncated or damaged")


def signed(value: int) -> int:
    """Return the int64 that an unsigned varint stands for."""
    return value - 2**64 if value >= 2**63 else value


def require_shape(name: str, dimensions: Iterable[int]) -> tuple[int, ...]:
    """Return `dimensions` as the shape of the array `name`. Raises InputError if they are negative or too large."""
    shape = tuple(dimensions)
    if min(shape, default=0) < 0 or prod(max(size, 1) for size in shape) > SIZE_LIMIT:
        raise InputError(f"{name!r} has the shape {shape}, which is negative or too large; the file is damaged")
    return shape


def read_varints(file: SourceFile, span: Span, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    """Read an array of integers that is stored as varints in file[start:end].

    Raises InputError if their number does not fit the shape, or a value does not fit the dtype.
    """
    start, end = span
    array = np.empty(prod(shape), dtype)
    filled = 0
    while start < end:
        file.seek(start)
        block = np.frombuffer(file.read(min(BLOCK, end - start)), np.uint8)
        values, used = varints(block)
        part = array[filled:filled + len(values)]
        if len(part) < len(values):
            raise InputError(f"an array has more values than its shape {shape}; the file is damaged")
        part[:] = values
        if not np.array_equal(part, values):
            raise InputError(f"an array has values that do not fit into {array.dtype}; the file is damaged")
        filled += len(values)
        start += used
    if filled < array.size:
        raise InputError(f"an array has {filled:,} values, fewer than its shape {shape}; the file is damaged")
    return array.reshape(shape)


def varints(block: Array) -> tuple[Array, int]:
    """Decode all complete varints in an array of bytes; return them as int64, and the number of bytes they take."""
    last = np.flatnonzero(block < 128)
    first = np.concatenate([[0], last[:-1] + 1])
    if not len(last) or (last - first).max() > 9:
        raise InputError("it has an integer without an end; the file is truncated or damaged")
    used = last[-1] + 1
    place = np.arange(used) - np.repeat(first, last - first + 1)
    bits = (block[:used] & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(bits, first).view(np.int64), int(used)
