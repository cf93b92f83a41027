"""Messages of protocol buffers (https://protobuf.dev/programming-guides/encoding), read where they lie in a file.

Not by the protobuf library: it parses the whole file into memory, where every array has to be copied out of its
message, so that reading takes twice the file. Here the bytes of an array are stepped over until they are wanted.
"""

from math import prod

import numpy as np

from minicnn.errors import InputError
from weights_converter.formats.stored import SIZE_LIMIT

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types; 3 and 4 begin and end a group, long given up
FIELD_LIMIT = 100_000  # in all messages that are read of a file; VGG-19 has some hundreds
TEXT_LIMIT = 1000  # bytes of a name
DIMENSION_LIMIT = 32
BLOCK = 2**20


class Message:
    """A message in a file: `fields` is {number: [(wire type, value), …]}, a span (start, end) where it has a length.

    All messages of a file count their fields together: there may be FIELD_LIMIT, or a file could take hours.
    """

    def __init__(self, file, start, end, root=None):
        self.file = file
        self.root = root or self
        self.num_fields = 0
        self.fields = {}
        for number, kind, value in fields(file, start, end):
            self.root.num_fields += 1
            if self.root.num_fields > FIELD_LIMIT:
                raise InputError(f"it has more than {FIELD_LIMIT:,} fields, which no weights need")
            self.fields.setdefault(number, []).append((kind, value))

    @classmethod
    def of_file(cls, file):
        """The one message that is the whole file."""
        return cls(file, 0, file.seek(0, 2))

    def spans(self, number):
        """Where the values of a field lie: [(start, end), …]; none, where it is absent."""
        return self._values(number, LENGTH)

    def messages(self, number):
        """The messages in a field, one after another."""
        for start, end in self.spans(number):
            yield Message(self.file, start, end, self.root)

    def text(self, number):
        """The text in a field, the last one where there are several; empty where it is absent."""
        for start, end in self.spans(number)[-1:]:
            if end - start > TEXT_LIMIT:
                raise InputError(f"a name of {end - start:,} bytes")
            self.file.seek(start)
            return self.file.read(end - start).decode("utf-8")
        return ""

    def integer(self, number):
        """The integer in a field, the last one where there are several; 0 where it is absent."""
        values = self._values(number, VARINT)
        return signed(values[-1]) if values else 0

    def integers(self, number):
        """A few integers, each in a field of its own or packed into one."""
        integers = []
        for kind, value in self.fields.get(number, []):
            if kind == LENGTH:
                integers += self._packed(*value)
            elif kind == VARINT:
                integers.append(signed(value))
            else:
                raise InputError(f"field {number} is of wire type {kind}, not integers")
        if len(integers) > DIMENSION_LIMIT:
            raise InputError(f"an array with {len(integers)} dimensions")
        return integers

    def _packed(self, start, end):
        if end - start > 10 * DIMENSION_LIMIT:
            raise InputError(f"{end - start:,} bytes of dimensions")
        self.file.seek(start)
        data = self.file.read(end - start)
        used = 0
        while used < len(data):
            value, used = varint(data, used)
            yield signed(value)

    def _values(self, number, wire_type):
        found = self.fields.get(number, [])
        for kind, _ in found:
            if kind != wire_type:
                raise InputError(f"field {number} is written in another way, as wire type {kind}, not {wire_type}")
        return [value for _, value in found]


def fields(file, start, end):
    """The fields of the message in file[start:end]: (number, wire type, value), a span (start, end) for a LENGTH."""
    position = start
    while position < end:
        file.seek(position)
        data = file.read(min(end - position, 20))  # enough for two varints
        tag, used = varint(data, 0)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise InputError(f"a field with the number {number}")
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
            raise InputError(f"field {number} is of wire type {kind}")
        if following > end:
            raise InputError(f"field {number} is longer than the message that it is in")
        yield number, kind, value
        position = following


def varint(data, position):
    """The integer at data[position:], 7 bits to the byte and the lowest first, and where the next thing begins."""
    value = 0
    for count, byte in enumerate(data[position:position + 10]):
        value |= (byte & 127) << (7 * count)
        if byte < 128:
            if value >= 2**64:
                raise InputError("an integer of more than 64 bits")
            return value, position + count + 1
    raise InputError("an integer without an end")


def signed(value):
    """The int64 that an unsigned varint stands for."""
    return value - 2**64 if value >= 2**63 else value


def checked_shape(name, dimensions):
    """`dimensions` as the shape of the array `name`; InputError where no array can have it."""
    shape = tuple(dimensions)
    if min(shape, default=0) < 0 or prod(max(size, 1) for size in shape) > SIZE_LIMIT:
        raise InputError(f"{name!r} has the shape {shape}")
    return shape


def read_varints(file, span, shape, dtype):
    """The array of integers that lies in the span as varints; InputError where they are too many, few or large."""
    start, end = span
    array = np.empty(prod(shape), dtype)
    filled = 0
    while start < end:
        file.seek(start)
        block = np.frombuffer(file.read(min(BLOCK, end - start)), np.uint8)
        values, used = varints(block)
        part = array[filled:filled + len(values)]
        if len(part) < len(values):
            raise InputError(f"more values than the shape {shape} has")
        part[:] = values
        if not np.array_equal(part, values):
            raise InputError(f"values that do not fit into {array.dtype}")
        filled += len(values)
        start += used
    if filled < array.size:
        raise InputError(f"{filled:,} values for the shape {shape}")
    return array.reshape(shape)


def varints(block):
    """All whole varints in an array of bytes, int64, and how many bytes they take."""
    last = np.flatnonzero(block < 128)
    first = np.concatenate([[0], last[:-1] + 1])
    if not len(last) or (last - first).max() > 9:
        raise InputError("an integer without an end")
    used = last[-1] + 1
    place = np.arange(used) - np.repeat(first, last - first + 1)
    bits = (block[:used] & 127).astype(np.uint64) << (7 * place).astype(np.uint64)
    return np.bitwise_or.reduceat(bits, first).view(np.int64), int(used)
